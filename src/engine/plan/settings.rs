//! What the engine itself is told: our own keys below `service`.

use std::{path::PathBuf, time::Duration};

use component::{Checks, Config};
use serde::Deserialize;

use super::hop_tls::HopTlsConfig;

/// Our keys below `service`; the collector has none of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct EngineConfig {
    /// Ingest threads; 0 means one for each core this process may use.
    pub(crate) shards: usize,
    /// Bytes of requests that may be received and not yet answered.
    pub(crate) max_in_flight: config::ByteSize,
    pub(crate) max_connections: usize,
    /// How long a stop may take: a quarter for receivers, a quarter for exporters, and as much again for one
    /// last attempt of each request.
    pub(crate) shutdown_timeout: config::Duration,
    pub(crate) hop: HopConfig,
    /// The name of this process on series that several write. Absent: made once and kept in the
    /// state directory.
    pub(crate) instance_id: Option<String>,
}

/// Where the two halves run.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct HopConfig {
    pub(crate) role: HopRole,
    /// `host:port`: where the analysis process listens and ingest processes connect.
    pub(crate) endpoint: String,
    /// Without it partials go in the clear.
    pub(crate) tls: config::Section<HopTlsConfig>,
}

/// Which halves this process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HopRole {
    All,
    Ingest,
    Analysis,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            shards: 0,
            max_in_flight: config::ByteSize(64 << 20),
            max_connections: 4096,
            shutdown_timeout: Duration::from_secs(20).into(),
            hop: HopConfig::default(),
            instance_id: None,
        }
    }
}

impl Default for HopConfig {
    fn default() -> Self {
        Self { role: HopRole::All, endpoint: "localhost:4319".to_owned(), tls: config::Section::off() }
    }
}

const MAX_SHARDS: usize = 256;

impl Config for EngineConfig {
    fn validate(&self, checks: &mut Checks) {
        if self.shards > MAX_SHARDS {
            checks.error("shards", format!("shards is {}, must be at most {MAX_SHARDS}", self.shards));
        }
        if self.max_in_flight.0 < 1 << 20 {
            let message = format!("max_in_flight is {} bytes, must be at least 1MiB", self.max_in_flight.0);
            checks.error("max_in_flight", message);
        }
        if self.max_connections == 0 {
            checks.error("max_connections", "max_connections is 0, must be above 0");
        }
        if self.shutdown_timeout.get().is_zero() {
            checks.error("shutdown_timeout", "shutdown_timeout is 0s, must be above 0s");
        }
        if self.hop.role != HopRole::All && !self.hop.endpoint.contains(':') {
            checks.error("hop.endpoint", format!("endpoint is {:?}, must be host:port", self.hop.endpoint));
        }
        match (self.hop.role, self.hop.tls.get()) {
            (HopRole::Analysis, Some(tls)) => tls.server().validate("hop.tls", checks),
            (HopRole::Ingest, Some(tls)) => tls.client().validate("hop.tls", checks),
            _ => {}
        }
        if self.instance_id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            checks.error("instance_id", "instance_id is empty, name this process or remove the key");
        }
    }
}

/// Returns which keys `service::trueline` takes.
pub fn settings_shape() -> config::Shape {
    config::shape::<EngineConfig>()
}

/// The settings in force.
pub(crate) struct Settings {
    pub(crate) shards: usize,
    pub(crate) max_in_flight_bytes: u64,
    pub(crate) max_connections: usize,
    pub(crate) hop: HopConfig,
    pub(crate) state_directory: Option<PathBuf>,
    pub(crate) instance_id: Option<String>,
    shutdown_timeout: Duration,
    cores: Vec<core_affinity::CoreId>,
}

impl Settings {
    pub(crate) fn new(config: &EngineConfig, state_directory: Option<PathBuf>) -> Self {
        let shards = match config.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(MAX_SHARDS),
            shards => shards,
        };
        Self {
            shards,
            max_in_flight_bytes: config.max_in_flight.0,
            max_connections: config.max_connections,
            hop: config.hop.clone(),
            state_directory,
            instance_id: config.instance_id.clone(),
            shutdown_timeout: config.shutdown_timeout.get(),
            cores: core_affinity::get_core_ids().unwrap_or_default(),
        }
    }

    /// Returns the core of a shard; none where there are more shards than cores, as pinning would
    /// then only hinder.
    pub(crate) fn pinned_core(&self, shard: usize) -> Option<core_affinity::CoreId> {
        if self.shards < 2 || self.shards > self.cores.len() {
            return None;
        }
        self.cores.get(shard).copied()
    }

    /// How long receivers may take to finish what they have accepted.
    pub(crate) fn receiver_grace(&self) -> Duration {
        self.shutdown_timeout / 4
    }

    /// How long exporters may take to deliver what is queued, before each request gets one last
    /// attempt within the same time.
    pub(crate) fn delivery_grace(&self) -> Duration {
        self.shutdown_timeout / 4
    }
}
