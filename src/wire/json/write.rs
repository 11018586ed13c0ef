//! From the wire to JSON.

use std::io::Write;

use data_encoding::{BASE64, HEXLOWER};
use model::Signal;

use crate::{
    canonical,
    cursor::{self, Fields, Raw},
    schema::{self, Field, Kind, Message},
};

/// Writes a request that has been checked.
pub(super) fn request(signal: Signal, request: &[u8], out: &mut Vec<u8>) {
    // Singular messages in several parts are merged first, so that each field stands once.
    let whole = match crate::check(signal, request) {
        Ok(_) => std::borrow::Cow::Borrowed(request),
        Err(_) => std::borrow::Cow::Owned(canonical(signal, request)),
    };
    message(schema::request(signal), &whole, out);
}

fn message(message: &'static Message, body: &[u8], out: &mut Vec<u8>) {
    let mut found: Vec<(usize, Raw<'_>)> = Vec::new();
    for field in Fields::new(body) {
        if let Some(index) = message.fields.iter().position(|known| known.number == field.number) {
            found.push((index, field.value));
        }
    }
    // Of a oneof the last member counts, whichever it is.
    let is_member = |index: usize| message.fields[index].oneof;
    let member = found.iter().rposition(|(index, _)| is_member(*index));
    let chosen = member.map(|at| found[at].0);
    found.retain(|(index, _)| !is_member(*index) || Some(*index) == chosen);
    found.sort_by_key(|(index, _)| *index);

    out.push(b'{');
    let mut is_first = true;
    for values in found.chunk_by(|a, b| a.0 == b.0) {
        let field = &message.fields[values[0].0];
        if field.name.is_empty() || !is_worth_writing(field, values) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        string(field.name, out);
        out.push(b':');
        match field.repeated {
            true => list(field, values, out),
            false => value(field.kind, values[values.len() - 1].1, out),
        }
    }
    out.push(b'}');
}

/// A field without presence that holds its default says nothing.
fn is_worth_writing(field: &Field, values: &[(usize, Raw<'_>)]) -> bool {
    let last = values[values.len() - 1].1;
    field.repeated
        || field.presence
        || !matches!(last, Raw::Varint(0) | Raw::Fixed64(0) | Raw::Fixed32(0) | Raw::Bytes([]))
}

fn list(field: &Field, values: &[(usize, Raw<'_>)], out: &mut Vec<u8>) {
    out.push(b'[');
    let start = out.len();
    let element = |raw, out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b',');
        }
        value(field.kind, raw, out);
    };
    for &(_, raw) in values {
        match raw {
            Raw::Bytes(packed) if field.is_packable() => {
                unpacked(field.kind, packed).into_iter().for_each(|raw| element(raw, out));
            }
            _ => element(raw, out),
        }
    }
    out.push(b']');
}

fn unpacked(kind: Kind, packed: &[u8]) -> Vec<Raw<'static>> {
    let mut rest = packed;
    let mut values = Vec::new();
    while !rest.is_empty() {
        let next = match kind.wire_type() {
            cursor::VARINT => cursor::varint(&mut rest).map(Raw::Varint),
            cursor::FIXED64 => cursor::fixed64(&mut rest).map(Raw::Fixed64),
            _ => cursor::fixed32(&mut rest).map(Raw::Fixed32),
        };
        let Some(next) = next else { break };
        values.push(next);
    }
    values
}

fn value(kind: Kind, raw: Raw<'_>, out: &mut Vec<u8>) {
    match (kind, raw) {
        (Kind::Message(nested), Raw::Bytes(body)) => message(nested, body, out),
        (Kind::String, Raw::Bytes(text)) => string(&String::from_utf8_lossy(text), out),
        (Kind::Bytes, Raw::Bytes(bytes)) => quoted(format_args!("{}", BASE64.encode(bytes)), out),
        (Kind::Id(_), Raw::Bytes(bytes)) => quoted(format_args!("{}", HEXLOWER.encode(bytes)), out),
        (Kind::Bool, Raw::Varint(flag)) => out.extend_from_slice(if flag == 0 { b"false" } else { b"true" }),
        // The wire carries these sign-extended to 64 bits; what is meant are the lower 32.
        (Kind::Enum, Raw::Varint(number)) => plain(format_args!("{}", number as i32), out),
        (Kind::Uint32, Raw::Varint(number)) => plain(format_args!("{}", number as u32), out),
        (Kind::Sint32, Raw::Varint(number)) => plain(format_args!("{}", unzigzag(number as u32)), out),
        (Kind::Fixed32, Raw::Fixed32(number)) => plain(format_args!("{number}"), out),
        (Kind::Int64, Raw::Varint(number)) => quoted(format_args!("{}", number as i64), out),
        (Kind::Uint64, Raw::Varint(number)) => quoted(format_args!("{number}"), out),
        (Kind::Fixed64, Raw::Fixed64(number)) => quoted(format_args!("{number}"), out),
        (Kind::Sfixed64, Raw::Fixed64(number)) => quoted(format_args!("{}", number as i64), out),
        (Kind::Double, Raw::Fixed64(bits)) => double(f64::from_bits(bits), out),
        // Not reached after the check, which refuses a known field of another wire type.
        _ => out.extend_from_slice(b"null"),
    }
}

const fn unzigzag(number: u32) -> i32 {
    (number >> 1) as i32 ^ -((number & 1) as i32)
}

fn double(number: f64, out: &mut Vec<u8>) {
    match number {
        _ if number.is_nan() => out.extend_from_slice(b"\"NaN\""),
        f64::INFINITY => out.extend_from_slice(b"\"Infinity\""),
        f64::NEG_INFINITY => out.extend_from_slice(b"\"-Infinity\""),
        _ => serde_json::to_writer(out, &number).expect("a finite number is written to memory"),
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is written to memory");
}

fn quoted(text: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    write!(out, "\"{text}\"").expect("memory takes all");
}

fn plain(text: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    out.write_fmt(text).expect("memory takes all");
}
