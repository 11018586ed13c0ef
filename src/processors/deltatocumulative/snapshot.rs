//! What survives a restart: the total of every stream. `proto/deltatocumulative.proto` is its description.

use component::{RestoreError, Snapshot};
use prost::Message;

use super::{
    streams::{Streams, Total},
    total::{Exponential, Histogram, Spread, Value},
};
use crate::{
    seal::{seal, unseal},
    temporality::Buckets,
};

pub(super) const VERSION: u32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(super) struct CumulativeSnapshot {
    #[prost(message, repeated, tag = "1")]
    pub(super) streams: Vec<SavedTotal>,
}

/// A stream and what it has come to.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedTotal {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) observed: u64,
    /// 0 an integer, 1 a double, 2 a histogram, 3 an exponential histogram.
    #[prost(uint32, tag = "4")]
    pub(super) kind: u32,
    /// Of an integer its two's complement, of a double its bits, of histograms the count.
    #[prost(fixed64, tag = "5")]
    pub(super) number: u64,
    #[prost(double, optional, tag = "6")]
    pub(super) sum: Option<f64>,
    #[prost(double, optional, tag = "7")]
    pub(super) min: Option<f64>,
    #[prost(double, optional, tag = "8")]
    pub(super) max: Option<f64>,
    #[prost(double, repeated, tag = "9")]
    pub(super) bounds: Vec<f64>,
    #[prost(uint64, repeated, tag = "10")]
    pub(super) counts: Vec<u64>,
    #[prost(sint32, tag = "11")]
    pub(super) scale: i32,
    #[prost(uint64, tag = "12")]
    pub(super) zero_count: u64,
    #[prost(double, tag = "13")]
    pub(super) zero_threshold: f64,
    #[prost(sint32, tag = "14")]
    pub(super) offset: i32,
    #[prost(sint32, tag = "15")]
    pub(super) negative_offset: i32,
    #[prost(uint64, repeated, tag = "16")]
    pub(super) negative_counts: Vec<u64>,
}

pub(super) fn take(streams: &Streams) -> Snapshot {
    let message = CumulativeSnapshot { streams: streams.sorted().into_iter().map(saved).collect() };
    Snapshot { version: VERSION, bytes: seal(&message.encode_to_vec()) }
}

fn saved((key, total): (&[u8], &Total)) -> SavedTotal {
    let Total { start, observed, .. } = *total;
    let saved = SavedTotal { key: key.to_vec(), start, observed, ..SavedTotal::default() };
    let with = |spread: &Spread, saved: SavedTotal| SavedTotal {
        sum: spread.sum,
        min: spread.min,
        max: spread.max,
        ..saved
    };
    match &total.value {
        Value::Int(number) => SavedTotal { number: *number as u64, ..saved },
        Value::Double(number) => SavedTotal { kind: 1, number: number.to_bits(), ..saved },
        Value::Histogram(it) => SavedTotal {
            kind: 2,
            number: it.count,
            bounds: it.bounds.clone(),
            counts: it.counts.clone(),
            ..with(&it.spread, saved)
        },
        Value::Exponential(it) => SavedTotal {
            kind: 3,
            number: it.count,
            counts: it.positive.counts.clone(),
            scale: it.scale,
            zero_count: it.zero_count,
            zero_threshold: it.zero_threshold,
            offset: it.positive.offset,
            negative_offset: it.negative.offset,
            negative_counts: it.negative.counts.clone(),
            ..with(&it.spread, saved)
        },
    }
}

pub(super) fn restore(streams: &mut Streams, snapshot: &Snapshot) -> Result<(), RestoreError> {
    if snapshot.version != VERSION {
        return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
    }
    let damaged = |why: &str| RestoreError::Damaged(why.to_owned());
    let state = unseal(&snapshot.bytes).ok_or_else(|| damaged("its hash is of other bytes"))?;
    let message = CumulativeSnapshot::decode(state).map_err(|problem| damaged(&problem.to_string()))?;
    let mut totals = Vec::with_capacity(message.streams.len());
    for saved in message.streams {
        let (start, observed) = (saved.start, saved.observed);
        let spread = Spread { sum: saved.sum, min: saved.min, max: saved.max };
        let value = match saved.kind {
            0 => Value::Int(saved.number as i64),
            1 => Value::Double(f64::from_bits(saved.number)),
            2 => Value::Histogram(Histogram {
                count: saved.number,
                spread,
                bounds: saved.bounds,
                counts: saved.counts,
            }),
            3 => Value::Exponential(Exponential {
                count: saved.number,
                spread,
                scale: saved.scale,
                zero_count: saved.zero_count,
                zero_threshold: saved.zero_threshold,
                positive: Buckets { offset: saved.offset, counts: saved.counts },
                negative: Buckets { offset: saved.negative_offset, counts: saved.negative_counts },
            }),
            kind => return Err(damaged(&format!("a stream is of kind {kind}, which is none"))),
        };
        totals.push((saved.key, Total { start, observed, value }));
    }
    for (key, total) in totals {
        // What finds no room is not known, as after a start.
        let _found_room = streams.insert(key.into(), total);
    }
    Ok(())
}
