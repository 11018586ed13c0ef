//! `service::telemetry`: what the collector tells about itself.
//!
//! # Layout
//! * `logs`, `metrics`, `traces`: the sections.
//! * `resource`: attributes of everything that is told.
//! * `push`: destinations that are sent to, and what a request to one needs.
//! * `checks`: what types can not say; `validate` and the start use it alike.

mod checks;
mod logs;
mod metrics;
mod push;
mod resource;
#[cfg(test)]
mod tests;
mod traces;

use serde::Deserialize;

pub use logs::{LogEncoding, LogLevel, LogSampling, LogsTelemetry};
pub use metrics::{
    MetricsLevel, MetricsTelemetry, Periodic, PrometheusReader, Pull, PullExporter, Reader, ScrapeTranslation,
};
pub use push::{
    HistogramAggregation, OtlpEncoding, OtlpProtocol, OtlpTarget, OtlpTelemetry, OtlpTransport, PushExporter,
    PushedSignal, TargetProblem, TelemetryCompression, TemporalityPreference,
};
pub use resource::Resource;
pub use traces::{
    BatchProcessor, NoKeys, ParentSampler, RatioSampler, Sampler, SimpleProcessor, SpanProcessor,
    TracesLevel, TracesTelemetry,
};

use crate::{Node, Problems, decode_telling};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Telemetry {
    pub logs: LogsTelemetry,
    pub metrics: MetricsTelemetry,
    pub traces: TracesTelemetry,
    pub resource: Resource,
    /// As it was written, for the places of problems; none where the section is absent.
    #[serde(skip)]
    pub written: Option<Node>,
}

impl Telemetry {
    /// Where the section stands.
    pub const PATH: &'static str = "service::telemetry";

    /// Reads the section, which may be null.
    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut telemetry: Self = decode_telling(node, Self::PATH, checks::NOT_SUPPORTED, problems)?;
        telemetry.written = Some(node.clone());
        checks::check(&telemetry, node, problems);
        Some(telemetry)
    }

    /// Returns every destination that is sent to: where it stands in the section, what it gets, and its
    /// settings. What is switched off by a `level: none` is not among them.
    pub fn push_exporters(&self) -> Vec<(String, PushedSignal, &PushExporter)> {
        let mut found = Vec::new();
        let processors = [
            ("logs", PushedSignal::Logs, self.logs.processors.as_slice()),
            ("traces", PushedSignal::Traces, self.traces.processors_in_force()),
        ];
        for (section, signal, processors) in processors {
            for (index, processor) in processors.iter().enumerate() {
                let (key, exporter) = match processor {
                    SpanProcessor::Batch(batch) => ("batch", &batch.exporter),
                    SpanProcessor::Simple(simple) => ("simple", &simple.exporter),
                };
                let name = exporter.name();
                found.push((format!("{section}.processors.{index}.{key}.exporter.{name}"), signal, exporter));
            }
        }
        for (index, reader) in self.metrics.readers_in_force().iter().enumerate() {
            if let Reader::Periodic(Periodic { exporter, .. }) = reader {
                let name = exporter.name();
                let path = format!("metrics.readers.{index}.periodic.exporter.{name}");
                found.push((path, PushedSignal::Metrics, exporter));
            }
        }
        found
    }
}
