//! What the halves tell each other; `proto/bottleneck.proto` is its description.

use prost::Message;

/// Raised when the meaning of a field changes.
pub(super) const VERSION: u32 = 1;

/// Spans that one shard kept since its last tick.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BottleneckPartial {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// Every span of a trace whose hash is not above it is here.
    #[prost(fixed64, tag = "2")]
    pub(super) threshold: u64,
    /// Spans that passed since the last tick, kept or not.
    #[prost(uint64, tag = "3")]
    pub(super) seen: u64,
    /// Texts that the spans refer to, by place plus one; 0 is no text.
    #[prost(string, repeated, tag = "4")]
    pub(super) texts: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) spans: Vec<SpanRow>,
    /// Every failed span of a trace whose hash is not above it is here.
    #[prost(fixed64, tag = "6")]
    pub(super) failed_threshold: u64,
    /// Of the spans that passed those that failed.
    #[prost(uint64, tag = "7")]
    pub(super) seen_failed: u64,
}

/// One span.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct SpanRow {
    #[prost(fixed64, tag = "1")]
    pub(super) trace_high: u64,
    #[prost(fixed64, tag = "2")]
    pub(super) trace_low: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) span: u64,
    /// 0 for none.
    #[prost(fixed64, tag = "4")]
    pub(super) parent: u64,
    /// *Units*: nanoseconds since the epoch.
    #[prost(fixed64, tag = "5")]
    pub(super) start: u64,
    /// *Units*: nanoseconds since the epoch.
    #[prost(fixed64, tag = "6")]
    pub(super) end: u64,
    /// OTLP `SpanKind`.
    #[prost(uint32, tag = "7")]
    pub(super) kind: u32,
    #[prost(bool, tag = "8")]
    pub(super) failed: bool,
    #[prost(bool, tag = "9")]
    pub(super) has_links: bool,
    #[prost(uint32, tag = "10")]
    pub(super) service: u32,
    #[prost(uint32, tag = "11")]
    pub(super) name: u32,
    /// The database that a client's span names.
    #[prost(uint32, tag = "12")]
    pub(super) database: u32,
    /// Who a client's span says is on the other side.
    #[prost(uint32, tag = "13")]
    pub(super) peer: u32,
    /// Of the span of a client that asks a cache: 1, and 2 when it reads from it.
    #[prost(uint32, tag = "14")]
    pub(super) cache: u32,
    /// The answer was that too much is asked.
    #[prost(bool, tag = "15")]
    pub(super) throttled: bool,
    /// What a failed span failed with.
    #[prost(uint32, tag = "16")]
    pub(super) error: u32,
}

/// Which traces are to be kept.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BottleneckVerdicts {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// Traces whose hash is not above it.
    #[prost(fixed64, tag = "2")]
    pub(super) threshold: u64,
    /// Of traces whose hash is not above it, the spans that failed.
    #[prost(fixed64, tag = "3")]
    pub(super) failed_threshold: u64,
}
