//! `service::telemetry`: what the collector tells about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value as Json;

use crate::{Duration, Node, Problems, Secret, decode};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Telemetry {
    pub logs: LogsTelemetry,
    pub metrics: MetricsTelemetry,
    pub traces: TracesTelemetry,
    pub resource: Resource,
}

/// Attributes of everything the collector tells; a null takes away one that it has by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    pub attributes: BTreeMap<String, Option<Json>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct LogsTelemetry {
    pub level: LogLevel,
    pub encoding: LogEncoding,
    pub development: bool,
    pub disable_caller: bool,
    pub disable_stacktrace: bool,
    pub disable_zap_resource: bool,
    pub sampling: LogSampling,
    /// `stdout`, `stderr` or paths.
    pub output_paths: Vec<String>,
    pub error_output_paths: Vec<String>,
    pub initial_fields: BTreeMap<String, Json>,
    pub processors: Vec<SpanProcessor>,
}

/// Of equal lines within a tick, the first `initial` and then every `thereafter`th are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct LogSampling {
    pub enabled: bool,
    pub tick: Duration,
    pub initial: u32,
    pub thereafter: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    #[serde(alias = "DEBUG")]
    Debug,
    #[default]
    #[serde(alias = "INFO")]
    Info,
    #[serde(alias = "WARN")]
    Warn,
    #[serde(alias = "ERROR")]
    Error,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEncoding {
    #[default]
    Console,
    Json,
}

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
    pub translation_strategy: Option<String>,
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

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushExporter {
    Otlp(Box<OtlpTelemetry>),
    OtlpGrpc(Box<OtlpTelemetry>),
    OtlpHttp(Box<OtlpTelemetry>),
    Console(Json),
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct OtlpTelemetry {
    /// `grpc`, `http/protobuf` or `http/json`; absent where the exporter's name says it.
    pub protocol: Option<String>,
    pub endpoint: Option<String>,
    pub insecure: Option<bool>,
    pub compression: Option<String>,
    /// Milliseconds.
    pub timeout: Option<u64>,
    #[serde(deserialize_with = "headers")]
    pub headers: BTreeMap<String, Secret>,
    pub headers_list: Option<Secret>,
    pub certificate: Option<String>,
    pub client_certificate: Option<String>,
    pub client_key: Option<String>,
    pub temporality_preference: Option<String>,
    pub default_histogram_aggregation: Option<String>,
    pub encoding: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TracesTelemetry {
    pub level: TracesLevel,
    pub propagators: Vec<String>,
    pub processors: Vec<SpanProcessor>,
    pub sampler: Option<Json>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TracesLevel {
    None,
    Basic,
    #[default]
    Normal,
    Detailed,
}

/// How own spans and log records leave.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanProcessor {
    Batch(BatchProcessor),
    Simple(SimpleProcessor),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BatchProcessor {
    /// Milliseconds.
    pub schedule_delay: Option<u64>,
    /// Milliseconds.
    pub export_timeout: Option<u64>,
    pub max_queue_size: Option<u64>,
    pub max_export_batch_size: Option<u64>,
    pub exporter: PushExporter,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SimpleProcessor {
    pub exporter: PushExporter,
}

impl Telemetry {
    /// Reads the section, which may be null.
    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        decode(node, "service::telemetry", problems)
    }
}

impl Default for LogsTelemetry {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            encoding: LogEncoding::Console,
            development: false,
            disable_caller: false,
            disable_stacktrace: false,
            disable_zap_resource: false,
            sampling: LogSampling::default(),
            output_paths: vec!["stderr".to_owned()],
            error_output_paths: vec!["stderr".to_owned()],
            initial_fields: BTreeMap::new(),
            processors: Vec::new(),
        }
    }
}

impl Default for LogSampling {
    fn default() -> Self {
        Self { enabled: true, tick: Duration::from_secs(10), initial: 10, thereafter: 100 }
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

/// A name with a value, the way the declarative configuration writes attributes and headers.
#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(default = "none")]
    value: Option<T>,
    /// Allowed, but the value's own type says as much.
    #[serde(default, rename = "type")]
    _type: Option<String>,
}

const fn none<T>() -> Option<T> {
    None
}

/// Both ways of writing pairs: a map, or a list of names with values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Pairs<T> {
    List(Vec<Named<T>>),
    Map(BTreeMap<String, Option<T>>),
}

impl<T> Pairs<T> {
    fn into_map(self) -> BTreeMap<String, Option<T>> {
        match self {
            Self::List(list) => list.into_iter().map(|pair| (pair.name, pair.value)).collect(),
            Self::Map(map) => map,
        }
    }
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Secret>, D::Error> {
    let pairs = Pairs::<Secret>::deserialize(deserializer).map_err(|_| {
        D::Error::custom("expected a map of headers\nwrite `name: value`, or a list of `{name: …, value: …}`")
    })?;
    Ok(pairs.into_map().into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

impl<'de> Deserialize<'de> for Resource {
    /// Reads attributes as keys, or, as the declarative configuration has it, below `attributes`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keys = BTreeMap::<String, Option<Json>>::deserialize(deserializer)?;
        let Some(listed @ Some(Json::Array(_) | Json::Object(_))) = keys.remove("attributes") else {
            return Ok(Self { attributes: keys });
        };
        let attributes = Pairs::<Json>::deserialize(listed.unwrap_or_default()).map_err(|_| {
            D::Error::custom("expected a list of attributes\nwrite `attributes: [{name: …, value: …}]`")
        })?;
        keys.retain(|key, _| !matches!(key.as_str(), "schema_url" | "detectors" | "detection/development"));
        keys.extend(attributes.into_map());
        Ok(Self { attributes: keys })
    }
}
