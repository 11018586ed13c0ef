//! Times of the week at which something holds, as people write them: `Sat,Sun 02:00-06:00 Europe/Berlin`.

use std::fmt;

use jiff::{
    civil::{Date, Time},
    tz::{TimeZone, TimeZoneDatabase},
};
use model::Timestamp;

/// Three letters are enough of a day.
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const DAY_MINUTES: u16 = 24 * 60;

/// Hours of some days of the week, by the clock of a place.
///
/// Hours that end before they begin go on into the next day. When clocks are set forward or back, what counts is what
/// they show. The zones are those of the program, so that every replica knows the same.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Schedule {
    text: String,
    /// From Monday on.
    days: [bool; 7],
    /// Minutes of the day; the end is not within.
    from: u16,
    until: u16,
    zone: TimeZone,
}

impl Schedule {
    /// Reads `[DAYS] HH:MM-HH:MM [ZONE]`; days are `Sat` or `Saturday`, `Sat,Sun`, `Mon-Fri`, all when absent; the zone
    /// is UTC when absent.
    ///
    /// *Errors*: what is wrong and what is right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let is_hours = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
        let days = match words.first() {
            Some(word) if !is_hours(word) => days_of(words.remove(0))?,
            _ => [true; 7],
        };
        let (hours, zone) = match words[..] {
            [hours] => (hours, "UTC"),
            [hours, zone] => (hours, zone),
            _ => return Err(format!("{text:?} is no schedule, {EXAMPLE}")),
        };
        let ends = hours.split_once('-').and_then(|(from, until)| Some((minute(from)?, minute(until)?)));
        let Some((from, until)) = ends.filter(|(from, until)| from != until && *from < DAY_MINUTES) else {
            return Err(format!("{hours:?} are no hours, {EXAMPLE}; the whole day is 00:00-24:00"));
        };
        Ok(Self { text: text.to_owned(), days, from, until, zone: zone_of(zone)? })
    }

    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        let Some((date, time)) = local(at, &self.zone) else { return false };
        let minute = time.hour() as u16 * 60 + time.minute() as u16;
        let has = |date: Date| self.days[date.weekday().to_monday_zero_offset() as usize];
        if self.from < self.until {
            return has(date) && (self.from..self.until).contains(&minute);
        }
        let began_yesterday = date.yesterday().is_ok_and(has);
        (has(date) && minute >= self.from) || (began_yesterday && minute < self.until)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const EXAMPLE: &str =
    "write days, hours and zone: \"Sat 02:00-06:00 Europe/Berlin\", \"Mon-Fri 22:00-05:00\"";

/// Finds a time zone of the IANA database.
///
/// *Errors*: what to write instead.
pub(crate) fn zone_of(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled().get(name).map_err(|_| {
        format!("there is no time zone {name:?}, write one of the IANA database: \"Europe/Berlin\", \"UTC\"")
    })
}

/// What calendar and clock show at a place; none beyond the year 9999.
pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> Option<(Date, Time)> {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos())).ok()?;
    let shown = zone.to_datetime(at);
    Some((shown.date(), shown.time()))
}

fn days_of(text: &str) -> Result<[bool; 7], String> {
    let short = DAYS.map(|day| day.get(..3).unwrap_or(day));
    let wrong = |word: &str| format!("{word:?} is no day, write one of {}, or \"Mon-Fri\"", short.join(", "));
    let day = |word: &str| {
        let is_it = |names: &[&str; 7]| names.iter().position(|day| day.eq_ignore_ascii_case(word));
        is_it(&short).or_else(|| is_it(&DAYS)).ok_or_else(|| wrong(word))
    };
    if text.eq_ignore_ascii_case("daily") {
        return Ok([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // `Fri-Mon` goes around the end of the week.
        for step in 0..=(last + 7 - first) % 7 {
            days[(first + step) % 7] = true;
        }
    }
    Ok(days)
}

/// Reads `HH:MM` or `H:MM` into minutes of the day; `24:00` is its end.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(hours.len(), 1 | 2) || minutes.len() != 2 || !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MINUTES).then_some(minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(schedule: &str, at: &str) -> bool {
        let at: jiff::Timestamp = at.parse().expect("the test writes a time");
        let at = Timestamp(u64::try_from(at.as_nanosecond()).expect("the time is after 1970"));
        Schedule::parse(schedule).expect("the schedule is sound").contains(at)
    }

    #[test]
    fn hours_are_those_of_the_place_in_summer_and_in_winter() {
        let schedule = "Sat 02:00-06:00 Europe/Berlin";
        for (at, expected) in [
            ("2026-07-04T00:00:00Z", true),
            ("2026-07-04T03:59:59Z", true),
            ("2026-07-04T04:00:00Z", false),
            ("2026-07-03T23:59:59Z", false),
            ("2026-01-03T00:30:00Z", false),
            ("2026-01-03T01:00:00Z", true),
            ("2026-07-05T01:00:00Z", false),
        ] {
            assert_eq!(holds(schedule, at), expected, "{at}");
        }
    }

    #[test]
    fn hours_that_end_before_they_begin_go_on_into_the_next_day() {
        for (at, expected) in [
            ("2026-11-20T21:59:00Z", false),
            ("2026-11-20T22:00:00Z", true),
            ("2026-11-21T04:59:00Z", true),
            ("2026-11-21T05:00:00Z", false),
            ("2026-11-21T22:30:00Z", false),
        ] {
            assert_eq!(holds("Mon-Fri 22:00-05:00", at), expected, "{at}");
        }
    }

    #[test]
    fn days_may_be_listed_and_go_around_the_end_of_the_week() {
        assert!(holds("Fri-Mon 00:00-24:00 UTC", "2026-11-22T12:00:00Z"));
        assert!(!holds("Fri-Mon 00:00-24:00 UTC", "2026-11-24T12:00:00Z"));
        assert!(holds("tue,wed 10:00-11:00", "2026-11-24T10:59:59Z"));
        assert!(holds("10:00-11:00", "2026-11-24T10:30:00Z"));
        assert!(holds("daily 10:00-11:00", "2026-11-24T10:30:00Z"));
        assert!(holds("Tuesday 9:30-11:00 utc", "2026-11-24T09:30:00Z"));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_right() {
        for (text, expected) in [
            ("Sat 02:00-06:00 Europe/Berlim", "there is no time zone \"Europe/Berlim\""),
            ("Sat 2-6", "\"2-6\" are no hours"),
            ("Sat 02:0-06:00", "\"02:0-06:00\" are no hours"),
            ("Sat :00-06:00", "\":00-06:00\" are no hours"),
            ("Saturda 02:00-05:00", "\"Saturda\" is no day"),
            ("Sat 02:00-02:00", "\"02:00-02:00\" are no hours"),
            ("Sat 02:00-25:00", "\"02:00-25:00\" are no hours"),
            ("Sat 24:00-05:00", "\"24:00-05:00\" are no hours"),
            ("Sut 02:00-05:00", "\"Sut\" is no day"),
            ("Sat", "\"Sat\" is no schedule"),
            ("", "\"\" is no schedule"),
        ] {
            let told = Schedule::parse(text).expect_err(text);
            assert!(told.starts_with(expected), "{text}: {told}");
        }
    }
}
