//! One item with the messages that it stands in, as bytes: read field by field, and spliced where it changes.

use std::{borrow::Cow, collections::VecDeque};

use model::{Slice, SpanRec};
use wire::raw::{self, Field as Spelled, Raw};

use super::{
    fields::{Access, Field, PLACES, Place},
    metrics::points,
    syntax::Key,
    times::Zone,
    value::{Failure, Map, Value, elements, hexadecimal},
};

/// The item that a condition or statement is run for.
pub(super) struct Item<'r> {
    /// The messages, by place; those that were changed are owned.
    messages: [Cow<'r, [u8]>; PLACES],
    /// The field of a metric that holds its data; 0 for none.
    pub(super) data: u32,
    /// What the span table knows of an unchanged span.
    span: Option<TableRow<'r>>,
    /// What conditions that look at the resource or scope alone gave for it; by their number.
    known: Vec<Option<bool>>,
    /// Metrics that come to the scope, behind those that it has.
    added: VecDeque<Vec<u8>>,
    /// What they may still take.
    room: usize,
    /// The points of a metric that have been visited, as they are by now.
    pub(super) visited: Vec<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct TableRow<'r> {
    request: &'r [u8],
    span: &'r SpanRec,
    values: &'r [Slice],
}

/// Nothing that functions or editors make grows beyond this.
pub(super) const MOST_BYTES: usize = 4 << 20;

/// What is added to a scope takes at most so many times what the scope has, or [`MOST_BYTES`].
const MOST_GROWTH: usize = 4;

/// A list is filled up to an index that is written to, as far as this.
const MOST_INDEX: i64 = 1000;

impl<'r> Item<'r> {
    pub(super) fn new(n_known: usize) -> Self {
        Self {
            messages: [const { Cow::Borrowed(&[]) }; PLACES],
            data: 0,
            span: None,
            known: vec![None; n_known],
            added: VecDeque::new(),
            room: 0,
            visited: Vec::new(),
        }
    }

    /// Begins with a message that comes.
    pub(super) fn open(&mut self, place: Place, message: &'r [u8]) {
        if place == Place::ScopeGroup {
            self.added.clear();
            self.room = MOST_BYTES.max(message.len().saturating_mul(MOST_GROWTH));
        }
        self.begin(place, Cow::Borrowed(message));
    }

    /// Begins with a message that was made here.
    pub(super) fn open_made(&mut self, place: Place, message: Vec<u8>) {
        self.begin(place, Cow::Owned(message));
    }

    fn begin(&mut self, place: Place, message: Cow<'r, [u8]>) {
        self.messages[place as usize] = message;
        if place < Place::Item {
            self.known.fill(None);
        } else if place == Place::Item {
            self.span = None;
        }
    }

    /// Begins with a span that the table knows.
    #[inline]
    pub(super) fn open_span(&mut self, request: &'r [u8], span: &'r SpanRec, values: &'r [Slice]) {
        self.messages[Place::Item as usize] = Cow::Borrowed(span.body.of(request));
        self.span = Some(TableRow { request, span, values });
    }

    #[inline]
    pub(super) fn message(&self, place: Place) -> &[u8] {
        &self.messages[place as usize]
    }

    /// Returns a message that was changed.
    pub(super) fn changed(&self, place: Place) -> Option<&[u8]> {
        match &self.messages[place as usize] {
            Cow::Owned(message) => Some(message),
            Cow::Borrowed(_) => None,
        }
    }

    pub(super) fn known(&self, number: usize) -> Option<bool> {
        self.known.get(number).copied().flatten()
    }

    pub(super) fn learn(&mut self, number: usize, holds: bool) {
        if let Some(known) = self.known.get_mut(number) {
            *known = Some(holds);
        }
    }

    /// Adds a metric to the scope.
    pub(super) fn add(&mut self, metric: Vec<u8>) -> Result<(), Failure> {
        // A metric with nothing in it takes room as well.
        let Some(room) = self.room.checked_sub(metric.len() + size_of::<Vec<u8>>()) else {
            return Err(Failure("what is added to the scope would take more than four times what it has"));
        };
        self.room = room;
        self.added.push_back(metric);
        Ok(())
    }

    /// Returns the next metric that was added.
    pub(super) fn next_added(&mut self) -> Option<Vec<u8>> {
        self.added.pop_front()
    }

    /// Returns the points of the metric: those that have been visited and the one that is, as they are by now, and the
    /// rest as they came.
    pub(super) fn points_so_far(&self) -> impl Iterator<Item = &[u8]> {
        let rest = points(self.message(Place::Data)).skip(self.visited.len() + 1);
        self.visited.iter().map(Vec::as_slice).chain([self.message(Place::Part)]).chain(rest)
    }

    pub(super) fn put(&mut self, place: Place, message: Vec<u8>) {
        if self.messages[place as usize].as_ref() == message {
            return;
        }
        self.messages[place as usize] = Cow::Owned(message);
        if place < Place::Item {
            self.known.fill(None);
        } else if place == Place::Item {
            self.span = None;
        }
    }

    pub(super) fn read(&self, access: &Access) -> Result<Value<'_>, Failure> {
        let message = self.message(access.place);
        if let (Some(row), Place::Item) = (self.span, access.place)
            && let Some(value) = row.read(access)
        {
            return entry(value, access.keys.get(1..).unwrap_or_default());
        }
        let varint = |number: u32| match raw::last(message, number) {
            Some(Raw::Varint(value)) => value,
            _ => 0,
        };
        let fixed = |number: u32| match raw::last(message, number) {
            Some(Raw::Fixed64(value)) => Some(value),
            _ => None,
        };
        Ok(match access.field {
            Field::Text(number) => Value::Text(Cow::Borrowed(text(message, number))),
            Field::Varint(number) => Value::Int(i64::from(varint(number) as i32)),
            Field::Fixed32(number) => match raw::last(message, number) {
                Some(Raw::Fixed32(value)) => Value::Int(i64::from(value)),
                _ => Value::Int(0),
            },
            Field::Nanos(number) => Value::Int(fixed(number).unwrap_or(0) as i64),
            Field::Instant(number) => Value::Time(fixed(number).unwrap_or(0) as i64, Zone::Utc),
            Field::TraceId(number) => Value::TraceId(id(message, number)),
            Field::SpanId(number) => Value::SpanId(id(message, number)),
            Field::TraceIdText(number) => Value::text(hexadecimal(&id::<16>(message, number))),
            Field::SpanIdText(number) => Value::text(hexadecimal(&id::<8>(message, number))),
            Field::KindName => kind_name(varint(6)),
            Field::KindSymbol => {
                let symbol = usize::try_from(varint(6)).ok().and_then(|kind| model::SPAN_KINDS.get(kind));
                Value::Text(Cow::Borrowed(symbol.copied().unwrap_or_default().as_bytes()))
            }
            Field::StatusCode => match raw::last(text(message, 15), 3) {
                Some(Raw::Varint(code)) => Value::Int(i64::from(code as i32)),
                _ => Value::Int(0),
            },
            Field::StatusMessage => Value::Text(Cow::Borrowed(text(text(message, 15), 2))),
            Field::TraceState => trace_state(text(message, 3), access.keys.first()),
            Field::Map(number) => return in_map(message, number, &access.keys),
            Field::PointMap => return in_map(message, self.point_attributes(), &access.keys),
            Field::MetricType => Value::Int(self.metric_type()),
            Field::Temporality if matches!(self.data, 7 | 9 | 10) => Value::Int(i64::from(varint(2) as i32)),
            Field::IsMonotonic if self.data == 7 => Value::Bool(varint(3) != 0),
            Field::PointDouble if self.is_number() => Value::Double(f64::from_bits(match number(message) {
                Some((4, bits)) => bits,
                _ => 0,
            })),
            Field::PointInt if self.is_number() => Value::Int(match number(message) {
                Some((6, value)) => value as i64,
                _ => 0,
            }),
            Field::PointFlags => Value::Int((varint(self.point_flags()) as u32).into()),
            Field::PointCount if self.has_count() => Value::Int(fixed(4).unwrap_or(0) as i64),
            Field::PointSum if self.has_count() => Value::Double(f64::from_bits(fixed(5).unwrap_or(0))),
            Field::PointScale if self.data == 10 => Value::Int(unzigzag(varint(6)).into()),
            Field::PointZeroCount if self.data == 10 => Value::Int(fixed(7).unwrap_or(0) as i64),
            Field::Body(number) => {
                let body = Value::of(text(message, number));
                if access.keys.is_empty() {
                    return Ok(body);
                }
                if !matches!(body, Value::Map(_) | Value::List(_)) {
                    return Err(Failure("the body is neither a map nor a list and has no keys"));
                }
                return entry(body, &access.keys);
            }
            Field::BodyText(number) => {
                let body = wire::view::AnyValue::of(text(message, number));
                match body {
                    wire::view::AnyValue::Str(text) => Value::Text(Cow::Borrowed(text)),
                    other => Value::text(other.to_label_string()),
                }
            }
            Field::Temporality
            | Field::IsMonotonic
            | Field::PointDouble
            | Field::PointInt
            | Field::PointCount
            | Field::PointSum
            | Field::PointScale
            | Field::PointZeroCount => Value::Nil,
        })
    }

    /// Writes a value; nil changes nothing.
    ///
    /// *Errors*: a value of another type than the field has. Nothing is changed then.
    pub(super) fn write(&mut self, access: &Access, value: Value<'_>) -> Result<(), Failure> {
        if value == Value::Nil {
            return Ok(());
        }
        let message = self.message(access.place);
        let field = |number: u32, value: Raw<'_>| {
            let mut written = Vec::new();
            raw::put(&mut written, Spelled { number, value });
            raw::replace(message, number, &written)
        };
        let written = match (access.field, value) {
            (Field::Text(number), Value::Text(text)) => field(number, Raw::Bytes(&text)),
            (Field::TraceState, Value::Text(text)) if access.keys.is_empty() => field(3, Raw::Bytes(&text)),
            (Field::Varint(number), Value::Int(value)) => field(number, Raw::Varint(value as u32 as u64)),
            (Field::Fixed32(number), Value::Int(value)) => {
                let value = u32::try_from(value).map_err(|_| Failure("flags are 0 up to 4294967295"))?;
                field(number, Raw::Fixed32(value))
            }
            (Field::Nanos(number), Value::Int(nanos)) | (Field::Instant(number), Value::Time(nanos, _)) => {
                field(number, Raw::Fixed64(nanos as u64))
            }
            (Field::TraceId(number), Value::TraceId(id)) => field(number, Raw::Bytes(&id)),
            (Field::SpanId(number), Value::SpanId(id)) => field(number, Raw::Bytes(&id)),
            (Field::TraceIdText(number), Value::Text(text)) => {
                field(number, Raw::Bytes(&parsed_id::<16>(&text).ok_or(NO_TRACE_ID)?))
            }
            (Field::SpanIdText(number), Value::Text(text)) => {
                field(number, Raw::Bytes(&parsed_id::<8>(&text).ok_or(NO_SPAN_ID)?))
            }
            (Field::KindName, Value::Text(name)) => {
                let kind = KIND_NAMES.iter().position(|known| known.as_bytes() == name.as_ref());
                field(6, Raw::Varint(kind.ok_or(Failure("no such kind of span"))? as u64))
            }
            (Field::KindSymbol, Value::Text(name)) => {
                let kind = model::SPAN_KINDS.iter().position(|known| known.as_bytes() == name.as_ref());
                field(6, Raw::Varint(kind.ok_or(Failure("no such kind of span"))? as u64))
            }
            (Field::StatusCode, Value::Int(code)) => {
                let mut written = Vec::new();
                raw::put(&mut written, Spelled { number: 3, value: Raw::Varint(code as u32 as u64) });
                field(15, Raw::Bytes(&raw::replace(text(message, 15), 3, &written)))
            }
            (Field::StatusMessage, Value::Text(told)) => {
                let mut written = Vec::new();
                raw::put(&mut written, Spelled { number: 2, value: Raw::Bytes(&told) });
                field(15, Raw::Bytes(&raw::replace(text(message, 15), 2, &written)))
            }
            (Field::Map(number), value) => written_map(message, number, &access.keys, value)?,
            (Field::PointMap, value) => written_map(message, self.point_attributes(), &access.keys, value)?,
            (Field::Body(number), value) => {
                let old = text(message, number);
                if !access.keys.is_empty() && !matches!(Value::of(old), Value::Map(_) | Value::List(_)) {
                    return Err(Failure("the body is neither a map nor a list and has no keys"));
                }
                field(number, Raw::Bytes(&within(old, &access.keys, &value.encode()?)?))
            }
            (Field::BodyText(number), Value::Text(text)) => {
                field(number, Raw::Bytes(&Value::Text(text).encode()?))
            }
            // As in the collector nothing is said when a metric or a point is of another kind.
            (Field::MetricType, _) => return Ok(()),
            (Field::Temporality, Value::Int(value)) if matches!(self.data, 7 | 9 | 10) => {
                field(2, Raw::Varint(value as u32 as u64))
            }
            (Field::IsMonotonic, Value::Bool(flag)) if self.data == 7 => {
                field(3, Raw::Varint(u64::from(flag)))
            }
            (Field::Temporality, Value::Int(_)) | (Field::IsMonotonic, Value::Bool(_)) => return Ok(()),
            (Field::PointDouble, Value::Double(value)) if self.is_number() => {
                let written = field(4, Raw::Fixed64(value.to_bits()));
                raw::replace(&written, 6, &[])
            }
            (Field::PointInt, Value::Int(value)) if self.is_number() => {
                let written = field(6, Raw::Fixed64(value as u64));
                raw::replace(&written, 4, &[])
            }
            (Field::PointFlags, Value::Int(flags)) => {
                field(self.point_flags(), Raw::Varint(flags as u32 as u64))
            }
            (Field::PointCount, Value::Int(count)) if self.has_count() => {
                field(4, Raw::Fixed64(count as u64))
            }
            (Field::PointSum, Value::Double(sum)) if self.has_count() => {
                field(5, Raw::Fixed64(sum.to_bits()))
            }
            (Field::PointScale, Value::Int(scale)) if self.data == 10 => {
                field(6, Raw::Varint(zigzag(scale as i32)))
            }
            (Field::PointZeroCount, Value::Int(count)) if self.data == 10 => {
                field(7, Raw::Fixed64(count as u64))
            }
            (_, _) => return Err(Failure("the value is not of the type that the field has")),
        };
        if written.len() > message.len() + MOST_BYTES {
            return Err(Failure("the result is larger than 4 MiB"));
        }
        self.put(access.place, written);
        Ok(())
    }

    fn metric_type(&self) -> i64 {
        match self.data {
            5 => 1,
            7 => 2,
            9 => 3,
            10 => 4,
            11 => 5,
            _ => 0,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self.data, 5 | 7)
    }

    fn has_count(&self) -> bool {
        matches!(self.data, 9..=11)
    }

    /// Where the attributes of a point stand.
    pub(super) fn point_attributes(&self) -> u32 {
        match self.data {
            9 => 9,
            10 => 1,
            _ => 7,
        }
    }

    fn point_flags(&self) -> u32 {
        if matches!(self.data, 9 | 10) { 10 } else { 8 }
    }
}

impl<'r> TableRow<'r> {
    /// Reads what the table holds; none where the message must be asked.
    #[inline]
    fn read(self, access: &Access) -> Option<Value<'r>> {
        let span = self.span;
        Some(match access.field {
            Field::Map(_) => {
                let value = self.values.get(access.column?.0)?;
                if value.is_absent() { Value::Nil } else { Value::of(value.of(self.request)) }
            }
            Field::Text(5) => Value::Text(Cow::Borrowed(span.name.of(self.request))),
            Field::Varint(6) if span.kind < u8::MAX => Value::Int(span.kind.into()),
            Field::StatusCode if span.status < u8::MAX => Value::Int(span.status.into()),
            Field::SpanId(4) => Value::SpanId(span.parent_id(self.request).copied().unwrap_or_default()),
            Field::SpanId(2) => Value::SpanId(span.span_id(self.request).copied().unwrap_or_default()),
            Field::TraceId(1) => Value::TraceId(span.trace_id(self.request).copied().unwrap_or_default()),
            Field::Nanos(7) => Value::Int(span.start as i64),
            Field::Instant(7) => Value::Time(span.start as i64, Zone::Utc),
            Field::Nanos(8) => Value::Int(span.end as i64),
            Field::Instant(8) => Value::Time(span.end as i64, Zone::Utc),
            _ => return None,
        })
    }
}

const NO_TRACE_ID: Failure = Failure("a trace id has 32 hexadecimal digits");
const NO_SPAN_ID: Failure = Failure("a span id has 16 hexadecimal digits");

const KIND_NAMES: [&str; 6] = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];

fn kind_name(kind: u64) -> Value<'static> {
    let name = usize::try_from(kind).ok().and_then(|kind| KIND_NAMES.get(kind));
    Value::Text(Cow::Borrowed(name.copied().unwrap_or_default().as_bytes()))
}

fn text(message: &[u8], number: u32) -> &[u8] {
    match raw::last(message, number) {
        Some(Raw::Bytes(text)) => text,
        _ => &[],
    }
}

/// Reads an id; one of another length is all zeros, as one that is missing.
fn id<const N: usize>(message: &[u8], number: u32) -> [u8; N] {
    text(message, number).try_into().unwrap_or([0; N])
}

pub(super) fn parsed_id<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut id = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(text.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(id)
}

/// The value of a number's point: which field, and its bits. The last counts.
fn number(point: &[u8]) -> Option<(u32, u64)> {
    let values = raw::fields(point).filter_map(|(_, field)| match (field.number, field.value) {
        (number @ (4 | 6), Raw::Fixed64(bits)) => Some((number, bits)),
        _ => None,
    });
    values.last()
}

fn unzigzag(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}

/// Reads W3C's tracestate, or one of its members; nil when it is malformed, empty when there is no such member.
fn trace_state<'m>(state: &'m [u8], key: Option<&Key>) -> Value<'m> {
    let Some(Key::Text(key)) = key else { return Value::Text(Cow::Borrowed(state)) };
    let mut found: &[u8] = &[];
    for member in
        state.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
    {
        let Some(at) = member.iter().position(|byte| *byte == b'=') else { return Value::Nil };
        if member[..at] == key[..] && found.is_empty() {
            found = &member[at + 1..];
        }
    }
    Value::Text(Cow::Borrowed(found))
}

fn in_map<'m>(message: &'m [u8], number: u32, keys: &[Key]) -> Result<Value<'m>, Failure> {
    match keys.split_first() {
        None => Ok(Value::Map(Map { message: Cow::Borrowed(message), number })),
        Some((Key::Text(key), rest)) => match raw::attribute(message, number, key) {
            Some(value) => entry(Value::of(value), rest),
            None => Ok(Value::Nil),
        },
        Some((Key::Index(_), _)) => Err(Failure("a map has no entry by number")),
    }
}

/// Goes down by keys. What a map does not have is nil; an index beyond a list's end fails.
pub(super) fn entry<'v>(mut value: Value<'v>, keys: &[Key]) -> Result<Value<'v>, Failure> {
    for key in keys {
        value = match (value, key) {
            (Value::Map(map), Key::Text(key)) => match map.message {
                Cow::Borrowed(message) => {
                    raw::attribute(message, map.number, key).map_or(Value::Nil, Value::of)
                }
                Cow::Owned(message) => raw::attribute(&message, map.number, key)
                    .map_or(Value::Nil, |found| Value::of(found).into_owned()),
            },
            (Value::List(list), Key::Index(index)) => match list {
                Cow::Borrowed(list) => Value::of(element(list, *index)?),
                Cow::Owned(list) => Value::of(element(&list, *index)?).into_owned(),
            },
            (Value::Map(_), Key::Index(_)) => return Err(Failure("a map has no entry by number")),
            (Value::List(_), Key::Text(_)) => return Err(Failure("a list has no entry by name")),
            // A map that has no such entry has nothing below it either.
            (Value::Nil, _) => return Ok(Value::Nil),
            _ => return Err(Failure("the value is neither a map nor a list and has no keys")),
        };
    }
    Ok(value)
}

fn element(list: &[u8], index: i64) -> Result<&[u8], Failure> {
    let found = usize::try_from(index).ok().and_then(|index| elements(list).nth(index));
    found.ok_or(Failure("the index is beyond the end of the list"))
}

fn written_map(message: &[u8], number: u32, keys: &[Key], value: Value<'_>) -> Result<Vec<u8>, Failure> {
    match keys.split_first() {
        None => {
            let Value::Map(map) = value else { return Err(Failure("only a map can take a map's place")) };
            let mut written = Vec::new();
            put_entries(&mut written, number, map.entries().map(|entry| (entry.key, entry.value)));
            Ok(raw::replace(message, number, &written))
        }
        Some((Key::Text(key), rest)) => with_entry(message, number, key, rest, &value.encode()?),
        Some((Key::Index(_), _)) => Err(Failure("a map has no entry by number")),
    }
}

/// Writes entries of a map as fields `number`.
pub(super) fn put_entries<'e>(
    out: &mut Vec<u8>,
    number: u32,
    entries: impl Iterator<Item = (&'e [u8], &'e [u8])>,
) {
    for (key, value) in entries {
        let entry = wire::build::key_value(key, value);
        raw::put(out, Spelled { number, value: Raw::Bytes(&entry) });
    }
}

/// Copies a message with one entry of its map set: in its place, or behind the others.
fn with_entry(
    message: &[u8],
    number: u32,
    key: &[u8],
    rest: &[Key],
    value: &[u8],
) -> Result<Vec<u8>, Failure> {
    let mut written = Vec::new();
    let mut is_found = false;
    for (range, field) in raw::fields(message) {
        let Raw::Bytes(body) = field.value else { continue };
        if field.number != number {
            continue;
        }
        let entry = wire::view::KeyValue::of(body);
        if is_found || entry.key != key {
            written.extend_from_slice(message.get(range).unwrap_or_default());
            continue;
        }
        is_found = true;
        let value = within(entry.value, rest, value)?;
        put_entries(&mut written, number, [(key, &value[..])].into_iter());
    }
    if !is_found {
        let value = within(&[], rest, value)?;
        put_entries(&mut written, number, [(key, &value[..])].into_iter());
    }
    Ok(raw::replace(message, number, &written))
}

/// Returns an `AnyValue` with `value` at the place that the keys lead to; what is not there yet is made.
fn within(old: &[u8], keys: &[Key], value: &[u8]) -> Result<Vec<u8>, Failure> {
    let Some((key, rest)) = keys.split_first() else { return Ok(value.to_vec()) };
    match (Value::of(old), key) {
        (Value::Map(map), Key::Text(key)) => {
            Ok(super::value::wrapped(6, &with_entry(&map.message, 1, key, rest, value)?))
        }
        (Value::Nil, Key::Text(key)) => Ok(super::value::wrapped(6, &with_entry(&[], 1, key, rest, value)?)),
        (Value::List(list), Key::Index(index)) => {
            let index = usize::try_from(*index).map_err(|_| Failure("an index is not negative"))?;
            if index >= elements(&list).count() {
                return Err(Failure("the index is beyond the end of the list"));
            }
            let mut body = Vec::with_capacity(list.len() + value.len());
            for (at, element) in elements(&list).enumerate() {
                let changed = if at == index { Some(within(element, rest, value)?) } else { None };
                let element = changed.as_deref().unwrap_or(element);
                raw::put(&mut body, Spelled { number: 1, value: Raw::Bytes(element) });
            }
            Ok(super::value::wrapped(5, &body))
        }
        (Value::Nil, Key::Index(index)) => {
            if !(0..=MOST_INDEX).contains(index) {
                return Err(Failure("a new list is filled up to index 1000 at most"));
            }
            let mut body = Vec::new();
            for _ in 0..*index {
                raw::put(&mut body, Spelled { number: 1, value: Raw::Bytes(&[]) });
            }
            raw::put(&mut body, Spelled { number: 1, value: Raw::Bytes(&within(&[], rest, value)?) });
            Ok(super::value::wrapped(5, &body))
        }
        _ => Err(Failure("the value is neither a map nor a list and has no keys")),
    }
}
