//! Values, times and ids as text that no sender can use against a terminal.

use std::fmt::{Display, Write};

use model::{Civil, Timestamp};
use wire::view::{AnyValue, KeyValue};

/// A text that stops growing when a request is too much to read.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    is_cut: bool,
}

/// Nobody reads more of one request.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 20;

impl Text {
    /// Adds a line; its end is not to be given.
    pub(super) fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if self.is_full() {
            self.is_cut = true;
            return;
        }
        self.text.write_fmt(line).expect("a string takes any text");
        self.text.push('\n');
    }

    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= MAX_TEXT_BYTES
    }

    pub(super) fn finish(mut self) -> String {
        if self.is_cut {
            self.text.push_str("... the rest is not shown\n");
        }
        self.text
    }
}

/// Bytes of a sender as text: control characters are spelled out, and what is not UTF-8 is replaced.
pub(super) struct Safe<'a>(pub(super) &'a [u8]);

impl Display for Safe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in String::from_utf8_lossy(self.0).chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// An id in lower-case hexadecimal digits; nothing for none.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A time as Go prints it: `2020-02-11 20:26:12.000000321 +0000 UTC`.
pub(super) struct Time(pub(super) u64);

impl Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Civil { year, month, day, hour, minute, second, nanosecond } = Civil::of(Timestamp(self.0));
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
        if nanosecond > 0 {
            let digits = format!("{nanosecond:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str(" +0000 UTC")
    }
}

/// A value without its kind.
pub(super) struct Plain<'a>(pub(super) AnyValue<'a>);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Safe(self.0.to_label_string().as_bytes()).fmt(f)
    }
}

/// A value with its kind: `Str(GET)`.
pub(super) struct Typed<'a>(pub(super) AnyValue<'a>);

impl Display for Typed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.0 {
            AnyValue::Empty => "Empty",
            AnyValue::Str(_) => "Str",
            AnyValue::Bool(_) => "Bool",
            AnyValue::Int(_) => "Int",
            AnyValue::Double(_) => "Double",
            AnyValue::Bytes(_) => "Bytes",
            AnyValue::Array(_) => "Slice",
            AnyValue::Map(_) => "Map",
        };
        write!(f, "{kind}({})", Plain(self.0))
    }
}

/// Attributes on one line: `key=value key=value`.
pub(super) fn inline<'a>(attributes: impl Iterator<Item = KeyValue<'a>>, separator: &str) -> String {
    let pairs = attributes.map(|attribute| format!("{}={}", Safe(attribute.key), Plain(attribute.value())));
    pairs.collect::<Vec<_>>().join(separator)
}
