//! `service::telemetry::metrics`.

use serde::Deserialize;
use serde_json::Value as Json;

use super::PushExporter;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct MetricsTelemetry {
    pub level: MetricsLevel,
    pub readers: Vec<Reader>,
    pub views: Vec<Json>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsLevel {
    None,
    Basic,
    #[default]
    Normal,
    Detailed,
}

/// One way by which metrics leave.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// Prometheus comes and scrapes.
    Pull(Pull),
    /// They are sent.
    Periodic(Periodic),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Pull {
    pub exporter: PullExporter,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullExporter {
    Prometheus(PrometheusReader),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct PrometheusReader {
    pub host: String,
    pub port: u16,
    pub without_scope_info: bool,
    pub without_units: bool,
    pub without_type_suffix: bool,
    pub with_resource_constant_labels: Option<Json>,
    /// Decides on units and suffixes in place of the two keys above.
    pub translation_strategy: Option<ScrapeTranslation>,
}

/// How names of self-metrics are spelled on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ScrapeTranslation {
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    /// Known to the collector; the page has names of letters, digits and underscores only.
    NoUTF8EscapingWithSuffixes,
    /// Likewise.
    NoTranslation,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Periodic {
    /// Milliseconds.
    #[serde(default = "default_interval")]
    pub interval: u64,
    /// Milliseconds.
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    pub exporter: PushExporter,
}

const fn default_interval() -> u64 {
    60_000
}

const fn default_timeout() -> u64 {
    30_000
}

impl MetricsTelemetry {
    /// Returns the readers; none where nothing shall be told.
    pub fn readers_in_force(&self) -> &[Reader] {
        if self.level == MetricsLevel::None { &[] } else { &self.readers }
    }
}

impl PrometheusReader {
    /// Whether the unit becomes part of a name.
    pub fn has_units(&self) -> bool {
        self.has_suffixes(self.without_units)
    }

    /// Whether counters end in `_total`.
    pub fn has_type_suffix(&self) -> bool {
        self.has_suffixes(self.without_type_suffix)
    }

    fn has_suffixes(&self, without: bool) -> bool {
        match self.translation_strategy {
            None => !without,
            Some(
                ScrapeTranslation::UnderscoreEscapingWithSuffixes
                | ScrapeTranslation::NoUTF8EscapingWithSuffixes,
            ) => true,
            Some(ScrapeTranslation::UnderscoreEscapingWithoutSuffixes | ScrapeTranslation::NoTranslation) => {
                false
            }
        }
    }
}

impl Default for MetricsTelemetry {
    fn default() -> Self {
        let prometheus = PullExporter::Prometheus(PrometheusReader::default());
        Self {
            level: MetricsLevel::Normal,
            readers: vec![Reader::Pull(Pull { exporter: prometheus })],
            views: Vec::new(),
        }
    }
}

impl Default for PrometheusReader {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 8888,
            without_scope_info: true,
            without_units: true,
            without_type_suffix: true,
            with_resource_constant_labels: None,
            translation_strategy: None,
        }
    }
}
