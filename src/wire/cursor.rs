//! Reading protobuf's wire format from a slice that shrinks as it is read.
//!
//! Everything returns `None` on malformed bytes. The hot path carries no reasons: when it meets
//! `None`, the table-driven check reads the request again and says what is wrong and where.

pub(crate) const VARINT: u32 = 0;
pub(crate) const FIXED64: u32 = 1;
pub(crate) const LEN: u32 = 2;
pub(crate) const FIXED32: u32 = 5;

/// Reads a varint of at most ten bytes that fits 64 bits.
#[inline(always)]
pub(crate) fn varint(rest: &mut &[u8]) -> Option<u64> {
    match *rest {
        [a, tail @ ..] if *a < 0x80 => {
            *rest = tail;
            Some(u64::from(*a))
        }
        [a, b, tail @ ..] if *b < 0x80 => {
            *rest = tail;
            Some(u64::from(*a & 0x7f) | u64::from(*b) << 7)
        }
        _ => long_varint(rest),
    }
}

#[inline(never)]
fn long_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for index in 0..10 {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        if index == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Reads a tag: `field number << 3 | wire type`. Field number 0 does not exist.
#[inline(always)]
pub(crate) fn tag(rest: &mut &[u8]) -> Option<u32> {
    let tag = u32::try_from(varint(rest)?).ok()?;
    (tag >> 3 != 0).then_some(tag)
}

/// Reads a length and as many bytes.
#[inline(always)]
pub(crate) fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(rest)?).ok()?;
    take(rest, len)
}

#[inline(always)]
pub(crate) fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

#[inline(always)]
pub(crate) fn fixed64(rest: &mut &[u8]) -> Option<u64> {
    let (head, tail) = rest.split_first_chunk::<8>()?;
    *rest = tail;
    Some(u64::from_le_bytes(*head))
}

#[inline(always)]
pub(crate) fn fixed32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

/// Skips the value that follows `tag`. Groups (wire types 3 and 4) are refused.
pub(crate) fn skip(rest: &mut &[u8], tag: u32) -> Option<()> {
    match tag & 7 {
        VARINT => varint(rest).map(drop),
        FIXED64 => take(rest, 8).map(drop),
        LEN => bytes(rest).map(drop),
        FIXED32 => take(rest, 4).map(drop),
        _ => None,
    }
}

/// Reads the tag and body of a length-delimited field whose header is as short as it can be:
/// one byte of tag and no padding in the length. The splice relies on this for the messages that
/// frame spans.
#[inline(always)]
pub(crate) fn framed<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, tail) = match *rest {
        [_, a, tail @ ..] if *a < 0x80 => (usize::from(*a), tail),
        // A last byte of zero would be padding.
        [_, a, b, tail @ ..] if *b < 0x80 && *b != 0 => (usize::from(*a & 0x7f) | usize::from(*b) << 7, tail),
        _ => return long_framed(rest),
    };
    let (body, tail) = tail.split_at_checked(len)?;
    *rest = tail;
    Some(body)
}

#[inline(never)]
fn long_framed<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let before = rest.len();
    let mut tail = rest.get(1..)?;
    let body = bytes(&mut tail)?;
    *rest = tail;
    (before - tail.len() == framed_len(body.len())).then_some(body)
}

/// Returns the bytes a varint takes.
#[inline(always)]
pub(crate) const fn varint_len(value: u64) -> usize {
    // Seven bits a byte, and zero takes one byte.
    ((64 - (value | 1).leading_zeros()) as usize).div_ceil(7)
}

/// Returns the bytes of a length-delimited field with a one-byte tag and a body of `len` bytes.
#[inline(always)]
pub(crate) const fn framed_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Whether `value` is an `AnyValue` with exactly one short string, bool, int or double, spelled in the
/// usual way. `false` says nothing about other values: they take the general check.
#[inline(always)]
pub(crate) fn is_plain_value(value: &[u8]) -> bool {
    match value {
        [0x0a, len, text @ ..] => *len < 0x80 && usize::from(*len) == text.len(),
        [0x10 | 0x18, a] => *a < 0x80,
        [0x18, a, b] => *a >= 0x80 && *b < 0x80,
        [0x21, ..] => value.len() == 9,
        _ => false,
    }
}

/// Splits a `KeyValue` spelled in the usual way (short key, then a plain value, nothing else) into key
/// and value. `None` says nothing: the general check decides.
#[inline(always)]
pub(crate) fn plain_attribute(attribute: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, key_len, rest @ ..] = attribute else { return None };
    if *key_len >= 0x80 {
        return None;
    }
    let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
    let [0x12, value_len, value @ ..] = rest else { return None };
    let exact = *value_len < 0x80 && usize::from(*value_len) == value.len();
    (exact && is_plain_value(value)).then_some((key, value))
}

/// Splits a `KeyValue` with a short key and a text of any length, and nothing else, into key and value. `None`
/// says nothing, as above.
#[inline(always)]
pub(crate) fn text_attribute(attribute: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, key_len, rest @ ..] = attribute else { return None };
    if *key_len >= 0x80 {
        return None;
    }
    let (key, mut rest) = rest.split_at_checked(usize::from(*key_len))?;
    if rest.first() != Some(&0x12) {
        return None;
    }
    let value = framed(&mut rest)?;
    (rest.is_empty() && is_text(value)).then_some((key, value))
}

/// Whether the value is one string of any length.
pub(crate) fn is_text(value: &[u8]) -> bool {
    let mut rest = value;
    rest.first() == Some(&0x0a) && framed(&mut rest).is_some() && rest.is_empty()
}

/// A field's value as the wire spells it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// One field of a message.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Field<'a> {
    pub number: u32,
    pub value: Raw<'a>,
}

/// Walks the fields of a message and ends at its end or at the first malformed byte.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Returns what was not read yet; after the end, what could not be read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Walks the bodies of one length-delimited field.
    pub(crate) fn bodies(message: &'a [u8], number: u32) -> impl Iterator<Item = &'a [u8]> + Clone + 'a {
        Self::new(message).filter_map(move |field| match field.value {
            Raw::Bytes(body) if field.number == number => Some(body),
            _ => None,
        })
    }

    fn read(rest: &mut &'a [u8]) -> Option<Field<'a>> {
        let tag = tag(rest)?;
        let value = match tag & 7 {
            VARINT => Raw::Varint(varint(rest)?),
            FIXED64 => Raw::Fixed64(fixed64(rest)?),
            LEN => Raw::Bytes(bytes(rest)?),
            FIXED32 => Raw::Fixed32(fixed32(rest)?),
            _ => return None,
        };
        Some(Field { number: tag >> 3, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut rest = self.rest;
        let field = Self::read(&mut rest)?;
        self.rest = rest;
        Some(field)
    }
}
