//! The names of files that were full, and which of them are kept.
//!
//! `data.json` becomes `data-2022-09-14T05-02-14.173.json`, as the collector names it. Names of the
//! same file sort by time.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use model::Timestamp;

use super::config::RotationConfig;

const DAY: Duration = Duration::from_secs(86_400);

/// Returns a name for the full file that no file has yet.
pub(super) fn free_name(path: &Path, now: Timestamp) -> PathBuf {
    let mut at = now;
    loop {
        let name = named(path, at);
        if !name.exists() {
            return name;
        }
        at = at + Duration::from_millis(1);
    }
}

/// Removes the backups of `path` that are too old or too many.
///
/// # Errors
/// The first that the directory or a removal gives; what could be removed is.
pub(super) fn remove_old(path: &Path, rotation: &RotationConfig, now: Timestamp) -> io::Result<()> {
    let mut backups = list(path)?;
    backups.sort_unstable_by(|a, b| b.cmp(a));
    let age = u32::try_from(rotation.max_days).map_or(Duration::MAX, |days| DAY.saturating_mul(days));
    let oldest = named(path, now - age);
    let oldest = oldest.file_name().unwrap_or_default();
    let mut outcome = Ok(());
    for (index, name) in backups.iter().enumerate() {
        let is_surplus = rotation.max_backups > 0 && index >= rotation.max_backups;
        let is_old = rotation.max_days > 0 && name.as_os_str() < oldest;
        if (is_surplus || is_old)
            && let Err(error) = std::fs::remove_file(path.with_file_name(name))
            && outcome.is_ok()
        {
            outcome = Err(error);
        }
    }
    outcome
}

fn named(path: &Path, at: Timestamp) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push("-");
    name.push(stamp(at));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Returns the names of the files beside `path` that look like its backups.
fn list(path: &Path) -> io::Result<Vec<OsString>> {
    let pattern = named(path, Timestamp::default());
    let pattern = pattern.file_name().unwrap_or_default();
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if matches(&name, pattern) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether a name differs from a backup's only in the digits of its time.
fn matches(name: &OsStr, pattern: &OsStr) -> bool {
    let (name, pattern) = (name.as_encoded_bytes(), pattern.as_encoded_bytes());
    let alike = |(a, b): (&u8, &u8)| a == b || (a.is_ascii_digit() && b.is_ascii_digit());
    name.len() == pattern.len() && name.iter().zip(pattern).all(alike)
}

/// Writes a time as `2022-09-14T05-02-14.173`, in UTC.
fn stamp(at: Timestamp) -> String {
    let millis = at.as_millis();
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}.{milli:03}")
}

/// Returns year, month and day of a day since 1970-01-01.
///
/// Counts from 1 March of the year 0, so that the leap day is the last of its year; an era is 400
/// years, after which the calendar repeats.
fn civil(days_since_epoch: u64) -> (u64, u64, u64) {
    const DAYS_BEFORE_EPOCH: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days_since_epoch + DAYS_BEFORE_EPOCH;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}
