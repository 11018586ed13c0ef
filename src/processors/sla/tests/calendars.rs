//! Periods of the calendar, across changes of the clocks, against jiff-free sums of hours.

use std::time::Duration;

use model::Timestamp;
use proptest::prelude::*;

use crate::{
    schedule::zone_of,
    sla::calendar::{Period, Unit, Window, duration_text, instant, time_text},
};

fn at(text: &str) -> Timestamp {
    instant(text, &zone_of("UTC").unwrap()).unwrap()
}

fn period(unit: &str, name: &str, now: &str) -> (String, String, u64) {
    let window = Window::Calendar(Unit::of_name(unit).unwrap(), zone_of(name).unwrap());
    let Period { from, until } = window.at(at(now));
    (time_text(from), time_text(until), until.since(from).as_secs() / 3600)
}

#[test]
fn periods_are_those_of_the_zone() {
    let rows = [
        // The day on which summer time begins has 23 hours, and that on which it ends has 25.
        ("1d", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23),
        ("1d", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25),
        ("1d", "UTC", "2026-10-25T12:00:00Z", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z", 24),
        (
            "1w",
            "America/New_York",
            "2026-03-08T20:00:00Z",
            "2026-03-02T05:00:00Z",
            "2026-03-09T04:00:00Z",
            167,
        ),
        ("1M", "Europe/Berlin", "2026-03-31T23:30:00Z", "2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z", 720),
        ("1M", "Asia/Kolkata", "2026-02-10T00:00:00Z", "2026-01-31T18:30:00Z", "2026-02-28T18:30:00Z", 672),
        ("3M", "UTC", "2026-11-21T00:00:00Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z", 92 * 24),
        ("1y", "UTC", "2028-11-21T00:00:00Z", "2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z", 366 * 24),
        // In Lebanon midnight itself is left out: the day begins at one.
        ("1d", "Asia/Beirut", "2024-03-31T12:00:00Z", "2024-03-30T22:00:00Z", "2024-03-31T21:00:00Z", 23),
    ];
    for (unit, zone, now, from, until, hours) in rows {
        assert_eq!(
            period(unit, zone, now),
            (from.to_owned(), until.to_owned(), hours),
            "{unit} {zone} {now}"
        );
    }
}

proptest! {
    #[test]
    fn periods_follow_each_other_without_gap(
        seconds in 1_500_000_000..2_500_000_000_u64,
        unit in prop::sample::select(vec!["1d", "1w", "1M", "1Q", "1y"]),
        name in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    ) {
        let window = Window::Calendar(Unit::of_name(unit).unwrap(), zone_of(name).unwrap());
        let now = Timestamp::from_secs(seconds);
        let this = window.at(now);
        prop_assert!(this.contains(now));
        prop_assert_eq!(window.at(this.from), this);
        prop_assert_eq!(window.at(this.until - Duration::from_nanos(1)), this);
        prop_assert_eq!(window.at(this.until).from, this.until);
        prop_assert_eq!(window.at(this.from - Duration::from_nanos(1)).until, this.from);
    }
}

#[test]
fn durations_are_written_in_days_and_hours() {
    let texts = [30, 300, 3600, 5400, 86_400, 28 * 86_400].map(|s| duration_text(Duration::from_secs(s)));
    assert_eq!(texts, ["30s", "5m", "1h", "90m", "1d", "28d"]);
}
