//! `aggregation`: any metric, and the durations of spans, rolled up into windows of event time.
//!
//! *Question*: what did each series do in the last 10 s, in the last minute?
//! *Inputs*: metrics of every kind, and traces; both pass through. *Outputs*: a gauge per metric with one
//! point per statistic and window; for later stages a table of each window that was seen whole. *Method*: exact sums, exponential histograms of scale 3 for
//! percentiles, explicit buckets as they came. *Cost*: per data point a key and an ordered map; per span a
//! hash and a look-up.

mod catalog;
mod cell;
mod config;
mod ingest;
mod output;
mod partial;
mod processor;
mod read;
mod restarts;
mod rows;
mod state;
#[cfg(test)]
mod tests;

pub use config::AggregationConfig;
pub use processor::Aggregation;
#[cfg(test)]
pub(crate) use tests::hold_rollups;
