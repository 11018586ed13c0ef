//! The collector's keys of `prometheus_remote_write`.

use std::{collections::BTreeMap, time::Duration};

use component::{
    AuthConfig, AuthSide, AuthUse, BATCH_NOT_SUPPORTED, Checks, Config, QUEUE_NOT_SUPPORTED, QueueConfig,
    RetryConfig, Sizer,
};
use config::{NotSupported, NotSupportedKeys};
use http::Uri;
use serde::Deserialize;
use transport::{ClientTlsConfig, TLS_NOT_SUPPORTED};

use crate::{
    http::{CLIENT_NOT_SUPPORTED, HTTP_CLIENT_NOT_SUPPORTED, HeadersConfig, validate_headers},
    prometheus_names::{Label, ResourceLabelsConfig, TranslationStrategy, label_name},
};

/// What the exporter sets in every request, so that the operator can not.
const RESERVED_HEADERS: [&str; 4] =
    ["content-encoding", "content-type", "user-agent", "x-prometheus-remote-write-version"];

/// Where to send metrics and how to name them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct PrometheusRemoteWriteConfig {
    pub http: Option<HttpKeys>,
    // The older place of what `http` holds.
    pub endpoint: Option<String>,
    pub tls: Option<ClientTlsConfig>,
    #[serde(deserialize_with = "config::headers")]
    pub headers: Option<HeadersConfig>,
    pub auth: config::Section<AuthConfig>,
    pub timeout: Option<config::Duration>,
    pub compression: Option<String>,
    pub read_buffer_size: Option<u64>,
    pub write_buffer_size: Option<u64>,
    pub max_idle_conns: Option<usize>,
    pub idle_conn_timeout: Option<config::Duration>,

    pub retry_on_failure: RetryKeys,
    pub remote_write_queue: RemoteWriteQueue,
    pub sending_queue: Option<QueueConfig>,
    pub max_batch_size_bytes: usize,
    pub max_batch_request_parallelism: Option<usize>,

    pub protobuf_message: ProtobufMessage,
    pub namespace: String,
    pub external_labels: BTreeMap<String, String>,
    pub add_metric_suffixes: bool,
    pub translation_strategy: Option<TranslationStrategy>,
    pub resource_to_telemetry_conversion: ResourceLabelsConfig,
    pub target_info: TargetInfo,
    pub disable_scope_info: bool,
    pub send_metadata: bool,
    /// Send histograms with chosen bounds as native ones; version 2 only.
    pub convert_histograms_to_nhcb: bool,
    /// Send a zero at the start time of a counter or histogram that is seen for the first time.
    pub initial_zero_samples: bool,
    pub wal: Option<Wal>,
}

/// What stands under `http`, or beside it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HttpKeys {
    pub endpoint: Option<String>,
    pub tls: Option<ClientTlsConfig>,
    #[serde(deserialize_with = "config::headers")]
    pub headers: Option<HeadersConfig>,
    pub auth: config::Section<AuthConfig>,
    pub timeout: Option<config::Duration>,
    pub compression: Option<String>,
    pub read_buffer_size: Option<u64>,
    pub write_buffer_size: Option<u64>,
    pub max_idle_conns: Option<usize>,
    pub idle_conn_timeout: Option<config::Duration>,
}

/// `retry_on_failure` with this exporter's shorter first wait.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RetryKeys {
    pub enabled: Option<bool>,
    pub initial_interval: Option<config::Duration>,
    pub randomization_factor: Option<f64>,
    pub multiplier: Option<f64>,
    pub max_interval: Option<config::Duration>,
    pub max_elapsed_time: Option<config::Duration>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct RemoteWriteQueue {
    pub enabled: bool,
    /// *Units*: requests as they came from the pipeline.
    pub queue_size: u64,
    /// How many requests are under way at once.
    pub num_consumers: usize,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct TargetInfo {
    pub enabled: bool,
}

/// The collector's own log on disk; read only to say what to write in its place.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wal {
    pub directory: Option<String>,
    pub buffer_size: Option<u64>,
    pub truncate_frequency: Option<config::Duration>,
    pub lag_record_frequency: Option<config::Duration>,
}

/// The version of remote write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub(crate) enum ProtobufMessage {
    /// 1.0
    #[default]
    #[serde(rename = "prometheus.WriteRequest")]
    V1,
    /// 2.0
    #[serde(rename = "io.prometheus.write.v2.Request")]
    V2,
}

impl Default for PrometheusRemoteWriteConfig {
    fn default() -> Self {
        Self {
            http: None,
            endpoint: None,
            tls: None,
            headers: None,
            auth: config::Section::default(),
            timeout: None,
            compression: None,
            read_buffer_size: None,
            write_buffer_size: None,
            max_idle_conns: None,
            idle_conn_timeout: None,
            retry_on_failure: RetryKeys::default(),
            remote_write_queue: RemoteWriteQueue::default(),
            sending_queue: None,
            max_batch_size_bytes: 3_000_000,
            max_batch_request_parallelism: None,
            protobuf_message: ProtobufMessage::V1,
            namespace: String::new(),
            external_labels: BTreeMap::new(),
            add_metric_suffixes: true,
            translation_strategy: None,
            resource_to_telemetry_conversion: ResourceLabelsConfig::default(),
            target_info: TargetInfo::default(),
            disable_scope_info: false,
            send_metadata: false,
            convert_histograms_to_nhcb: false,
            initial_zero_samples: false,
            wal: None,
        }
    }
}

impl Default for RemoteWriteQueue {
    fn default() -> Self {
        Self { enabled: true, queue_size: 10_000, num_consumers: 5 }
    }
}

impl Default for TargetInfo {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl PrometheusRemoteWriteConfig {
    /// Returns the client's keys from wherever they stand.
    pub(super) fn client(&self) -> HttpKeys {
        self.http.clone().unwrap_or_else(|| HttpKeys {
            endpoint: self.endpoint.clone(),
            tls: self.tls.clone(),
            headers: self.headers.clone(),
            auth: self.auth.clone(),
            timeout: self.timeout,
            compression: self.compression.clone(),
            read_buffer_size: self.read_buffer_size,
            write_buffer_size: self.write_buffer_size,
            max_idle_conns: self.max_idle_conns,
            idle_conn_timeout: self.idle_conn_timeout,
        })
    }

    pub(super) fn strategy(&self) -> TranslationStrategy {
        TranslationStrategy::from_keys(self.translation_strategy, self.add_metric_suffixes)
    }

    /// Returns how many requests may be under way at once.
    pub(super) fn parallelism(&self) -> usize {
        self.max_batch_request_parallelism.unwrap_or(self.remote_write_queue.num_consumers)
    }

    /// Returns the external labels with legal names, sorted.
    pub(super) fn external_labels(&self) -> Vec<Label> {
        let legal = |(name, value): (&String, &String)| {
            Some(Label::new(label_name(name, self.strategy())?, value.clone()))
        };
        let mut labels: Vec<Label> = self.external_labels.iter().filter_map(legal).collect();
        labels.sort();
        labels
    }

    /// Returns the queue's settings. One export at a time keeps the order of each series; the exporter
    /// itself sends several requests at once.
    pub(super) fn queue(&self) -> QueueConfig {
        let own = &self.remote_write_queue;
        let queue = self.sending_queue.clone().unwrap_or_else(|| QueueConfig {
            enabled: own.enabled,
            queue_size: own.queue_size,
            sizer: Sizer::Requests,
            ..QueueConfig::default()
        });
        QueueConfig { num_consumers: 1, ..queue }
    }

    pub(super) fn retry(&self) -> RetryConfig {
        let (keys, defaults) = (&self.retry_on_failure, RetryConfig::default());
        RetryConfig {
            enabled: keys.enabled.unwrap_or(defaults.enabled),
            initial_interval: keys.initial_interval.unwrap_or(config::Duration::from_millis(50)),
            randomization_factor: keys.randomization_factor.unwrap_or(defaults.randomization_factor),
            multiplier: keys.multiplier.unwrap_or(defaults.multiplier),
            max_interval: keys.max_interval.unwrap_or(defaults.max_interval),
            max_elapsed_time: keys.max_elapsed_time.unwrap_or(defaults.max_elapsed_time),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.client().timeout.map_or(Duration::from_secs(5), |timeout| timeout.get())
    }
}

/// Other keys of the collector's HTTP clients: they tune what this client does by itself.
const POOL_NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new("compression_params", "snappy has no levels", "remove it"),
    NotSupported::new("max_idle_conns_per_host", "there is one host", "write `max_idle_conns`"),
    NotSupported::new(
        "max_conns_per_host",
        "parallel requests are bounded elsewhere",
        "write `max_batch_request_parallelism`",
    ),
    NotSupported::new("disable_keep_alives", "connections are kept", "remove it"),
    NotSupported::new("force_attempt_http2", "HTTP/2 is always offered over TLS", "remove it"),
    NotSupported::new("http2_read_idle_timeout", "dead connections are found by TCP", "remove it"),
    NotSupported::new("http2_ping_timeout", "dead connections are found by TCP", "remove it"),
];

impl Config for PrometheusRemoteWriteConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        ("", CLIENT_NOT_SUPPORTED),
        ("", HTTP_CLIENT_NOT_SUPPORTED),
        ("", POOL_NOT_SUPPORTED),
        ("tls", TLS_NOT_SUPPORTED),
        ("http", CLIENT_NOT_SUPPORTED),
        ("http", HTTP_CLIENT_NOT_SUPPORTED),
        ("http", POOL_NOT_SUPPORTED),
        ("http.tls", TLS_NOT_SUPPORTED),
        ("sending_queue", QUEUE_NOT_SUPPORTED),
        ("sending_queue.batch", BATCH_NOT_SUPPORTED),
    ];

    fn auth(&self) -> Vec<AuthUse> {
        let path = if self.http.is_some() { "http.auth" } else { "auth" };
        AuthConfig::uses(&self.client().auth, path, AuthSide::Client).into_iter().collect()
    }

    fn validate(&self, checks: &mut Checks) {
        self.validate_client(checks);
        self.validate_labels(checks);
        self.validate_queue(checks);
        self.retry().validate("retry_on_failure", checks);
        if self.wal.is_some() {
            checks.error(
                "wal",
                "wal is not supported, remove it; sending_queue keeps data while the server is away",
            );
        }
        let keeps_utf8 = self.translation_strategy.is_some_and(|strategy| !strategy.escapes());
        if keeps_utf8 && self.protobuf_message == ProtobufMessage::V1 {
            let message = "this strategy keeps names that only remote write 2.0 can carry, set protobuf_message to io.prometheus.write.v2.Request";
            checks.error("translation_strategy", message);
        }
        if !self.add_metric_suffixes {
            let message = if self.translation_strategy.is_some() {
                "add_metric_suffixes is ignored, since translation_strategy is set"
            } else {
                "add_metric_suffixes is deprecated, use translation_strategy: UnderscoreEscapingWithoutSuffixes"
            };
            checks.warn("add_metric_suffixes", message);
        }
        if self.convert_histograms_to_nhcb && self.protobuf_message == ProtobufMessage::V1 {
            let message = "native histograms with chosen bounds need remote write 2.0, set protobuf_message to io.prometheus.write.v2.Request";
            checks.error("convert_histograms_to_nhcb", message);
        }
    }
}

impl PrometheusRemoteWriteConfig {
    fn validate_client(&self, checks: &mut Checks) {
        self.validate_places(checks);
        let at = |key: &str| if self.http.is_some() { format!("http.{key}") } else { key.to_owned() };
        let client = self.client();
        match client.endpoint.as_deref() {
            None | Some("") => {
                let message =
                    "endpoint is missing, set the URL to write to: http://localhost:9090/api/v1/write";
                checks.error(&at("endpoint"), message);
            }
            Some(endpoint) if !is_url(endpoint) => {
                let message =
                    format!("endpoint is {endpoint:?}, must be a URL that begins with http:// or https://");
                checks.error(&at("endpoint"), message);
            }
            Some(endpoint) if has_user_info(endpoint) => {
                let message = "endpoint holds a user name or a password; name an authenticator: \
                               auth: {authenticator: basicauth}";
                checks.error(&at("endpoint"), message);
            }
            Some(_) => {}
        }
        if let Some(compression) = client.compression.filter(|name| !name.is_empty() && name != "snappy") {
            checks.error(
                &at("compression"),
                format!("compression is {compression:?}, remote write knows only snappy"),
            );
        }
        AuthConfig::validate(&client.auth, &at("auth"), checks);
        if let Some(headers) = &client.headers {
            validate_headers(headers, &RESERVED_HEADERS, checks);
        }
        if let Some(tls) = &client.tls {
            tls.validate(&at("tls"), checks);
        }
    }

    /// The client's keys stand in `http` or beside it, not both.
    fn validate_places(&self, checks: &mut Checks) {
        let beside = [
            ("endpoint", self.endpoint.is_some()),
            ("tls", self.tls.is_some()),
            ("headers", self.headers.is_some()),
            ("auth", self.auth.is_on()),
            ("timeout", self.timeout.is_some()),
            ("compression", self.compression.is_some()),
            ("read_buffer_size", self.read_buffer_size.is_some()),
            ("write_buffer_size", self.write_buffer_size.is_some()),
            ("max_idle_conns", self.max_idle_conns.is_some()),
            ("idle_conn_timeout", self.idle_conn_timeout.is_some()),
        ];
        for (key, _) in beside.into_iter().filter(|(_, is_set)| *is_set && self.http.is_some()) {
            checks.error(key, format!("{key} stands beside http, move it into http"));
        }
    }

    fn validate_labels(&self, checks: &mut Checks) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (name, value) in &self.external_labels {
            let path = format!("external_labels.{name}");
            if name.is_empty() || value.is_empty() {
                checks.error(
                    &path,
                    format!("external label {name:?} is {value:?}, neither name nor value may be empty"),
                );
                continue;
            }
            match label_name(name, self.strategy()) {
                None => {
                    checks.error(&path, format!("{name:?} holds no letter or digit, a label name needs one"))
                }
                Some(legal) if legal == "__name__" => {
                    checks.error(&path, "__name__ is the metric's name, choose another label")
                }
                Some(legal) => {
                    if let Some(other) = seen.insert(legal.clone(), name) {
                        checks.error(
                            &path,
                            format!("{name:?} and {other:?} are both sent as {legal}, rename one"),
                        );
                    }
                }
            }
        }
    }

    fn validate_queue(&self, checks: &mut Checks) {
        let own = &self.remote_write_queue;
        if own.enabled && own.queue_size == 0 && self.sending_queue.is_none() {
            checks.error("remote_write_queue.queue_size", "queue_size is 0, must be above 0");
        }
        if own.num_consumers == 0 {
            checks.error("remote_write_queue.num_consumers", "num_consumers is 0, must be above 0");
        }
        if self.max_batch_request_parallelism == Some(0) {
            checks.error(
                "max_batch_request_parallelism",
                "max_batch_request_parallelism is 0, must be above 0",
            );
        }
        if self.max_batch_size_bytes == 0 {
            checks.error("max_batch_size_bytes", "max_batch_size_bytes is 0, must be above 0");
        }
        if let Some(queue) = &self.sending_queue {
            queue.validate("sending_queue", checks);
        }
    }
}

fn has_user_info(endpoint: &str) -> bool {
    endpoint.parse().is_ok_and(|uri: Uri| uri.authority().is_some_and(|it| it.as_str().contains('@')))
}

fn is_url(endpoint: &str) -> bool {
    endpoint
        .parse::<Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some())
}
