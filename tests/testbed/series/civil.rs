//! Times as text, `2024-01-01 00:00:00`, in UTC.

use anyhow::{Context, Result, ensure};

const DAY_SECONDS: i64 = 86_400;

/// Writes seconds since the epoch as `2024-01-01 00:00:00`.
pub fn format_timestamp(seconds: i64) -> String {
    let (year, month, day) = date_of(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Reads `2024-01-01 00:00:00` as seconds since the epoch; a fraction of a second is left out.
///
/// *Errors*: the text is not of this form.
pub fn parse_timestamp(text: &str) -> Result<i64> {
    let wrong = || format!("timestamp is {text:?}, must be like 2024-01-01 00:00:00");
    let (date, time) = text.trim().split_once([' ', 'T']).with_context(wrong)?;
    let whole_seconds = time.split('.').next().unwrap_or(time);
    let [year, month, day] = numbers(date, '-').with_context(wrong)?;
    let [hour, minute, second] = numbers(whole_seconds, ':').with_context(wrong)?;
    ensure!((1..=12).contains(&month) && (1..=31).contains(&day), wrong());
    ensure!(hour < 24 && minute < 60 && second < 60, wrong());
    Ok(day_of(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse::<u16>().ok().map(i64::from));
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Returns the days since the epoch. Years begin in March here, so that the leap day is the last.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

fn date_of(day: i64) -> (i64, i64, i64) {
    let year_at_most = day.div_euclid(365) + 1971;
    let year = (year_at_most - 3..=year_at_most).rev().find(|year| day_of(*year, 1, 1) <= day);
    let year = year.expect("four years hold every day that 365 divides off by leap days of two millennia");
    let month = (1..=12).rev().find(|month| day_of(year, *month, 1) <= day);
    let month = month.expect("the year has begun, so its January has");
    (year, month, day - day_of(year, month, 1) + 1)
}
