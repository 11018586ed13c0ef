//! Settings of `alert_webhook`.

mod destination;
mod secret;
mod validate;

use std::path::PathBuf;

use component::{AuthConfig, AuthSide, AuthUse, Config};
use serde::Deserialize;
use transport::ClientTlsConfig;

pub(super) use destination::{DestinationConfig, Format, Scheme, SigningConfig, Tells, WATCHDOG};
pub(super) use secret::{SecretError, SecretSource};

use crate::http::HeadersConfig;

/// Settings of `alert_webhook`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AlertWebhookConfig {
    pub(super) destinations: Vec<DestinationConfig>,
    pub(super) queue: AlertQueueConfig,
    pub(super) dead_letter: DeadLetterConfig,
    pub(super) retry: AlertRetryConfig,
    pub(super) circuit_breaker: BreakerConfig,
    pub(super) heartbeat: config::Section<HeartbeatConfig>,
    /// Where people find this trueline: the link in messages.
    pub(super) external_url: String,
}

/// What waits for destinations.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct AlertQueueConfig {
    /// Absent: what waits is lost with the process.
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(super) directory: Option<PathBuf>,
    /// Of each destination.
    pub(super) max_items: usize,
    /// Of each destination.
    pub(super) max_bytes: config::ByteSize,
}

/// Where goes what no destination took.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct DeadLetterConfig {
    /// Absent: `dead_letters.jsonl` in the queue's directory.
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(super) path: Option<PathBuf>,
    pub(super) max_bytes: config::ByteSize,
    /// How many full files are kept beside the one that is written.
    pub(super) max_backups: usize,
}

/// When a message is sent again.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct AlertRetryConfig {
    pub(super) initial_interval: config::Duration,
    pub(super) max_interval: config::Duration,
    /// After this long a message becomes a dead letter; zero means never.
    pub(super) max_elapsed_time: config::Duration,
}

/// When a destination is left alone for a while.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct BreakerConfig {
    /// After so many failures in a row; zero means never.
    pub(super) failures: u32,
    pub(super) open_for: config::Duration,
}

/// Who is told that alarms work, as long as the alert `Watchdog` comes.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct HeartbeatConfig {
    pub(super) url: config::Secret,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(super) url_env: Option<String>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(super) url_file: Option<PathBuf>,
    pub(super) interval: config::Duration,
    pub(super) method: HeartbeatMethod,
    pub(super) timeout: config::Duration,
    #[serde(deserialize_with = "config::headers")]
    pub(super) headers: HeadersConfig,
    pub(super) tls: ClientTlsConfig,
    pub(super) auth: config::Section<AuthConfig>,
    pub(super) allow_private: Vec<String>,
}

/// How the heartbeat asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum HeartbeatMethod {
    Get,
    Post,
}

impl Default for AlertQueueConfig {
    fn default() -> Self {
        Self { directory: None, max_items: 10_000, max_bytes: config::ByteSize(64 << 20) }
    }
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self { path: None, max_bytes: config::ByteSize(16 << 20), max_backups: 3 }
    }
}

impl Default for AlertRetryConfig {
    fn default() -> Self {
        Self {
            initial_interval: config::Duration::from_secs(1),
            max_interval: config::Duration::from_secs(60),
            max_elapsed_time: config::Duration::from_secs(24 * 3600),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open_for: config::Duration::from_secs(30) }
    }
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self {
            url: config::Secret::default(),
            url_env: None,
            url_file: None,
            interval: config::Duration::from_secs(60),
            method: HeartbeatMethod::Get,
            timeout: config::Duration::from_secs(10),
            headers: HeadersConfig::new(),
            tls: ClientTlsConfig::default(),
            auth: config::Section::default(),
            allow_private: Vec::new(),
        }
    }
}

impl HeartbeatConfig {
    pub(super) fn url(&self) -> SecretSource {
        SecretSource { value: self.url.clone(), env: self.url_env.clone(), file: self.url_file.clone() }
    }
}

impl AlertWebhookConfig {
    /// Returns the dead letters' file; none when nothing is kept on disk.
    pub(super) fn dead_letter_path(&self) -> Option<PathBuf> {
        let beside = || self.queue.directory.as_ref().map(|directory| directory.join("dead_letters.jsonl"));
        self.dead_letter.path.clone().or_else(beside)
    }
}

impl Config for AlertWebhookConfig {
    const NOT_SUPPORTED: config::NotSupportedKeys = validate::NOT_SUPPORTED;

    fn auth(&self) -> Vec<AuthUse> {
        let destinations = self.destinations.iter().enumerate();
        let uses = |(index, it): (usize, &DestinationConfig)| {
            AuthConfig::uses(&it.auth, &format!("destinations.{index}.auth"), AuthSide::Client)
        };
        let heartbeat = self.heartbeat.get();
        let of_heartbeat =
            |it: &HeartbeatConfig| AuthConfig::uses(&it.auth, "heartbeat.auth", AuthSide::Client);
        destinations.filter_map(uses).chain(heartbeat.and_then(of_heartbeat)).collect()
    }

    fn validate(&self, checks: &mut component::Checks) {
        validate::check(self, checks);
    }
}
