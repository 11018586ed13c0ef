//! Stages: what is made of telemetry between receivers and exporters.
//!
//! # Layout
//! * `aggregation`: the code that counts, and the processor that rolls metrics up.
//! * [`attributes`], [`resource`]: edits, which share `actions`.
//! * [`span_metrics`]: its face for rates, errors and durations of spans.

mod actions;
mod aggregation;
pub mod attributes;
pub mod resource;
#[cfg(test)]
mod testing;
pub mod span_metrics;

use component::ProcessorEntry;

/// Connectors: their output enters other pipelines.
pub fn connectors() -> Vec<ProcessorEntry> {
    vec![ProcessorEntry::of::<span_metrics::SpanMetrics>()]
}

/// Processors: their output goes on where their input came from.
pub fn processors() -> Vec<ProcessorEntry> {
    vec![ProcessorEntry::of::<attributes::Attributes>(), ProcessorEntry::of::<resource::Resource>()]
}
