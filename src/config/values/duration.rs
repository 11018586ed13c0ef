//! Durations as Go writes them: `1h30m`, `300ms`.

use std::{fmt, time::Duration as StdDuration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// A span of time, written in Go's syntax: `300ms`, `1.5h`, `1h30m`, `0`.
///
/// A bare number has no unit and is refused, though the collector reads it as nanoseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Duration(StdDuration);

/// Like [`Duration`], for the few settings where the other direction has a meaning: `-5m`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SignedDuration {
    pub nanoseconds: i64,
}

impl Duration {
    pub const fn new(duration: StdDuration) -> Self {
        Self(duration)
    }

    pub const fn from_secs(seconds: u64) -> Self {
        Self(StdDuration::from_secs(seconds))
    }

    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(StdDuration::from_millis(milliseconds))
    }

    pub const fn get(self) -> StdDuration {
        self.0
    }

    /// Returns the shortest form that an operator would write: `1h`, `1m30s`.
    pub fn short(self) -> String {
        let text = self.to_string();
        let text = if text.ends_with("m0s") { &text[..text.len() - 2] } else { &text };
        let text = if text.ends_with("h0m") { &text[..text.len() - 2] } else { text };
        text.to_owned()
    }
}

impl From<StdDuration> for Duration {
    fn from(duration: StdDuration) -> Self {
        Self(duration)
    }
}

impl From<Duration> for StdDuration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

/// Nanoseconds per unit, longest name first where one begins with the other.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads Go's `time.ParseDuration` syntax into nanoseconds.
///
/// *Errors*: what is wrong and, after a line break, what to write.
fn parse(text: &str) -> Result<i64, String> {
    let malformed =
        || format!("`{text}` is not a duration\nwrite a number with a unit: `300ms`, `5s`, `1h30m`");
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(malformed());
    }
    let too_long = || format!("`{text}` is too long a duration\nthe longest is about 292 years");
    let mut rest = unsigned;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit_name, after) = after.split_at(unit_end);
        let unit = unit_named(text, number, unit_name)?;
        let part = scaled(number, unit).ok_or_else(malformed)?.ok_or_else(too_long)?;
        total = total.checked_add(part).ok_or_else(too_long)?;
        rest = after;
    }
    Ok(if negative { -total } else { total })
}

fn unit_named(text: &str, number: &str, name: &str) -> Result<u64, String> {
    if let Some((_, unit)) = UNITS.iter().find(|(unit, _)| *unit == name) {
        return Ok(*unit);
    }
    let days: Option<u64> = number.parse().ok();
    Err(match (name, days) {
        ("", _) => format!("`{text}` has no unit\nwrite `{text}s` for seconds"),
        ("d", Some(days)) => {
            format!("`{text}` is not a duration: there is no unit `d`\nwrite `{}h`", days.saturating_mul(24))
        }
        _ => format!("`{text}` is not a duration\nits units are `ns`, `us`, `ms`, `s`, `m`, `h`"),
    })
}

/// Multiplies a decimal by a unit: none if it is no decimal, inner none if the result does not fit.
fn scaled(number: &str, unit: u64) -> Option<Option<i64>> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mut nanoseconds = 0_u128;
    for digit in whole.bytes() {
        nanoseconds = nanoseconds.saturating_mul(10).saturating_add(u128::from(digit - b'0'));
    }
    nanoseconds = nanoseconds.saturating_mul(u128::from(unit));
    // Even an hour has no more than 13 decimal places of nanoseconds.
    const PLACES: u32 = 15;
    let part: u128 = fraction
        .bytes()
        .zip((0..PLACES).rev())
        .map(|(digit, power)| u128::from(digit - b'0') * 10_u128.pow(power))
        .sum();
    nanoseconds = nanoseconds.saturating_add(part * u128::from(unit) / 10_u128.pow(PLACES));
    Some(i64::try_from(nanoseconds).ok())
}

impl fmt::Display for Duration {
    /// Writes Go's form: `1h30m0s`, `1.5s`, `300ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.as_nanos();
        if nanoseconds < 1_000_000_000 {
            return match nanoseconds {
                0 => f.write_str("0s"),
                1..1_000 => write!(f, "{nanoseconds}ns"),
                1_000..1_000_000 => write!(f, "{}µs", Decimal(nanoseconds, 1_000)),
                _ => write!(f, "{}ms", Decimal(nanoseconds, 1_000_000)),
            };
        }
        let (minutes, rest) = (nanoseconds / 60_000_000_000, nanoseconds % 60_000_000_000);
        if minutes >= 60 {
            write!(f, "{}h", minutes / 60)?;
        }
        if minutes > 0 {
            write!(f, "{}m", minutes % 60)?;
        }
        write!(f, "{}s", Decimal(rest, 1_000_000_000))
    }
}

/// A count of nanoseconds in a unit, without trailing zeros.
struct Decimal(u128, u128);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, unit) = *self;
        write!(f, "{}", count / unit)?;
        let fraction = count % unit;
        if fraction == 0 {
            return Ok(());
        }
        let width = unit.ilog10() as usize;
        write!(f, ".{}", format!("{fraction:0width$}").trim_end_matches('0'))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let signed = SignedDuration::deserialize(deserializer)?;
        match u64::try_from(signed.nanoseconds) {
            Ok(nanoseconds) => Ok(Self(StdDuration::from_nanos(nanoseconds))),
            Err(_) => {
                let positive = Self(StdDuration::from_nanos(signed.nanoseconds.unsigned_abs()));
                Err(D::Error::custom(format!("the duration is negative\nwrite `{positive}`")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for SignedDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = SignedDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `5s`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SignedDuration, E> {
        parse(text).map(|nanoseconds| SignedDuration { nanoseconds }).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<SignedDuration, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<SignedDuration, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<SignedDuration, E> {
        self.visit_str(&value.to_string())
    }
}
