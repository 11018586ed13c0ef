//! Values as Prometheus writes them.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A span of time as Prometheus writes it: `1m30s`, `500ms`, `1d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct PromDuration(pub(crate) Duration);

/// A number of bytes as Prometheus writes it, where `1MB` is `1MiB`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PromSize(pub(crate) u64);

/// A text; numbers and booleans without quotes are taken for what is written, as Prometheus does with labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Text(pub(crate) String);

/// The units of a duration, in the order in which they must stand. *Units*: milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

impl PromDuration {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::default());
        }
        let (mut rest, mut next, mut total) = (text, 0, 0_u64);
        while !rest.is_empty() {
            let digits = rest.find(|character: char| !character.is_ascii_digit())?;
            let (number, after) = rest.split_at_checked(digits)?;
            let end = after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at_checked(end)?;
            let place = UNITS.iter().skip(next).position(|(name, _)| *name == unit)? + next;
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(UNITS[place].1)?)?;
            (rest, next) = (after, place + 1);
        }
        // What nanoseconds hold in 63 bits.
        (!text.is_empty() && total < i64::MAX as u64 / 1_000_000).then(|| Self(Duration::from_millis(total)))
    }
}

/// The shortest form, as labels have it.
impl fmt::Display for PromDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis() as u64;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, millis) in UNITS {
            // Weeks and years only where nothing is left of them.
            let is_exact_only = matches!(name, "y" | "w" | "d");
            if (is_exact_only && !rest.is_multiple_of(millis)) || rest < millis {
                continue;
            }
            write!(f, "{}{name}", rest / millis)?;
            rest %= millis;
        }
        Ok(())
    }
}

impl PromSize {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let shift = match unit {
            "" | "B" => 0,
            "KB" | "KiB" => 10,
            "MB" | "MiB" => 20,
            "GB" | "GiB" => 30,
            "TB" | "TiB" => 40,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(1 << shift).map(Self)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = PromDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `15s`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PromDuration, E> {
        let message = || format!("`{text}` is not a duration of Prometheus\nwrite `15s`, `1m30s` or `1d`");
        PromDuration::parse(text).ok_or_else(|| E::custom(message()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<PromDuration, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for PromDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = PromSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as `16MB`, or a number of bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PromSize, E> {
        let message = || format!("`{text}` is not a size\nwrite `16MB`, or a number of bytes");
        PromSize::parse(text).ok_or_else(|| E::custom(message()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<PromSize, E> {
        Ok(PromSize(number))
    }
}

impl<'de> Deserialize<'de> for PromSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}
