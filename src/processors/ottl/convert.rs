//! What the functions return.

use std::borrow::Cow;

use regex::bytes::Regex;
use wire::raw;

use super::{
    compare::compare,
    expression::Expression,
    fields::{Access, Place},
    item::{Item, MOST_BYTES, parsed_id},
    json, letters,
    plain::{Plain, time},
    syntax::Comparison,
    times::Zone,
    value::{Failure, Type, Value, elements, wrapped},
};

/// A function with its arguments resolved.
#[derive(Clone, Debug)]
pub(super) enum Converter {
    IsMatch(Expression, Regex),
    /// `IsString`, `IsInt` ….
    IsOf(Expression, Type),
    /// With the parent's id.
    IsRootSpan(Access),
    /// Whether a point of the metric has the attribute; with a value, whether the first that has it has this one.
    HasAttribute {
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        metric: Access,
    },
    Concat(Vec<Expression>, Expression),
    Split(Expression, Expression),
    Substring {
        target: Expression,
        start: Expression,
        length: Expression,
        is_safe: bool,
    },
    Len(Expression),
    Int(Expression),
    Double(Expression),
    Bool(Expression),
    String(Expression),
    Lower(Expression),
    Upper(Expression),
    Trim(Expression, String),
    TrimPrefix(Expression, Expression),
    TrimSuffix(Expression, Expression),
    HasPrefix(Expression, Expression),
    HasSuffix(Expression, Expression),
    ContainsValue(Expression, Expression),
    Index(Expression, Expression),
    Keys(Expression),
    ParseJson(Expression),
    Duration(Expression),
    /// A duration as a whole number of units, or as a double.
    In(Expression, Unit),
    /// A time as units since the epoch.
    Since(Expression, i64),
    Unix(Expression, Option<Expression>),
    TraceId(Expression),
    SpanId(Expression),
    Plain(Plain, Vec<Expression>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) nanos: i64,
    pub(super) is_whole: bool,
}

impl Converter {
    pub(super) const fn kind(&self) -> Type {
        match self {
            Self::IsMatch(..)
            | Self::IsOf(..)
            | Self::IsRootSpan(_)
            | Self::HasAttribute { .. }
            | Self::HasPrefix(..)
            | Self::HasSuffix(..)
            | Self::ContainsValue(..) => Type::Bool,
            Self::Concat(..)
            | Self::Substring { .. }
            | Self::Lower(_)
            | Self::Upper(_)
            | Self::Trim(..)
            | Self::TrimPrefix(..)
            | Self::TrimSuffix(..) => Type::Text,
            Self::Split(..) | Self::Keys(_) => Type::List,
            Self::Len(_) | Self::Index(..) | Self::Since(..) | Self::In(_, Unit { is_whole: true, .. }) => {
                Type::Int
            }
            Self::In(..) => Type::Double,
            Self::Duration(_) => Type::Duration,
            Self::Unix(..) => Type::Time,
            Self::TraceId(_) => Type::TraceId,
            Self::SpanId(_) => Type::SpanId,
            Self::Plain(plain, _) => plain.kind(),
            // Nil of nil, or a map or list.
            Self::Int(_) | Self::Double(_) | Self::Bool(_) | Self::String(_) | Self::ParseJson(_) => {
                Type::Any
            }
        }
    }

    pub(super) fn each_access(&mut self, see: &mut dyn FnMut(&mut Access)) {
        match self {
            Self::IsRootSpan(access) | Self::HasAttribute { metric: access, .. } => see(access),
            Self::IsMatch(a, _)
            | Self::IsOf(a, _)
            | Self::Len(a)
            | Self::Int(a)
            | Self::Double(a)
            | Self::Bool(a)
            | Self::String(a)
            | Self::Lower(a)
            | Self::Upper(a)
            | Self::Trim(a, _)
            | Self::Keys(a)
            | Self::ParseJson(a)
            | Self::Duration(a)
            | Self::In(a, _)
            | Self::Since(a, _)
            | Self::Unix(a, None)
            | Self::TraceId(a)
            | Self::SpanId(a) => a.each_access(see),
            Self::Split(a, b)
            | Self::TrimPrefix(a, b)
            | Self::TrimSuffix(a, b)
            | Self::HasPrefix(a, b)
            | Self::HasSuffix(a, b)
            | Self::ContainsValue(a, b)
            | Self::Index(a, b)
            | Self::Unix(a, Some(b)) => {
                a.each_access(see);
                b.each_access(see);
            }
            Self::Plain(_, items) => items.iter_mut().for_each(|item| item.each_access(see)),
            Self::Concat(items, delimiter) => {
                items.iter_mut().for_each(|item| item.each_access(see));
                delimiter.each_access(see);
            }
            Self::Substring { target, start, length, .. } => {
                [target, start, length].into_iter().for_each(|part| part.each_access(see));
            }
        }
    }

    pub(super) fn value<'i>(&'i self, item: &'i Item<'_>) -> Result<Value<'i>, Failure> {
        Ok(match self {
            Self::IsMatch(target, regex) => match target.value(item)?.into_text()? {
                Some(text) => Value::Bool(regex.is_match(&text)),
                None => Value::Bool(false),
            },
            Self::IsOf(target, kind) => Value::Bool(target.value(item)?.kind() == *kind),
            Self::IsRootSpan(parent) => Value::Bool(item.read(parent)? == Value::SpanId([0; 8])),
            Self::HasAttribute { key, value, .. } => Value::Bool(has_attribute(item, key, value.as_deref())?),
            Self::Concat(items, delimiter) => {
                let delimiter = text(delimiter.value(item)?)?;
                let mut out = Vec::new();
                for (index, part) in items.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(&delimiter);
                    }
                    match part.value(item)?.into_text()? {
                        Some(text) => out.extend_from_slice(&text),
                        None => out.extend_from_slice(b"<nil>"),
                    }
                    if out.len() > MOST_BYTES {
                        return Err(Failure("the text is longer than 4 MiB"));
                    }
                }
                Value::text(out)
            }
            Self::Split(target, delimiter) => {
                split(&text(target.value(item)?)?, &text(delimiter.value(item)?)?)
            }
            Self::Substring { target, start, length, is_safe } => {
                let (start, length) = (int(start.value(item)?)?, int(length.value(item)?)?);
                substring(text(target.value(item)?)?, start, length, *is_safe)?
            }
            Self::Len(target) => Value::Int(match target.value(item)? {
                Value::Text(text) | Value::Bytes(text) => text.len(),
                Value::List(list) => elements(&list).count(),
                Value::Map(map) => map.entries().count(),
                _ => return Err(Failure("only a string, list or map has a length")),
            } as i64),
            Self::Int(target) => to_int(target.value(item)?)?,
            Self::Double(target) => to_double(target.value(item)?)?,
            Self::Bool(target) => to_bool(target.value(item)?)?,
            Self::String(target) => match target.value(item)?.into_text()? {
                Some(text) => Value::Text(text),
                None => Value::Nil,
            },
            Self::Lower(target) => Value::text(letters::lower(&unicode(&text(target.value(item)?)?))),
            Self::Upper(target) => Value::text(letters::upper(&unicode(&text(target.value(item)?)?))),
            Self::Trim(target, letters) => {
                let target = text(target.value(item)?)?;
                let trimmed = unicode(&target).trim_matches(|letter| letters.contains(letter)).to_owned();
                Value::text(trimmed)
            }
            Self::TrimPrefix(target, prefix) => {
                let (target, prefix) = (text(target.value(item)?)?, text(prefix.value(item)?)?);
                Value::text(target.strip_prefix(&prefix[..]).unwrap_or(&target))
            }
            Self::TrimSuffix(target, suffix) => {
                let (target, suffix) = (text(target.value(item)?)?, text(suffix.value(item)?)?);
                Value::text(target.strip_suffix(&suffix[..]).unwrap_or(&target))
            }
            Self::HasPrefix(target, prefix) => {
                let (target, prefix) = (text(target.value(item)?)?, text(prefix.value(item)?)?);
                Value::Bool(target.starts_with(&prefix))
            }
            Self::HasSuffix(target, suffix) => {
                let (target, suffix) = (text(target.value(item)?)?, text(suffix.value(item)?)?);
                Value::Bool(target.ends_with(&suffix))
            }
            Self::ContainsValue(target, wanted) => {
                let Value::List(list) = target.value(item)? else { return Err(Failure("expected a list")) };
                let wanted = wanted.value(item)?;
                Value::Bool(place_of(&list, &wanted).is_some())
            }
            Self::Index(target, wanted) => {
                let wanted = wanted.value(item)?;
                let place = match target.value(item)? {
                    Value::Text(target) => find(&target, &text(wanted)?),
                    Value::List(list) => place_of(&list, &wanted),
                    _ => return Err(Failure("expected a string or a list")),
                };
                Value::Int(place.map_or(-1, |place| place as i64))
            }
            Self::Keys(target) => {
                let Value::Map(map) = target.value(item)? else { return Err(Failure("expected a map")) };
                list_of(map.entries().map(|entry| entry.key))
            }
            Self::Plain(plain, arguments) => {
                let arguments = arguments.iter().map(|argument| argument.value(item));
                plain.of(arguments.collect::<Result<_, _>>()?)?
            }
            Self::ParseJson(target) => json::parse(&text(target.value(item)?)?)?,
            Self::Duration(target) => {
                let nanos = duration(&text(target.value(item)?)?);
                Value::Duration(nanos.ok_or(Failure("the text is no duration"))?)
            }
            Self::In(target, unit) => {
                let Value::Duration(nanos) = target.value(item)? else {
                    return Err(Failure("expected a duration"));
                };
                match unit.is_whole {
                    true => Value::Int(nanos / unit.nanos),
                    false => Value::Double(
                        (nanos / unit.nanos) as f64 + (nanos % unit.nanos) as f64 / unit.nanos as f64,
                    ),
                }
            }
            Self::Since(target, nanos) => {
                let (time, _) = time(target.value(item)?)?;
                Value::Int(time.div_euclid(*nanos))
            }
            Self::Unix(seconds, nanos) => {
                let nanos = nanos.as_ref().map_or(Ok(0), |nanos| int(nanos.value(item)?))?;
                let seconds = int(seconds.value(item)?)?;
                let time = seconds.checked_mul(1_000_000_000).and_then(|time| time.checked_add(nanos));
                Value::Time(time.ok_or(Failure("the time is out of range"))?, Zone::Utc)
            }
            Self::TraceId(target) => Value::TraceId(trace_id(target.value(item)?)?),
            Self::SpanId(target) => Value::SpanId(span_id(target.value(item)?)?),
        })
    }
}

pub(super) fn text(value: Value<'_>) -> Result<Cow<'_, [u8]>, Failure> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Failure("expected a string")),
    }
}

pub(super) fn int(value: Value<'_>) -> Result<i64, Failure> {
    match value {
        Value::Int(number) => Ok(number),
        _ => Err(Failure("expected an integer")),
    }
}

fn unicode(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

pub(super) fn trace_id(value: Value<'_>) -> Result<[u8; 16], Failure> {
    read_id(value).ok_or(Failure("a trace id has 16 bytes, or 32 hexadecimal digits"))
}

pub(super) fn span_id(value: Value<'_>) -> Result<[u8; 8], Failure> {
    read_id(value).ok_or(Failure("a span id has 8 bytes, or 16 hexadecimal digits"))
}

fn read_id<const N: usize>(value: Value<'_>) -> Option<[u8; N]> {
    let (Value::Text(bytes) | Value::Bytes(bytes)) = value else { return None };
    bytes.as_ref().try_into().ok().or_else(|| parsed_id(&bytes))
}

/// Looks at the points of the metric that the item is.
fn has_attribute(item: &Item<'_>, key: &[u8], wanted: Option<&[u8]>) -> Result<bool, Failure> {
    if item.data == 0 {
        return Err(Failure("the metric holds no data"));
    }
    let number = item.point_attributes();
    let mut points = elements(item.message(Place::Data));
    let found = points.find_map(|point| raw::attribute(point, number, key));
    Ok(match (found, wanted) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(value), Some(wanted)) => match Value::of(value) {
            Value::Text(text) => text.as_ref() == wanted,
            _ => wanted.is_empty(),
        },
    })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

fn place_of(list: &[u8], wanted: &Value<'_>) -> Option<usize> {
    elements(list).position(|element| compare(&Value::of(element), wanted, Comparison::Equal))
}

fn list_of<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Value<'static> {
    let mut list = Vec::new();
    for text in texts {
        list.extend_from_slice(&wrapped(1, &wrapped(1, text)));
    }
    Value::List(list.into())
}

fn split(target: &[u8], delimiter: &[u8]) -> Value<'static> {
    if delimiter.is_empty() {
        let letters = unicode(target);
        let mut places = letters.char_indices().map(|(at, _)| at).chain([letters.len()]).collect::<Vec<_>>();
        places.dedup();
        return list_of(places.windows(2).map(|pair| &letters.as_bytes()[pair[0]..pair[1]]));
    }
    let mut rest = Some(target);
    list_of(std::iter::from_fn(|| {
        let current = rest?;
        match find(current, delimiter) {
            Some(at) => {
                rest = Some(&current[at + delimiter.len()..]);
                Some(&current[..at])
            }
            None => {
                rest = None;
                Some(current)
            }
        }
    }))
}

fn substring(target: Cow<'_, [u8]>, start: i64, length: i64, is_safe: bool) -> Result<Value<'_>, Failure> {
    let begin = usize::try_from(start).map_err(|_| Failure("the start of a substring is not negative"))?;
    let length = usize::try_from(length).ok().filter(|length| *length > 0);
    let length = length.ok_or(Failure("the length of a substring is above 0"))?;
    let end = begin.checked_add(length).filter(|end| *end <= target.len());
    let mut end = end.ok_or(Failure("the text is shorter than the substring"))?;
    let mut begin = begin;
    if is_safe {
        let begins_letter = |at: usize| target.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
        while begin < target.len() && !begins_letter(begin) {
            begin += 1;
        }
        while begin < end && !begins_letter(end) {
            end -= 1;
        }
        end = end.max(begin);
    }
    Ok(match target {
        Cow::Borrowed(target) => Value::Text(Cow::Borrowed(&target[begin..end])),
        Cow::Owned(target) => Value::text(&target[begin..end]),
    })
}

pub(super) fn to_int(value: Value<'_>) -> Result<Value<'static>, Failure> {
    Ok(match value {
        Value::Nil => Value::Nil,
        Value::Int(number) => Value::Int(number),
        Value::Double(number) => Value::Int(number as i64),
        Value::Bool(flag) => Value::Int(flag.into()),
        Value::Text(text) => {
            std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).map_or(Value::Nil, Value::Int)
        }
        _ => return Err(Failure("no integer can be made of the value")),
    })
}

pub(super) fn to_double(value: Value<'_>) -> Result<Value<'static>, Failure> {
    const NONE: Failure = Failure("no number can be made of the value");
    Ok(match value {
        Value::Nil => Value::Nil,
        Value::Int(number) => Value::Double(number as f64),
        Value::Double(number) => Value::Double(number),
        Value::Bool(flag) => Value::Double(if flag { 1.0 } else { 0.0 }),
        Value::Text(text) => {
            Value::Double(std::str::from_utf8(&text).ok().and_then(read_double).ok_or(NONE)?)
        }
        _ => return Err(NONE),
    })
}

/// Reads a number as Go does: one beyond the largest is none, unless it is written as infinity.
fn read_double(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let is_beyond = number.is_infinite() && text.contains(|letter: char| letter.is_ascii_digit());
    (!is_beyond).then_some(number)
}

fn to_bool(value: Value<'_>) -> Result<Value<'static>, Failure> {
    const NONE: Failure = Failure("neither true nor false can be made of the value");
    Ok(match value {
        Value::Nil => Value::Nil,
        Value::Bool(flag) => Value::Bool(flag),
        Value::Int(number) => Value::Bool(number != 0),
        Value::Double(number) => Value::Bool(number != 0.0),
        Value::Text(text) => match text.as_ref() {
            b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Value::Bool(true),
            b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Value::Bool(false),
            _ => return Err(NONE),
        },
        _ => return Err(NONE),
    })
}

/// Reads `1h30m`, `-1.5s`, `300ms`. *Units*: nanoseconds.
pub(super) fn duration(text: &[u8]) -> Option<i64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 6e10),
        ("h", 3.6e12),
    ];
    let text = std::str::from_utf8(text).ok()?;
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits =
            rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters =
            tail.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? };
        let fraction = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse::<f64>().ok()? };
        let part = whole.checked_mul(*nanos as i64)?.checked_add((fraction * nanos) as i64)?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(if is_negative { -total } else { total })
}
