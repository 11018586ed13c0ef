//! The collector's sections: components, pipelines, telemetry.

mod collector;
mod cycles;
mod elsewhere;
mod id;
mod references;
mod telemetry;

pub use collector::{
    Collector, Component, ComponentKind, Document, HelpForType, Pipeline, Reference, Service,
};
pub use elsewhere::instead_of;
pub use id::{ComponentId, IdError, PipelineId, PipelineSignal};
pub use telemetry::{
    BatchProcessor, HistogramAggregation, LogEncoding, LogLevel, LogSampling, LogsTelemetry, MetricsLevel,
    MetricsTelemetry, NoKeys, OtlpEncoding, OtlpProtocol, OtlpTarget, OtlpTelemetry, OtlpTransport,
    ParentSampler, Periodic, PrometheusReader, Pull, PullExporter, PushExporter, PushedSignal, RatioSampler,
    Reader, Resource, Sampler, ScrapeTranslation, SimpleProcessor, SpanProcessor, TargetProblem, Telemetry,
    TelemetryCompression, TemporalityPreference, TracesLevel, TracesTelemetry,
};

#[cfg(test)]
mod tests;
