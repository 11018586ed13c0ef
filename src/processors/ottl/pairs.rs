//! Texts of keys and values: `method=GET status="not found"`.

use std::collections::BTreeMap;

use wire::view::AnyValue;

use super::{
    item::{MOST_BYTES, put_entries},
    value::{Failure, Map, Value, wrapped},
};

/// What stands between a key and its value, and between two pairs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Delimiters {
    pub(super) of_value: Vec<u8>,
    pub(super) of_pairs: Vec<u8>,
}

/// Reads pairs; of a key that stands twice the last counts.
///
/// *Errors*: an empty text, a quotation that does not end, a part without a value.
pub(super) fn parse(text: &[u8], delimiters: &Delimiters) -> Result<Value<'static>, Failure> {
    if text.is_empty() {
        return Err(Failure("an empty text holds no keys and values"));
    }
    let mut entries = BTreeMap::new();
    for pair in split(text, &delimiters.of_pairs)? {
        let at = memchr::memmem::find(&pair, &delimiters.of_value);
        let at = at.ok_or(Failure("a part of the text is no key with a value"))?;
        let trimmed = |part: &[u8]| String::from_utf8_lossy(part).trim().to_owned();
        entries.insert(
            trimmed(&pair[..at]),
            wrapped(1, trimmed(&pair[at + delimiters.of_value.len()..]).as_bytes()),
        );
    }
    let mut message = Vec::new();
    put_entries(&mut message, 1, entries.iter().map(|(key, value)| (key.as_bytes(), &value[..])));
    Ok(Value::Map(Map { message: message.into(), number: 1 }))
}

/// Splits a text where it is not quoted. Quotation marks go, but for those behind a backslash; empty parts as well.
fn split(text: &[u8], delimiter: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    let (mut quote, mut is_escaped) = (None, false);
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        if quote.is_none()
            && let Some(behind) = rest.strip_prefix(delimiter)
        {
            if !part.is_empty() {
                parts.push(std::mem::take(&mut part));
            }
            rest = behind;
            continue;
        }
        rest = behind;
        match (quote, byte) {
            _ if is_escaped => is_escaped = false,
            (None, b'"' | b'\'') => {
                quote = Some(*byte);
                continue;
            }
            (Some(open), byte) if open == *byte => {
                quote = None;
                continue;
            }
            (_, byte) => is_escaped = *byte == b'\\',
        }
        part.push(*byte);
    }
    if quote.is_some() {
        return Err(Failure("a quotation does not end"));
    }
    if !part.is_empty() {
        parts.push(part);
    }
    Ok(parts)
}

/// Writes the entries of a map as pairs.
pub(super) fn written(map: &Map<'_>, delimiters: &Delimiters, sorts: bool) -> Result<Vec<u8>, Failure> {
    let mut entries: Vec<_> = map.entries().collect();
    if sorts {
        entries.sort_by_key(|entry| entry.key);
    }
    let mut out = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(&delimiters.of_pairs);
        }
        quoted(entry.key, delimiters, &mut out);
        out.extend_from_slice(&delimiters.of_value);
        quoted(AnyValue::of(entry.value).to_label_string().as_bytes(), delimiters, &mut out);
        if out.len() > MOST_BYTES {
            return Err(Failure("the text is longer than 4 MiB"));
        }
    }
    Ok(out)
}

/// Puts a backslash before quotation marks, and marks around what holds a delimiter.
fn quoted(text: &[u8], delimiters: &Delimiters, out: &mut Vec<u8>) {
    let escaped = text.iter().flat_map(|byte| match byte {
        b'"' => &br#"\""#[..],
        other => std::slice::from_ref(other),
    });
    let escaped: Vec<u8> = escaped.copied().collect();
    let holds = |delimiter: &[u8]| memchr::memmem::find(&escaped, delimiter).is_some();
    let is_quoted = holds(&delimiters.of_pairs) || holds(&delimiters.of_value);
    out.extend(is_quoted.then_some(b'"'));
    out.extend_from_slice(&escaped);
    out.extend(is_quoted.then_some(b'"'));
}
