//! Stages: what is made of telemetry between receivers and exporters.
//!
//! # Layout
//! * `aggregation`: the code that counts, and the processor that rolls metrics up.
//! * [`alerting`]: who must be told, of what, and when again.
//! * [`anomaly`]: which departures from the baseline deserve attention.
//! * [`attributes`], [`resource`]: edits, which share `actions`.
//! * [`baseline`]: what is normal for each series.
//! * [`batch`]: requests joined before exporters send them.
//! * [`bottleneck`]: where the time of requests goes, and what holds them up.
//! * `consistent`: OpenTelemetry's sampling by thresholds, which samplers share.
//! * [`correlation`]: which of all that is told is one incident, and what is behind it.
//! * [`cumulativetodelta`]: totals into differences.
//! * [`deltatocumulative`]: differences into totals; `temporality`: what it shares with the other way.
//! * [`enrichment`]: what is known of a series, written into the telemetry that makes it.
//! * [`filter`], [`transform`]: what is dropped and changed, in the language of the collector, `ottl`.
//! * [`forecast`]: where series are heading, and when they reach their limits.
//! * [`forward`], [`routing`]: connectors that pass on, to all pipelines or to chosen ones.
//! * `glob`: patterns by which an operator chooses names.
//! * [`lens`]: what a person who looks at passing telemetry sees of it.
//! * [`memory_limiter`]: requests refused while the process holds too much memory.
//! * [`promql`]: what is asked in the words of Prometheus, in terms of the series that stages see.
//! * [`probabilistic_sampler`]: a share of spans and log records.
//! * [`redaction`]: what nobody shall see, removed and masked.
//! * [`resource_detection`]: where telemetry was collected.
//! * [`sla`]: whether promises are kept, and how fast their error budgets burn.
//! * `recall`: earlier states of stages, for ranges of time that are excluded afterwards.
//! * `schedule`: times of the week at which something holds.
//! * `seal`: stored states behind their hash.
//! * `text`: numbers and foreign texts as people read them.
//! * [`tail_sampling`]: whole traces by what is in them.
//! * [`span_metrics`]: its face for rates, errors and durations of spans.
//! * [`service_graph`]: its face for who calls whom.

mod actions;
pub mod aggregation;
pub mod alerting;
pub mod anomaly;
pub mod attributes;
pub mod baseline;
pub mod batch;
pub mod bottleneck;
mod consistent;
pub mod correlation;
pub mod cumulativetodelta;
pub mod deltatocumulative;
pub mod enrichment;
pub mod filter;
pub mod forecast;
pub mod forward;
mod glob;
pub mod lens;
pub mod memory_limiter;
mod ottl;
pub mod probabilistic_sampler;
pub mod promql;
mod recall;
pub mod redaction;
pub mod resource;
pub mod resource_detection;
pub mod routing;
mod schedule;
mod seal;
pub mod service_graph;
pub mod sla;
pub mod span_metrics;
pub mod tail_sampling;
mod temporality;
#[cfg(test)]
mod testing;
mod text;
pub mod transform;

use component::ProcessorEntry;

/// Connectors: their output enters other pipelines.
pub fn connectors() -> Vec<ProcessorEntry> {
    vec![
        ProcessorEntry::of::<forward::Forward>(),
        ProcessorEntry::of::<routing::Routing>(),
        ProcessorEntry::of::<span_metrics::SpanMetrics>(),
        ProcessorEntry::of::<service_graph::ServiceGraph>(),
    ]
}

/// Processors: their output goes on where their input came from.
pub fn processors() -> Vec<ProcessorEntry> {
    vec![
        ProcessorEntry::of::<aggregation::Aggregation>(),
        ProcessorEntry::of::<alerting::Alerting>(),
        ProcessorEntry::of::<anomaly::Anomaly>(),
        ProcessorEntry::of::<attributes::Attributes>(),
        ProcessorEntry::of::<correlation::Correlation>(),
        ProcessorEntry::of::<cumulativetodelta::CumulativeToDelta>(),
        ProcessorEntry::of::<deltatocumulative::DeltaToCumulative>(),
        ProcessorEntry::of::<enrichment::Enrichment>(),
        ProcessorEntry::of::<baseline::Baseline>(),
        ProcessorEntry::of::<batch::Batch>(),
        ProcessorEntry::of::<bottleneck::Bottleneck>(),
        ProcessorEntry::of::<filter::Filter>(),
        ProcessorEntry::of::<forecast::Forecast>(),
        ProcessorEntry::of::<memory_limiter::MemoryLimiter>(),
        ProcessorEntry::of::<probabilistic_sampler::ProbabilisticSampler>(),
        ProcessorEntry::of::<redaction::Redaction>(),
        ProcessorEntry::of::<resource::Resource>(),
        ProcessorEntry::of::<resource_detection::ResourceDetection>(),
        ProcessorEntry::of::<sla::Sla>(),
        ProcessorEntry::of::<tail_sampling::TailSampling>(),
        ProcessorEntry::of::<transform::Transform>(),
    ]
}
