//! What `attributes` and `resource` do to attributes, as the collector's configuration spells it.

use std::fmt;

use component::Checks;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use wire::{
    build::{encode_value, key_value},
    edit::{AttributeEdits, Edit, Source},
    view::AnyValue,
};

use crate::ottl::{Action, Converted, pattern};

mod runner;
#[cfg(test)]
mod tests;

pub(crate) use runner::Runner;

/// One action.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ActionConfig {
    pub(crate) key: String,
    /// One of [`ACTIONS`], in any case.
    pub(crate) action: String,
    pub(crate) value: Option<ActionValue>,
    pub(crate) from_attribute: String,
    pub(crate) from_context: String,
    pub(crate) pattern: String,
    pub(crate) converted_type: String,
    /// Takes the place of a source that is not there.
    pub(crate) default_value: Option<ActionValue>,
}

/// All of them, as they are told to operators.
const ACTIONS: [&str; 7] = ["insert", "update", "upsert", "delete", "hash", "extract", "convert"];

const TYPES: [&str; 3] = ["int", "double", "string"];

/// A value of any kind that an attribute can have.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ActionValue {
    /// The body of an `AnyValue` message.
    body: Vec<u8>,
}

/// Reports every action that can not be done.
pub(crate) fn validate(path: &str, actions: &[ActionConfig], checks: &mut Checks) {
    if actions.is_empty() {
        checks.error(path, format!("missing required field {path:?}, list at least one action"));
    }
    for (index, action) in actions.iter().enumerate() {
        let path = format!("{path}.{index}");
        action.check(&path, checks);
    }
}

/// Returns what actions that have been validated do, in their order.
pub(crate) fn steps(actions: &[ActionConfig]) -> Vec<Action> {
    actions.iter().flat_map(ActionConfig::steps).collect()
}

/// Returns the steps when each of them can be spliced without looking at values.
pub(crate) fn edits(steps: &[Action]) -> Option<AttributeEdits> {
    let edits = steps.iter().map(|step| match step {
        Action::Plain(edit) => Some(edit.clone()),
        _ => None,
    });
    edits.collect::<Option<_>>().map(AttributeEdits::new)
}

impl ActionConfig {
    fn verb(&self) -> String {
        self.action.to_ascii_lowercase()
    }

    fn check(&self, path: &str, checks: &mut Checks) {
        let mut error = |key: &str, message: String| checks.error(&format!("{path}.{key}"), message);
        let verb = self.verb();
        let takes_pattern = matches!(verb.as_str(), "delete" | "hash" | "extract");
        match (self.key.is_empty(), verb.as_str()) {
            (true, "delete" | "hash") if self.pattern.is_empty() => {
                error("key", "key is missing, name the attribute, or many by a \"pattern\"".to_owned());
            }
            (true, "delete" | "hash") | (false, _) => {}
            (true, _) => error("key", "key is missing, name the attribute".to_owned()),
        }
        if ACTIONS.contains(&verb.as_str()) {
            let unread = [
                ("pattern", !takes_pattern && !self.pattern.is_empty()),
                ("converted_type", verb != "convert" && !self.converted_type.is_empty()),
            ];
            for (key, _) in unread.into_iter().filter(|(_, is_set)| *is_set) {
                error(key, format!("action {verb} reads no {key:?}, remove it"));
            }
            if self.default_value.is_some() && !matches!(verb.as_str(), "insert" | "update" | "upsert") {
                let message = format!("action {verb} reads no \"default_value\", remove it");
                checks.warn(&format!("{path}.default_value"), message);
            }
        }
        let mut error = |key: &str, message: String| checks.error(&format!("{path}.{key}"), message);
        match verb.as_str() {
            "insert" | "update" | "upsert" => {
                if let Some((key, message)) = self.source_problem(&verb) {
                    error(key, message);
                }
            }
            "delete" | "hash" | "extract" | "convert" => {
                if let Some(key) = self.source() {
                    error(key, format!("action {verb} reads no {key:?}, remove it"));
                }
                if let Some(message) = self.pattern_problem(&verb).filter(|_| takes_pattern) {
                    error("pattern", message);
                }
                if verb == "convert" {
                    self.check_type(path, checks);
                }
            }
            "" => error("action", format!("action is missing, use {}", ACTIONS.join(", "))),
            _ => checks.unknown(&format!("{path}.action"), "action", &self.action, &ACTIONS),
        }
    }

    fn check_type(&self, path: &str, checks: &mut Checks) {
        let path = format!("{path}.converted_type");
        if self.converted_type.is_empty() {
            checks.error(&path, format!("converted_type is missing, use {}", TYPES.join(", ")));
        } else if Converted::named(&self.converted_type).is_none() {
            checks.unknown(&path, "type", &self.converted_type, &TYPES);
        }
    }

    fn pattern_problem(&self, verb: &str) -> Option<String> {
        if self.pattern.is_empty() {
            return (verb == "extract")
                .then(|| "action extract needs a \"pattern\" whose groups name attributes".to_owned());
        }
        let pattern = match pattern(&self.pattern) {
            Ok(pattern) => pattern,
            Err(message) => return Some(message),
        };
        if verb != "extract" {
            return None;
        }
        let asked = &self.pattern;
        let mut names = pattern.capture_names().skip(1).peekable();
        if names.peek().is_none() {
            return Some(format!("pattern is {asked:?}, which has no group with a name: (?P<name>…)"));
        }
        let is_named = names.all(|name| name.is_some());
        (!is_named).then(|| {
            format!("pattern is {asked:?}, which has a group without a name, write (?P<name>…) or (?:…)")
        })
    }

    /// Returns the first key that says where a value comes from.
    fn source(&self) -> Option<&'static str> {
        let keys = [
            ("value", self.value.is_some()),
            ("from_attribute", !self.from_attribute.is_empty()),
            ("from_context", !self.from_context.is_empty()),
        ];
        keys.into_iter().find(|(_, is_set)| *is_set).map(|(key, _)| key)
    }

    fn source_problem(&self, verb: &str) -> Option<(&'static str, String)> {
        if !self.from_context.is_empty() {
            let asked = &self.from_context;
            let message = format!(
                "from_context is {asked:?}, but a request's connection is not known to processors; \
                 let the sender set an attribute and use from_attribute"
            );
            return Some(("from_context", message));
        }
        match (&self.value, self.from_attribute.is_empty()) {
            (None, true) if self.default_value.is_none() => {
                Some(("value", format!("action {verb} needs a value, set \"value\" or \"from_attribute\"")))
            }
            (Some(_), false) => {
                Some(("value", "\"value\" and \"from_attribute\" are both set, keep one".to_owned()))
            }
            _ => None,
        }
    }

    /// Returns what is done: first by the key, then by the pattern.
    fn steps(&self) -> Vec<Action> {
        let key = self.key.clone();
        let by_key = (!key.is_empty()).then(|| key.clone());
        let by_pattern = || pattern(&self.pattern).ok().filter(|_| !self.pattern.is_empty());
        match self.verb().as_str() {
            "insert" | "update" | "upsert" => self.writes(),
            "delete" => {
                let by_key = by_key.map(|key| Action::Plain(Edit::Delete { key }));
                by_key.into_iter().chain(by_pattern().map(Action::DeleteMatching)).collect()
            }
            "hash" => {
                let by_key = by_key.map(Action::Hash);
                by_key.into_iter().chain(by_pattern().map(Action::HashMatching)).collect()
            }
            "extract" => by_pattern().map(|pattern| Action::Extract(key, pattern)).into_iter().collect(),
            "convert" => {
                let to = Converted::named(&self.converted_type);
                to.map(|to| Action::Convert(key, to)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

impl ActionConfig {
    /// Returns the edits that write a value. The default is one of its own, which has no effect where there is a source.
    fn writes(&self) -> Vec<Action> {
        let key = || self.key.clone();
        let insert = |value| Action::Plain(Edit::Insert { key: key(), value });
        let update = |value| Action::Plain(Edit::Update { key: key(), value });
        let upsert = |value| Action::Plain(Edit::Upsert { key: key(), value });
        let fixed = |value: &ActionValue| Source::Value(value.body.clone());
        let (source, default) = match (&self.value, &self.default_value) {
            (Some(value), _) => (fixed(value), None),
            (None, Some(default)) if self.from_attribute.is_empty() => (fixed(default), None),
            (None, default) => (Source::FromAttribute(self.from_attribute.clone()), default.as_ref()),
        };
        let is_own_source = self.from_attribute == self.key;
        match (self.verb().as_str(), default.map(fixed)) {
            ("insert", None) => vec![insert(source)],
            ("update", None) => vec![update(source)],
            ("upsert", None) => vec![upsert(source)],
            // Once the first has inserted something, the second finds it.
            ("insert", Some(default)) => vec![insert(source), insert(default)],
            ("update", Some(_)) if is_own_source => Vec::new(),
            ("upsert", Some(default)) if is_own_source => vec![insert(default)],
            // The source, where there is one, writes over the default.
            ("update", Some(default)) => vec![update(default), update(source)],
            (_, Some(default)) => vec![upsert(default), upsert(source)],
            (_, None) => Vec::new(),
        }
    }
}

impl ActionValue {
    /// Returns the body of an `AnyValue` message.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the value when it is a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match AnyValue::of(&self.body) {
            AnyValue::Str(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for ActionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKind).map(|body| Self { body })
    }
}

/// Reads any YAML value as the body of an `AnyValue`.
struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, number, boolean, list or map")
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(encode_value(AnyValue::Str(text.as_bytes())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Vec<u8>, E> {
        Ok(encode_value(AnyValue::Bool(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Vec<u8>, E> {
        Ok(encode_value(AnyValue::Int(number)))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Vec<u8>, E> {
        let number = i64::try_from(number);
        number
            .map(|number| encode_value(AnyValue::Int(number)))
            .map_err(|_| E::custom("the integer exceeds 64 bits"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Vec<u8>, E> {
        Ok(encode_value(AnyValue::Double(number)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<ActionValue>()? {
            put_bytes(&mut list, 1, &item.body);
        }
        let mut body = Vec::new();
        put_bytes(&mut body, 5, &list);
        Ok(body)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Vec<u8>, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<String, ActionValue>()? {
            put_bytes(&mut map, 1, &key_value(key.as_bytes(), &value.body));
        }
        let mut body = Vec::new();
        put_bytes(&mut body, 6, &map);
        Ok(body)
    }
}

fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
}
