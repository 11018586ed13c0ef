//! Functions of values alone: their arguments are worked out, then handed over.

use core::net::IpAddr;
use std::borrow::Cow;

use data_encoding::Encoding;
use regex::bytes::Regex;
use wire::view::AnyValue;

use super::{
    arguments::Arguments,
    convert::{int, text},
    digests::{self, Digest},
    expression::{Expression, Resolver},
    fault::{Fault, unknown},
    functions::Signature,
    item::{MOST_BYTES, put_entries},
    letters,
    network::Network,
    pairs::{self, Delimiters},
    regexes,
    syntax::{Kind, Node},
    time_format::TimeFormat,
    times::{Date, Part, Zone, truncated},
    value::{Failure, Map, Type, Value, elements, hexadecimal, wrapped},
};

/// A function with what is written out of its arguments.
#[derive(Clone, Debug)]
pub(super) enum Plain {
    Digest(Digest),
    Fnv,
    Part(Part),
    TruncateTime,
    Time(TimeFormat),
    FormatTime(TimeFormat),
    ExtractPatterns(Regex),
    ParseKeyValue(Delimiters),
    ToKeyValueString(Delimiters, bool),
    Hex,
    Encode(Encoding),
    Decode(Encoding),
    /// Of bytes that are a text, or nearly.
    Utf8,
    ParseInt,
    IsInNetwork(Vec<Network>),
    Sort(Order),
    Values,
    Coalesce,
    Snake,
    Camel,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Ascending,
    Descending,
}

pub(super) const SIGNATURES: [Signature; 30] = [
    ("Base64Decode", &["target"]),
    ("Base64Encode", &["target", "variant?"]),
    ("Coalesce", &["values"]),
    ("Day", &["time"]),
    ("Decode", &["target", "encoding"]),
    ("ExtractPatterns", &["target", "pattern"]),
    ("FNV", &["target"]),
    ("FormatTime", &["time", "format"]),
    ("Hex", &["target"]),
    ("Hour", &["time"]),
    ("IsInCIDR", &["target", "networks"]),
    ("MD5", &["target"]),
    ("Minute", &["time"]),
    ("Month", &["time"]),
    ("Nanosecond", &["time"]),
    ("ParseInt", &["target", "base"]),
    ("ParseKeyValue", &["target", "delimiter?", "pair_delimiter?"]),
    ("SHA1", &["target"]),
    ("SHA256", &["target"]),
    ("SHA512", &["target"]),
    ("Second", &["time"]),
    ("Sort", &["target", "order?"]),
    ("Time", &["time", "format", "location?", "locale?"]),
    ("ToCamelCase", &["target"]),
    ("ToKeyValueString", &["target", "delimiter?", "pair_delimiter?", "sort_output?"]),
    ("ToSnakeCase", &["target"]),
    ("TruncateTime", &["time", "duration"]),
    ("Values", &["target"]),
    ("Weekday", &["time"]),
    ("Year", &["time"]),
];

const TOO_LONG: Failure = Failure("the result is longer than 4 MiB");

const VARIANTS: [&str; 4] = ["base64", "base64-raw", "base64-raw-url", "base64-url"];

/// Resolves a call of one of them; none for any other function.
///
/// *Errors*: arguments that it does not take.
pub(super) fn resolve(
    resolver: &mut Resolver,
    given: &Arguments<'_>,
) -> Result<Option<(Plain, Vec<Expression>)>, Fault> {
    let (plain, types): (Plain, &[Type]) = match given.function {
        "MD5" => (Plain::Digest(Digest::Md5), &[Type::Text]),
        "SHA1" => (Plain::Digest(Digest::Sha1), &[Type::Text]),
        "SHA256" => (Plain::Digest(Digest::Sha256), &[Type::Text]),
        "SHA512" => (Plain::Digest(Digest::Sha512), &[Type::Text]),
        "FNV" => (Plain::Fnv, &[Type::Text]),
        "Year" => (Plain::Part(Part::Year), &[Type::Time]),
        "Month" => (Plain::Part(Part::Month), &[Type::Time]),
        "Day" => (Plain::Part(Part::Day), &[Type::Time]),
        "Weekday" => (Plain::Part(Part::Weekday), &[Type::Time]),
        "Hour" => (Plain::Part(Part::Hour), &[Type::Time]),
        "Minute" => (Plain::Part(Part::Minute), &[Type::Time]),
        "Second" => (Plain::Part(Part::Second), &[Type::Time]),
        "Nanosecond" => (Plain::Part(Part::Nanosecond), &[Type::Time]),
        "TruncateTime" => (Plain::TruncateTime, &[Type::Time, Type::Duration]),
        "Time" => (Plain::Time(format_of_text(given)?), &[Type::Text]),
        "FormatTime" => (Plain::FormatTime(format(given)?), &[Type::Time]),
        "ExtractPatterns" => (Plain::ExtractPatterns(groups(given)?), &[Type::Text]),
        "ParseKeyValue" => (Plain::ParseKeyValue(delimiters(given)?), &[Type::Text]),
        "ToKeyValueString" => {
            (Plain::ToKeyValueString(delimiters(given)?, given.literal_bool(3, false)?), &[Type::Map])
        }
        "Hex" => (Plain::Hex, &[Type::Any]),
        "Base64Encode" => {
            let variant = if given.optional(1).is_some() { given.literal_text(1)? } else { b"base64" };
            let encoding = base64(variant).ok_or_else(|| no_encoding(given, variant, &VARIANTS))?;
            (Plain::Encode(encoding), &[Type::Text])
        }
        "Base64Decode" => (Plain::Decode(lenient(&data_encoding::BASE64)), &[Type::Text]),
        "Decode" => (decoder(given)?, &[Type::Any]),
        "ParseInt" => (Plain::ParseInt, &[Type::Text, Type::Int]),
        "IsInCIDR" => (Plain::IsInNetwork(networks(given)?), &[Type::Text]),
        "Sort" => (Plain::Sort(order(given)?), &[Type::List]),
        "Values" => (Plain::Values, &[Type::Map]),
        "ToSnakeCase" => (Plain::Snake, &[Type::Text]),
        "ToCamelCase" => (Plain::Camel, &[Type::Text]),
        "Coalesce" => {
            let values = list(given, 0)?;
            if values.is_empty() {
                return Err(given.wrong(0, given.node(0)?.at, "a list of at least one value", "empty"));
            }
            let values = values.iter().map(|value| resolver.expression(value)).collect::<Result<_, _>>()?;
            return Ok(Some((Plain::Coalesce, values)));
        }
        _ => return Ok(None),
    };
    let arguments = types.iter().enumerate().map(|(index, kind)| given.typed(resolver, index, *kind));
    Ok(Some((plain, arguments.collect::<Result<_, _>>()?)))
}

/// Reads a format, which stands behind what it is for.
fn format(given: &Arguments<'_>) -> Result<TimeFormat, Fault> {
    let at = given.node(1)?.at;
    let text = String::from_utf8_lossy(given.literal_text(1)?).into_owned();
    TimeFormat::new(&text).map_err(|message| Fault::new(at, message))
}

fn format_of_text(given: &Arguments<'_>) -> Result<TimeFormat, Fault> {
    let format = format(given)?;
    if !format.has_year() {
        let message = "the format has no year, and a stage has no clock to take it from; add %Y or %y";
        return Err(Fault::new(given.node(1)?.at, message));
    }
    if let Some(node) = given.optional(3) {
        let locale = String::from_utf8_lossy(given.literal_text(3)?).to_lowercase();
        if locale != "en" && !locale.starts_with("en-") {
            let message = "names of months and days are read in English alone, leave locale out";
            return Err(Fault::new(node.at, message));
        }
    }
    let Some(node) = given.optional(2) else { return Ok(format) };
    let name = String::from_utf8_lossy(given.literal_text(2)?).into_owned();
    match Zone::named(&name) {
        Some(zone) => Ok(format.within(zone)),
        None if name.is_empty() => Ok(format),
        None => {
            let message =
                format!("{name} is no zone, write its name in the time zone database: Europe/Berlin");
            Err(Fault::new(node.at, message))
        }
    }
}

/// Compiles a pattern whose groups have names.
fn groups(given: &Arguments<'_>) -> Result<Regex, Fault> {
    let pattern = given.pattern(1, regexes::compile)?;
    if pattern.capture_names().flatten().next().is_none() {
        let message = "the pattern has no group with a name, write one: (?P<name>…)";
        return Err(Fault::new(given.node(1)?.at, message));
    }
    Ok(pattern)
}

fn delimiters(given: &Arguments<'_>) -> Result<Delimiters, Fault> {
    let read = |index: usize, default: &str| match given.optional(index) {
        None => Ok(default.as_bytes().to_vec()),
        Some(node) => match given.literal_text(index)? {
            b"" => Err(Fault::new(node.at, "a delimiter must not be empty")),
            text => Ok(text.to_vec()),
        },
    };
    let delimiters = Delimiters { of_value: read(1, "=")?, of_pairs: read(2, " ")? };
    if delimiters.of_value == delimiters.of_pairs {
        return Err(Fault::new(given.at, "delimiter and pair_delimiter must not be the same"));
    }
    Ok(delimiters)
}

fn base64(name: &[u8]) -> Option<Encoding> {
    Some(match name {
        b"base64" => data_encoding::BASE64,
        b"base64-raw" => data_encoding::BASE64_NOPAD,
        b"base64-url" => data_encoding::BASE64URL,
        b"base64-raw-url" => data_encoding::BASE64URL_NOPAD,
        _ => return None,
    })
}

/// Takes what Go takes: ends of lines anywhere, and any bits behind the last.
fn lenient(encoding: &Encoding) -> Encoding {
    let mut specification = encoding.specification();
    specification.ignore.push_str("\r\n");
    specification.check_trailing_bits = false;
    specification.encoding().expect("the alphabet of base64 holds no end of a line")
}

fn decoder(given: &Arguments<'_>) -> Result<Plain, Fault> {
    let name = given.literal_text(1)?;
    if let Some(encoding) = base64(name) {
        return Ok(Plain::Decode(lenient(&encoding)));
    }
    match name.to_ascii_lowercase().as_slice() {
        b"" | b"utf-8" | b"utf8" | b"ascii" | b"us-ascii" => Ok(Plain::Utf8),
        _ => Err(no_encoding(given, name, &[&VARIANTS[..], &["utf-8", "us-ascii"]].concat())),
    }
}

fn no_encoding(given: &Arguments<'_>, name: &[u8], known: &[&str]) -> Fault {
    let at = given.optional(1).map_or(given.at, |node| node.at);
    Fault::new(at, unknown("encoding that is offered", &String::from_utf8_lossy(name), known))
}

fn list<'n>(given: &Arguments<'n>, index: usize) -> Result<&'n [Node], Fault> {
    let node = given.node(index)?;
    match &node.kind {
        Kind::List(items) => Ok(items),
        _ => Err(given.wrong(index, node.at, "a list that is written out", "something else")),
    }
}

fn networks(given: &Arguments<'_>) -> Result<Vec<Network>, Fault> {
    let read = |node: &Node| {
        let network = match &node.kind {
            Kind::Text(text) => std::str::from_utf8(text).ok().and_then(Network::read),
            _ => None,
        };
        network.ok_or_else(|| Fault::new(node.at, "a network is written out, like \"10.0.0.0/8\""))
    };
    list(given, 1)?.iter().map(read).collect()
}

fn order(given: &Arguments<'_>) -> Result<Order, Fault> {
    let Some(node) = given.optional(1) else { return Ok(Order::Ascending) };
    match given.literal_text(1)? {
        b"asc" => Ok(Order::Ascending),
        b"desc" => Ok(Order::Descending),
        other => {
            Err(Fault::new(node.at, unknown("order", &String::from_utf8_lossy(other), &["asc", "desc"])))
        }
    }
}

impl Plain {
    pub(super) const fn kind(&self) -> Type {
        match self {
            Self::Digest(_)
            | Self::FormatTime(_)
            | Self::ToKeyValueString(..)
            | Self::Hex
            | Self::Encode(_)
            | Self::Decode(_)
            | Self::Utf8
            | Self::Snake
            | Self::Camel => Type::Text,
            Self::Fnv | Self::Part(_) | Self::ParseInt => Type::Int,
            Self::Time(_) | Self::TruncateTime => Type::Time,
            Self::ExtractPatterns(_) | Self::ParseKeyValue(_) => Type::Map,
            Self::IsInNetwork(_) => Type::Bool,
            Self::Sort(_) | Self::Values => Type::List,
            Self::Coalesce => Type::Any,
        }
    }

    /// Returns the function's value.
    ///
    /// *Errors*: arguments of another type, or that nothing can be made of.
    pub(super) fn of<'v>(&self, arguments: Vec<Value<'v>>) -> Result<Value<'v>, Failure> {
        let mut arguments = arguments.into_iter();
        if let Self::Coalesce = self {
            return Ok(arguments.find(|value| *value != Value::Nil).unwrap_or(Value::Nil));
        }
        let mut next = || arguments.next().unwrap_or(Value::Nil);
        let target = next();
        Ok(match self {
            Self::Digest(digest) => Value::text(digest.of(&text(target)?)),
            Self::Fnv => Value::Int(digests::fnv(&text(target)?)),
            Self::Part(part) => {
                let (time, zone) = time(target)?;
                Value::Int(Date::of(time, &zone)?.part(*part))
            }
            Self::TruncateTime => {
                let (time, zone) = time(target)?;
                let Value::Duration(duration) = next() else { return Err(Failure("expected a duration")) };
                Value::Time(truncated(time, duration)?, zone)
            }
            Self::Time(format) => {
                let (time, zone) = format.read(&text(target)?)?;
                Value::Time(time, zone)
            }
            Self::FormatTime(format) => {
                let (time, zone) = time(target)?;
                Value::text(format.write(time, &zone)?)
            }
            Self::ExtractPatterns(pattern) => extracted(pattern, &text(target)?)?,
            Self::ParseKeyValue(delimiters) => pairs::parse(&text(target)?, delimiters)?,
            Self::ToKeyValueString(delimiters, sorts) => {
                Value::text(pairs::written(&map(target)?, delimiters, *sorts)?)
            }
            Self::Hex => Value::text(hexadecimal(&short(bytes(target)?)?)),
            Self::Encode(encoding) => Value::text(encoding.encode(&short(text(target)?)?)),
            Self::Decode(encoding) => Value::text(decoded(encoding, &encoded(target)?)?),
            Self::Utf8 => Value::text(String::from_utf8_lossy(&encoded(target)?).into_owned()),
            Self::ParseInt => Value::Int(parse_int(&text(target)?, int(next())?)?),
            Self::IsInNetwork(networks) => {
                let target = text(target)?;
                let address = std::str::from_utf8(&target).ok().and_then(|text| text.parse::<IpAddr>().ok());
                Value::Bool(
                    address.is_some_and(|address| networks.iter().any(|network| network.holds(address))),
                )
            }
            Self::Sort(order) => {
                let Value::List(list) = target else { return Err(Failure("expected a list")) };
                Value::List(sorted(list, *order))
            }
            Self::Values => {
                let mut list = Vec::new();
                for entry in map(target)?.entries() {
                    list.extend_from_slice(&wrapped(1, entry.value));
                }
                Value::List(list.into())
            }
            Self::Snake => Value::text(letters::snake(&text(target)?)),
            Self::Camel => Value::text(letters::camel(&text(target)?)),
            Self::Coalesce => Value::Nil,
        })
    }
}

/// Returns a time, and the zone in which its hours are told.
pub(super) fn time(value: Value<'_>) -> Result<(i64, Zone), Failure> {
    match value {
        Value::Time(nanos, zone) => Ok((nanos, zone)),
        _ => Err(Failure("expected a time")),
    }
}

fn map(value: Value<'_>) -> Result<Map<'_>, Failure> {
    match value {
        Value::Map(map) => Ok(map),
        _ => Err(Failure("expected a map")),
    }
}

/// Returns the bytes of a value; of a number the eight that hold it, the highest first.
fn bytes(value: Value<'_>) -> Result<Cow<'_, [u8]>, Failure> {
    Ok(match value {
        Value::Nil => Cow::Borrowed(&[]),
        Value::Text(bytes) | Value::Bytes(bytes) => bytes,
        Value::Bool(flag) => Cow::Owned(vec![flag.into()]),
        Value::Int(number) => Cow::Owned(number.to_be_bytes().to_vec()),
        Value::Double(number) => Cow::Owned(number.to_be_bytes().to_vec()),
        _ => return Err(Failure("the value has no bytes")),
    })
}

/// Returns what may become twice as long.
fn short(text: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Failure> {
    if text.len() > MOST_BYTES / 2 { Err(TOO_LONG) } else { Ok(text) }
}

fn encoded(value: Value<'_>) -> Result<Cow<'_, [u8]>, Failure> {
    match value {
        Value::Text(bytes) | Value::Bytes(bytes) => Ok(bytes),
        _ => Err(Failure("expected a string or bytes")),
    }
}

/// *Errors*: what is not encoded so, or no text.
fn decoded(encoding: &Encoding, text: &[u8]) -> Result<String, Failure> {
    // The library joins what was padded apart.
    let ends_early =
        text.iter().skip_while(|byte| **byte != b'=').any(|byte| !matches!(byte, b'=' | b'\r' | b'\n'));
    let bytes = encoding.decode(text).ok().filter(|_| !ends_early);
    let bytes = bytes.ok_or(Failure("the text is not encoded so"))?;
    String::from_utf8(bytes).map_err(|_| Failure("what is decoded is no UTF-8"))
}

/// Returns what the groups of a pattern found; an empty map where it does not fit.
fn extracted(pattern: &Regex, text: &[u8]) -> Result<Value<'static>, Failure> {
    let mut message = Vec::new();
    if let Some(captures) = pattern.captures(text) {
        for (index, name) in pattern.capture_names().enumerate() {
            let Some(name) = name else { continue };
            let value = wrapped(1, captures.get(index).map_or(&[], |found| found.as_bytes()));
            put_entries(&mut message, 1, [(name.as_bytes(), &value[..])].into_iter());
            if message.len() > MOST_BYTES {
                return Err(TOO_LONG);
            }
        }
    }
    Ok(Value::Map(Map { message: message.into(), number: 1 }))
}

/// Reads an integer; of base 0 its prefix tells the base.
fn parse_int(text: &[u8], base: i64) -> Result<i64, Failure> {
    const NONE: Failure = Failure("the text is no integer of that base");
    let text = std::str::from_utf8(text).map_err(|_| NONE)?;
    match base {
        0 => {
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => (&text[..1], digits),
                None => ("", text),
            };
            let prefixes = [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8), ("0", 8)];
            let known =
                prefixes.iter().find_map(|(prefix, base)| Some((digits.strip_prefix(prefix)?, *base)));
            let (digits, base) = known.filter(|_| digits != "0").unwrap_or((digits, 10));
            match digits.starts_with(['-', '+']) {
                true => Err(NONE),
                false => i64::from_str_radix(&format!("{sign}{digits}"), base).map_err(|_| NONE),
            }
        }
        2..=36 => i64::from_str_radix(text, base as u32).map_err(|_| NONE),
        _ => Err(Failure("a base is between 2 and 36, or 0")),
    }
}

/// Sorts integers and doubles as numbers, and texts, truths and nothing as texts; a list with anything else stays.
fn sorted(list: Cow<'_, [u8]>, order: Order) -> Cow<'_, [u8]> {
    let kinds: Vec<Type> = elements(&list).map(|body| Value::of(body).kind()).collect();
    if kinds.iter().any(|kind| matches!(kind, Type::Bytes | Type::Map | Type::List)) {
        return list;
    }
    let mut bodies: Vec<&[u8]> = elements(&list).collect();
    let are_numbers = kinds.iter().all(|kind| kind.is_number());
    let are_integers = kinds.iter().all(|kind| *kind == Type::Int);
    let number = |body: &[u8]| match Value::of(body) {
        Value::Int(number) => number as f64,
        Value::Double(number) => number,
        _ => 0.0,
    };
    let integer = |body: &[u8]| if let Value::Int(number) = Value::of(body) { number } else { 0 };
    bodies.sort_by(|a, b| {
        let (a, b) = if order == Order::Descending { (b, a) } else { (a, b) };
        if are_integers {
            integer(a).cmp(&integer(b))
        } else if are_numbers {
            // What is no number comes first.
            let (a, b) = (number(a), number(b));
            a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
        } else {
            AnyValue::of(a).to_label_string().cmp(&AnyValue::of(b).to_label_string())
        }
    });
    let mut out = Vec::with_capacity(list.len().min(MOST_BYTES));
    for body in bodies {
        out.extend_from_slice(&wrapped(1, body));
    }
    out.into()
}
