//! The messages between the halves of span-derived metrics, and the snapshot; `proto/partials.proto`
//! is their description for others.

use prost::Message;

use super::exemplars::Exemplar;

/// Raised when the meaning of a field changes.
pub(crate) const VERSION: u32 = 1;

/// What an ingest half counted since its last flush.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SpanMetricsPartial {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    /// Distinguishes configurations whose rows can not be added.
    #[prost(fixed64, tag = "2")]
    pub(crate) layout: u64,
    /// Each once.
    #[prost(message, repeated, tag = "3")]
    pub(crate) resources: Vec<ResourceRow>,
    /// Ascending by family, resource and attributes.
    #[prost(message, repeated, tag = "4")]
    pub(crate) rows: Vec<Row>,
    /// Ascending by service and attribute.
    #[prost(message, repeated, tag = "5")]
    pub(crate) refused: Vec<RefusedRow>,
}

/// Values of an attribute of a service that found no room.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RefusedRow {
    /// The service, as in a [`ResourceRow`].
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) service: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) attribute: Vec<u8>,
    /// Of [`stats::Distinct`].
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) registers: Vec<u8>,
}

/// Encoded attribute lists: `KeyValue` messages in field 1, as in a `Resource`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
pub(crate) struct ResourceRow {
    /// What distinguishes the resource.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) attributes: Vec<u8>,
    /// Its service alone: what overflow keeps.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) service: Vec<u8>,
}

/// One series.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Row {
    #[prost(uint32, tag = "1")]
    pub(crate) family: u32,
    /// Index into the resources.
    #[prost(uint32, tag = "2")]
    pub(crate) resource: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) attributes: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) calls: u64,
    /// Low and high half of the sum of durations in nanoseconds.
    #[prost(uint64, tag = "5")]
    pub(crate) sum_low: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) sum_high: u64,
    #[prost(uint64, tag = "7")]
    pub(crate) min_nanos: u64,
    #[prost(uint64, tag = "8")]
    pub(crate) max_nanos: u64,
    #[prost(uint64, tag = "9")]
    pub(crate) size_bytes: u64,
    /// Buckets that hold anything, ascending.
    #[prost(sint32, repeated, tag = "10")]
    pub(crate) buckets: Vec<i32>,
    #[prost(uint64, repeated, tag = "11")]
    pub(crate) counts: Vec<u64>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) exemplars: Vec<ExemplarRow>,
    /// Whether the series stands for those that found no room.
    #[prost(bool, tag = "13")]
    pub(crate) overflow: bool,
    /// OTLP's span kind and status code, of which unknown numbers are told as one past the last.
    #[prost(uint32, tag = "14")]
    pub(crate) kind: u32,
    #[prost(uint32, tag = "15")]
    pub(crate) status: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExemplarRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) span_id: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub(crate) nanos: u64,
    #[prost(sint32, tag = "4")]
    pub(crate) bucket: i32,
}

impl From<&Exemplar> for ExemplarRow {
    fn from(exemplar: &Exemplar) -> Self {
        let (trace_id, span_id) = (exemplar.trace_id.to_vec(), exemplar.span_id.to_vec());
        Self { trace_id, span_id, nanos: exemplar.nanos, bucket: exemplar.bucket }
    }
}

impl ExemplarRow {
    /// Returns the exemplar, or none when the ids have wrong lengths.
    pub(crate) fn exemplar(&self) -> Option<Exemplar> {
        let trace_id = self.trace_id.as_slice().try_into().ok()?;
        let span_id = self.span_id.as_slice().try_into().ok()?;
        Some(Exemplar::new(trace_id, span_id, self.nanos, self.bucket))
    }
}

impl Row {
    pub(crate) fn sum_nanos(&self) -> u128 {
        u128::from(self.sum_high) << 64 | u128::from(self.sum_low)
    }

    pub(crate) fn set_sum_nanos(&mut self, sum: u128) {
        self.sum_low = sum as u64;
        self.sum_high = (sum >> 64) as u64;
    }
}

/// Everything an analysis half must know after a restart.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SpanMetricsSnapshot {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(fixed64, tag = "2")]
    pub(crate) layout: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) last_flush: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) resources: Vec<ResourceRow>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) series: Vec<SavedSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SavedSeries {
    #[prost(message, required, tag = "1")]
    pub(crate) row: Row,
    #[prost(fixed64, tag = "2")]
    pub(crate) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) last_seen: u64,
    /// The scale of the row's buckets, where they are exponential.
    #[prost(sint32, tag = "4")]
    pub(crate) scale: i32,
}
