//! `prometheus`: shows the last value of every series to whoever scrapes it.
//!
//! Takes metrics; emits nothing. [`table`] keeps the values, adding up deltas and what several senders say
//! of one series; [`text`] writes them, [`classic`] turning exponential histograms into buckets; [`server`]
//! answers scrapes.
//!
//! *Cost*: a walk of two trees per data point; a scrape passes over all series and holds the page in memory.
//! *Source*: Prometheus text format 0.0.4; OpenMetrics 1.0.

mod classic;
mod config;
mod exporter;
mod server;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use exporter::Prometheus;
