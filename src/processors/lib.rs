//! Stages: what is made of telemetry between receivers and exporters.
//!
//! # Layout
//! * `aggregation`: the code that counts, and the processor that rolls metrics up.
//! * [`alerting`]: who must be told, of what, and when again.
//! * [`anomaly`]: which departures from the baseline deserve attention.
//! * [`attributes`], [`resource`]: edits, which share `actions`.
//! * [`baseline`]: what is normal for each series.
//! * [`bottleneck`]: where the time of requests goes, and what holds them up.
//! * [`correlation`]: which of all that is told is one incident, and what is behind it.
//! * [`enrichment`]: what is known of a series, written into the telemetry that makes it.
//! * [`forecast`]: where series are heading, and when they reach their limits.
//! * `glob`: patterns by which an operator chooses names.
//! * [`promql`]: what is asked in the words of Prometheus, in terms of the series that stages see.
//! * [`sla`]: whether promises are kept, and how fast their error budgets burn.
//! * `schedule`: times of the week at which something holds.
//! * [`span_metrics`]: its face for rates, errors and durations of spans.
//! * [`service_graph`]: its face for who calls whom.

mod actions;
pub mod aggregation;
pub mod alerting;
pub mod anomaly;
pub mod attributes;
pub mod baseline;
pub mod bottleneck;
pub mod correlation;
pub mod enrichment;
pub mod forecast;
mod glob;
pub mod promql;
pub mod resource;
mod schedule;
pub mod service_graph;
pub mod sla;
pub mod span_metrics;
#[cfg(test)]
mod testing;

use component::ProcessorEntry;

/// Connectors: their output enters other pipelines.
pub fn connectors() -> Vec<ProcessorEntry> {
    vec![
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
        ProcessorEntry::of::<enrichment::Enrichment>(),
        ProcessorEntry::of::<baseline::Baseline>(),
        ProcessorEntry::of::<bottleneck::Bottleneck>(),
        ProcessorEntry::of::<forecast::Forecast>(),
        ProcessorEntry::of::<resource::Resource>(),
        ProcessorEntry::of::<sla::Sla>(),
    ]
}
