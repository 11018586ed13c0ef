//! What the half that sees spans tells the half that judges: `SlaPartial` of `proto/sla.proto`.

use model::TraceId;
use prost::Message;

/// The layout of [`SlaPartial`].
pub(super) const VERSION: u32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(super) struct SlaPartial {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) rows: Vec<EventsRow>,
    #[prost(message, repeated, tag = "3")]
    pub(super) workflows: Vec<WorkflowRow>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<HistogramRow>,
}

/// Events of one objective in ten seconds.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EventsRow {
    #[prost(fixed64, tag = "1")]
    pub(super) objective: u64,
    /// Tens of seconds since the epoch.
    #[prost(uint64, tag = "2")]
    pub(super) slot: u64,
    #[prost(uint64, tag = "3")]
    pub(super) good: u64,
    #[prost(uint64, tag = "4")]
    pub(super) total: u64,
    /// When the newest event ended, in nanoseconds since the epoch.
    #[prost(fixed64, tag = "5")]
    pub(super) newest: u64,
    /// The greatest value of a bad event: seconds, or what was compared.
    #[prost(double, tag = "6")]
    pub(super) worst: f64,
    /// Its trace; empty when nothing was bad.
    #[prost(bytes = "vec", tag = "7")]
    pub(super) worst_trace: Vec<u8>,
}

impl EventsRow {
    pub(super) fn worst_trace(&self) -> Option<TraceId> {
        self.worst_trace.as_slice().try_into().ok()
    }
}

/// What was seen of one workflow.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WorkflowRow {
    #[prost(fixed64, tag = "1")]
    pub(super) objective: u64,
    /// A hash of what names it.
    #[prost(fixed64, tag = "2")]
    pub(super) key: u64,
    /// The earliest that it is known to have run, 0 when not seen; in nanoseconds since the epoch.
    #[prost(fixed64, tag = "3")]
    pub(super) start: u64,
    /// When it ended, 0 when not seen.
    #[prost(fixed64, tag = "4")]
    pub(super) end: u64,
    #[prost(uint64, tag = "5")]
    pub(super) weight: u64,
    #[prost(bytes = "vec", tag = "6")]
    pub(super) trace: Vec<u8>,
}

/// How long the events of one latency took, in seconds: buckets of scale 3.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HistogramRow {
    #[prost(fixed64, tag = "1")]
    pub(super) objective: u64,
    #[prost(sint32, repeated, tag = "2")]
    pub(super) buckets: Vec<i32>,
    #[prost(uint64, repeated, tag = "3")]
    pub(super) counts: Vec<u64>,
}
