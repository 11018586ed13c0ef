//! Builders that write OTLP requests straight to the wire: fields in ascending order of their numbers,
//! defaults left out, so the same input gives the same bytes.

mod attributes;
mod groups;
mod logs;
mod metrics;
mod nest;
mod spans;
mod tree;

pub use attributes::{Attributes, encode_value, key_value};
pub(crate) use attributes::{key_value_len, put_key_value};
pub use groups::GroupsWriter;
pub use logs::{LogRecord, LogsWriter};
pub use metrics::{
    Buckets, Exemplar, ExponentialPoint, ExponentialPoints, HistogramPoint, HistogramPoints, MetricHead,
    MetricsWriter, NumberPoint, NumberPoints, ScopeHead, SummaryPoint, SummaryPoints,
};
pub use spans::{Event, Link, Span, SpansWriter};
pub use tree::Tree;

#[cfg(test)]
mod tests;
