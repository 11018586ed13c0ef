//! Writing protobuf's wire format into a vector.

use bytes::BufMut;

use crate::cursor;

#[inline(always)]
pub(crate) fn put_varint(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[inline(always)]
pub(crate) fn put_tag(out: &mut impl BufMut, number: u32, wire_type: u32) {
    put_varint(out, u64::from(number << 3 | wire_type));
}

/// Writes the header of a length-delimited field whose body of `len` bytes follows.
#[inline(always)]
pub(crate) fn put_header(out: &mut impl BufMut, number: u32, len: usize) {
    put_tag(out, number, cursor::LEN);
    put_varint(out, len as u64);
}

pub(crate) fn put_bytes(out: &mut impl BufMut, number: u32, bytes: &[u8]) {
    put_header(out, number, bytes.len());
    out.put_slice(bytes);
}

pub(crate) fn put_uint(out: &mut impl BufMut, number: u32, value: u64) {
    put_tag(out, number, cursor::VARINT);
    put_varint(out, value);
}

pub(crate) fn put_fixed64(out: &mut impl BufMut, number: u32, value: u64) {
    put_tag(out, number, cursor::FIXED64);
    out.put_u64_le(value);
}

pub(crate) fn put_fixed32(out: &mut impl BufMut, number: u32, value: u32) {
    put_tag(out, number, cursor::FIXED32);
    out.put_u32_le(value);
}

pub(crate) fn put_double(out: &mut impl BufMut, number: u32, value: f64) {
    put_fixed64(out, number, value.to_bits());
}

/// Maps small negative numbers to small positive ones.
pub(crate) const fn zigzag(value: i32) -> u64 {
    ((value << 1) ^ (value >> 31)) as u32 as u64
}

/// Writes a message whose length is not known yet: begin, write the body, end.
///
/// *Cost*: the body is moved by as many bytes as its length takes beyond one, so a body of less than
/// 128 bytes is not moved at all.
pub(crate) fn begin(out: &mut Vec<u8>, number: u32) -> usize {
    put_tag(out, number, cursor::LEN);
    out.push(0);
    out.len()
}

pub(crate) fn end(out: &mut Vec<u8>, body_at: usize) {
    let len = out.len() - body_at;
    let more = cursor::varint_len(len as u64) - 1;
    if more > 0 {
        out.resize(out.len() + more, 0);
        out.copy_within(body_at..body_at + len, body_at + more);
    }
    let mut rest = len as u64;
    for byte in &mut out[body_at - 1..body_at + more] {
        *byte = rest as u8 & 0x7f | 0x80;
        rest >>= 7;
    }
    out[body_at + more - 1] &= 0x7f;
}
