//! What survives a restart: the last point of every stream. Points that came after it are counted by the next one.

use component::{RestoreError, Snapshot};
use prost::Message;

use super::streams::{Exponential, Histogram, Last, Streams, Value};
use crate::{
    seal::{seal, unseal},
    temporality::Buckets,
};

pub(super) const VERSION: u32 = 1;

/// How long a snapshot is the whole truth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GoesOn {
    /// Nothing leaves before the next one is stored.
    WithTheNext,
    BeyondIt,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DeltaSnapshot {
    #[prost(message, repeated, tag = "1")]
    pub(super) streams: Vec<SavedStream>,
    /// Differences after these points leave before the next snapshot is stored.
    #[prost(bool, tag = "2")]
    pub(super) goes_on: bool,
}

/// A stream and its last point.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedStream {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(fixed64, tag = "2")]
    pub(super) observed: u64,
    /// 0 an integer, 1 a double, 2 a histogram, 3 an exponential histogram.
    #[prost(uint32, tag = "3")]
    pub(super) kind: u32,
    /// Of an integer its two's complement, of a double its bits, of histograms the count.
    #[prost(fixed64, tag = "4")]
    pub(super) number: u64,
    #[prost(double, tag = "5")]
    pub(super) sum: f64,
    #[prost(double, repeated, tag = "6")]
    pub(super) bounds: Vec<f64>,
    #[prost(uint64, repeated, tag = "7")]
    pub(super) counts: Vec<u64>,
    #[prost(sint32, tag = "8")]
    pub(super) scale: i32,
    #[prost(uint64, tag = "9")]
    pub(super) zero_count: u64,
    #[prost(double, tag = "10")]
    pub(super) zero_threshold: f64,
    #[prost(sint32, tag = "11")]
    pub(super) offset: i32,
    #[prost(sint32, tag = "12")]
    pub(super) negative_offset: i32,
    #[prost(uint64, repeated, tag = "13")]
    pub(super) negative_counts: Vec<u64>,
}

/// Takes the streams. `goes_on` when differences may leave before the next snapshot is stored.
pub(super) fn take(streams: &Streams, goes_on: GoesOn) -> Snapshot {
    let saved = |(key, last): (&[u8], &Last)| {
        let saved = SavedStream { key: key.to_vec(), observed: last.observed, ..SavedStream::default() };
        match &last.value {
            Value::Int(number) => SavedStream { number: *number as u64, ..saved },
            Value::Double(number) => SavedStream { kind: 1, number: number.to_bits(), ..saved },
            Value::Histogram(it) => SavedStream {
                kind: 2,
                number: it.count,
                sum: it.sum,
                bounds: it.bounds.clone(),
                counts: it.counts.clone(),
                ..saved
            },
            Value::Exponential(it) => SavedStream {
                kind: 3,
                number: it.count,
                sum: it.sum,
                counts: it.positive.counts.clone(),
                scale: it.scale,
                zero_count: it.zero_count,
                zero_threshold: it.zero_threshold,
                offset: it.positive.offset,
                negative_offset: it.negative.offset,
                negative_counts: it.negative.counts.clone(),
                ..saved
            },
        }
    };
    let saved = streams.table.sorted().into_iter().map(saved).collect();
    let message = DeltaSnapshot { streams: saved, goes_on: goes_on == GoesOn::BeyondIt };
    Snapshot { version: VERSION, bytes: seal(&message.encode_to_vec()) }
}

pub(super) fn restore(streams: &mut Streams, snapshot: &Snapshot) -> Result<(), RestoreError> {
    if snapshot.version != VERSION {
        return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
    }
    let damaged = |why: &str| RestoreError::Damaged(why.to_owned());
    let state = unseal(&snapshot.bytes).ok_or_else(|| damaged("its hash is of other bytes"))?;
    let message = DeltaSnapshot::decode(state).map_err(|problem| damaged(&problem.to_string()))?;
    for saved in message.streams {
        let value = match saved.kind {
            0 => Value::Int(saved.number as i64),
            1 => Value::Double(f64::from_bits(saved.number)),
            2 => Value::Histogram(Histogram {
                count: saved.number,
                sum: saved.sum,
                bounds: saved.bounds,
                counts: saved.counts,
            }),
            3 => Value::Exponential(Exponential {
                count: saved.number,
                sum: saved.sum,
                scale: saved.scale,
                zero_count: saved.zero_count,
                zero_threshold: saved.zero_threshold,
                positive: Buckets { offset: saved.offset, counts: saved.counts },
                negative: Buckets { offset: saved.negative_offset, counts: saved.negative_counts },
            }),
            kind => return Err(damaged(&format!("a stream is of kind {kind}, which is none"))),
        };
        let last = Last { observed: saved.observed, value, may_be_behind: message.goes_on };
        streams.table.insert(saved.key.into(), last);
    }
    Ok(())
}
