//! Attributes, encoded once and written into as many messages as need them.

use crate::{
    cursor, encode,
    view::{AnyValue, KeyValue},
};

/// A list of encoded attributes that any message can take, whatever number the field has there.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Attributes {
    /// `KeyValue` messages, each behind its length.
    bytes: Vec<u8>,
}

impl Attributes {
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Takes over a list of attributes that is encoded as in a `Resource` message.
    pub fn of_list(list: &[u8]) -> Self {
        let mut attributes = Self::new();
        for attribute in crate::view::attributes(list, 1) {
            attributes.push_encoded(attribute.key, attribute.value);
        }
        attributes
    }

    /// Adds an attribute; whether the key is there already is the caller's business.
    pub fn push(&mut self, key: impl AsRef<[u8]>, value: AnyValue<'_>) {
        self.push_encoded(key, &encode_value(value));
    }

    /// Adds an attribute with a text value.
    pub fn push_str(&mut self, key: &str, value: &str) {
        self.push(key, AnyValue::Str(value.as_bytes()));
    }

    /// Adds an attribute with an integer value.
    pub fn push_int(&mut self, key: &str, value: i64) {
        self.push(key, AnyValue::Int(value));
    }

    /// Adds an attribute whose value is the body of an `AnyValue`, as views and span tables hold it.
    pub fn push_encoded(&mut self, key: impl AsRef<[u8]>, value: &[u8]) {
        let key = key.as_ref();
        encode::put_varint(&mut self.bytes, key_value_len(key, value) as u64);
        put_key_value(&mut self.bytes, key, value);
    }

    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    pub fn iter(&self) -> impl Iterator<Item = KeyValue<'_>> {
        self.messages().map(KeyValue::of)
    }

    fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || cursor::bytes(&mut rest))
    }

    /// Writes all attributes as fields `number`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, number: u32) {
        for message in self.messages() {
            encode::put_bytes(out, number, message);
        }
    }
}

/// Returns the body of an `AnyValue` message.
pub fn encode_value(value: AnyValue<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        AnyValue::Empty => {}
        AnyValue::Str(text) => encode::put_bytes(&mut out, 1, text),
        AnyValue::Bool(flag) => encode::put_uint(&mut out, 2, u64::from(flag)),
        AnyValue::Int(number) => encode::put_uint(&mut out, 3, number as u64),
        AnyValue::Double(number) => encode::put_double(&mut out, 4, number),
        AnyValue::Array(values) => encode::put_bytes(&mut out, 5, values.body()),
        AnyValue::Map(values) => encode::put_bytes(&mut out, 6, values.body()),
        AnyValue::Bytes(bytes) => encode::put_bytes(&mut out, 7, bytes),
    }
    out
}

/// Returns the body of a `KeyValue` message; `value` is the body of an `AnyValue`.
pub fn key_value(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key_value_len(key, value));
    put_key_value(&mut out, key, value);
    out
}

pub(crate) const fn key_value_len(key: &[u8], value: &[u8]) -> usize {
    cursor::framed_len(key.len()) + cursor::framed_len(value.len())
}

pub(crate) fn put_key_value(out: &mut impl bytes::BufMut, key: &[u8], value: &[u8]) {
    encode::put_bytes(out, 1, key);
    encode::put_bytes(out, 2, value);
}
