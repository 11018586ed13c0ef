//! The collector's keys of `otlp_http`.

use std::time::Duration;

use component::{
    AuthConfig, AuthSide, AuthUse, BATCH_NOT_SUPPORTED, Checks, Config, QUEUE_NOT_SUPPORTED, QueueConfig,
    RetryConfig,
};
use config::{NotSupported, NotSupportedKeys};
use http::Uri;
use model::Signal;
use serde::Deserialize;
use transport::{ClientTlsConfig, TLS_NOT_SUPPORTED};

use crate::http::{
    CLIENT_NOT_SUPPORTED, Compression, HTTP_CLIENT_NOT_SUPPORTED, HeadersConfig, validate_headers,
};

/// Settings of `otlp_http`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct OtlpHttpConfig {
    /// The base to which each signal's path is added.
    pub(super) endpoint: Option<String>,
    /// Where traces go, used as it stands; likewise the next two.
    pub(super) traces_endpoint: Option<String>,
    pub(super) metrics_endpoint: Option<String>,
    pub(super) logs_endpoint: Option<String>,
    pub(super) encoding: Encoding,
    pub(super) compression: Compression,
    pub(super) compression_params: CompressionParams,
    pub(super) tls: ClientTlsConfig,
    #[serde(deserialize_with = "config::headers")]
    pub(super) headers: HeadersConfig,
    pub(super) auth: config::Section<AuthConfig>,
    /// Taken for the collector's sake; buffers here grow with the requests.
    pub(super) read_buffer_size: u64,
    /// Taken for the collector's sake; requests are written without a buffer.
    pub(super) write_buffer_size: u64,
    /// How many unused connections are kept; zero means no limit.
    pub(super) max_idle_conns: usize,
    /// The same per server, where it is less.
    pub(super) max_idle_conns_per_host: usize,
    /// How many requests to a server are under way at once; zero means no limit.
    pub(super) max_conns_per_host: usize,
    pub(super) idle_conn_timeout: config::Duration,
    pub(super) disable_keep_alives: bool,
    pub(super) force_attempt_http2: bool,
    /// Ping HTTP/2 connections after this long without a word; zero means never.
    pub(super) http2_read_idle_timeout: config::Duration,
    /// Give a connection up when its ping is not answered in this time; zero means 15 s.
    pub(super) http2_ping_timeout: config::Duration,
    pub(super) timeout: config::Duration,
    pub(super) retry_on_failure: RetryConfig,
    pub(super) sending_queue: QueueConfig,
}

/// How a request is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    Proto,
    Json,
}

/// The collector's `compression_params`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(default)]
pub(super) struct CompressionParams {
    /// 0 to 9 for gzip and its kin, 1 to 22 for zstd; -1 or absent for the default.
    pub(super) level: Option<i32>,
}

impl Default for OtlpHttpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            traces_endpoint: None,
            metrics_endpoint: None,
            logs_endpoint: None,
            encoding: Encoding::Proto,
            compression: Compression::Gzip,
            compression_params: CompressionParams::default(),
            tls: ClientTlsConfig::default(),
            headers: HeadersConfig::new(),
            auth: config::Section::default(),
            read_buffer_size: 0,
            write_buffer_size: 512 * 1024,
            max_idle_conns: 100,
            max_idle_conns_per_host: 0,
            max_conns_per_host: 0,
            idle_conn_timeout: Duration::from_secs(90).into(),
            disable_keep_alives: false,
            force_attempt_http2: true,
            http2_read_idle_timeout: Duration::ZERO.into(),
            http2_ping_timeout: Duration::ZERO.into(),
            timeout: Duration::from_secs(30).into(),
            retry_on_failure: RetryConfig::default(),
            sending_queue: QueueConfig::default(),
        }
    }
}

const RESERVED_HEADERS: &[&str] =
    &["content-type", "content-length", "content-encoding", "transfer-encoding", "connection"];

impl Config for OtlpHttpConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        ("", CLIENT_NOT_SUPPORTED),
        ("", HTTP_CLIENT_NOT_SUPPORTED),
        ("", &[NotSupported::new("profiles_endpoint", "profiles are not a signal here", "remove it")]),
        ("tls", TLS_NOT_SUPPORTED),
        ("sending_queue", QUEUE_NOT_SUPPORTED),
        ("sending_queue.batch", BATCH_NOT_SUPPORTED),
    ];

    fn auth(&self) -> Vec<AuthUse> {
        AuthConfig::uses(&self.auth, "auth", AuthSide::Client).into_iter().collect()
    }

    fn validate(&self, checks: &mut Checks) {
        self.validate_endpoints(checks);
        AuthConfig::validate(&self.auth, "auth", checks);
        if let (Some(level), Some((least, most))) = (self.level(), self.compression.levels())
            && !(least..=most).contains(&level)
        {
            let name = self.compression.name().unwrap_or_default();
            let message = format!("level is {level}, must be between {least} and {most} for {name}");
            checks.error("compression_params.level", message);
        }
        if self.level().is_some() && self.compression.levels().is_none() {
            let name = self.compression.name().unwrap_or("none");
            checks
                .error("compression_params.level", format!("compression {name} has no levels, remove level"));
        }
        self.tls.validate("tls", checks);
        validate_headers(&self.headers, RESERVED_HEADERS, checks);
        self.retry_on_failure.validate("retry_on_failure", checks);
        self.sending_queue.validate("sending_queue", checks);
    }
}

impl OtlpHttpConfig {
    /// Returns where a signal goes; none where no endpoint is set for it.
    ///
    /// # Errors
    /// The key that is wrong, and what is wrong with it.
    pub(super) fn uri(&self, signal: Signal) -> Result<Option<Uri>, (&'static str, String)> {
        let (key, own, path) = match signal {
            Signal::Traces => ("traces_endpoint", &self.traces_endpoint, "/v1/traces"),
            Signal::Metrics => ("metrics_endpoint", &self.metrics_endpoint, "/v1/metrics"),
            Signal::Logs => ("logs_endpoint", &self.logs_endpoint, "/v1/logs"),
        };
        match (own, &self.endpoint) {
            (Some(own), _) => parse(key, own, own.clone()).map(Some),
            (None, Some(base)) => {
                parse("endpoint", base, format!("{}{path}", base.trim_end_matches('/'))).map(Some)
            }
            (None, None) => Ok(None),
        }
    }

    /// Returns the level that the operator has set.
    pub(super) fn level(&self) -> Option<i32> {
        self.compression_params.level.filter(|level| *level != -1)
    }

    fn validate_endpoints(&self, checks: &mut Checks) {
        let mut reported = Vec::new();
        let mut found = false;
        for signal in Signal::ALL {
            match self.uri(signal) {
                Ok(uri) => found |= uri.is_some(),
                Err((key, problem)) => {
                    found = true;
                    if !reported.contains(&key) {
                        reported.push(key);
                        checks.error(key, problem);
                    }
                }
            }
        }
        if !found {
            checks.error("endpoint", "endpoint is missing, set it to the server's URL: http://host:4318");
        }
    }
}

fn parse(key: &'static str, written: &str, full: String) -> Result<Uri, (&'static str, String)> {
    let problem = |what: &str| (key, format!("{key} is {written:?}, {what}"));
    let uri: Uri = full.parse().map_err(|_| problem("must be a URL: http://host:4318"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(other) => return Err(problem(&format!("its scheme is {other}, must be http or https"))),
        None => return Err(problem("must begin with http:// or https://")),
    }
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| problem("must name a host"))?;
    if authority.as_str().contains('@') {
        return Err((
            key,
            format!(
                "{key} holds a user name or a password; name an authenticator, or set headers: Authorization"
            ),
        ));
    }
    Ok(uri)
}
