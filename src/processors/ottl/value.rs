//! Values while a condition is judged: of the request's bytes where they can be, owned where something was computed.

use std::borrow::Cow;

use super::times::Zone;
use wire::{
    build::encode_value,
    raw::{self, Field, Raw},
    view::{AnyValue, KeyValue, attributes},
};

/// Why something could not be computed of the telemetry that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failure(pub(crate) &'static str);

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value<'v> {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'v, [u8]>),
    Bytes(Cow<'v, [u8]>),
    Map(Map<'v>),
    /// The body of an `ArrayValue`.
    List(Cow<'v, [u8]>),
    /// *Units*: nanoseconds since the epoch.
    Time(i64, Zone),
    /// *Units*: nanoseconds.
    Duration(i64),
    TraceId([u8; 16]),
    SpanId([u8; 8]),
}

/// Attributes in a field of a message; those of a value stand in field 1.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Map<'v> {
    pub(super) message: Cow<'v, [u8]>,
    pub(super) number: u32,
}

/// What is known of a value before there is telemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    /// Only the telemetry tells.
    Any,
    Nil,
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Map,
    List,
    Time,
    Duration,
    TraceId,
    SpanId,
}

impl Type {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Nil => "nil",
            Self::Bool => "true or false",
            Self::Int => "an integer",
            Self::Double => "a double",
            Self::Text => "a string",
            Self::Bytes => "bytes",
            Self::Map => "a map",
            Self::List => "a list",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::TraceId => "a trace id",
            Self::SpanId => "a span id",
        }
    }

    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double)
    }
}

impl<'v> Map<'v> {
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        raw::attribute(&self.message, self.number, key)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = KeyValue<'_>> + Clone {
        attributes(&self.message, self.number)
    }

    /// Returns the entries as the body of a `KeyValueList`.
    pub(super) fn into_list(self) -> Cow<'v, [u8]> {
        if self.number == 1 && raw::fields(&self.message).all(|(_, field)| field.number == 1) {
            return self.message;
        }
        let mut list = Vec::with_capacity(self.message.len());
        for (_, field) in raw::fields(&self.message) {
            if field.number == self.number {
                raw::put(&mut list, Field { number: 1, value: field.value });
            }
        }
        list.into()
    }
}

impl<'v> Value<'v> {
    pub(super) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    /// Reads the body of an `AnyValue`.
    #[inline]
    pub(super) fn of(body: &'v [u8]) -> Self {
        match AnyValue::of(body) {
            AnyValue::Empty => Self::Nil,
            AnyValue::Str(text) => Self::Text(Cow::Borrowed(text)),
            AnyValue::Bool(flag) => Self::Bool(flag),
            AnyValue::Int(number) => Self::Int(number),
            AnyValue::Double(number) => Self::Double(number),
            AnyValue::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            AnyValue::Array(values) => Self::List(Cow::Borrowed(values.body())),
            AnyValue::Map(values) => Self::Map(Map { message: Cow::Borrowed(values.body()), number: 1 }),
        }
    }

    pub(super) fn into_owned(self) -> Value<'static> {
        let own = |bytes: Cow<'v, [u8]>| Cow::Owned(bytes.into_owned());
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Int(number) => Value::Int(number),
            Self::Double(number) => Value::Double(number),
            Self::Text(text) => Value::Text(own(text)),
            Self::Bytes(bytes) => Value::Bytes(own(bytes)),
            Self::Map(map) => Value::Map(Map { message: own(map.message), number: map.number }),
            Self::List(list) => Value::List(own(list)),
            Self::Time(nanos, zone) => Value::Time(nanos, zone),
            Self::Duration(nanos) => Value::Duration(nanos),
            Self::TraceId(id) => Value::TraceId(id),
            Self::SpanId(id) => Value::SpanId(id),
        }
    }

    pub(super) const fn kind(&self) -> Type {
        match self {
            Self::Nil => Type::Nil,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Double(_) => Type::Double,
            Self::Text(_) => Type::Text,
            Self::Bytes(_) => Type::Bytes,
            Self::Map(_) => Type::Map,
            Self::List(_) => Type::List,
            Self::Time(..) => Type::Time,
            Self::Duration(_) => Type::Duration,
            Self::TraceId(_) => Type::TraceId,
            Self::SpanId(_) => Type::SpanId,
        }
    }

    /// Returns the body of an `AnyValue`.
    ///
    /// *Errors*: times, durations and ids are no values of attributes.
    pub(super) fn encode(self) -> Result<Vec<u8>, Failure> {
        Ok(match self {
            Self::Nil => Vec::new(),
            Self::Bool(flag) => encode_value(AnyValue::Bool(flag)),
            Self::Int(number) => encode_value(AnyValue::Int(number)),
            Self::Double(number) => encode_value(AnyValue::Double(number)),
            Self::Text(text) => encode_value(AnyValue::Str(&text)),
            Self::Bytes(bytes) => encode_value(AnyValue::Bytes(&bytes)),
            Self::Map(map) => wrapped(6, &map.into_list()),
            Self::List(list) => wrapped(5, &list),
            Self::Time(..) | Self::Duration(_) | Self::TraceId(_) | Self::SpanId(_) => {
                return Err(Failure("a time, a duration or an id is no value of an attribute"));
            }
        })
    }

    /// Returns the value as text as functions take it that want one: bytes in hexadecimal, lists and maps in JSON;
    /// none for no value.
    pub(super) fn into_text(self) -> Result<Option<Cow<'v, [u8]>>, Failure> {
        Ok(Some(match self {
            Self::Nil => return Ok(None),
            Self::Text(text) => text,
            Self::Bytes(bytes) => Cow::Owned(hexadecimal(&bytes)),
            Self::Duration(nanos) => Cow::Owned(nanos.to_string().into_bytes()),
            Self::Double(number) if !number.is_finite() => {
                return Err(Failure("a number that is not finite has no text"));
            }
            Self::Time(..) | Self::TraceId(_) | Self::SpanId(_) => {
                return Err(Failure("a time or an id has no text here"));
            }
            Self::Bool(_) | Self::Int(_) | Self::Double(_) | Self::Map(_) | Self::List(_) => {
                Cow::Owned(AnyValue::of(&self.encode()?).to_label_string().into_bytes())
            }
        }))
    }
}

pub(super) fn wrapped(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 6);
    raw::put(&mut out, Field { number, value: Raw::Bytes(body) });
    out
}

pub(super) fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Walks the elements of a list as bodies of `AnyValue`.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    raw::fields(list).filter_map(|(_, field)| match field.value {
        Raw::Bytes(body) if field.number == 1 => Some(body),
        _ => None,
    })
}
