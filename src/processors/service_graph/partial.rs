//! The messages between the halves of the service graph; `proto/partials.proto` is their description.

use prost::Message;

use crate::aggregation::partial::SpanMetricsSnapshot;

/// Raised when the meaning of a field changes.
pub(super) const VERSION: u32 = 1;

/// Halves of edges, as spans told them.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceGraphPartial {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// Texts that the halves refer to, by place plus one; 0 is no text.
    #[prost(string, repeated, tag = "2")]
    pub(super) texts: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(super) halves: Vec<HalfRow>,
    /// How many dimensions each half has; distinguishes configurations.
    #[prost(uint32, tag = "4")]
    pub(super) n_dimensions: u32,
}

/// One half.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HalfRow {
    #[prost(fixed64, tag = "1")]
    pub(super) trace_high: u64,
    #[prost(fixed64, tag = "2")]
    pub(super) trace_low: u64,
    /// Of the client's span; 0 for a server without a parent.
    #[prost(fixed64, tag = "3")]
    pub(super) span: u64,
    #[prost(bool, tag = "4")]
    pub(super) is_server: bool,
    #[prost(bool, tag = "5")]
    pub(super) failed: bool,
    /// Producer or consumer of a message.
    #[prost(bool, tag = "6")]
    pub(super) is_messaging: bool,
    #[prost(uint32, tag = "7")]
    pub(super) service: u32,
    /// The database that a client's span names.
    #[prost(uint32, tag = "8")]
    pub(super) database: u32,
    /// Who a client's span says is on the other side.
    #[prost(uint32, tag = "9")]
    pub(super) peer: u32,
    #[prost(uint64, tag = "10")]
    pub(super) nanos: u64,
    /// One for each dimension.
    #[prost(uint32, repeated, tag = "11")]
    pub(super) dimensions: Vec<u32>,
    /// Calls that this one stands for beside itself, because the span was sampled.
    #[prost(uint64, tag = "12")]
    pub(super) unseen: u64,
}

/// What must survive a restart: the counters, and the halves that wait.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceGraphSnapshot {
    #[prost(message, required, tag = "1")]
    pub(super) series: SpanMetricsSnapshot,
    #[prost(message, required, tag = "2")]
    pub(super) waiting: ServiceGraphPartial,
    /// For each half when it came, and whether it has met another.
    #[prost(fixed64, repeated, tag = "3")]
    pub(super) arrived: Vec<u64>,
    #[prost(bool, repeated, tag = "4")]
    pub(super) met: Vec<bool>,
    /// Halves of the present second, which nobody has looked at yet.
    #[prost(message, required, tag = "5")]
    pub(super) came: ServiceGraphPartial,
}

impl ServiceGraphPartial {
    /// Returns a text; none for 0 and for places past the end.
    pub(super) fn text(&self, at: u32) -> Option<&str> {
        self.texts.get((at as usize).checked_sub(1)?).map(String::as_str)
    }
}
