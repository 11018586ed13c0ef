//! Ranges of time that are not to be learned from.

use model::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};

/// A range of time: an incident, a load test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
pub(crate) struct Exclusion {
    #[serde(deserialize_with = "rfc3339")]
    pub(crate) from: Timestamp,
    /// The first moment that counts again.
    #[serde(deserialize_with = "rfc3339")]
    pub(crate) to: Timestamp,
}

impl Exclusion {
    /// Whether a window has a part in the range.
    pub(super) fn touches(&self, start: Timestamp, end: Timestamp) -> bool {
        self.from < end && start < self.to
    }

    /// Whether the whole of another range lies in this one.
    pub(super) fn holds(&self, other: &Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

fn rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is not a time\nwrite date, time and zone: `2026-03-01T08:00:00Z`"))
    })
}

/// Reads a time as RFC 3339 spells it, from the epoch on, to the second; fractions are read over.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let separators = [(4, b"--"), (7, b"--"), (10, b"Tt"), (13, b"::"), (16, b"::")];
    if !text.is_ascii()
        || separators.iter().any(|(at, any)| bytes.get(*at).is_none_or(|it| !any.contains(it)))
    {
        return None;
    }
    let number = |from: usize, len: usize| -> Option<i64> {
        let digits = text.get(from..from + len)?;
        digits.bytes().all(|it| it.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|it: char| it.is_ascii_digit()) => {
            fraction.trim_start_matches(|it: char| it.is_ascii_digit())
        }
        Some(_) => return None,
        None => rest,
    };
    let is_date = (1..=12).contains(&month) && day >= 1 && day <= days_of_month(year, month);
    // A leap second is the first of the next minute.
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let local = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(local - zone_offset(zone)?).ok().map(Timestamp::from_secs)
}

/// *Units*: seconds east of Greenwich.
fn zone_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let two = |digits: &str| -> Option<i64> {
        (digits.len() == 2 && digits.bytes().all(|it| it.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts years from March, so that the leap day is the last of its year.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}
