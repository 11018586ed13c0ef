//! `prometheus`: what targets show over HTTP, in Prometheus's text format or OpenMetrics, at an interval.
//!
//! *Question*: what do exporters, databases and programs say of themselves? *Outputs*: OTLP metrics as the collector's
//! receiver makes them, `up` and its kin, and the ends of series. *Method*: a walk over the text on a thread that may
//! take its time; a series whose text was seen before is not read again. *Cost*: one walk over the text, and memory for
//! the series of the last scrape. *Source*: the collector's receiver of that name, 0.155, and Prometheus 3.

mod config;
mod exposition;
mod families;
mod fetch;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod history;
mod labels;
mod metadata;
mod receiver;
mod relabel;
mod resource;
mod scrape;
mod target;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use receiver::Prometheus;
