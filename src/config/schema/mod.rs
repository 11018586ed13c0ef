//! The collector's sections: components, pipelines, telemetry.

mod collector;
mod cycles;
mod id;
mod references;
mod telemetry;

pub use collector::{Collector, Component, ComponentKind, Document, Pipeline, Reference, Service};
pub use id::{ComponentId, IdError, PipelineId, PipelineSignal};
pub use telemetry::{
    BatchProcessor, LogEncoding, LogLevel, LogSampling, LogsTelemetry, MetricsLevel, MetricsTelemetry,
    OtlpTelemetry, Periodic, PrometheusReader, Pull, PullExporter, PushExporter, Reader, Resource,
    SimpleProcessor, SpanProcessor, Telemetry, TracesLevel, TracesTelemetry,
};

#[cfg(test)]
mod tests;
