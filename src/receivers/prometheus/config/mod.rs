//! Prometheus's keys, as the collector nests them.
//!
//! # Layout
//! * `jobs`: what a scrape config comes to with its globals.
//! * `client`: how targets are asked.
//! * `refused`: keys that are not taken, and what to do instead.
//! * `values`: durations, sizes and texts as Prometheus writes them.

mod client;
mod jobs;
mod refused;
mod values;

use std::collections::BTreeMap;

use component::{Checks, Config};
use config::{ByteSize, NotSupportedKeys, Section};
use serde::Deserialize;

pub(super) use client::{Authorization, BasicAuth, HeaderValues, PromTls};
pub(super) use jobs::{Job, Limits, jobs};
pub(super) use values::{PromDuration, PromSize, Text};

use super::relabel::RelabelConfig;

/// What reading one answer takes at least. *Units*: bytes.
const SMALLEST_ROOM: u64 = 1 << 20;

/// Settings of the receiver.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct PrometheusConfig {
    pub(super) config: Option<PromConfig>,
    /// Ask all targets once more at the end.
    pub(super) scrape_on_shutdown: bool,
    /// Without effect: targets are known from the start.
    pub(super) discovery_reload_on_startup: bool,
    /// Wait this long more before the first scrape.
    pub(super) initial_scrape_offset: config::Duration,
    pub(super) trim_metric_suffixes: bool,
    pub(super) api_server: Section<Unheeded>,
    /// Of the answers of all targets, how much may be held at a time.
    pub(super) max_body_bytes: ByteSize,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            config: None,
            scrape_on_shutdown: false,
            discovery_reload_on_startup: false,
            initial_scrape_offset: config::Duration::default(),
            trim_metric_suffixes: false,
            api_server: Section::default(),
            // Four answers of the greatest default size.
            max_body_bytes: ByteSize(256 << 20),
        }
    }
}

/// A section that is taken as long as it is off.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Unheeded {}

/// A configuration of Prometheus, as far as it tells what to scrape.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PromConfig {
    pub(super) global: GlobalConfig,
    pub(super) scrape_configs: Vec<ScrapeConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GlobalConfig {
    pub(super) scrape_interval: PromDuration,
    pub(super) scrape_timeout: PromDuration,
    pub(super) scrape_protocols: Option<Vec<String>>,
    pub(super) external_labels: BTreeMap<String, Text>,
    pub(super) body_size_limit: PromSize,
    pub(super) sample_limit: u64,
    pub(super) target_limit: u64,
    pub(super) label_limit: u64,
    pub(super) label_name_length_limit: u64,
    pub(super) label_value_length_limit: u64,
    pub(super) metric_name_validation_scheme: String,
    pub(super) metric_name_escaping_scheme: String,
    pub(super) extra_scrape_metrics: bool,
    // Without effect where nothing is evaluated, kept or exposed but in text.
    pub(super) evaluation_interval: PromDuration,
    pub(super) keep_dropped_targets: u64,
    pub(super) always_scrape_classic_histograms: bool,
    pub(super) scrape_native_histograms: bool,
    pub(super) convert_classic_histograms_to_nhcb: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct ScrapeConfig {
    pub(super) job_name: Text,
    pub(super) scrape_interval: PromDuration,
    pub(super) scrape_timeout: PromDuration,
    pub(super) scrape_protocols: Option<Vec<String>>,
    pub(super) fallback_scrape_protocol: String,
    pub(super) metrics_path: String,
    pub(super) scheme: String,
    pub(super) params: BTreeMap<String, Vec<Text>>,
    pub(super) honor_labels: bool,
    pub(super) honor_timestamps: bool,
    pub(super) track_timestamps_staleness: bool,
    pub(super) enable_compression: bool,
    pub(super) static_configs: Vec<StaticConfig>,
    pub(super) relabel_configs: Vec<RelabelConfig>,
    pub(super) metric_relabel_configs: Vec<RelabelConfig>,
    pub(super) body_size_limit: PromSize,
    pub(super) sample_limit: u64,
    pub(super) target_limit: u64,
    pub(super) label_limit: u64,
    pub(super) label_name_length_limit: u64,
    pub(super) label_value_length_limit: u64,
    pub(super) metric_name_validation_scheme: String,
    pub(super) metric_name_escaping_scheme: String,
    pub(super) extra_scrape_metrics: Option<bool>,
    pub(super) basic_auth: Option<BasicAuth>,
    pub(super) authorization: Option<Authorization>,
    pub(super) bearer_token: Option<config::Secret>,
    pub(super) bearer_token_file: String,
    pub(super) tls_config: PromTls,
    pub(super) follow_redirects: bool,
    pub(super) enable_http2: bool,
    pub(super) http_headers: BTreeMap<String, HeaderValues>,
    // Without effect, as above.
    pub(super) keep_dropped_targets: u64,
    pub(super) always_scrape_classic_histograms: bool,
    pub(super) scrape_native_histograms: bool,
    pub(super) convert_classic_histograms_to_nhcb: bool,
}

/// Targets, and labels that all of them have.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StaticConfig {
    pub(super) targets: Vec<String>,
    pub(super) labels: BTreeMap<String, Text>,
}

impl Default for ScrapeConfig {
    fn default() -> Self {
        Self {
            job_name: Text::default(),
            scrape_interval: PromDuration::default(),
            scrape_timeout: PromDuration::default(),
            scrape_protocols: None,
            fallback_scrape_protocol: String::new(),
            metrics_path: "/metrics".to_owned(),
            scheme: "http".to_owned(),
            params: BTreeMap::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            enable_compression: true,
            static_configs: Vec::new(),
            relabel_configs: Vec::new(),
            metric_relabel_configs: Vec::new(),
            body_size_limit: PromSize::default(),
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            metric_name_validation_scheme: String::new(),
            metric_name_escaping_scheme: String::new(),
            extra_scrape_metrics: None,
            basic_auth: None,
            authorization: None,
            bearer_token: None,
            bearer_token_file: String::new(),
            tls_config: PromTls::default(),
            follow_redirects: true,
            enable_http2: true,
            http_headers: BTreeMap::new(),
            keep_dropped_targets: 0,
            always_scrape_classic_histograms: false,
            scrape_native_histograms: false,
            convert_classic_histograms_to_nhcb: false,
        }
    }
}

impl Config for PrometheusConfig {
    const NOT_SUPPORTED: NotSupportedKeys = refused::KEYS;

    fn validate(&self, checks: &mut Checks) {
        if self.max_body_bytes.0 < SMALLEST_ROOM {
            let message = format!("max_body_bytes is {}, must be at least 1MiB", self.max_body_bytes);
            checks.error("max_body_bytes", message);
        }
        if self.trim_metric_suffixes {
            let message = "trim_metric_suffixes is true, but metrics keep the names that their targets give them; \
                           remove it, or rename them with the processor metricstransform or transform";
            checks.error("trim_metric_suffixes", message);
        }
        if self.api_server.is_on() {
            let message = "api_server is on, but there is no API of Prometheus here; remove it, and see \
                           `scrape_duration_seconds` and `up` for how targets fare";
            checks.error("api_server", message);
        }
        let configs = self.config.as_ref().map_or(&[][..], |config| &config.scrape_configs);
        if configs.is_empty() {
            let message = "no scrape_configs are set, name what to scrape, such as \
                           {scrape_configs: [{job_name: app, static_configs: [{targets: ['app:8080']}]}]}";
            return checks.error("config", message);
        }
        jobs::validate(self, checks);
    }
}
