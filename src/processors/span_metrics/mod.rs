//! `span_metrics` (alias `spanmetrics`): how many spans, how long, which events — as metrics.
//!
//! *Question*: what are the rate, the errors and the durations of every operation of every service?
//! *Inputs*: traces. *Outputs*: OTLP metrics at every flush. The counting is `aggregation`'s; this folder
//! holds the collector's keys, defaults, names and errors. *Source*: the collector's `spanmetrics`
//! connector, 0.155, Tempo's metrics generator and Jaeger's service performance monitoring for names.

mod config;
mod plan;
mod processor;
#[cfg(test)]
mod tests;

use config::Flavor;
pub use config::SpanMetricsConfig;
pub use processor::SpanMetrics;
