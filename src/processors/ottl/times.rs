//! Times as people read them: the parts of a date, in the zone that a time was written in.

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};

use super::value::Failure;

/// In which zone the hours of a time are told.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Zone {
    /// That of all times of telemetry.
    Utc,
    /// So many seconds east, with the name if one was written.
    Fixed(i32, Option<Box<str>>),
    Named(TimeZone),
}

/// A time in the parts of a date.
pub(super) struct Date {
    pub(super) year: i16,
    pub(super) month: i8,
    pub(super) day: i8,
    pub(super) hour: i8,
    pub(super) minute: i8,
    pub(super) second: i8,
    pub(super) nanosecond: i32,
    /// From Sunday on, which is 0.
    pub(super) weekday: i8,
    /// *Units*: seconds east of Greenwich.
    pub(super) offset: i32,
    /// The name of the zone; empty where it has none.
    pub(super) zone: String,
}

/// What a function asks of a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Year,
    Month,
    Day,
    Weekday,
    Hour,
    Minute,
    Second,
    Nanosecond,
}

const OUT_OF_RANGE: Failure = Failure("the time is out of range");

impl Zone {
    /// Returns the zone of that name; none where there is none that is written so.
    pub(super) fn named(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self::Utc);
        }
        let zone = TimeZone::get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Self::Named(zone))
    }

    /// Returns the seconds east and the name that hold at a second since the epoch.
    pub(super) fn at(&self, second: i64) -> (i32, String) {
        match self {
            Self::Utc => (0, "UTC".to_owned()),
            Self::Fixed(offset, name) => (*offset, name.as_deref().unwrap_or_default().to_owned()),
            Self::Named(zone) => {
                let Ok(time) = Timestamp::from_second(second) else { return (0, String::new()) };
                let info = zone.to_offset_info(time);
                (info.offset().seconds(), info.abbreviation().to_owned())
            }
        }
    }
}

impl Date {
    /// *Errors*: a zone that is more than a day from Greenwich.
    pub(super) fn of(nanos: i64, zone: &Zone) -> Result<Self, Failure> {
        let time = Timestamp::from_nanosecond(nanos.into()).map_err(|_| OUT_OF_RANGE)?;
        let (offset, name) = zone.at(nanos.div_euclid(1_000_000_000));
        let date = Offset::from_seconds(offset).map_err(|_| OUT_OF_RANGE)?.to_datetime(time);
        Ok(Self {
            year: date.year(),
            month: date.month(),
            day: date.day(),
            hour: date.hour(),
            minute: date.minute(),
            second: date.second(),
            nanosecond: date.subsec_nanosecond(),
            weekday: date.weekday().to_sunday_zero_offset(),
            offset,
            zone: name,
        })
    }

    pub(super) fn part(&self, part: Part) -> i64 {
        match part {
            Part::Year => self.year.into(),
            Part::Month => self.month.into(),
            Part::Day => self.day.into(),
            Part::Weekday => self.weekday.into(),
            Part::Hour => self.hour.into(),
            Part::Minute => self.minute.into(),
            Part::Second => self.second.into(),
            Part::Nanosecond => self.nanosecond.into(),
        }
    }
}

/// Returns the last multiple of a duration before a time, counted from the year 1 as Go does; a duration that is not above
/// 0 changes nothing.
pub(super) fn truncated(nanos: i64, duration: i64) -> Result<i64, Failure> {
    const SECONDS_BEFORE_EPOCH: i128 = 62_135_596_800;
    if duration <= 0 {
        return Ok(nanos);
    }
    let over = (i128::from(nanos) + SECONDS_BEFORE_EPOCH * 1_000_000_000) % i128::from(duration);
    i64::try_from(i128::from(nanos) - over).map_err(|_| OUT_OF_RANGE)
}
