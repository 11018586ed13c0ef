//! What becomes of attributes and bodies.

use std::{borrow::Cow, collections::BTreeSet};

use aws_lc_rs::{
    digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA3_256},
    hmac,
};
use regex::bytes::{Captures, Regex};
use wire::{
    build::{encode_value, key_value},
    raw::{self, Field, Raw},
    view::{AnyValue, KeyValue},
};

use super::RedactionConfig;
use crate::ottl::{Change, Digest, pattern};

type Entry<'e> = (Cow<'e, [u8]>, Cow<'e, [u8]>);

#[derive(Clone)]
pub(super) struct Redactor {
    allows_all: bool,
    allowed: BTreeSet<Vec<u8>>,
    ignored: BTreeSet<Vec<u8>>,
    ignored_patterns: Vec<Regex>,
    blocked_keys: Vec<Regex>,
    blocked: Vec<Regex>,
    allowed_values: Vec<Regex>,
    whole: Regex,
    mask: Mask,
    of_all_types: bool,
    tells_counts: bool,
    tells_keys: bool,
}

/// What takes the place of what is masked.
#[derive(Clone)]
enum Mask {
    Stars,
    Md5,
    Digest(&'static Algorithm),
    Hmac(Box<hmac::Key>),
}

/// Keys of what was done.
#[derive(Default)]
struct Done {
    redacted: Vec<String>,
    masked: Vec<String>,
    allowed: Vec<String>,
    ignored: Vec<String>,
}

/// Every attribute that tells of what was done; a second stage does not remove them.
const TOLD: [&str; 14] = [
    "redaction.redacted.keys",
    "redaction.redacted.count",
    "redaction.masked.keys",
    "redaction.masked.count",
    "redaction.allowed.keys",
    "redaction.allowed.count",
    "redaction.ignored.count",
    "redaction.body.redacted.keys",
    "redaction.body.redacted.count",
    "redaction.body.masked.keys",
    "redaction.body.masked.count",
    "redaction.body.allowed.keys",
    "redaction.body.allowed.count",
    "redaction.body.ignored.count",
];

fn any(patterns: &[Regex], text: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(text))
}

impl Mask {
    fn new(config: &RedactionConfig) -> Self {
        let key = |algorithm| Box::new(hmac::Key::new(algorithm, config.hmac_key.expose().as_bytes()));
        match config.hash_function.to_lowercase().as_str() {
            "md5" => Self::Md5,
            "sha1" => Self::Digest(&SHA1_FOR_LEGACY_USE_ONLY),
            "sha3" => Self::Digest(&SHA3_256),
            "hmac-sha256" => Self::Hmac(key(hmac::HMAC_SHA256)),
            "hmac-sha512" => Self::Hmac(key(hmac::HMAC_SHA512)),
            _ => Self::Stars,
        }
    }

    fn of(&self, text: &[u8]) -> Vec<u8> {
        let hexadecimal =
            |hash: &[u8]| hash.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
        match self {
            Self::Stars => b"****".to_vec(),
            Self::Md5 => Digest::Md5.of(text),
            Self::Digest(algorithm) => hexadecimal(digest::digest(algorithm, text).as_ref()),
            Self::Hmac(key) => hexadecimal(hmac::sign(key, text).as_ref()),
        }
    }
}

impl Redactor {
    /// Makes one of settings that have been validated.
    pub(super) fn new(config: &RedactionConfig) -> Self {
        let patterns = |texts: &[String]| texts.iter().filter_map(|text| pattern(text).ok()).collect();
        let keys = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
        let mut allowed: BTreeSet<Vec<u8>> = keys(&config.allowed_keys);
        allowed.extend(TOLD.map(|key| key.as_bytes().to_vec()));
        Self {
            allows_all: config.allow_all_keys,
            allowed,
            ignored: keys(&config.ignored_keys),
            ignored_patterns: patterns(&config.ignored_key_patterns),
            blocked_keys: patterns(&config.blocked_key_patterns),
            blocked: patterns(&config.blocked_values),
            allowed_values: patterns(&config.allowed_values),
            whole: pattern(".*").expect("the pattern is sound"),
            mask: Mask::new(config),
            of_all_types: config.redact_all_types,
            tells_counts: matches!(config.summary.as_str(), "debug" | "info"),
            tells_keys: config.summary == "debug",
        }
    }

    fn ignores(&self, key: &[u8]) -> bool {
        self.ignored.contains(key) || any(&self.ignored_patterns, key)
    }

    fn removes(&self, key: &[u8]) -> bool {
        !self.allows_all && !self.allowed.contains(key)
    }

    /// Replaces all that fits.
    fn masked(&self, text: &[u8], pattern: &Regex) -> Vec<u8> {
        let mask = |found: &Captures<'_>| self.mask.of(&found[0]);
        pattern.replace_all(text, mask).into_owned()
    }

    /// Masks what is blocked in a text; none when nothing is.
    fn blocked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut masked = text.to_vec();
        for pattern in &self.blocked {
            if pattern.is_match(&masked) {
                masked = self.masked(&masked, pattern);
            }
        }
        (masked != text).then_some(masked)
    }

    /// Returns what becomes of an attribute's value; none when it stays.
    fn value(&self, key: &[u8], value: &[u8], done: &mut Done) -> Option<Vec<u8>> {
        let name = || String::from_utf8_lossy(key).into_owned();
        let read = AnyValue::of(value);
        let text = match read {
            AnyValue::Str(text) => Cow::Borrowed(text),
            _ if self.of_all_types => Cow::Owned(read.to_label_string().into_bytes()),
            _ => Cow::Borrowed(&[][..]),
        };
        if any(&self.allowed_values, &text) {
            done.allowed.push(name());
            return None;
        }
        let masked = match any(&self.blocked_keys, key) {
            true => self.masked(&text, &self.whole),
            false => self.blocked(&text)?,
        };
        done.masked.push(name());
        Some(encode_value(AnyValue::Str(&masked)))
    }

    /// Returns what becomes of a part of a body; none when it stays. `path` is that of a part within.
    fn part(&self, path: Option<&str>, value: &[u8], done: &mut Done) -> Option<Vec<u8>> {
        let below = |name: &str| path.map_or(name.to_owned(), |path| format!("{path}.{name}"));
        let read = AnyValue::of(value);
        let mut inner = Vec::new();
        let mut changed = false;
        let number = match read {
            AnyValue::Map(_) => {
                let map = bodies(value, 6);
                for entry in bodies_of(map) {
                    let KeyValue { key, value } = KeyValue::of(entry);
                    let name = below(&String::from_utf8_lossy(key));
                    if self.ignores(key) {
                        done.ignored.push(name);
                    } else if self.removes(key) {
                        done.redacted.push(name);
                        changed = true;
                        continue;
                    } else if any(&self.blocked_keys, key) {
                        done.masked.push(name);
                        let text = match AnyValue::of(value) {
                            AnyValue::Str(text) => text,
                            _ => &[],
                        };
                        let masked = encode_value(AnyValue::Str(&self.masked(text, &self.whole)));
                        put(&mut inner, &key_value(key, &masked));
                        changed = true;
                        continue;
                    } else if let Some(new) = self.part(Some(&name), value, done) {
                        put(&mut inner, &key_value(key, &new));
                        changed = true;
                        continue;
                    }
                    put(&mut inner, entry);
                }
                6
            }
            AnyValue::Array(_) => {
                for (index, item) in bodies_of(bodies(value, 5)).enumerate() {
                    let new = self.part(Some(&below(&format!("[{index}]"))), item, done);
                    changed |= new.is_some();
                    put(&mut inner, new.as_deref().unwrap_or(item));
                }
                5
            }
            _ => {
                let text = read.to_label_string();
                if any(&self.allowed_values, text.as_bytes()) {
                    // As in the collector a body that is one value is not told of.
                    done.allowed.extend(path.map(str::to_owned));
                    return None;
                }
                let masked = self.blocked(text.as_bytes())?;
                done.masked.push(path.unwrap_or("body").to_owned());
                return Some(encode_value(AnyValue::Str(&masked)));
            }
        };
        let mut new = Vec::with_capacity(inner.len() + 6);
        raw::put(&mut new, Field { number, value: Raw::Bytes(&inner) });
        changed.then_some(new)
    }

    fn tell(&self, done: Done, of: &str, entries: &mut Vec<Entry<'_>>) {
        for (mut keys, what) in [
            (done.redacted, "redacted"),
            (done.masked, "masked"),
            (done.allowed, "allowed"),
            (done.ignored, "ignored"),
        ] {
            if keys.is_empty() || !self.tells_counts {
                continue;
            }
            let (keys_at, count_at) = (format!("{of}.{what}.keys"), format!("{of}.{what}.count"));
            let mut count = keys.len() as i64;
            if self.tells_keys && what != "ignored" {
                // A stage before this one may have told of others.
                if let Some(AnyValue::Str(known)) =
                    value_of(entries, &keys_at).filter(|it| *it != AnyValue::Str(b""))
                {
                    keys.extend(String::from_utf8_lossy(known).split(',').map(str::to_owned));
                }
                keys.sort_unstable();
                put_entry(entries, keys_at, encode_value(AnyValue::Str(keys.join(",").as_bytes())));
            }
            if let Some(AnyValue::Int(known)) = value_of(entries, &count_at) {
                count = count.saturating_add(known);
            }
            put_entry(entries, count_at, encode_value(AnyValue::Int(count)));
        }
    }
}

impl Change for Redactor {
    fn attributes(&self, entries: &mut Vec<Entry<'_>>) {
        let mut done = Done::default();
        entries.retain_mut(|(key, value)| {
            if self.ignores(key) {
                done.ignored.push(String::from_utf8_lossy(key).into_owned());
            } else if self.removes(key) {
                done.redacted.push(String::from_utf8_lossy(key).into_owned());
                return false;
            } else if let Some(new) = self.value(key, value, &mut done) {
                *value = new.into();
            }
            true
        });
        self.tell(done, "redaction", entries);
    }

    fn body(&self, body: &[u8], entries: &mut Vec<Entry<'_>>) -> Option<Vec<u8>> {
        let mut done = Done::default();
        let new = self.part(None, body, &mut done);
        self.tell(done, "redaction.body", entries);
        new
    }
}

fn value_of<'e>(entries: &'e [Entry<'_>], key: &str) -> Option<AnyValue<'e>> {
    entries.iter().find(|(known, _)| known[..] == *key.as_bytes()).map(|(_, value)| AnyValue::of(value))
}

fn put_entry(entries: &mut Vec<Entry<'_>>, key: String, value: Vec<u8>) {
    match entries.iter_mut().find(|(known, _)| known[..] == *key.as_bytes()) {
        Some((_, old)) => *old = value.into(),
        None => entries.push((key.into_bytes().into(), value.into())),
    }
}

/// The list or map that an `AnyValue` is.
fn bodies(value: &[u8], number: u32) -> &[u8] {
    match raw::last(value, number) {
        Some(Raw::Bytes(body)) => body,
        _ => &[],
    }
}

fn bodies_of(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw::fields(list).filter_map(|(_, field)| match field.value {
        Raw::Bytes(body) if field.number == 1 => Some(body),
        _ => None,
    })
}

fn put(out: &mut Vec<u8>, body: &[u8]) {
    raw::put(out, Field { number: 1, value: Raw::Bytes(body) });
}
