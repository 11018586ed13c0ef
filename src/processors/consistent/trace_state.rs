//! What OpenTelemetry keeps in the W3C tracestate: `ot=rv:…;th:…`.

use std::borrow::Cow;

use super::{read_randomness, read_threshold, write_randomness, write_threshold};

const MAX_BYTES: usize = 1024;
const MAX_OT_BYTES: usize = 256;
const MAX_MEMBERS: usize = 32;
const MAX_KEY: usize = 256;
const MAX_TENANT: usize = 241;
const MAX_SYSTEM: usize = 14;

/// A tracestate with the entry `ot` read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct TraceState<'a> {
    randomness: Option<Spelled<'a>>,
    threshold: Option<Spelled<'a>>,
    /// What else the entry `ot` holds.
    rest_of_ot: Vec<(&'a [u8], &'a [u8])>,
    others: Vec<(&'a [u8], &'a [u8])>,
}

/// A number as it was spelled.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Spelled<'a> {
    number: u64,
    text: Cow<'a, [u8]>,
}

impl<'a> TraceState<'a> {
    /// Reads a tracestate, and whether all of it could be read. What could be is there in any case, as in the collector.
    pub(crate) fn read(text: &'a [u8]) -> (Self, bool) {
        let mut state = Self::default();
        if text.is_empty() {
            return (state, true);
        }
        if text.len() > MAX_BYTES || members(text).any(|member| member.is_none()) {
            return (state, false);
        }
        let mut is_sound = true;
        // The count includes empty members.
        for (index, member) in members(text).enumerate() {
            if index + 1 >= MAX_MEMBERS {
                return (state, false);
            }
            match member {
                Some((b"", _)) | None => {}
                Some((key, _)) if is_too_long(key) => is_sound = false,
                Some((b"ot", value)) => is_sound &= state.read_ot(value),
                Some(member) => state.others.push(member),
            }
        }
        (state, is_sound)
    }

    fn read_ot(&mut self, text: &'a [u8]) -> bool {
        (self.randomness, self.threshold) = (None, None);
        self.rest_of_ot.clear();
        let fields = || text.split(|byte| *byte == b';').map(ot_field);
        if text.len() > MAX_OT_BYTES || fields().any(|field| field.is_none()) {
            return false;
        }
        let mut is_sound = true;
        let spelled = |number: Option<u64>, text: &'a [u8]| {
            Some(Spelled { number: number?, text: Cow::Borrowed(text) })
        };
        for (key, value) in fields().flatten() {
            match key {
                b"rv" => {
                    self.randomness = spelled(read_randomness(value), value);
                    is_sound &= self.randomness.is_some();
                }
                b"th" => {
                    self.threshold = spelled(read_threshold(value), value);
                    is_sound &= self.threshold.is_some();
                }
                _ => self.rest_of_ot.push((key, value)),
            }
        }
        is_sound
    }

    pub(crate) fn randomness(&self) -> Option<u64> {
        self.randomness.as_ref().map(|it| it.number)
    }

    pub(crate) fn threshold(&self) -> Option<u64> {
        self.threshold.as_ref().map(|it| it.number)
    }

    pub(crate) fn set_randomness(&mut self, number: u64) {
        self.randomness = Some(Spelled { number, text: write_randomness(number).into_bytes().into() });
    }

    pub(crate) fn set_threshold(&mut self, number: u64) {
        self.threshold = Some(Spelled { number, text: write_threshold(number).into_bytes().into() });
    }

    /// Spells the tracestate, the entry `ot` first.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let numbers = [(&b"rv"[..], &self.randomness), (b"th", &self.threshold)];
        let numbers = numbers.into_iter().filter_map(|(key, it)| Some((key, &*it.as_ref()?.text)));
        for (key, value) in numbers.chain(self.rest_of_ot.iter().copied()) {
            out.extend_from_slice(if out.is_empty() { b"ot=" } else { b";" });
            out.extend_from_slice(key);
            out.push(b':');
            out.extend_from_slice(value);
        }
        for (key, value) in &self.others {
            if !out.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(key);
            out.push(b'=');
            out.extend_from_slice(value);
        }
        out
    }
}

/// Walks the members of a W3C tracestate: none for one that is malformed, an empty key for one that is empty, which is
/// legal.
pub(crate) fn members(text: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    text.split(|byte| *byte == b',').map(|member| {
        let member = trimmed(member);
        if member.is_empty() {
            return Some((member, member));
        }
        let at = member.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&member[..at], &member[at + 1..]);
        (is_key(key) && is_value(value)).then_some((key, value))
    })
}

fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn is_key(key: &[u8]) -> bool {
    let is_rest = |rest: &[u8]| {
        rest.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    match halves(key) {
        Some(([b'a'..=b'z' | b'0'..=b'9', tenant @ ..], [b'a'..=b'z', system @ ..])) => {
            is_rest(tenant) && is_rest(system)
        }
        Some(_) => false,
        None => matches!(key, [b'a'..=b'z', rest @ ..] if is_rest(rest)),
    }
}

/// Splits `tenant@system`.
fn halves(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = key.iter().position(|byte| *byte == b'@')?;
    Some((&key[..at], &key[at + 1..]))
}

fn is_too_long(key: &[u8]) -> bool {
    let is_long = |(tenant, system): (&[u8], &[u8])| tenant.len() > MAX_TENANT || system.len() > MAX_SYSTEM;
    key.len() > MAX_KEY || halves(key).is_some_and(is_long)
}

fn is_value(value: &[u8]) -> bool {
    let is_visible = |byte: &u8| matches!(byte, 0x21..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    match value.split_last() {
        Some((last, rest)) => {
            value.len() <= 256
                && is_visible(last)
                && rest.iter().all(|byte| *byte == b' ' || is_visible(byte))
        }
        None => false,
    }
}

fn ot_field(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = field.iter().position(|byte| *byte == b':')?;
    let (key, value) = (&field[..at], &field[at + 1..]);
    let is_key = matches!(key, [b'a'..=b'z', rest @ ..]
        if rest.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9')));
    let is_value =
        value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    (is_key && is_value).then_some((key, value))
}
