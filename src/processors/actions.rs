//! What `attributes` and `resource` do to attributes, as the collector's configuration spells it.

use std::fmt;

use component::Checks;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use wire::{
    build::{encode_value, key_value},
    edit::{Edit, Source},
    view::AnyValue,
};

#[cfg(test)]
mod tests;

/// One action.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ActionConfig {
    pub(crate) key: String,
    /// `insert`, `update`, `upsert` or `delete`, in any case.
    pub(crate) action: String,
    pub(crate) value: Option<ActionValue>,
    pub(crate) from_attribute: String,
    pub(crate) from_context: String,
    pub(crate) pattern: String,
    pub(crate) converted_type: String,
}

/// Those that are done, as they are told to operators.
const ACTIONS: [&str; 4] = ["insert", "update", "upsert", "delete"];

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

/// Returns the steps of actions that have been validated.
pub(crate) fn edits(actions: &[ActionConfig]) -> Vec<Edit> {
    actions.iter().filter_map(ActionConfig::edit).collect()
}

impl ActionConfig {
    fn verb(&self) -> String {
        self.action.to_ascii_lowercase()
    }

    fn check(&self, path: &str, checks: &mut Checks) {
        let mut error = |key: &str, message: String| checks.error(&format!("{path}.{key}"), message);
        if self.key.is_empty() {
            error("key", "key is missing, name the attribute".to_owned());
        }
        for (key, value) in [("pattern", &self.pattern), ("converted_type", &self.converted_type)] {
            if !value.is_empty() {
                error(key, format!("{key} is {value:?}, which no supported action reads; remove it"));
            }
        }
        let verb = self.verb();
        match verb.as_str() {
            "insert" | "update" | "upsert" => {
                if let Some((key, message)) = self.source_problem(&verb) {
                    error(key, message);
                }
            }
            "delete" => {
                if let Some(key) = self.source() {
                    error(key, format!("action delete reads no {key:?}, remove it"));
                }
            }
            "" => error("action", format!("action is missing, use {}", ACTIONS.join(", "))),
            "hash" | "extract" | "convert" => {
                error("action", format!("action {verb} is not supported yet, use {}", ACTIONS.join(", ")));
            }
            _ => checks.unknown(&format!("{path}.action"), "action", &self.action, &ACTIONS),
        }
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
            (None, true) => {
                Some(("value", format!("action {verb} needs a value, set \"value\" or \"from_attribute\"")))
            }
            (Some(_), false) => {
                Some(("value", "\"value\" and \"from_attribute\" are both set, keep one".to_owned()))
            }
            _ => None,
        }
    }

    fn edit(&self) -> Option<Edit> {
        let key = self.key.clone();
        let verb = self.verb();
        if verb == "delete" {
            return Some(Edit::Delete { key });
        }
        let value = match &self.value {
            Some(value) => Source::Value(value.body.clone()),
            None => Source::FromAttribute(self.from_attribute.clone()),
        };
        match verb.as_str() {
            "insert" => Some(Edit::Insert { key, value }),
            "update" => Some(Edit::Update { key, value }),
            "upsert" => Some(Edit::Upsert { key, value }),
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
