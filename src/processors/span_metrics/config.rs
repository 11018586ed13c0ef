//! The collector's keys and ours.

use component::{Checks, Config};
use config::{Duration, Section};
use serde::Deserialize;

use crate::aggregation::buckets::Unit;

/// Whose names the output carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Flavor {
    /// The Go collector's connector.
    #[default]
    Otelcol,
    /// Tempo's metrics generator, which Grafana's Tempo data source queries.
    Tempo,
    /// Jaeger's service performance monitoring.
    Jaeger,
}

/// Settings of `span_metrics`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct SpanMetricsConfig {
    pub(crate) flavor: Flavor,
    /// Prefix of the metrics' names; absent means the flavor's own.
    pub(crate) namespace: Option<String>,
    pub(crate) histogram: HistogramConfig,
    pub(crate) dimensions: Vec<DimensionConfig>,
    pub(crate) calls_dimensions: Vec<DimensionConfig>,
    pub(crate) exclude_dimensions: Vec<String>,
    pub(crate) dimensions_cache_size: u64,
    /// Series that one resource may have; 0 means as many as `max_series` leaves room for.
    pub(crate) aggregation_cardinality_limit: u64,
    /// Series of all resources together.
    pub(crate) max_series: u64,
    pub(crate) resource_metrics_cache_size: u64,
    pub(crate) resource_metrics_key_attributes: Vec<String>,
    pub(crate) add_resource_attributes: Option<bool>,
    pub(crate) aggregation_temporality: String,
    pub(crate) metric_timestamp_cache_size: Option<u64>,
    pub(crate) metrics_flush_interval: Duration,
    pub(crate) metrics_expiration: Duration,
    pub(crate) series_expiration: Duration,
    pub(crate) exemplars: ExemplarsConfig,
    pub(crate) events: EventsConfig,
    pub(crate) include_instrumentation_scope: Vec<String>,
    pub(crate) enable_metrics_sampling_method: bool,
    /// Whether series carry the stable id of this process.
    pub(crate) include_collector_instance_id: bool,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HistogramConfig {
    pub(crate) disable: bool,
    /// Absent means the flavor's own.
    pub(crate) unit: Option<Unit>,
    pub(crate) explicit: Section<ExplicitConfig>,
    pub(crate) exponential: Section<ExponentialConfig>,
    pub(crate) dimensions: Vec<DimensionConfig>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExplicitConfig {
    /// Absent means the flavor's own.
    pub(crate) buckets: Option<Vec<Duration>>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct ExponentialConfig {
    pub(crate) max_size: u32,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DimensionConfig {
    pub(crate) name: String,
    pub(crate) default: Option<String>,
    pub(crate) glob: String,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct ExemplarsConfig {
    pub(crate) enabled: bool,
    pub(crate) max_per_data_point: i64,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventsConfig {
    pub(crate) enabled: bool,
    pub(crate) dimensions: Vec<DimensionConfig>,
}

pub(super) const CUMULATIVE: &str = "AGGREGATION_TEMPORALITY_CUMULATIVE";
pub(super) const DELTA: &str = "AGGREGATION_TEMPORALITY_DELTA";

impl Default for SpanMetricsConfig {
    fn default() -> Self {
        Self {
            flavor: Flavor::default(),
            namespace: None,
            histogram: HistogramConfig::default(),
            dimensions: Vec::new(),
            calls_dimensions: Vec::new(),
            exclude_dimensions: Vec::new(),
            dimensions_cache_size: 0,
            aggregation_cardinality_limit: 0,
            max_series: 100_000,
            resource_metrics_cache_size: 1000,
            resource_metrics_key_attributes: Vec::new(),
            add_resource_attributes: None,
            aggregation_temporality: CUMULATIVE.to_owned(),
            metric_timestamp_cache_size: None,
            metrics_flush_interval: Duration::from_secs(60),
            metrics_expiration: Duration::default(),
            series_expiration: Duration::from_secs(15 * 60),
            exemplars: ExemplarsConfig::default(),
            events: EventsConfig::default(),
            include_instrumentation_scope: Vec::new(),
            enable_metrics_sampling_method: false,
            include_collector_instance_id: false,
        }
    }
}

impl Default for ExponentialConfig {
    fn default() -> Self {
        Self { max_size: 160 }
    }
}

impl Default for ExemplarsConfig {
    fn default() -> Self {
        Self { enabled: false, max_per_data_point: 5 }
    }
}

/// More buckets than this are refused: every series pays for each.
const MAX_BUCKETS: usize = 254;
const MAX_SERIES: u64 = 10_000_000;

impl Config for SpanMetricsConfig {
    fn validate(&self, checks: &mut Checks) {
        self.validate_dimensions(checks);
        self.validate_histogram(checks);
        self.validate_limits(checks);
        self.validate_leftovers(checks);
    }
}

impl SpanMetricsConfig {
    /// Returns the settings of the published benchmark: these dimensions and an exponential histogram.
    pub fn benchmark(dimensions: &[&str]) -> Self {
        let dimension =
            |name: &&str| DimensionConfig { name: (*name).to_owned(), ..DimensionConfig::default() };
        let exponential = Section::on(ExponentialConfig::default());
        Self {
            dimensions: dimensions.iter().map(dimension).collect(),
            histogram: HistogramConfig { exponential, ..HistogramConfig::default() },
            ..Self::default()
        }
    }

    fn validate_dimensions(&self, checks: &mut Checks) {
        check_dimensions("dimensions", "dimensions", &self.dimensions, checks);
        check_dimensions("calls_dimensions", "calls dimensions", &self.calls_dimensions, checks);
        check_dimensions("histogram.dimensions", "histogram dimensions", &self.histogram.dimensions, checks);
        if self.events.enabled {
            if self.events.dimensions.is_empty() {
                let message = "failed validating event dimensions: no dimensions configured for events";
                checks.error("events.dimensions", message);
            }
            check_dimensions("events.dimensions", "event dimensions", &self.events.dimensions, checks);
        }
    }

    fn validate_histogram(&self, checks: &mut Checks) {
        let histogram = &self.histogram;
        if histogram.explicit.is_on() && histogram.exponential.is_on() {
            checks.error("histogram", "use either `explicit` or `exponential` buckets histogram");
        }
        if let Some(buckets) = histogram.explicit.get().and_then(|explicit| explicit.buckets.as_ref()) {
            if buckets.len() > MAX_BUCKETS {
                let message =
                    format!("buckets has {} bounds, at most {MAX_BUCKETS} are allowed", buckets.len());
                checks.error("histogram.explicit.buckets", message);
            }
            if buckets.windows(2).any(|pair| pair[0] >= pair[1]) {
                checks.warn("histogram.explicit.buckets", "buckets do not ascend; they are sorted");
            }
        }
        let max_size = histogram.exponential.get().map_or(160, |exponential| exponential.max_size);
        // The collector takes 0 as its default.
        if max_size == 1 || max_size > 16_384 {
            let message = format!("max_size is {max_size}, must be between 2 and 16384");
            checks.error("histogram.exponential.max_size", message);
        }
    }

    fn validate_limits(&self, checks: &mut Checks) {
        if self.max_series == 0 || self.max_series > MAX_SERIES {
            let message = format!("max_series is {}, must be between 1 and {MAX_SERIES}", self.max_series);
            checks.error("max_series", message);
        }
        let per_point = self.exemplars.max_per_data_point;
        if self.exemplars.enabled && per_point < 0 {
            let message = format!("invalid max_per_data_point: {per_point}, the value should be positive");
            checks.error("exemplars.max_per_data_point", message);
        }
        if self.aggregation_temporality == DELTA && self.metric_timestamp_cache_size == Some(0) {
            let message = "invalid delta timestamp cache size: 0, the maximum number of the items in the cache should be positive";
            checks.error("metric_timestamp_cache_size", message);
        }
    }

    fn validate_leftovers(&self, checks: &mut Checks) {
        if ![CUMULATIVE, DELTA].contains(&self.aggregation_temporality.as_str()) {
            let message = format!(
                "aggregation_temporality is {:?}, taken as {CUMULATIVE}; the other choice is {DELTA}",
                self.aggregation_temporality
            );
            checks.warn("aggregation_temporality", message);
        }
        if self.dimensions_cache_size != 0 {
            let message =
                "dimensions_cache_size is deprecated and has no effect, use aggregation_cardinality_limit";
            checks.warn("dimensions_cache_size", message);
        }
        if self.resource_metrics_cache_size != 1000 {
            let message = "resource_metrics_cache_size has no effect: max_series bounds all series together";
            checks.warn("resource_metrics_cache_size", message);
        }
    }
}

const RESERVED: [&str; 5] =
    ["service.name", "span.kind", "status.code", "span.name", "collector.instance.id"];

fn check_dimensions(path: &str, what: &str, dimensions: &[DimensionConfig], checks: &mut Checks) {
    let mut seen = RESERVED.to_vec();
    for (index, dimension) in dimensions.iter().enumerate() {
        let path = format!("{path}.{index}");
        let mut error = |message: String| checks.error(&path, format!("failed validating {what}: {message}"));
        match (dimension.name.as_str(), dimension.glob.as_str()) {
            ("", "") => error("dimension entry must set one of `name` or `glob`".to_owned()),
            ("", glob) => error(format!("glob {glob:?} is not supported, name each attribute with `name`")),
            (name, "") if seen.contains(&name) => error(format!("duplicate dimension name {name:?}")),
            (name, "") => seen.push(name),
            (name, glob) => {
                let message = "dimension entry must set only one of `name` or `glob`, got both";
                error(format!("{message}: name={name:?} glob={glob:?}"));
            }
        }
    }
}
