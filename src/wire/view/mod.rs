//! Borrowed, lazy reading of requests that were checked before.
//!
//! A view reads the scalar fields of one message when it is made and walks repeated fields when asked. On
//! bytes that are no such message it ends early and reports fields as absent; it never panics.

mod common;
mod logs;
mod metrics;
mod request;
mod spans;
mod value;

pub use common::{Group, KeyValue, Resource, Scope, attributes, groups, resource_of};
pub use logs::LogRecord;
pub use metrics::NO_RECORDED_VALUE;
pub use metrics::{
    Buckets, Exemplar, ExponentialPoint, HistogramPoint, Metric, MetricData, Number, NumberPoint, Points,
    Quantile, SummaryPoint, Temporality,
};
pub use request::{latest_time, signal_of};
pub use spans::{Event, Link, Span};
pub use value::{AnyValue, Values};

#[cfg(test)]
mod tests;
