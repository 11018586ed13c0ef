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
        for message in action.problems() {
            checks.error(&path, message);
        }
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

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let verb = self.verb();
        if self.key.is_empty() {
            problems.push("key is missing, name the attribute".to_owned());
        }
        if !self.pattern.is_empty() {
            problems
                .push(format!("pattern is {:?}, which no supported action reads; remove it", self.pattern));
        }
        if !self.converted_type.is_empty() {
            problems.push(format!(
                "converted_type is {:?}, which no supported action reads; remove it",
                self.converted_type
            ));
        }
        match verb.as_str() {
            "insert" | "update" | "upsert" => problems.extend(self.source_problem(&verb)),
            "delete" if self.has_source() => {
                problems.push(
                    "action delete reads no \"value\", \"from_attribute\" or \"from_context\", remove it"
                        .to_owned(),
                );
            }
            "delete" => {}
            "" => problems.push("action is missing, use insert, update, upsert or delete".to_owned()),
            "hash" | "extract" | "convert" => {
                problems.push(format!(
                    "action {verb} is not supported yet, use insert, update, upsert or delete"
                ));
            }
            _ => problems
                .push(format!("action is {:?}, must be insert, update, upsert or delete", self.action)),
        }
        problems
    }

    fn has_source(&self) -> bool {
        self.value.is_some() || !self.from_attribute.is_empty() || !self.from_context.is_empty()
    }

    fn source_problem(&self, verb: &str) -> Option<String> {
        if !self.from_context.is_empty() {
            let asked = &self.from_context;
            return Some(format!(
                "from_context is {asked:?}, but a request's connection is not known to processors; \
                 let the sender set an attribute and use from_attribute"
            ));
        }
        match (&self.value, self.from_attribute.is_empty()) {
            (None, true) => Some(format!("action {verb} needs a value, set \"value\" or \"from_attribute\"")),
            (Some(_), false) => Some("\"value\" and \"from_attribute\" are both set, keep one".to_owned()),
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
