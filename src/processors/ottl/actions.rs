//! The actions of `attributes` and `resource` on a map of attributes, each on what the one before left.

use std::borrow::Cow;

use regex::bytes::Regex;
use wire::{
    edit::{Edit, Source},
    view::AnyValue,
};

use super::{
    convert::{to_double, to_int},
    editors::{Entry, edit_map},
    fields::Access,
    item::Item,
    value::{Failure, Map, Value, hexadecimal},
};

/// What one action does. One that names a key and a pattern is two of them.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// What can be spliced without looking at values.
    Plain(Edit),
    DeleteMatching(Regex),
    /// SHA-256 in hexadecimal takes the place of the value.
    Hash(String),
    HashMatching(Regex),
    /// The groups of the pattern become attributes of their names.
    Extract(String, Regex),
    Convert(String, Converted),
}

/// What a value is made into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Converted {
    Int,
    Double,
    Text,
}

impl Converted {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "int" => Self::Int,
            "double" => Self::Double,
            "string" => Self::Text,
            _ => return None,
        })
    }
}

/// Takes the actions on a map.
///
/// *Cost*: for a map that has none of the keys, and to which nothing is added, one walk over its keys.
pub(super) fn act(item: &mut Item<'_>, target: &Access, actions: &[Action]) -> Result<(), Failure> {
    let Value::Map(map) = item.read(target)? else { return Err(Failure("expected a map to change")) };
    if !actions.iter().any(|action| action.may_change(&map)) {
        return Ok(());
    }
    edit_map(item, target, |entries| {
        actions.iter().for_each(|action| action.apply(entries));
        Ok(())
    })
}

impl Action {
    /// Whether it finds something to do in a map that no other action has changed before. Where none does, none will.
    fn may_change(&self, map: &Map<'_>) -> bool {
        match self {
            Self::Plain(Edit::Insert { key, value }) => {
                map.get(key.as_bytes()).is_none() && has_source(value, map)
            }
            Self::Plain(Edit::Upsert { value, .. }) => has_source(value, map),
            Self::Plain(Edit::Update { key, .. } | Edit::Delete { key })
            | Self::Hash(key)
            | Self::Extract(key, _)
            | Self::Convert(key, _) => map.get(key.as_bytes()).is_some(),
            Self::DeleteMatching(pattern) | Self::HashMatching(pattern) => {
                map.entries().any(|entry| pattern.is_match(entry.key))
            }
        }
    }

    fn apply(&self, entries: &mut Vec<Entry<'_>>) {
        match self {
            Self::Plain(edit) => apply_plain(edit, entries),
            Self::DeleteMatching(pattern) => entries.retain(|(key, _)| !pattern.is_match(key)),
            Self::Hash(key) => change(entries, key.as_bytes(), |value| Some(hashed(value))),
            Self::HashMatching(pattern) => {
                for (_, value) in entries.iter_mut().filter(|(key, _)| pattern.is_match(key)) {
                    *value = encoded(hashed(Value::of(value))).into();
                }
            }
            Self::Extract(key, pattern) => extract(key.as_bytes(), pattern, entries),
            Self::Convert(key, to) => change(entries, key.as_bytes(), |value| converted(value, *to)),
        }
    }
}

fn has_source(value: &Source, map: &Map<'_>) -> bool {
    match value {
        Source::Value(_) => true,
        Source::FromAttribute(key) => map.get(key.as_bytes()).is_some(),
    }
}

fn place_of(entries: &[Entry<'_>], key: &[u8]) -> Option<usize> {
    entries.iter().position(|(known, _)| known[..] == *key)
}

/// Gives an attribute a value; duplicates of it go.
fn put(entries: &mut Vec<Entry<'_>>, key: &[u8], value: Vec<u8>) {
    let Some(at) = place_of(entries, key) else {
        return entries.push((Cow::Owned(key.to_vec()), Cow::Owned(value)));
    };
    entries[at].1 = Cow::Owned(value);
    let mut index = 0;
    entries.retain(|(known, _)| {
        index += 1;
        index <= at + 1 || known[..] != *key
    });
}

/// Gives the attribute of a key another value where there is one; none leaves it.
fn change(entries: &mut Vec<Entry<'_>>, key: &[u8], new: impl Fn(Value<'_>) -> Option<Value<'static>>) {
    let Some(at) = place_of(entries, key) else { return };
    if let Some(value) = new(Value::of(&entries[at].1)) {
        put(entries, key, encoded(value));
    }
}

fn apply_plain(edit: &Edit, entries: &mut Vec<Entry<'_>>) {
    let (key, value, if_absent, if_present) = match edit {
        Edit::Insert { key, value } => (key, value, true, false),
        Edit::Update { key, value } => (key, value, false, true),
        Edit::Upsert { key, value } => (key, value, true, true),
        Edit::Delete { key } => return entries.retain(|(known, _)| known[..] != *key.as_bytes()),
    };
    let is_present = place_of(entries, key.as_bytes()).is_some();
    if !(if is_present { if_present } else { if_absent }) {
        return;
    }
    let value = match value {
        Source::Value(body) => body.clone(),
        Source::FromAttribute(from) => match place_of(entries, from.as_bytes()) {
            Some(at) => entries[at].1.to_vec(),
            None => return,
        },
    };
    put(entries, key.as_bytes(), value);
}

fn extract(key: &[u8], pattern: &Regex, entries: &mut Vec<Entry<'_>>) {
    let Some(at) = place_of(entries, key) else { return };
    let Value::Text(text) = Value::of(&entries[at].1) else { return };
    // A group may be named as the attribute that is read.
    let text = text.into_owned();
    let Some(groups) = pattern.captures(&text) else { return };
    for (name, found) in pattern.capture_names().zip(groups.iter()).skip(1) {
        let Some(name) = name else { continue };
        let found = found.map(|found| found.as_bytes()).unwrap_or_default();
        put(entries, name.as_bytes(), encoded(Value::text(found)));
    }
}

/// Returns the digest of what the collector takes: texts as they are, numbers as eight bytes and flags as one. What
/// has no bytes there, lists and maps too, becomes the empty text.
fn hashed(value: Value<'_>) -> Value<'static> {
    let bytes: Cow<'_, [u8]> = match &value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Int(number) => Cow::Owned(number.to_le_bytes().to_vec()),
        Value::Double(number) => Cow::Owned(number.to_bits().to_le_bytes().to_vec()),
        Value::Bool(flag) => Cow::Owned(vec![u8::from(*flag)]),
        _ => return Value::text(Vec::new()),
    };
    Value::text(hexadecimal(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref()))
}

/// Returns none where the value is of the type already, or can not be made into it.
fn converted(value: Value<'_>, to: Converted) -> Option<Value<'static>> {
    let made = match (value, to) {
        (Value::Int(_), Converted::Int)
        | (Value::Double(_), Converted::Double)
        | (Value::Text(_), Converted::Text) => return None,
        (value, Converted::Int) => to_int(value).ok()?,
        (value, Converted::Double) => to_double(value).ok()?,
        (value, Converted::Text) => {
            Value::text(AnyValue::of(&encoded(value.into_owned())).to_label_string().into_bytes())
        }
    };
    (made != Value::Nil).then_some(made)
}

/// Returns the body of an `AnyValue`. Nothing that stands in a map, or is made here, is without one.
fn encoded(value: Value<'static>) -> Vec<u8> {
    value.encode().unwrap_or_default()
}
