//! What shards tell; `proto/tail_sampling.proto` is its description.

use bytes::Bytes;
use prost::Message;

/// Raised when the meaning of a field changes.
pub(super) const VERSION: u32 = 2;

/// A message may leave a part of its spans' bytes, one in so many, unused of the room it claimed: counted where spans
/// wait, as nobody else can have it.
pub(super) const UNUSED: usize = 16;

/// Spans that one shard took since its last tick, or a part of them, by trace.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TailPartial {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) heads: Vec<Head>,
    #[prost(message, repeated, tag = "3")]
    pub(super) traces: Vec<TracePart>,
    /// `ResourceSpans` without their scopes.
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub(super) resources: Vec<Bytes>,
    /// Fields of `ScopeSpans`, each with tag and length, one behind the other as they came.
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) spans: Bytes,
    /// By span, those of a trace together in the order of `traces`: the place of its head in the message.
    #[prost(fixed32, repeated, tag = "6")]
    pub(super) span_heads: Vec<u32>,
    /// By span likewise, where in `spans` it begins.
    #[prost(fixed32, repeated, tag = "7")]
    pub(super) span_begins: Vec<u32>,
    /// By span likewise, how long it is.
    #[prost(fixed32, repeated, tag = "8")]
    pub(super) span_lens: Vec<u32>,
}

/// What spans of one scope have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub(super) struct Head {
    /// The place of its resource in the message.
    #[prost(uint32, tag = "1")]
    pub(super) resource: u32,
    /// A `ScopeSpans` without its spans.
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) scope: Bytes,
}

/// The part of a trace, and what was found in it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TracePart {
    #[prost(fixed64, tag = "1")]
    pub(super) trace_high: u64,
    #[prost(fixed64, tag = "2")]
    pub(super) trace_low: u64,
    /// Conditions that hold, by their place among those of all policies.
    #[prost(fixed64, tag = "3")]
    pub(super) hits_high: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) hits_low: u64,
    /// The earliest; 0 for none. *Units*: nanoseconds since the epoch.
    #[prost(fixed64, tag = "5")]
    pub(super) start: u64,
    /// The latest; 0 for none.
    #[prost(fixed64, tag = "6")]
    pub(super) end: u64,
    #[prost(bool, tag = "7")]
    pub(super) has_root: bool,
    #[prost(uint32, tag = "8")]
    pub(super) n_spans: u32,
}

impl TailPartial {
    /// Whether its lists are of as many spans as its traces have.
    pub(super) fn is_sound(&self) -> bool {
        let n_spans: u64 = self.traces.iter().map(|part| u64::from(part.n_spans)).sum();
        [&self.span_heads, &self.span_begins, &self.span_lens].iter().all(|list| list.len() as u64 == n_spans)
    }
}

impl TracePart {
    pub(super) fn trace(&self) -> u128 {
        u128::from(self.trace_high) << 64 | u128::from(self.trace_low)
    }

    pub(super) fn hits(&self) -> u128 {
        u128::from(self.hits_high) << 64 | u128::from(self.hits_low)
    }

    pub(super) fn set_hits(&mut self, hits: u128) {
        (self.hits_high, self.hits_low) = ((hits >> 64) as u64, hits as u64);
    }
}
