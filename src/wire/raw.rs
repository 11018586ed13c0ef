//! Fields of one message, read and written one by one: for stages that are told by an operator which fields they
//! look at and change.

use std::ops::Range;

pub use crate::cursor::{Field, Raw};
use crate::{cursor::Fields, encode};

/// Walks the fields of a message with the place of each, tag included. Ends early at what is no field.
pub fn fields(message: &[u8]) -> impl Iterator<Item = (Range<usize>, Field<'_>)> + Clone {
    let mut fields = Fields::new(message);
    std::iter::from_fn(move || {
        let from = message.len() - fields.rest().len();
        let field = fields.next()?;
        Some((from..message.len() - fields.rest().len(), field))
    })
}

/// Finds a field that stands once in a message; of several the last counts, as everywhere in protobuf.
#[inline]
pub fn last(message: &[u8], number: u32) -> Option<Raw<'_>> {
    let mut found = None;
    for field in Fields::new(message) {
        if field.number == number {
            found = Some(field.value);
        }
    }
    found
}

/// Finds the value of an attribute in field `number` of a message; of duplicates the first, as in the collector.
/// It is the body of an `AnyValue`.
#[inline]
pub fn attribute<'a>(message: &'a [u8], number: u32, key: &[u8]) -> Option<&'a [u8]> {
    let mut attributes = crate::view::attributes(message, number);
    attributes.find(|attribute| attribute.key == key).map(|attribute| attribute.value)
}

/// Writes one field.
pub fn put(out: &mut Vec<u8>, field: Field<'_>) {
    match field.value {
        Raw::Varint(value) => encode::put_uint(out, field.number, value),
        Raw::Fixed64(value) => encode::put_fixed64(out, field.number, value),
        Raw::Bytes(bytes) => encode::put_bytes(out, field.number, bytes),
        Raw::Fixed32(value) => encode::put_fixed32(out, field.number, value),
    }
}

/// Copies a message with `written` in the place of all its fields `number`. Where there are none it comes before the
/// first field of a higher number, as messages are spelled in ascending order.
pub fn replace(message: &[u8], number: u32, written: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + written.len());
    let has_any = fields(message).any(|(_, field)| field.number == number);
    let mut is_written = false;
    for (range, field) in fields(message) {
        let is_place = if has_any { field.number == number } else { field.number > number };
        if is_place && !is_written {
            out.extend_from_slice(written);
            is_written = true;
        }
        if field.number != number {
            out.extend_from_slice(message.get(range).unwrap_or_default());
        }
    }
    if !is_written {
        out.extend_from_slice(written);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(u32, u64)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, value) in fields {
            put(&mut out, Field { number: *number, value: Raw::Varint(*value) });
        }
        out
    }

    #[test]
    fn a_field_is_replaced_where_it_stands_or_put_where_it_belongs() {
        let written = message(&[(5, 9)]);
        assert_eq!(replace(&message(&[(1, 1), (7, 2)]), 5, &written), message(&[(1, 1), (5, 9), (7, 2)]));
        assert_eq!(replace(&message(&[(5, 1), (1, 1), (5, 2)]), 5, &written), message(&[(5, 9), (1, 1)]));
        assert_eq!(replace(&message(&[(1, 1)]), 5, &written), message(&[(1, 1), (5, 9)]));
        assert_eq!(replace(&message(&[(5, 1), (6, 3)]), 5, &[]), message(&[(6, 3)]));
        assert_eq!(replace(&[], 5, &written), written);
    }

    #[test]
    fn the_last_of_several_counts() {
        let told = message(&[(3, 1), (4, 5), (3, 2)]);
        assert_eq!(last(&told, 3), Some(Raw::Varint(2)));
        assert_eq!(last(&told, 9), None);
        assert_eq!(fields(&told).map(|(range, _)| range).collect::<Vec<_>>(), [0..2, 2..4, 4..6]);
    }
}
