//! A reader that gives nothing and notes what it is asked for.
//!
//! Every value ends the reading, and is passed over in the next: so each reading comes one value further, until all
//! are known. A visitor that takes any kind of value is given one of each, to see which it does not refuse.

use std::{
    cell::{Cell, RefCell},
    fmt::Display,
    rc::Rc,
};

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor,
        value::{StrDeserializer, StringDeserializer},
    },
};

use super::{Field, Shape, Variant};
use crate::{
    decode::SECTION,
    values::{EITHER, EMPTY_IS_UNSET, HEADERS, SECRET, SECRETS},
};

/// A place in a type, and what is known of it.
#[derive(Clone, Default)]
pub(super) struct Site(Rc<Inner>);

#[derive(Default)]
struct Inner {
    kind: RefCell<Kind>,
    is_settled: Cell<bool>,
}

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Unknown,
    Known(Shape),
    List(Site),
    Map {
        value: Site,
        keys_tried: usize,
    },
    Struct(Vec<(&'static str, Site)>),
    Section(Site),
    Enum(Vec<(&'static str, Content)>),
    Either(Site, Site),
    /// Kinds of which a visitor took one, and how many were tried.
    Any {
        taken: Vec<Shape>,
        tried: usize,
    },
}

#[derive(Clone)]
enum Content {
    Untried,
    Unit,
    Of(Site),
}

impl Site {
    pub(super) fn is_settled(&self) -> bool {
        self.0.is_settled.get()
    }

    fn settle(&self) {
        self.0.is_settled.set(true);
    }

    fn know(&self, shape: Shape) -> Stop {
        *self.0.kind.borrow_mut() = Kind::Known(shape);
        self.settle();
        Stop::Settled
    }

    fn kind(&self) -> Kind {
        self.0.kind.borrow().clone()
    }

    fn become_kind(&self, kind: Kind) {
        *self.0.kind.borrow_mut() = kind;
    }

    pub(super) fn trace<T: DeserializeOwned>(&self) {
        let tracer = Tracer { site: self.clone(), structs: Vec::new() };
        // A type that wants nothing of its input, or that is content with nothing, is known by now.
        if T::deserialize(tracer).is_ok() {
            self.settle();
        }
    }

    pub(super) fn shape(&self) -> Shape {
        match self.kind() {
            Kind::Unknown => Shape::Any,
            Kind::Known(shape) => shape,
            Kind::List(item) => Shape::List(Box::new(item.shape())),
            Kind::Map { value, .. } => Shape::Map(Box::new(value.shape())),
            Kind::Struct(fields) => {
                let fields = fields.into_iter().map(|(name, site)| Field { name, shape: site.shape() });
                Shape::Struct(fields.collect())
            }
            Kind::Section(inner) => Shape::Section(Box::new(inner.shape())),
            Kind::Enum(variants) => {
                let variants = variants.into_iter().map(|(name, content)| Variant {
                    name,
                    content: match content {
                        Content::Of(site) => Some(site.shape()),
                        Content::Unit | Content::Untried => None,
                    },
                });
                Shape::Enum(variants.collect())
            }
            Kind::Either(short, long) => Shape::OneOf(vec![short.shape(), long.shape()]),
            Kind::Any { taken, .. } => match <[Shape; 1]>::try_from(taken) {
                Ok([one]) => one,
                Err(several) if several.is_empty() || several.len() == SAMPLES.len() => Shape::Any,
                Err(several) => Shape::OneOf(several),
            },
        }
    }
}

/// Why a reading ended.
#[derive(Debug)]
enum Stop {
    /// Something was learned.
    Settled,
    /// The visitor does not take such a value.
    Refused,
    /// The visitor takes such a value, and not this one.
    Disliked,
}

impl Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a reading of a type ended")
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: Display>(_: T) -> Self {
        Self::Disliked
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self::Refused
    }
}

struct Tracer {
    site: Site,
    /// The structs that are being read, outermost first, by their lists of fields.
    structs: Vec<*const &'static str>,
}

/// What visitors of any kind are given, one at each reading.
const SAMPLES: [Sample; 6] =
    [Sample::Text, Sample::Flag, Sample::Integer, Sample::Fraction, Sample::List, Sample::Map];

#[derive(Clone, Copy)]
enum Sample {
    Text,
    Flag,
    Integer,
    Fraction,
    List,
    Map,
}

impl Sample {
    fn shape(self) -> Shape {
        match self {
            Self::Text => Shape::String,
            Self::Flag => Shape::Bool,
            Self::Integer => Shape::Integer { is_signed: true },
            Self::Fraction => Shape::Number,
            Self::List => Shape::List(Box::new(Shape::Any)),
            Self::Map => Shape::Map(Box::new(Shape::Any)),
        }
    }

    fn give<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self {
            Self::Text => visitor.visit_str("1"),
            Self::Flag => visitor.visit_bool(true),
            Self::Integer => visitor.visit_u64(1),
            Self::Fraction => visitor.visit_f64(0.5),
            Self::List => visitor.visit_seq(Nothing),
            Self::Map => visitor.visit_map(Nothing),
        }
    }
}

/// An empty list or map.
struct Nothing;

impl<'de> SeqAccess<'de> for Nothing {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, _: T) -> Result<Option<T::Value>, Stop> {
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for Nothing {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Stop> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::Refused)
    }
}

/// Keys that a map may want: texts, durations, numbers.
const KEYS: [&str; 3] = ["name", "1m", "1"];

macro_rules! known {
    ($($method:ident => $shape:expr,)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
            Err(self.site.know($shape))
        }
    )*};
}

impl Tracer {
    fn at(&self, site: &Site) -> Self {
        Self { site: site.clone(), structs: self.structs.clone() }
    }

    /// Reads what stands within, and settles when that is settled.
    fn within<T>(&self, inner: &Site, read: impl FnOnce(Self) -> Result<T, Stop>) -> Result<T, Stop> {
        if inner.is_settled() {
            self.site.settle();
            return Err(Stop::Settled);
        }
        let read = read(self.at(inner));
        if read.is_ok() {
            inner.settle();
        }
        read
    }

    fn read_struct<'de, V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let itself = fields.as_ptr();
        if let Some(at) = self.structs.iter().rposition(|known| !fields.is_empty() && *known == itself) {
            return Err(self.site.know(Shape::Again { structs_up: self.structs.len() - at }));
        }
        let sites = match self.site.kind() {
            Kind::Struct(sites) => sites,
            _ => {
                let sites: Vec<_> = fields.iter().map(|name| (*name, Site::default())).collect();
                self.site.become_kind(Kind::Struct(sites.clone()));
                sites
            }
        };
        let Some((name, inner)) = sites.into_iter().find(|(_, site)| !site.is_settled()) else {
            self.site.settle();
            return Err(Stop::Settled);
        };
        self.structs.push(itself);
        let read =
            visitor.visit_map(OneField { name: Some(name), inner: inner.clone(), structs: self.structs });
        // A field that asked for nothing, or whose type is content without a value.
        if !matches!(read, Err(Stop::Settled)) && !inner.is_settled() {
            inner.settle();
        }
        Err(Stop::Settled)
    }
}

/// One field of a struct.
struct OneField {
    name: Option<&'static str>,
    inner: Site,
    structs: Vec<*const &'static str>,
}

impl<'de> MapAccess<'de> for OneField {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        let Some(name) = self.name.take() else { return Ok(None) };
        let key: StrDeserializer<'_, Stop> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(Tracer { site: self.inner.clone(), structs: self.structs.clone() })
    }
}

/// One entry of a map whose keys are the operator's.
struct OneEntry {
    key: Option<&'static str>,
    value: Tracer,
    had_key: Rc<Cell<bool>>,
}

impl<'de> MapAccess<'de> for OneEntry {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        let Some(key) = self.key.take() else { return Ok(None) };
        let text: StringDeserializer<Stop> = key.to_owned().into_deserializer();
        let read = seed.deserialize(text)?;
        self.had_key.set(true);
        Ok(Some(read))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(self.value.at(&self.value.site))
    }
}

/// One item of a list.
struct OneItem(Option<Tracer>);

impl<'de> SeqAccess<'de> for OneItem {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        self.0.take().map(|item| seed.deserialize(item)).transpose()
    }
}

impl<'de> Deserializer<'de> for Tracer {
    type Error = Stop;

    known! {
        deserialize_bool => Shape::Bool,
        deserialize_i8 => Shape::Integer { is_signed: true },
        deserialize_i16 => Shape::Integer { is_signed: true },
        deserialize_i32 => Shape::Integer { is_signed: true },
        deserialize_i64 => Shape::Integer { is_signed: true },
        deserialize_i128 => Shape::Integer { is_signed: true },
        deserialize_u8 => Shape::Integer { is_signed: false },
        deserialize_u16 => Shape::Integer { is_signed: false },
        deserialize_u32 => Shape::Integer { is_signed: false },
        deserialize_u64 => Shape::Integer { is_signed: false },
        deserialize_u128 => Shape::Integer { is_signed: false },
        deserialize_f32 => Shape::Number,
        deserialize_f64 => Shape::Number,
        deserialize_char => Shape::String,
        deserialize_str => Shape::String,
        deserialize_string => Shape::String,
        deserialize_identifier => Shape::String,
        deserialize_bytes => Shape::Any,
        deserialize_byte_buf => Shape::Any,
        deserialize_unit => Shape::Any,
        deserialize_ignored_any => Shape::Any,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let (mut taken, tried) = match self.site.kind() {
            Kind::Any { taken, tried } => (taken, tried),
            _ => (Vec::new(), 0),
        };
        let Some(sample) = SAMPLES.get(tried) else {
            self.site.settle();
            return Err(Stop::Settled);
        };
        // No text can stand for all texts, nor a list for all lists; a number that is disliked is a number without
        // its unit.
        let is_taken = match sample.give(visitor) {
            Ok(_) | Err(Stop::Settled) => true,
            Err(Stop::Refused) => false,
            Err(Stop::Disliked) => matches!(sample, Sample::Text | Sample::List | Sample::Map),
        };
        if is_taken {
            taken.push(sample.shape());
        }
        self.site.become_kind(Kind::Any { taken, tried: tried + 1 });
        Err(Stop::Settled)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        match name {
            SECRET => Err(self.site.know(Shape::Secret)),
            // Headers, as a map or as a list of names with values.
            HEADERS | SECRETS => Err(self.site.know(Shape::OneOf(vec![
                Shape::Map(Box::new(Shape::Secret)),
                Shape::List(Box::new(Shape::Map(Box::new(Shape::Any)))),
            ]))),
            SECTION => {
                let inner = match self.site.kind() {
                    Kind::Section(inner) => inner,
                    _ => {
                        let inner = Site::default();
                        self.site.become_kind(Kind::Section(inner.clone()));
                        inner
                    }
                };
                self.within(&inner, |tracer| visitor.visit_newtype_struct(tracer))
            }
            EITHER => {
                let (short, long) = match self.site.kind() {
                    Kind::Either(short, long) => (short, long),
                    _ => {
                        let both = (Site::default(), Site::default());
                        self.site.become_kind(Kind::Either(both.0.clone(), both.1.clone()));
                        both
                    }
                };
                if short.is_settled() {
                    self.within(&long, |tracer| visitor.visit_newtype_struct(tracer))
                } else {
                    visitor.visit_some(self.at(&short))
                }
            }
            EMPTY_IS_UNSET => visitor.visit_newtype_struct(self),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let item = match self.site.kind() {
            Kind::List(item) => item,
            _ => {
                let item = Site::default();
                self.site.become_kind(Kind::List(item.clone()));
                item
            }
        };
        self.within(&item, |tracer| visitor.visit_seq(OneItem(Some(tracer))))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let (value, keys_tried) = match self.site.kind() {
            Kind::Map { value, keys_tried } => (value, keys_tried),
            _ => (Site::default(), 0),
        };
        self.site.become_kind(Kind::Map { value: value.clone(), keys_tried });
        let Some(key) = KEYS.get(keys_tried) else {
            value.know(Shape::Any);
            self.site.settle();
            return Err(Stop::Settled);
        };
        let had_key = Rc::new(Cell::new(false));
        let entry = |tracer| OneEntry { key: Some(key), value: tracer, had_key: Rc::clone(&had_key) };
        let read = self.within(&value, |tracer| visitor.visit_map(entry(tracer)));
        if !had_key.get() && !value.is_settled() {
            self.site.become_kind(Kind::Map { value, keys_tried: keys_tried + 1 });
            return Err(Stop::Settled);
        }
        read
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.read_struct(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let mut known = match self.site.kind() {
            Kind::Enum(known) => known,
            _ => variants.iter().map(|name| (*name, Content::Untried)).collect(),
        };
        let is_open = |content: &Content| match content {
            Content::Untried => true,
            Content::Unit => false,
            Content::Of(site) => !site.is_settled(),
        };
        let Some(at) = known.iter().position(|(_, content)| is_open(content)) else {
            self.site.settle();
            return Err(Stop::Settled);
        };
        let inner = match &known[at].1 {
            Content::Of(site) => site.clone(),
            _ => Site::default(),
        };
        let found = Rc::new(RefCell::new(Content::Unit));
        let choice = Choice { name: known[at].0, tracer: self.at(&inner), found: Rc::clone(&found) };
        let read = visitor.visit_enum(choice);
        known[at].1 = found.borrow().clone();
        if !matches!(read, Err(Stop::Settled)) {
            // Content that is known without asking: nothing, or a type that wants nothing.
            inner.settle();
        }
        self.site.become_kind(Kind::Enum(known));
        Err(Stop::Settled)
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

/// A variant that is tried.
struct Choice {
    name: &'static str,
    tracer: Tracer,
    found: Rc<RefCell<Content>>,
}

impl<'de> EnumAccess<'de> for Choice {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Stop> {
        let name: StrDeserializer<'_, Stop> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl Choice {
    fn note(&self) {
        *self.found.borrow_mut() = Content::Of(self.tracer.site.clone());
    }
}

impl<'de> VariantAccess<'de> for Choice {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stop> {
        self.note();
        seed.deserialize(self.tracer)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.note();
        self.tracer.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.note();
        self.tracer.read_struct(fields, visitor)
    }
}
