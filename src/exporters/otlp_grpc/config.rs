//! The collector's keys of `otlp_grpc`.

use std::time::Duration;

use component::{
    AuthConfig, AuthSide, AuthUse, BATCH_NOT_SUPPORTED, Checks, Config, QUEUE_NOT_SUPPORTED, QueueConfig,
    RetryConfig,
};
use config::NotSupportedKeys;
use serde::Deserialize;
use transport::{ClientTlsConfig, TLS_NOT_SUPPORTED};

use super::target::{Scheme, Target};
use crate::http::{CLIENT_NOT_SUPPORTED, Compression, HeadersConfig, validate_headers};

/// Settings of `otlp_grpc`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct OtlpGrpcConfig {
    pub(super) endpoint: String,
    pub(super) compression: Compression,
    pub(super) tls: ClientTlsConfig,
    #[serde(deserialize_with = "config::headers")]
    pub(super) headers: HeadersConfig,
    pub(super) auth: config::Section<AuthConfig>,
    pub(super) keepalive: config::Section<KeepaliveConfig>,
    /// Taken for the collector's sake; buffers here grow with the requests.
    pub(super) read_buffer_size: u64,
    /// Taken for the collector's sake; requests are written without a buffer.
    pub(super) write_buffer_size: u64,
    pub(super) wait_for_ready: bool,
    pub(super) balancer_name: Balancer,
    /// The `:authority` of requests, where it is not the endpoint's.
    pub(super) authority: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) timeout: config::Duration,
    pub(super) retry_on_failure: RetryConfig,
    pub(super) sending_queue: QueueConfig,
}

/// How connections are checked for life.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct KeepaliveConfig {
    /// Ping a connection after this long without a word from the server.
    pub(super) time: config::Duration,
    /// Give the connection up when a ping is not answered within this time.
    pub(super) timeout: config::Duration,
    /// Ping even when no request is under way.
    pub(super) permit_without_stream: bool,
}

/// Which of an endpoint's addresses are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Balancer {
    /// All, in turn.
    RoundRobin,
    /// The first that answers.
    PickFirst,
}

impl Default for OtlpGrpcConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            compression: Compression::Gzip,
            tls: ClientTlsConfig::default(),
            headers: HeadersConfig::new(),
            auth: config::Section::default(),
            keepalive: config::Section::default(),
            read_buffer_size: 0,
            write_buffer_size: 512 * 1024,
            wait_for_ready: false,
            balancer_name: Balancer::RoundRobin,
            authority: None,
            user_agent: None,
            timeout: Duration::from_secs(5).into(),
            retry_on_failure: RetryConfig::default(),
            sending_queue: QueueConfig::default(),
        }
    }
}

impl Default for KeepaliveConfig {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10).into(),
            timeout: Duration::from_secs(20).into(),
            permit_without_stream: false,
        }
    }
}

/// What the exporter and the protocol set.
const RESERVED_HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "te",
    "host",
    "connection",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-timeout",
    "grpc-status",
    "grpc-message",
];

impl Config for OtlpGrpcConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        ("", CLIENT_NOT_SUPPORTED),
        ("tls", TLS_NOT_SUPPORTED),
        ("sending_queue", QUEUE_NOT_SUPPORTED),
        ("sending_queue.batch", BATCH_NOT_SUPPORTED),
    ];

    fn auth(&self) -> Vec<AuthUse> {
        AuthConfig::uses(&self.auth, "auth", AuthSide::Client).into_iter().collect()
    }

    fn validate(&self, checks: &mut Checks) {
        AuthConfig::validate(&self.auth, "auth", checks);
        match Target::parse(&self.endpoint) {
            Err(problem) => checks.error("endpoint", problem),
            Ok(target) => self.validate_scheme(&target, checks),
        }
        if !matches!(
            self.compression,
            Compression::None | Compression::Gzip | Compression::Zstd | Compression::Snappy
        ) {
            let name = self.compression.name().unwrap_or_default();
            checks.error(
                "compression",
                format!("compression is {name:?}, gRPC knows gzip, zstd, snappy and none"),
            );
        }
        if let Some(authority) = &self.authority
            && authority.parse::<http::uri::Authority>().is_err()
        {
            checks.error("authority", format!("authority is {authority:?}, must be host or host:port"));
        }
        if let Some(agent) = &self.user_agent
            && http::HeaderValue::try_from(agent).is_err()
        {
            checks.error("user_agent", "user_agent holds characters that a header can not carry");
        }
        if let Some(keepalive) = self.keepalive.get()
            && keepalive.time.get() < Duration::from_secs(1)
        {
            let time = keepalive.time.get();
            checks.error("keepalive.time", format!("time is {time:?}, must be at least 1s"));
        }
        self.tls.validate("tls", checks);
        validate_headers(&self.headers, RESERVED_HEADERS, checks);
        self.retry_on_failure.validate("retry_on_failure", checks);
        self.sending_queue.validate("sending_queue", checks);
    }
}

impl OtlpGrpcConfig {
    /// Whether connections to the target are encrypted.
    pub(super) fn is_secure(&self, target: &Target) -> bool {
        match target.scheme {
            Scheme::Http => false,
            Scheme::Https => true,
            Scheme::Unsaid => !self.tls.insecure,
        }
    }

    fn validate_scheme(&self, target: &Target, checks: &mut Checks) {
        if target.scheme == Scheme::Https && self.tls.insecure {
            checks.warn("tls.insecure", "insecure is true, but the endpoint says https, so TLS is used");
        }
        let has_tls = self.tls.ca_file.is_some() || self.tls.cert_file.is_some() || self.tls.ca_pem.is_some();
        if target.scheme == Scheme::Http && has_tls {
            checks.warn("endpoint", "the endpoint says http, so the certificates of tls are not used");
        }
    }
}
