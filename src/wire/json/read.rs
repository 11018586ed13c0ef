//! From JSON to the wire, in one pass and without a tree between.

use std::{borrow::Cow, fmt};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use model::Signal;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::Read;

use crate::{
    check::MAX_DEPTH,
    encode,
    schema::{self, Field, Kind, Message},
};

/// Returns none when the request is longer than `max_len`.
pub(super) fn request(
    signal: Signal,
    json: &[u8],
    max_len: usize,
) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let mut out = Vec::with_capacity(max_len.min(json.len() / 2));
    let left = Left { depth: MAX_DEPTH, len: max_len };
    let top = Body { message: schema::request(signal), out: &mut out, left };
    let read = whole(json, top);
    if out.len() > max_len {
        return Ok(None);
    }
    read.map(|()| Some(out))
}

pub(super) fn request_of_any_signal(json: &[u8]) -> Result<(Signal, Vec<u8>), serde_json::Error> {
    let mut out = Vec::with_capacity(json.len() / 2);
    let signal = whole(json, AnyBody { out: &mut out })?;
    Ok((signal, out))
}

/// Reads an object and nothing behind it. Whether all is UTF-8 is asked once: that takes a sixth of the time of asking
/// at each string. Where it is not, the place is told by whoever comes to the string.
fn whole<'de, V: Visitor<'de>>(json: &'de [u8], top: V) -> Result<V::Value, serde_json::Error> {
    match str::from_utf8(json) {
        Ok(text) => object(serde_json::Deserializer::from_str(text), top),
        Err(_) => object(serde_json::Deserializer::from_slice(json), top),
    }
}

fn object<'de, R: Read<'de>, V: Visitor<'de>>(
    mut deserializer: serde_json::Deserializer<R>,
    top: V,
) -> Result<V::Value, serde_json::Error> {
    let value = deserializer.deserialize_map(top)?;
    deserializer.end()?;
    Ok(value)
}

/// How far a request may still go.
#[derive(Clone, Copy)]
struct Left {
    /// Messages within messages.
    depth: u32,
    /// Bytes of the whole request. Lists look at it: all else is about as long as its text.
    len: usize,
}

impl Left {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth =
            depth.ok_or_else(|| E::custom(format_args!("messages nested deeper than {MAX_DEPTH}")))?;
        Ok(Self { depth, ..self })
    }

    fn hold<E: Error>(self, out: &[u8]) -> Result<(), E> {
        match out.len() > self.len {
            true => Err(E::custom(format_args!("longer than {} bytes", self.len))),
            false => Ok(()),
        }
    }
}

/// A request whose key tells its signal.
struct AnyBody<'o> {
    out: &'o mut Vec<u8>,
}

impl<'de> Visitor<'de> for AnyBody<'_> {
    type Value = Signal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Signal, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(AnyKey)? {
            let Some((signal, field)) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let list = List { field, out: &mut *self.out, left: Left { depth: MAX_DEPTH, len: usize::MAX } };
            let is_there = map.next_value_seed(UnlessNull(list))?;
            if is_there && found.replace(signal).is_some() {
                return Err(A::Error::custom(format_args!("more than one of {REQUEST_KEYS}")));
            }
        }
        found.ok_or_else(|| A::Error::custom(format_args!("none of {REQUEST_KEYS}")))
    }
}

const REQUEST_KEYS: &str = "resourceSpans, resourceMetrics, resourceLogs";

/// A list that may be absent; whether it is there.
struct UnlessNull<'o>(List<'o>);

impl<'de> DeserializeSeed<'de> for UnlessNull<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for UnlessNull<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        self.0.deserialize(deserializer).map(|()| true)
    }
}

/// A key of any request.
struct AnyKey;

impl<'de> DeserializeSeed<'de> for AnyKey {
    type Value = Option<(Signal, &'static Field)>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for AnyKey {
    type Value = Option<(Signal, &'static Field)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let named = |signal| {
            let mut fields = schema::request(signal).fields.iter();
            fields.find(|field| field.name == name && !name.is_empty()).map(|field| (signal, field))
        };
        Ok(Signal::ALL.into_iter().find_map(named))
    }
}

/// The fields of one message.
struct Body<'o> {
    message: &'static Message,
    out: &'o mut Vec<u8>,
    left: Left,
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { message, out, left } = self;
        let (mut seen, mut member, mut next) = (0_u32, None, 0);
        while let Some(key) = map.next_key_seed(Key { message, next })? {
            let Some(place) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let field = &message.fields[place];
            next = place + 1;
            if seen & 1 << field.number != 0 {
                return Err(A::Error::custom(format_args!("duplicate field `{}`", field.name)));
            }
            seen |= 1 << field.number;
            let before = out.len();
            if field.repeated {
                map.next_value_seed(List { field, out, left })?;
            } else {
                map.next_value_seed(One { field, place: Place::Field, out, left })?;
            }
            if field.oneof
                && out.len() > before
                && let Some(other) = member.replace(field.name)
            {
                let message = format_args!("both `{other}` and `{}` are given, only one may be", field.name);
                return Err(A::Error::custom(message));
            }
        }
        Ok(())
    }
}

/// A key, looked up in the table of its message: the place of its field, none for one that is not there.
struct Key {
    message: &'static Message,
    /// Where to look first: writers keep to the order of the fields.
    next: usize,
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let fields = self.message.fields;
        let is_it = |place: &usize| fields[*place].name == name && !name.is_empty();
        Ok((self.next..fields.len()).chain(0..self.next).find(is_it))
    }
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The value of a field: null means absent.
    Field,
    /// An element of a list with a tag of its own: null is refused.
    Element,
    /// An element of a packed list: without a tag.
    Packed,
}

/// One value.
struct One<'o> {
    field: &'static Field,
    place: Place,
    out: &'o mut Vec<u8>,
    left: Left,
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { field, place, out, left } = self;
        if let Kind::Message(message) = field.kind {
            return deserializer.deserialize_any(Nested { field, message, place, out, left });
        }
        match deserializer.deserialize_any(ScalarVisitor)? {
            Scalar::Null if place == Place::Field => Ok(()),
            Scalar::Null => Err(D::Error::custom(format_args!("null in the list `{}`", field.name))),
            scalar => {
                if place != Place::Packed {
                    encode::put_tag(out, field.number, field.kind.wire_type());
                }
                let written = put(field.kind, &scalar, out);
                written.map_err(|problem| D::Error::custom(format_args!("field `{}`: {problem}", field.name)))
            }
        }
    }
}

/// A message, or null.
struct Nested<'o> {
    field: &'static Field,
    message: &'static Message,
    place: Place,
    out: &'o mut Vec<u8>,
    left: Left,
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object for `{}`", self.field.name)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.place {
            Place::Field => Ok(()),
            Place::Element | Place::Packed => {
                Err(E::custom(format_args!("null in the list `{}`", self.field.name)))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Self { field, message, out, left, .. } = self;
        let left = left.deeper()?;
        let at = encode::begin(out, field.number);
        Body { message, out, left }.visit_map(map)?;
        encode::end(out, at);
        Ok(())
    }
}

/// The elements of a repeated field, or null.
struct List<'o> {
    field: &'static Field,
    out: &'o mut Vec<u8>,
    left: Left,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list for `{}`", self.field.name)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { field, out, left } = self;
        if !field.is_packable() {
            while list.next_element_seed(One { field, place: Place::Element, out, left })?.is_some() {
                left.hold(out)?;
            }
            return Ok(());
        }
        let start = out.len();
        let at = encode::begin(out, field.number);
        while list.next_element_seed(One { field, place: Place::Packed, out, left })?.is_some() {
            left.hold(out)?;
        }
        match out.len() == at {
            true => out.truncate(start),
            false => encode::end(out, at),
        }
        Ok(())
    }
}

/// What is neither a list nor an object.
enum Scalar<'a> {
    String(Cow<'a, str>),
    Unsigned(u64),
    Signed(i64),
    Double(f64),
    Bool(bool),
    Null,
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, true, false or null")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::String(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::String(Cow::Owned(text.to_owned())))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Unsigned(number))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Signed(number))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Double(number))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(flag))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }
}

/// Writes the value of a field; its tag has been written.
fn put(kind: Kind, scalar: &Scalar<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        Kind::String => put_bytes(text(scalar)?.as_bytes(), out),
        Kind::Bytes => put_bytes(&base64(text(scalar)?)?, out),
        Kind::Id(len) => put_hexadecimal(text(scalar)?, len, out)?,
        Kind::Bool => match scalar {
            Scalar::Bool(flag) => out.push(u8::from(*flag)),
            _ => return Err("expected true or false".to_owned()),
        },
        // OTLP forbids the names that other protobuf JSON allows.
        Kind::Enum if matches!(scalar, Scalar::String(_)) => {
            return Err("expected a number; OTLP has no names for enumerations in JSON".to_owned());
        }
        Kind::Enum => encode::put_varint(out, i64::from(integer::<i32>(scalar)?) as u64),
        Kind::Int64 => encode::put_varint(out, integer::<i64>(scalar)? as u64),
        Kind::Uint32 => encode::put_varint(out, u64::from(integer::<u32>(scalar)?)),
        Kind::Uint64 => encode::put_varint(out, integer::<u64>(scalar)?),
        Kind::Sint32 => encode::put_varint(out, encode::zigzag(integer::<i32>(scalar)?)),
        Kind::Fixed64 => out.extend_from_slice(&integer::<u64>(scalar)?.to_le_bytes()),
        Kind::Sfixed64 => out.extend_from_slice(&integer::<i64>(scalar)?.to_le_bytes()),
        Kind::Fixed32 => out.extend_from_slice(&integer::<u32>(scalar)?.to_le_bytes()),
        Kind::Double => out.extend_from_slice(&double(scalar)?.to_le_bytes()),
        Kind::Message(_) => return Err("expected an object".to_owned()),
    }
    Ok(())
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    encode::put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn text<'a>(scalar: &'a Scalar<'_>) -> Result<&'a str, String> {
    match scalar {
        Scalar::String(text) => Ok(text),
        _ => Err("expected a string".to_owned()),
    }
}

/// Both alphabets, with and without padding: encoders differ.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    let bare = text.trim_end_matches('=');
    let encoding = if bare.contains(['-', '_']) { BASE64URL_NOPAD } else { BASE64_NOPAD };
    encoding.decode(bare.as_bytes()).map_err(|problem| format!("bad base64: {problem}"))
}

fn put_hexadecimal(text: &str, len: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if !text.is_empty() && text.len() != 2 * len {
        return Err(format!("an id has {} hexadecimal digits, found {} characters", 2 * len, text.len()));
    }
    let n_bytes = text.len() / 2;
    encode::put_varint(out, n_bytes as u64);
    let at = out.len();
    out.resize(at + n_bytes, 0);
    let decoded = HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut out[at..]);
    decoded.map(drop).map_err(|problem| format!("bad hexadecimal: {}", problem.error))
}

/// An integer as number or string, or a double without a fraction: protobuf's JSON allows all three.
fn integer<T: TryFrom<i128>>(scalar: &Scalar<'_>) -> Result<T, String> {
    let number = match scalar {
        Scalar::Unsigned(number) => i128::from(*number),
        Scalar::Signed(number) => i128::from(*number),
        Scalar::Double(number) if number.fract() == 0.0 && number.abs() < 2e19 => *number as i128,
        Scalar::String(text) => integer_from(text)?,
        _ => return Err("expected an integer".to_owned()),
    };
    T::try_from(number).map_err(|_| format!("{number} is out of range"))
}

/// Nearly all are times and counts, which the shorter type tells in a third of the time.
fn integer_from(text: &str) -> Result<i128, String> {
    if let Ok(number) = text.parse::<u64>() {
        return Ok(i128::from(number));
    }
    text.parse().map_err(|_| format!("expected an integer, found {text:?}"))
}

fn double(scalar: &Scalar<'_>) -> Result<f64, String> {
    match scalar {
        Scalar::Unsigned(number) => Ok(*number as f64),
        Scalar::Signed(number) => Ok(*number as f64),
        Scalar::Double(number) => Ok(*number),
        Scalar::String(text) => double_from(text),
        _ => Err("expected a number".to_owned()),
    }
}

fn double_from(text: &str) -> Result<f64, String> {
    match text {
        "NaN" => return Ok(f64::NAN),
        "Infinity" => return Ok(f64::INFINITY),
        "-Infinity" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    // Rust would also read "inf" and "nan", which JSON's protobuf does not know.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let parsed = if is_number { text.parse().ok() } else { None };
    parsed.ok_or_else(|| format!("expected a number, found {text:?}"))
}
