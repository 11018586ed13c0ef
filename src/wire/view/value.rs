//! Attribute values.

use std::{collections::BTreeMap, fmt::Write as _};

use data_encoding::BASE64;

use crate::{
    check::MAX_DEPTH,
    cursor::{Fields, Raw},
    view::KeyValue,
};

/// An `AnyValue`. Text is not checked for UTF-8 here.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum AnyValue<'a> {
    /// No value at all, which is legal and differs from an empty string.
    Empty,
    Str(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    /// The body of an `ArrayValue`.
    Array(Values<'a>),
    /// The body of a `KeyValueList`, which is spelled like a list of attributes in field 1.
    Map(Values<'a>),
}

/// The elements of an array or a map, undecoded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// Returns the body of the `ArrayValue` or `KeyValueList`.
    pub const fn body(self) -> &'a [u8] {
        self.0
    }

    pub fn items(self) -> impl Iterator<Item = AnyValue<'a>> + Clone + 'a {
        Fields::bodies(self.0, 1).map(AnyValue::of)
    }

    pub fn entries(self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        Fields::bodies(self.0, 1).map(KeyValue::of)
    }
}

impl<'a> AnyValue<'a> {
    /// Reads the body of an `AnyValue` message; of several values the last counts.
    pub fn of(body: &'a [u8]) -> Self {
        let mut value = Self::Empty;
        for field in Fields::new(body) {
            value = match (field.number, field.value) {
                (1, Raw::Bytes(text)) => Self::Str(text),
                (2, Raw::Varint(flag)) => Self::Bool(flag != 0),
                (3, Raw::Varint(number)) => Self::Int(number as i64),
                (4, Raw::Fixed64(bits)) => Self::Double(f64::from_bits(bits)),
                (5, Raw::Bytes(values)) => Self::Array(Values(values)),
                (6, Raw::Bytes(entries)) => Self::Map(Values(entries)),
                (7, Raw::Bytes(bytes)) => Self::Bytes(bytes),
                (8, Raw::Varint(_)) => Self::Empty,
                _ => value,
            };
        }
        value
    }

    /// Appends the value as the text of a label: as the Go collector's `AsString` does, that is strings as
    /// they are, JSON for arrays and maps, base64 for bytes, nothing for no value.
    ///
    /// Invalid UTF-8 is replaced. Maps are sorted by key; of duplicates the last counts, as there.
    pub fn write_label(&self, out: &mut String) {
        match *self {
            Self::Empty => {}
            Self::Str(text) => out.push_str(&String::from_utf8_lossy(text)),
            Self::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
            Self::Int(number) => push_display(out, number),
            Self::Double(number) => write_double(number, out),
            Self::Bytes(bytes) => BASE64.encode_append(bytes, out),
            Self::Array(_) | Self::Map(_) => self.write_json(out, MAX_DEPTH),
        }
    }

    /// Returns what [`Self::write_label`] appends.
    pub fn to_label_string(&self) -> String {
        let mut out = String::new();
        self.write_label(&mut out);
        out
    }

    fn write_json(&self, out: &mut String, depth: u32) {
        match *self {
            Self::Empty => out.push_str("null"),
            Self::Str(text) => write_json_text(text, out),
            Self::Double(number) if !number.is_finite() => {
                out.push('"');
                write_double(number, out);
                out.push('"');
            }
            Self::Bytes(bytes) => {
                out.push('"');
                BASE64.encode_append(bytes, out);
                out.push('"');
            }
            // A checked request is never that deep.
            Self::Array(_) | Self::Map(_) if depth == 0 => out.push_str("null"),
            Self::Array(values) => {
                write_list(out, ['[', ']'], values.items(), |item, out| item.write_json(out, depth - 1))
            }
            Self::Map(values) => {
                let entries: BTreeMap<_, _> =
                    values.entries().map(|entry| (entry.key, entry.value())).collect();
                write_list(out, ['{', '}'], entries.into_iter(), |(key, value), out| {
                    write_json_text(key, out);
                    out.push(':');
                    value.write_json(out, depth - 1);
                });
            }
            Self::Bool(_) | Self::Int(_) | Self::Double(_) => self.write_label(out),
        }
    }
}

fn write_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

/// Go escapes `<`, `>`, `&` and the two line separators too; the collector's labels show it.
fn write_json_text(text: &[u8], out: &mut String) {
    out.push('"');
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                push_display(out, format_args!("\\u{:04x}", character as u32));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// Writes a double as Go's `json.Marshal` does: plain digits for exponents from −6 up to 21, else
/// `1e+21`, `1e-7`.
fn write_double(number: f64, out: &mut String) {
    let magnitude = number.abs();
    if number.is_nan() {
        out.push_str("NaN");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "+Inf" } else { "-Inf" });
    } else if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let digits = format!("{number:e}");
        match digits.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                push_display(out, format_args!("{mantissa}e+{exponent}"));
            }
            _ => out.push_str(&digits),
        }
    } else {
        push_display(out, number);
    }
}

fn push_display(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("a string takes any text");
}
