//! `service::telemetry::traces`, and the processors that logs share with it.

use serde::Deserialize;

use super::PushExporter;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TracesTelemetry {
    pub level: TracesLevel,
    pub propagators: Vec<String>,
    pub processors: Vec<SpanProcessor>,
    /// Absent means that every span is kept.
    pub sampler: Option<Sampler>,
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

/// Which own traces are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    AlwaysOn(NoKeys),
    AlwaysOff(NoKeys),
    TraceIdRatioBased(RatioSampler),
    /// A span follows the one that it is part of.
    ParentBased(ParentSampler),
}

/// A section without keys: `always_on:` or `always_on: {}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct NoKeys {}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct RatioSampler {
    /// Of all traces, from 0 to 1.
    pub ratio: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ParentSampler {
    /// For spans that are part of no other.
    pub root: Option<Box<Sampler>>,
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
    pub max_queue_size: Option<usize>,
    pub max_export_batch_size: Option<usize>,
    pub exporter: PushExporter,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SimpleProcessor {
    pub exporter: PushExporter,
}

impl TracesTelemetry {
    /// Returns the processors; none where no spans shall be told.
    pub fn processors_in_force(&self) -> &[SpanProcessor] {
        if self.level == TracesLevel::None { &[] } else { &self.processors }
    }
}
