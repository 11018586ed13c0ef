//! Periods over which a promise holds, and times that are left out of it.

use std::time::Duration;

use jiff::{ToSpan, Zoned, civil::Weekday, tz::TimeZone};
use model::Timestamp;

use crate::schedule::Schedule;

/// The time over which an objective is kept.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Window {
    /// The time before now.
    Rolling(Duration),
    /// From the beginning of a period of the calendar.
    Calendar(Unit, TimeZone),
}

/// A period of the calendar. Weeks begin on Monday.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    /// Reads `1d`, `1w`, `1M`, `3M`, `1Q`, `1y`, or the word.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "day" | "1d" => Self::Day,
            "week" | "1w" => Self::Week,
            "month" | "1M" => Self::Month,
            "quarter" | "1Q" | "3M" => Self::Quarter,
            "year" | "1y" | "1Y" | "12M" => Self::Year,
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Its usual length, for what needs one that does not change.
    const fn days(self) -> u64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 91,
            Self::Year => 365,
        }
    }
}

/// A period: from its first instant to before its last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Period {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Period {
    pub(super) fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl Window {
    /// Returns the period that is judged at an instant. Of a rolling window it ends there.
    pub(super) fn at(&self, at: Timestamp) -> Period {
        match self {
            Self::Rolling(width) => Period { from: at - *width, until: at },
            Self::Calendar(unit, zone) => calendar(*unit, zone, at),
        }
    }

    /// Returns the length to which burn rates are scaled.
    pub(super) const fn nominal(&self) -> Duration {
        match self {
            Self::Rolling(width) => *width,
            Self::Calendar(unit, _) => Duration::from_secs(unit.days() * 86_400),
        }
    }

    /// Writes it for people and metrics: `30d`, `month`.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Rolling(width) => duration_text(*width),
            Self::Calendar(unit, _) => unit.name().to_owned(),
        }
    }
}

impl Window {
    /// Writes it with its zone: `month of Europe/Berlin`.
    pub(super) fn zoned_text(&self) -> String {
        match self {
            Self::Rolling(_) => self.text(),
            Self::Calendar(_, zone) => format!("{} of {}", self.text(), zone.iana_name().unwrap_or("UTC")),
        }
    }
}

/// Writes a duration in its greatest whole unit, as Prometheus does with days: `5m`, `1h`, `30d`.
pub(super) fn duration_text(width: Duration) -> String {
    let seconds = width.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let whole = units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

/// Reads a time: RFC 3339, or without an offset in the zone.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let exact = text.parse::<jiff::Timestamp>().ok();
    let local = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(zone.clone()).ok();
    let at = exact.or_else(|| Some(local()?.timestamp()))?;
    u64::try_from(at.as_nanosecond()).ok().map(Timestamp)
}

/// Writes a time as RFC 3339 in UTC, to the second.
pub(super) fn time_text(at: Timestamp) -> String {
    let seconds = i64::try_from(at.as_nanos() / 1_000_000_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

fn zoned(at: Timestamp, zone: &TimeZone) -> Zoned {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos())).unwrap_or(jiff::Timestamp::MAX);
    at.to_zoned(zone.clone())
}

fn timestamp(zoned: &Zoned) -> Timestamp {
    Timestamp(u64::try_from(zoned.timestamp().as_nanosecond()).unwrap_or(0))
}

fn calendar(unit: Unit, zone: &TimeZone, at: Timestamp) -> Period {
    let date = zoned(at, zone).date();
    let (first, span) = match unit {
        Unit::Day => (date, 1.day()),
        Unit::Week => {
            let since_monday = date.weekday().since(Weekday::Monday);
            (date.saturating_sub(i64::from(since_monday).days()), 1.week())
        }
        Unit::Month => (date.first_of_month(), 1.month()),
        Unit::Quarter => {
            let in_quarter = i64::from((date.month() - 1) % 3);
            (date.first_of_month().saturating_sub(in_quarter.months()), 3.months())
        }
        Unit::Year => (date.first_of_year(), 1.year()),
    };
    // A midnight that does not exist becomes the first instant after the gap.
    let midnight = |date: jiff::civil::Date| date.to_zoned(zone.clone()).ok();
    let (from, until) = (midnight(first), midnight(first.saturating_add(span)));
    Period {
        from: from.as_ref().map_or(at, timestamp),
        until: until.as_ref().map_or(Timestamp(u64::MAX), timestamp),
    }
}

/// A time that counts for no objective, once or every week.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum When {
    Once(Period),
    Weekly(Schedule),
}

impl When {
    pub(super) fn contains(&self, at: Timestamp) -> bool {
        match self {
            Self::Once(period) => period.contains(at),
            Self::Weekly(schedule) => schedule.contains(at),
        }
    }
}
