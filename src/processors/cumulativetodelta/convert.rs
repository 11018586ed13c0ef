//! Requests with differences in place of totals.

use bytes::Bytes;
use wire::{
    edit::{Fate, FieldChange, exponential_buckets, put_fields, put_points, rewrite_items},
    view::{ExponentialPoint, HistogramPoint, Metric, Number, NumberPoint, groups},
};

use super::{
    choice::Choice,
    streams::{Delta, Exponential, Histogram, Reason, Streams, Value},
};
use crate::temporality::{Buckets, Key, Resource};

/// OTLP's number of the temporality.
const DELTA: u64 = 1;
/// The field of a metric that holds its data, by kind.
const DATA: [u32; 3] = [7, 9, 10];

/// What a request became.
#[derive(Debug, Default)]
pub(super) struct Converted {
    /// None when nothing is left.
    pub(super) bytes: Option<Bytes>,
    pub(super) n_points: u64,
    pub(super) dropped: Vec<Reason>,
}

/// Whether anything in a request is to be converted.
pub(super) fn concerns(request: &[u8], choice: &Choice) -> bool {
    groups(request)
        .flat_map(|group| group.items())
        .any(|metric| choice.kind_of(&Metric::of(metric)).is_some())
}

/// Converts a request. *Errors*: none; a point that can not be converted is dropped with a reason.
pub(super) fn convert(request: &Bytes, choice: &Choice, streams: &mut Streams) -> Converted {
    let (mut dropped, mut left) = (Vec::new(), 0);
    // Metrics come in the order of the request, here as below.
    let mut surroundings = groups(request).flat_map(|group| group.items().map(move |_| group));
    let mut resource = Resource::default();
    let rewritten = rewrite_items(request, |body, out| {
        let Some(group) = surroundings.next() else { return Fate::Keep };
        let metric = Metric::of(body);
        let Some(kind) = choice.kind_of(&metric) else {
            left += metric.n_points();
            return Fate::Keep;
        };
        let mut stream = Key::new(kind, resource.key_of(&group), &group, &metric);
        let convert =
            |point: &[u8], out: &mut Vec<u8>| match convert_point(kind, point, &mut stream, streams, out) {
                Ok(fate) => fate,
                Err(reason) => {
                    dropped.push(reason);
                    Fate::Drop
                }
            };
        let n_points = put_points(body, DATA[kind], DELTA, convert, out);
        left += n_points;
        if n_points == 0 { Fate::Drop } else { Fate::Replace }
    });
    let bytes = rewritten.map_or_else(|| request.clone(), |rewritten| rewritten.bytes);
    Converted { bytes: (left > 0).then_some(bytes), n_points: left, dropped }
}

/// Tells a point's stream apart from others of its metric: one that began anew, or counts in another kind of number.
fn other(value: &Value, start: u64) -> [u8; 9] {
    let mut other = [0; 9];
    other[0] = u8::from(matches!(value, Value::Double(_)));
    other[1..].copy_from_slice(&start.to_le_bytes());
    other
}

fn convert_point(
    kind: usize,
    body: &[u8],
    key: &mut Key,
    streams: &mut Streams,
    out: &mut Vec<u8>,
) -> Result<Fate, Reason> {
    match kind {
        0 => convert_number(body, key, streams, out),
        1 => convert_histogram(body, key, streams, out),
        _ => convert_exponential(body, key, streams, out),
    }
}

const NO_VALUE: Reason = "no_recorded_value";

fn convert_number(
    body: &[u8],
    key: &mut Key,
    streams: &mut Streams,
    out: &mut Vec<u8>,
) -> Result<Fate, Reason> {
    let point = NumberPoint::of(body);
    let value = match point.value {
        _ if point.has_no_value() => return Err(NO_VALUE),
        // What is no number has no difference.
        Some(Number::Double(number)) if number.is_nan() => return Ok(Fate::Keep),
        Some(Number::Double(number)) => Value::Double(number),
        Some(Number::Int(number)) => Value::Int(number),
        None => Value::Int(0),
    };
    let stream = key.of_point(&other(&value, point.start), point.attributes());
    let Delta { start, value } = streams.convert(stream, point.start, point.time, value)?;
    let (double, int) = match value {
        Value::Double(number) => (FieldChange::Fixed64(number.to_bits()), FieldChange::Removed),
        Value::Int(number) => (FieldChange::Removed, FieldChange::Fixed64(number as u64)),
        Value::Histogram(_) | Value::Exponential(_) => return Ok(Fate::Drop),
    };
    put_fields(body, &[(2, FieldChange::Fixed64(start)), (4, double), (6, int)], out);
    Ok(Fate::Replace)
}

/// A sum stays what it was where it is none or no number.
fn sum_change(sent: Option<f64>, delta: f64) -> FieldChange<'static> {
    match sent {
        Some(sent) if sent.is_nan() => FieldChange::Fixed64(sent.to_bits()),
        Some(_) => FieldChange::Fixed64(delta.to_bits()),
        None => FieldChange::Removed,
    }
}

fn convert_histogram(
    body: &[u8],
    key: &mut Key,
    streams: &mut Streams,
    out: &mut Vec<u8>,
) -> Result<Fate, Reason> {
    let point = HistogramPoint::of(body);
    if point.has_no_value() {
        return Err(NO_VALUE);
    }
    let value = Value::Histogram(Histogram {
        count: point.count,
        sum: point.sum.unwrap_or(0.0),
        bounds: point.explicit_bounds().collect(),
        counts: point.bucket_counts().collect(),
    });
    let stream = key.of_point(&other(&value, point.start), point.attributes());
    let Delta { start, value: Value::Histogram(delta) } =
        streams.convert(stream, point.start, point.time, value)?
    else {
        return Ok(Fate::Drop);
    };
    let counts: Vec<u8> = delta.counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    let changes = [
        (2, FieldChange::Fixed64(start)),
        (4, FieldChange::Fixed64(delta.count)),
        (5, sum_change(point.sum, delta.sum)),
        (6, if counts.is_empty() { FieldChange::Removed } else { FieldChange::Bytes(&counts) }),
        // The least and the greatest of a while are not known.
        (11, FieldChange::Removed),
        (12, FieldChange::Removed),
    ];
    put_fields(body, &changes, out);
    Ok(Fate::Replace)
}

fn convert_exponential(
    body: &[u8],
    key: &mut Key,
    streams: &mut Streams,
    out: &mut Vec<u8>,
) -> Result<Fate, Reason> {
    let point = ExponentialPoint::of(body);
    if point.has_no_value() {
        return Err(NO_VALUE);
    }
    let buckets = |of: &wire::view::Buckets<'_>| Buckets { offset: of.offset, counts: of.counts().collect() };
    let value = Value::Exponential(Exponential {
        count: point.count,
        sum: point.sum.unwrap_or(0.0),
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: buckets(&point.positive),
        negative: buckets(&point.negative),
    });
    let stream = key.of_point(&other(&value, point.start), point.attributes());
    let Delta { start, value: Value::Exponential(delta) } =
        streams.convert(stream, point.start, point.time, value)?
    else {
        return Ok(Fate::Drop);
    };
    let encoded = |buckets: &Buckets| exponential_buckets(buckets.offset, &buckets.counts);
    let (positive, negative) = (encoded(&delta.positive), encoded(&delta.negative));
    let changes = [
        (2, FieldChange::Fixed64(start)),
        (4, FieldChange::Fixed64(delta.count)),
        (5, sum_change(point.sum, delta.sum)),
        (7, FieldChange::Fixed64(delta.zero_count)),
        (8, FieldChange::Bytes(&positive)),
        (9, FieldChange::Bytes(&negative)),
        (12, FieldChange::Removed),
        (13, FieldChange::Removed),
    ];
    put_fields(body, &changes, out);
    Ok(Fate::Replace)
}
