//! Messages with other values in some of their fields: data points and what holds them.

use crate::{
    cursor::{Fields, Raw},
    edit::{
        actions::placed_fields,
        items::{Fate, put_field},
    },
    encode,
};

/// What becomes of a field that is not a list of messages.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum FieldChange<'a> {
    Removed,
    Fixed64(u64),
    Varint(u64),
    /// Text, bytes, a message, or a packed list.
    Bytes(&'a [u8]),
}

/// Writes a message whose fields of these numbers have other values; they come behind the others.
pub fn put_fields(message: &[u8], changes: &[(u32, FieldChange<'_>)], out: &mut Vec<u8>) {
    for (field, number, _) in placed_fields(message, 0) {
        if !changes.iter().any(|(changed, _)| *changed == number) {
            out.extend_from_slice(field.of(message));
        }
    }
    for (number, change) in changes {
        match *change {
            FieldChange::Removed => {}
            FieldChange::Fixed64(value) => encode::put_fixed64(out, *number, value),
            FieldChange::Varint(value) => encode::put_uint(out, *number, value),
            FieldChange::Bytes(bytes) => encode::put_bytes(out, *number, bytes),
        }
    }
}

/// Writes a metric whose data in field `number` (a sum, a histogram or an exponential histogram) have another
/// temporality, by OTLP's number, and the points that `decide` keeps or writes. Returns how many points are left.
pub fn put_points(
    metric: &[u8],
    number: u32,
    temporality: u64,
    decide: impl FnMut(&[u8], &mut Vec<u8>) -> Fate,
    out: &mut Vec<u8>,
) -> u64 {
    let data = Fields::bodies(metric, number).last().unwrap_or_default();
    let mut written = Vec::with_capacity(data.len());
    let n_points = put_data(data, temporality, decide, &mut written);
    put_field(metric, number, &written, out);
    n_points
}

fn put_data(
    data: &[u8],
    temporality: u64,
    mut decide: impl FnMut(&[u8], &mut Vec<u8>) -> Fate,
    out: &mut Vec<u8>,
) -> u64 {
    let mut n_points = 0;
    let mut point = Vec::new();
    for (field, number, raw) in placed_fields(data, 0) {
        match raw {
            Raw::Bytes(body) if number == POINTS => {
                point.clear();
                let fate = decide(body, &mut point);
                n_points += u64::from(fate != Fate::Drop);
                match fate {
                    Fate::Keep => out.extend_from_slice(field.of(data)),
                    Fate::Drop => {}
                    Fate::Replace => encode::put_bytes(out, POINTS, &point),
                }
            }
            _ if number == TEMPORALITY => {}
            _ => out.extend_from_slice(field.of(data)),
        }
    }
    encode::put_uint(out, TEMPORALITY, temporality);
    n_points
}

/// All kinds of data use these field numbers.
const POINTS: u32 = 1;
const TEMPORALITY: u32 = 2;

/// Returns the buckets of an exponential histogram as their message.
pub fn exponential_buckets(offset: i32, counts: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    if offset != 0 {
        encode::put_uint(&mut out, 1, encode::zigzag(offset));
    }
    if !counts.is_empty() {
        let mut packed = Vec::new();
        counts.iter().for_each(|count| encode::put_varint(&mut packed, *count));
        encode::put_bytes(&mut out, 2, &packed);
    }
    out
}
