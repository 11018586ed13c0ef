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

use model::{Civil, Timestamp};

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
    let Civil { year, month, day, hour, minute, second, nanosecond } = Civil::of(at);
    let milli = nanosecond / 1_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}.{milli:03}")
}
