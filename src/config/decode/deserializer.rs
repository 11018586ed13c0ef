//! Serde's view of a tree.

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{
    Session,
    failure::{Failure, Reason, Site, suggestion, unknown_key},
    not_supported,
    section::{ENABLED, SECTION},
};
use crate::{
    Entry, Node, Problem, Value, did_you_mean,
    problem::join,
    suspect::hide_below,
    values::{EITHER, EMPTY_IS_UNSET, SECRET, SECRETS},
};

/// Reads one node.
pub(super) struct Reader<'de, 's> {
    node: &'de Node,
    path: String,
    session: &'s Session,
    /// A key that belongs to what wraps the value, not to the value.
    hidden_key: Option<&'static str>,
}

impl<'de, 's> Reader<'de, 's> {
    pub(super) fn new(node: &'de Node, path: String, session: &'s Session) -> Self {
        Self { node, path, session, hidden_key: None }
    }

    /// Runs a visitor and says of its failure that it happened here.
    fn run<T>(self, visit: impl FnOnce(&Self) -> Result<T, Failure>) -> Result<T, Failure> {
        visit(&self).map_err(|failure| self.located(failure))
    }

    fn located(&self, failure: Failure) -> Failure {
        located(failure, self.node, &self.path, self.session)
    }

    /// Reads the node, and says of a failure that it happened here: also of one that a type's own
    /// `Deserialize` makes of a value that it got.
    pub(super) fn read<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        let (node, path, session) = (self.node, self.path.clone(), self.session);
        seed.deserialize(self).map_err(|failure| located(failure, node, &path, session))
    }

    fn expected(&self, what: &str) -> Failure {
        if self.node.is_null() {
            return Failure::empty();
        }
        Failure::expected(what).with_help(self.help_for(what))
    }

    /// Knows the slips that operators make most.
    fn help_for(&self, what: &str) -> Option<String> {
        match (&self.node.value, what) {
            (Value::Bool(_) | Value::Int(_) | Value::Float(_), STRING) => {
                Some(format!("write \"{}\" in quotes", self.node.place.text()))
            }
            (Value::String(text), BOOLEAN) if text == "true" || text == "false" => {
                Some(format!("write {text} without quotes"))
            }
            // Booleans of YAML 1.1, which are texts in 1.2.
            (Value::String(text), BOOLEAN) => match text.to_ascii_lowercase().as_str() {
                "yes" | "y" | "on" => Some("write `true`".to_owned()),
                "no" | "n" | "off" => Some("write `false`".to_owned()),
                _ => None,
            },
            (Value::String(text), INTEGER | NUMBER) if text.parse::<f64>().is_ok() => {
                Some(format!("write {text} without quotes"))
            }
            (Value::Float(value), INTEGER) if value.fract() == 0.0 => Some(format!("write {value}")),
            (Value::String(text), MAP) => {
                let (key, value) = text.split_once(':')?;
                let is_key =
                    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '/');
                is_key.then(|| format!("put a space after the colon: `{key}: {}`", value.trim_start()))
            }
            _ => None,
        }
    }

    /// No setting takes `.nan` or `.inf`, nor what is too large for a double.
    fn finite(&self, value: f64) -> Result<f64, Failure> {
        let written = self.node.as_str().unwrap_or_else(|| self.node.place.text());
        if value.is_finite() {
            Ok(value)
        } else {
            Err(Failure::new(format!("`{written}` is not a finite number")))
        }
    }

    fn entries(&self) -> Entries<'de, 's> {
        let entries = match &self.node.value {
            Value::Map(map) => map.entries.as_slice(),
            _ => &[],
        };
        Entries {
            rest: entries.iter(),
            next: None,
            known: None,
            hidden_key: self.hidden_key,
            path: self.path.clone(),
            session: self.session,
        }
    }

    fn visit_integer<V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Failure> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => visitor.visit_u64(value),
            (_, Ok(value)) => visitor.visit_i64(value),
            _ => visitor.visit_i128(value),
        }
    }

    fn visit_section<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Failure> {
        if let Some(enabled) = self.node.get(ENABLED) {
            match &enabled.value {
                Value::Bool(false) => return visitor.visit_none(),
                Value::Bool(true) | Value::Null => {}
                _ => {
                    let path = join(&self.path, ENABLED);
                    let reader = Reader::new(enabled, path, self.session);
                    if !self.session.is_left_out(enabled) {
                        return Err(reader.located(reader.expected(BOOLEAN)));
                    }
                }
            }
        }
        self.hidden_key = Some(ENABLED);
        visitor.visit_newtype_struct(self)
    }
}

impl<'de> Reader<'de, '_> {
    /// Notes where a secret stands, and says of another value in its place only that it is none.
    fn visit_secret<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        hide(self.node);
        let is_number = matches!(self.node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        if is_number && self.node.original.is_none() {
            let failure =
                Failure::new("expected a string, found something else that is not shown".to_owned());
            return Err(self.located(failure.with_help(Some("write it in quotes".to_owned()))));
        }
        visitor.visit_newtype_struct(self)
    }
}

/// Notes that a value is not to be shown, nor what is in it where it is no text.
fn hide(node: &Node) {
    node.place.hide();
    match &node.value {
        Value::Seq(items) => items.iter().for_each(hide),
        Value::Map(map) => map.entries.iter().for_each(|entry| hide(&entry.value)),
        _ => {}
    }
}

fn located(failure: Failure, node: &Node, path: &str, session: &Session) -> Failure {
    let missing = match failure.reason() {
        Reason::Missing(key) => Some(key),
        _ => None,
    };
    failure.at(
        || node.describe(),
        || Site {
            culprit: std::ptr::from_ref(node),
            place: node.place.clone(),
            path: path.to_owned(),
            already_told: missing.is_some_and(|key| session.was_told_about(node, path, key)),
        },
    )
}

const STRING: &str = "a string";
const BOOLEAN: &str = "true or false";
const INTEGER: &str = "an integer";
const NUMBER: &str = "a number";
const LIST: &str = "a list";
const MAP: &str = "a map";

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.run(|reader| match reader.node.value {
                Value::Int(value) => Reader::visit_integer(value, visitor),
                _ => Err(reader.expected(INTEGER)),
            })
        }
    )*};
}

macro_rules! strings {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.run(|reader| match reader.node.take_str() {
                Some(text) => visitor.visit_str(text),
                None => Err(reader.expected(STRING)),
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.run(|reader| match &reader.node.value {
            Value::Null => visitor.visit_unit().map_err(Failure::into_empty),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => Self::visit_integer(*value, visitor),
            Value::Float(value) => visitor.visit_f64(reader.finite(*value)?),
            Value::String(text) => visitor.visit_str(text),
            Value::Seq(items) => visitor.visit_seq(Items::new(items, reader)),
            Value::Map(_) => visitor.visit_map(reader.entries()),
        })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.run(|reader| match reader.node.value {
            Value::Bool(value) => visitor.visit_bool(value),
            _ => Err(reader.expected(BOOLEAN)),
        })
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    strings! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.run(|reader| match reader.node.value {
            Value::Int(value) => visitor.visit_f64(value as f64),
            Value::Float(value) => visitor.visit_f64(reader.finite(value)?),
            _ => Err(reader.expected(NUMBER)),
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.node.says_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.run(|reader| match reader.node.value {
            Value::Null => visitor.visit_unit(),
            _ => Err(reader.expected("nothing")),
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match name {
            SECTION => self.visit_section(visitor),
            EMPTY_IS_UNSET if self.node.says_nothing() || self.node.as_str() == Some("") => {
                visitor.visit_none()
            }
            EITHER => match self.node.value {
                Value::Null => self.run(|_| Err(Failure::empty())),
                Value::Seq(_) | Value::Map(_) => visitor.visit_newtype_struct(self),
                _ => visitor.visit_some(self),
            },
            SECRET => {
                self.session.tell_opaque(self.node, &self.path);
                self.visit_secret(visitor)
            }
            SECRETS => {
                self.session.tell_all_opaque(self.node, &self.path);
                hide(self.node);
                visitor.visit_newtype_struct(self)
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.run(|reader| match (&reader.node.value, reader.node.as_str()) {
            (Value::Seq(items), _) => visitor.visit_seq(Items::new(items, reader)),
            (Value::Map(_), _) => Err(reader.expected(LIST)),
            // The collector's rule for lists of strings. Other lists fail in their items.
            (_, Some(text)) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                reader.node.take_str();
                visitor.visit_seq(Parts { rest: parts, reader }).map_err(|_| reader.expected(LIST))
            }
            _ => Err(reader.expected(LIST)),
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.run(|reader| match reader.node.value {
            Value::Map(_) => visitor.visit_map(reader.entries()),
            _ => Err(reader.expected(MAP)),
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.run(|reader| match reader.node.value {
            Value::Map(_) | Value::Null => {
                visitor.visit_map(Entries { known: Some(fields), ..reader.entries() })
            }
            _ => Err(reader.expected(MAP)),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.run(|reader| {
            let chosen = match &reader.node.value {
                Value::Null => return Err(Failure::empty()),
                Value::Map(map) => match map.entries.as_slice() {
                    [entry] => Choice { name: &entry.key.name, content: Some(&entry.value), owner: reader },
                    _ => {
                        let names = suggestion("", variants, "keys");
                        return Err(Failure::expected("a map with one key").with_help(Some(names)));
                    }
                },
                _ => match reader.node.take_str() {
                    Some(name) => Choice { name, content: None, owner: reader },
                    None => return Err(reader.expected(STRING)),
                },
            };
            visitor.visit_enum(chosen)
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf }
}

/// The keys of a map that are still to be read.
struct Entries<'de, 's> {
    rest: std::slice::Iter<'de, Entry>,
    next: Option<&'de Entry>,
    /// The keys of a struct, where one is read.
    known: Option<&'static [&'static str]>,
    hidden_key: Option<&'static str>,
    path: String,
    session: &'s Session,
}

impl Entries<'_, '_> {
    /// Decides whether serde gets to see a key.
    fn wants(&self, entry: &Entry) -> bool {
        let name = entry.key.name.as_str();
        if self.hidden_key == Some(name) || self.session.is_left_out(&entry.value) {
            return false;
        }
        let Some(known) = self.known else { return true };
        if known.contains(&name) {
            return true;
        }
        self.session.tell_unknown_key(&entry.value, || {
            // No type says what of it is a secret.
            hide_below(name, &entry.value);
            let place = Some(entry.key.place.clone());
            match not_supported::find(self.session.not_supported, &self.session.root, &self.path, name) {
                Some(row) => row.problem(place, self.path.clone()),
                None => {
                    if let Some(meant) = did_you_mean(name, known.iter().copied()) {
                        self.session.note_meant(&self.path, meant);
                    }
                    Problem::error(place, self.path.clone(), unknown_key(name))
                        .with_help(suggestion(name, known, "keys"))
                }
            }
        });
        false
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let entry = loop {
            match self.rest.next() {
                None => return Ok(None),
                Some(entry) if self.wants(entry) => break entry,
                Some(_) => {}
            }
        };
        self.next = Some(entry);
        let key: StrDeserializer<'_, Failure> = entry.key.name.as_str().into_deserializer();
        let located = |failure: Failure| {
            failure.at(
                || format!("the key {:?}", entry.key.name),
                || Site {
                    culprit: std::ptr::from_ref(&entry.value),
                    place: entry.key.place.clone(),
                    path: self.path.clone(),
                    already_told: false,
                },
            )
        };
        seed.deserialize(key).map(Some).map_err(located)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let entry = self.next.take().expect("serde asks for a value after its key");
        let path = join(&self.path, &entry.key.name);
        Reader::new(&entry.value, path, self.session).read(seed)
    }
}

/// The items of a list that are still to be read.
struct Items<'de, 's> {
    rest: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    path: String,
    session: &'s Session,
}

impl<'de, 's> Items<'de, 's> {
    fn new(items: &'de [Node], owner: &Reader<'de, 's>) -> Self {
        Self { rest: items.iter().enumerate(), path: owner.path.clone(), session: owner.session }
    }
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let session = self.session;
        let Some((index, item)) = self.rest.find(|(_, item)| !session.is_left_out(item)) else {
            return Ok(None);
        };
        let path = join(&self.path, &index.to_string());
        Reader::new(item, path, session).read(seed).map(Some)
    }
}

/// What stands between the commas of a list that is written as one string.
struct Parts<'r, 'de, 's, I> {
    rest: I,
    reader: &'r Reader<'de, 's>,
}

impl<'de, I: Iterator<Item = &'de str>> SeqAccess<'de> for Parts<'_, 'de, '_, I> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some(text) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Part { text, reader: self.reader }).map(Some)
    }
}

/// One of them, which is a text.
struct Part<'r, 'de, 's> {
    text: &'de str,
    reader: &'r Reader<'de, 's>,
}

impl<'de> Deserializer<'de> for Part<'_, 'de, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.text)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == SECRET {
            self.reader.session.tell_opaque(self.reader.node, &self.reader.path);
            hide(self.reader.node);
        }
        visitor.visit_str(self.text)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let text: StrDeserializer<'_, Failure> = self.text.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant of an enum, with what was written below its name.
struct Choice<'de, 'r, 's> {
    name: &'de str,
    content: Option<&'de Node>,
    owner: &'r Reader<'de, 's>,
}

impl<'de> EnumAccess<'de> for Choice<'de, '_, '_> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Failure> {
        let name: StrDeserializer<'_, Failure> = self.name.into_deserializer();
        let variant = seed.deserialize(name)?;
        Ok((variant, self))
    }
}

impl<'de> Choice<'de, '_, '_> {
    /// Reads the content. Nothing but the whole enum can be left out if that fails.
    fn read<T>(self, read: impl FnOnce(Reader<'de, '_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let Some(content) = self.content else {
            let expected = format!("a map with the key `{}`", self.name);
            return Err(Failure::expected(&expected));
        };
        let path = join(&self.owner.path, self.name);
        read(Reader::new(content, path, self.owner.session))
            .map_err(|failure| failure.blaming(std::ptr::from_ref(self.owner.node)))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de, '_, '_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.content {
            None => Ok(()),
            Some(content) if content.is_null() => Ok(()),
            Some(_) => Err(Failure::new(format!("`{}` takes nothing below it", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        self.read(|reader| reader.read(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        self.read(|reader| reader.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.read(|reader| reader.deserialize_struct("", fields, visitor))
    }
}
