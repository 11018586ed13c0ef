//! Encoded lists of attributes: what a series is known by, from the ingest half to the data point.
//!
//! A list is the concatenation of `KeyValue` messages in field 1, as in a `Resource`. Equal attributes
//! in equal order have equal bytes, because strings and scalars are spelled anew.

use wire::{
    build::{encode_value, key_value},
    view::{AnyValue, KeyValue, attributes},
};

/// Builds a list.
#[derive(Clone, Default)]
pub(crate) struct AttributeList(Vec<u8>);

impl AttributeList {
    pub(crate) fn push(&mut self, key: &str, value: AnyValue<'_>) {
        self.push_spelled(key, &encode_value(value));
    }

    pub(crate) fn push_str(&mut self, key: &str, text: &str) {
        self.push(key, AnyValue::Str(text.as_bytes()));
    }

    /// Appends an attribute whose value came from outside as the body of an `AnyValue`.
    pub(crate) fn push_value(&mut self, key: &str, any_value: &[u8]) {
        match AnyValue::of(any_value) {
            AnyValue::Str(text) => self.push_str(key, &String::from_utf8_lossy(text)),
            AnyValue::Double(number) if number.is_nan() => self.push(key, AnyValue::Double(f64::NAN)),
            value => self.push(key, value),
        }
    }

    pub(crate) fn into_bytes(self) -> Box<[u8]> {
        self.0.into()
    }

    fn push_spelled(&mut self, key: &str, value: &[u8]) {
        let body = key_value(key.as_bytes(), value);
        self.0.push(0x0a);
        let mut len = body.len();
        while len >= 0x80 {
            self.0.push(len as u8 | 0x80);
            len >>= 7;
        }
        self.0.push(len as u8);
        self.0.extend_from_slice(&body);
    }
}

/// Walks a list.
pub(crate) fn entries(list: &[u8]) -> impl Iterator<Item = KeyValue<'_>> + Clone {
    attributes(list, 1)
}

/// Finds a value in a list.
pub(crate) fn find<'a>(list: &'a [u8], key: &str) -> Option<KeyValue<'a>> {
    entries(list).find(|entry| entry.key == key.as_bytes())
}

/// Returns a resource's attributes in their only form: sorted by key, of duplicates the first, and only
/// those that `keep` allows.
pub(crate) fn canonical(resource: &[u8], keep: impl Fn(&str) -> bool) -> Box<[u8]> {
    let mut sorted: Vec<(String, &[u8])> = Vec::new();
    for attribute in attributes(resource, 1) {
        let key = String::from_utf8_lossy(attribute.key);
        if keep(&key) {
            sorted.push((key.into_owned(), attribute.value));
        }
    }
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    sorted.dedup_by(|next, first| next.0 == first.0);
    let mut list = AttributeList::default();
    for (key, value) in sorted {
        list.push_value(&key, value);
    }
    list.into_bytes()
}
