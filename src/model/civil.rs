//! Times as people write them, in UTC.

use crate::Timestamp;

/// A time by the calendar and the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Civil {
    pub year: u64,
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
    pub nanosecond: u64,
}

impl Civil {
    /// Counts from 1 March of the year 0, so that the leap day is the last of its year; an era is 400
    /// years, after which the calendar repeats.
    pub const fn of(at: Timestamp) -> Self {
        const DAYS_BEFORE_EPOCH: u64 = 719_468;
        const DAYS_PER_ERA: u64 = 146_097;
        let nanos = at.as_nanos();
        let seconds = nanos / 1_000_000_000;
        let days = seconds / 86_400 + DAYS_BEFORE_EPOCH;
        let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: era * 400 + year_of_era + (month <= 2) as u64,
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            nanosecond: nanos % 1_000_000_000,
        }
    }
}

impl Timestamp {
    /// Writes it as RFC 3339 has it, in UTC, with as many digits of a second as there are: as Go's `time.Time` marshals
    /// itself.
    pub fn rfc3339(self) -> String {
        let Civil { year, month, day, hour, minute, second, nanosecond } = Civil::of(self);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if nanosecond > 0 {
            text.push('.');
            text.push_str(format!("{nanosecond:09}").trim_end_matches('0'));
        }
        text.push('Z');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, (1970, 1, 1)),
            (951_782_400, (2000, 2, 29)),
            (951_868_800, (2000, 3, 1)),
            (1_735_689_599, (2024, 12, 31)),
            (1_735_689_600, (2025, 1, 1)),
            (4_107_542_400, (2100, 3, 1)),
            (4_107_542_399, (2100, 2, 28)),
        ] {
            let civil = Civil::of(Timestamp::from_secs(seconds));
            assert_eq!((civil.year, civil.month, civil.day), expected, "{seconds}");
        }
    }

    #[test]
    fn every_day_agrees_with_the_dates_of_http() {
        for day in (0..100_000_u64).step_by(13) {
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(day * 86_400 + 45_296);
            let civil = Civil::of(Timestamp::from_secs(day * 86_400 + 45_296));
            let date = httpdate::fmt_http_date(at);
            let expected = format!(
                "{:02} {} {:04} 12:34:56 GMT",
                civil.day,
                MONTHS[civil.month as usize - 1],
                civil.year
            );
            assert!(date.ends_with(&expected), "{date} {civil:?}");
        }
    }

    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
}
