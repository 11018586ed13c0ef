//! Requests with totals in place of differences.

use bytes::Bytes;
use wire::{
    edit::{Fate, FieldChange, exponential_buckets, put_fields, put_points, rewrite_items},
    view::{ExponentialPoint, HistogramPoint, Metric, MetricData, Number, NumberPoint, Temporality, groups},
};

use super::{
    streams::{Reason, Streams, Total},
    total::{Exponential, Histogram, Spread, Value},
};
use crate::temporality::{Buckets, Key, Resource};

/// OTLP's number of the temporality.
const CUMULATIVE: u64 = 2;
/// The field of a metric that holds its data, by kind: sums that only grow, sums that fall too, histograms.
const DATA: [u32; 4] = [7, 7, 9, 10];

/// What a request became.
#[derive(Debug, Default)]
pub(super) struct Converted {
    /// None when nothing is left.
    pub(super) bytes: Option<Bytes>,
    pub(super) n_points: u64,
    pub(super) dropped: Vec<Reason>,
    /// Points that were looked at.
    pub(super) n_taken: u64,
}

/// Returns the number of a metric's kind when its points are to be converted.
fn kind_of(metric: &Metric<'_>) -> Option<usize> {
    match metric.data {
        MetricData::Sum { temporality: Temporality::Delta, is_monotonic, .. } => {
            Some(usize::from(!is_monotonic))
        }
        MetricData::Histogram { temporality: Temporality::Delta, .. } => Some(2),
        MetricData::ExponentialHistogram { temporality: Temporality::Delta, .. } => Some(3),
        _ => None,
    }
}

/// Whether anything in a request is to be converted.
pub(super) fn concerns(request: &[u8]) -> bool {
    groups(request).flat_map(|group| group.items()).any(|metric| kind_of(&Metric::of(metric)).is_some())
}

/// Converts a request. *Errors*: none; a point that can not be added is dropped with a reason.
pub(super) fn convert(request: &Bytes, streams: &mut Streams) -> Converted {
    let (mut converted, mut left) = (Converted::default(), 0);
    // Metrics come in the order of the request, here as below.
    let mut surroundings = groups(request).flat_map(|group| group.items().map(move |_| group));
    let mut resource = Resource::default();
    let rewritten = rewrite_items(request, |body, out| {
        let Some(group) = surroundings.next() else { return Fate::Keep };
        let metric = Metric::of(body);
        let Some(kind) = kind_of(&metric) else {
            left += metric.n_points();
            return Fate::Keep;
        };
        let mut key = Key::new(kind, resource.key_of(&group), &group, &metric);
        let convert = |point: &[u8], out: &mut Vec<u8>| {
            converted.n_taken += 1;
            match convert_point(kind, point, &mut key, streams, out) {
                Ok(()) => Fate::Replace,
                Err(reason) => {
                    converted.dropped.push(reason);
                    Fate::Drop
                }
            }
        };
        let n_points = put_points(body, DATA[kind], CUMULATIVE, convert, out);
        left += n_points;
        if n_points == 0 { Fate::Drop } else { Fate::Replace }
    });
    let bytes = rewritten.map_or_else(|| request.clone(), |rewritten| rewritten.bytes);
    converted.n_points = left;
    converted.bytes = (converted.n_points > 0).then_some(bytes);
    converted
}

const NO_VALUE: Reason = "no_recorded_value";

fn convert_point(
    kind: usize,
    body: &[u8],
    key: &mut Key,
    streams: &mut Streams,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    match kind {
        0 | 1 => convert_number(body, key, streams, out),
        2 => convert_histogram(body, key, streams, out),
        _ => convert_exponential(body, key, streams, out),
    }
}

fn convert_number(
    body: &[u8],
    key: &mut Key,
    streams: &mut Streams,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    let point = NumberPoint::of(body);
    let value = match point.value {
        _ if point.has_no_value() => return Err(NO_VALUE),
        // One of them would spoil the total for ever.
        Some(Number::Double(number)) if !number.is_finite() => return Err("not_finite"),
        Some(Number::Double(number)) => Value::Double(number),
        Some(Number::Int(number)) => Value::Int(number),
        None => Value::Int(0),
    };
    let point_total = Total { start: point.start, observed: point.time, value };
    let total = streams.add(key.of_point(&[], point.attributes()), point_total)?;
    let (double, int) = match total.value {
        Value::Double(number) => (FieldChange::Fixed64(number.to_bits()), FieldChange::Removed),
        Value::Int(number) => (FieldChange::Removed, FieldChange::Fixed64(number as u64)),
        Value::Histogram(_) | Value::Exponential(_) => return Err(NO_VALUE),
    };
    put_fields(body, &[(2, start_of(total)), (4, double), (6, int)], out);
    Ok(())
}

fn start_of(total: &Total) -> FieldChange<'static> {
    if total.start == 0 { FieldChange::Removed } else { FieldChange::Fixed64(total.start) }
}

fn optional(value: Option<f64>) -> FieldChange<'static> {
    value.map_or(FieldChange::Removed, |value| FieldChange::Fixed64(value.to_bits()))
}

fn convert_histogram(
    body: &[u8],
    key: &mut Key,
    streams: &mut Streams,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    let point = HistogramPoint::of(body);
    if point.has_no_value() {
        return Err(NO_VALUE);
    }
    let value = Value::Histogram(Histogram {
        count: point.count,
        spread: Spread { sum: point.sum, min: point.min, max: point.max },
        bounds: point.explicit_bounds().collect(),
        counts: point.bucket_counts().collect(),
    });
    let point_total = Total { start: point.start, observed: point.time, value };
    let total = streams.add(key.of_point(&[], point.attributes()), point_total)?;
    let Value::Histogram(value) = &total.value else { return Err(NO_VALUE) };
    let counts: Vec<u8> = value.counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    let changes = [
        (2, start_of(total)),
        (4, FieldChange::Fixed64(value.count)),
        (5, optional(value.spread.sum)),
        (6, if counts.is_empty() { FieldChange::Removed } else { FieldChange::Bytes(&counts) }),
        (11, optional(value.spread.min)),
        (12, optional(value.spread.max)),
    ];
    put_fields(body, &changes, out);
    Ok(())
}

fn convert_exponential(
    body: &[u8],
    key: &mut Key,
    streams: &mut Streams,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    let point = ExponentialPoint::of(body);
    if point.has_no_value() {
        return Err(NO_VALUE);
    }
    let buckets = |of: &wire::view::Buckets<'_>| Buckets { offset: of.offset, counts: of.counts().collect() };
    let value = Value::Exponential(Exponential {
        count: point.count,
        spread: Spread { sum: point.sum, min: point.min, max: point.max },
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: buckets(&point.positive),
        negative: buckets(&point.negative),
    });
    let point_total = Total { start: point.start, observed: point.time, value };
    let total = streams.add(key.of_point(&[], point.attributes()), point_total)?;
    let Value::Exponential(value) = &total.value else { return Err(NO_VALUE) };
    let encoded = |buckets: &Buckets| exponential_buckets(buckets.offset, &buckets.counts);
    let (positive, negative) = (encoded(&value.positive), encoded(&value.negative));
    let changes = [
        (2, start_of(total)),
        (4, FieldChange::Fixed64(value.count)),
        (5, optional(value.spread.sum)),
        (6, FieldChange::Varint(zigzag(value.scale))),
        (7, FieldChange::Fixed64(value.zero_count)),
        (8, FieldChange::Bytes(&positive)),
        (9, FieldChange::Bytes(&negative)),
        (12, optional(value.spread.min)),
        (13, optional(value.spread.max)),
        (14, FieldChange::Fixed64(value.zero_threshold.to_bits())),
    ];
    put_fields(body, &changes, out);
    Ok(())
}

fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}
