//! The collector's keys of `prometheus`.

use std::{collections::BTreeMap, time::Duration};

use component::{
    AuthConfig, AuthSide, AuthUse, BATCH_NOT_SUPPORTED, Checks, Config, Delivery, QUEUE_NOT_SUPPORTED,
    QueueConfig, RetryConfig,
};
use config::{NotSupported, NotSupportedKeys};
use serde::Deserialize;
use transport::{ServerTlsConfig, TLS_NOT_SUPPORTED};

use crate::prometheus_names::{Label, ResourceLabelsConfig, Settings, TranslationStrategy, label_name};

/// Where to be scraped and how to name what is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct PrometheusConfig {
    /// `host:port` to listen on.
    pub endpoint: Option<String>,
    pub max_connections: usize,
    pub tls: Option<ServerTlsConfig>,
    pub auth: config::Section<AuthConfig>,
    pub namespace: String,
    pub const_labels: BTreeMap<String, String>,
    pub send_timestamps: bool,
    pub metric_expiration: config::Duration,
    pub enable_open_metrics: bool,
    pub add_metric_suffixes: bool,
    pub translation_strategy: Option<TranslationStrategy>,
    pub resource_to_telemetry_conversion: ResourceLabelsConfig,
    pub without_scope_info: bool,
    /// How many series are held; new ones beyond are counted and left out.
    pub max_series: usize,
    pub sending_queue: Option<QueueConfig>,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            max_connections: 256,
            tls: None,
            auth: config::Section::default(),
            namespace: String::new(),
            const_labels: BTreeMap::new(),
            send_timestamps: false,
            metric_expiration: config::Duration::from_secs(300),
            enable_open_metrics: false,
            add_metric_suffixes: true,
            translation_strategy: None,
            resource_to_telemetry_conversion: ResourceLabelsConfig::default(),
            without_scope_info: false,
            max_series: 100_000,
            sending_queue: None,
        }
    }
}

impl PrometheusConfig {
    pub(super) fn settings(&self) -> Settings {
        let strategy = self.strategy();
        let legal =
            |(name, value): (&String, &String)| Some(Label::new(label_name(name, strategy)?, value.clone()));
        let mut external_labels: Vec<Label> = self.const_labels.iter().filter_map(legal).collect();
        external_labels.sort();
        Settings {
            strategy,
            namespace: self.namespace.clone(),
            external_labels,
            resource_labels: self.resource_to_telemetry_conversion,
            has_scope_labels: !self.without_scope_info,
            has_target_info: true,
            takes_deltas: true,
        }
    }

    pub(super) fn strategy(&self) -> TranslationStrategy {
        TranslationStrategy::from_keys(self.translation_strategy, self.add_metric_suffixes)
    }

    /// Returns settings of the engine's side: nothing fails here, so nothing waits or is retried, and one
    /// export at a time keeps deltas in order.
    pub(super) fn delivery(&self) -> Delivery {
        let queue = self.sending_queue.clone();
        let queue = queue.unwrap_or_else(|| QueueConfig { enabled: false, ..QueueConfig::default() });
        Delivery {
            queue: QueueConfig { num_consumers: 1, ..queue },
            retry: RetryConfig { enabled: false, ..RetryConfig::default() },
            timeout: Duration::ZERO,
        }
    }
}

/// Keys of the collector's servers.
const SERVER_NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new("middlewares", "there are no middleware extensions", "remove it"),
    NotSupported::new("cors", "the page is for Prometheus, not for scripts in browsers", "remove it"),
    NotSupported::new("response_headers", "the page has the headers that Prometheus reads", "remove it"),
    NotSupported::new("max_request_body_size", "bodies of requests are not read", "remove it"),
    NotSupported::new("include_metadata", "no component reads the headers of requests", "remove it"),
    NotSupported::new("compression_algorithms", "gzip is used where the scraper takes it", "remove it"),
    NotSupported::new("read_timeout", "a scrape has no time limit of its own", "remove it"),
    NotSupported::new("read_header_timeout", "a scrape has no time limit of its own", "remove it"),
    NotSupported::new("write_timeout", "a scrape has no time limit of its own", "remove it"),
    NotSupported::new("idle_timeout", "connections stay until the client closes them", "remove it"),
    NotSupported::new("keep_alives_enabled", "connections are kept", "remove it"),
];

impl Config for PrometheusConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        ("", SERVER_NOT_SUPPORTED),
        ("tls", TLS_NOT_SUPPORTED),
        ("sending_queue", QUEUE_NOT_SUPPORTED),
        ("sending_queue.batch", BATCH_NOT_SUPPORTED),
    ];

    fn auth(&self) -> Vec<AuthUse> {
        AuthConfig::uses(&self.auth, "auth", AuthSide::Server).into_iter().collect()
    }

    fn validate(&self, checks: &mut Checks) {
        AuthConfig::validate(&self.auth, "auth", checks);
        if self.endpoint.as_deref().is_none_or(str::is_empty) {
            checks.error("endpoint", "endpoint is missing, set the address to listen on: localhost:8889");
        }
        if self.max_connections == 0 {
            checks.error("max_connections", "max_connections is 0, must be above 0");
        }
        if self.max_series == 0 {
            checks.error("max_series", "max_series is 0, must be above 0");
        }
        if self.metric_expiration.get().is_zero() {
            checks.error("metric_expiration", "metric_expiration is 0s, must be above 0s");
        }
        for (name, value) in &self.const_labels {
            let is_legal = label_name(name, self.strategy()).is_some_and(|legal| legal != "__name__");
            if !is_legal || value.is_empty() {
                let message = format!(
                    "constant label {name:?} is {value:?}; a name needs a letter or digit, a value may not be empty"
                );
                checks.error(&format!("const_labels.{name}"), message);
            }
        }
        if let Some(tls) = &self.tls {
            tls.validate("tls", checks);
        }
        if let Some(queue) = &self.sending_queue {
            queue.validate("sending_queue", checks);
        }
    }
}
