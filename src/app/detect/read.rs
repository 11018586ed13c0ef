//! From a file of `timestamp,value` lines to the points of a series.

use std::{fs::File, path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use jiff::{Timestamp as Instant, civil::DateTime, tz::TimeZone};
use model::Timestamp;

/// A series as a file holds it.
#[derive(Debug)]
pub(crate) struct Recording {
    /// The file's name without its ending.
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
    /// The usual distance between points.
    pub(crate) step: Duration,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Point {
    /// As it stands in the file.
    pub(crate) text: String,
    pub(crate) at: Timestamp,
    /// NaN where the file has no number.
    pub(crate) value: f64,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// With the line, when a line is not a time and a number, or when there are fewer than two points.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("{} can not be opened", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let points = read_points(file).with_context(|| path.display().to_string())?;
        let step = step(&points)
            .with_context(|| format!("{}: fewer than two points of different times", path.display()))?;
        Ok(Self { name, points, step })
    }
}

fn read_points(file: impl std::io::Read) -> anyhow::Result<Vec<Point>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut points = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let [time, value] = [0, 1].map(|column| record.get(column).map(str::trim));
        let (Some(time), Some(value)) = (time, value) else {
            bail!("line {line}: expected `timestamp,value`, found {} column", record.len());
        };
        match parse_time(time) {
            Some(at) => {
                let value = parse_value(value)
                    .with_context(|| format!("line {line}: the value is \"{value}\", expected a number"))?;
                points.push(Point { text: time.to_owned(), at, value });
            }
            // A header.
            None if index == 0 => {}
            None => bail!(
                "line {line}: the timestamp is \"{time}\", expected RFC 3339, `YYYY-MM-DD HH:MM:SS` or a Unix time"
            ),
        }
    }
    ensure!(!points.is_empty(), "there is no point in it");
    Ok(points)
}

/// Reads a time: RFC 3339, a date and time in UTC, or a Unix time whose unit its size tells.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<f64>() {
        let nanos_per_unit = match number {
            number if number < 1e11 => 1e9,
            number if number < 1e14 => 1e6,
            number if number < 1e17 => 1e3,
            _ => 1.0,
        };
        return (0.0..1.8e19).contains(&number).then_some(Timestamp((number * nanos_per_unit) as u64));
    }
    let instant = text.parse::<Instant>().ok().or_else(|| {
        let date_time = text.parse::<DateTime>().ok()?;
        Some(date_time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    u64::try_from(instant.as_nanosecond()).ok().map(Timestamp)
}

/// Reads a value; a gap may be spelled in several ways.
fn parse_value(text: &str) -> Option<f64> {
    match text {
        "" | "null" | "NULL" | "None" => Some(f64::NAN),
        _ => text.parse().ok(),
    }
}

/// The median distance between points that follow each other.
fn step(points: &[Point]) -> Option<Duration> {
    let distances = points.windows(2).map(|pair| pair[1].at.since(pair[0].at));
    let mut distances: Vec<Duration> = distances.filter(|distance| !distance.is_zero()).collect();
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_common_form() {
        let expected = Some(Timestamp::from_secs(1_396_310_400));
        for text in ["2014-04-01 00:00:00", "2014-04-01T00:00:00Z", "2014-04-01T02:00:00+02:00"] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
        for text in ["1396310400", "1396310400000", "1396310400000000", "1396310400000000000"] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
        for text in ["", "timestamp", "-1", "NaN", "1e300", "2014-13-01 00:00:00"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_header_and_gaps_are_understood_and_the_step_is_the_usual_one() {
        let text = "timestamp,value\n1000000000,1\n1000000060,\n1000000120,3.5\n1000009000,4\n";
        let points = read_points(text.as_bytes()).unwrap();
        assert_eq!(points.len(), 4);
        assert!(points[1].value.is_nan());
        assert_eq!(step(&points), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_bad_line_is_told_with_its_number() {
        let problem = |text: &str| read_points(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            problem("1000000000,1\n1000000060,many\n"),
            "line 2: the value is \"many\", expected a number"
        );
        assert_eq!(
            problem("1000000000,1\nyesterday,1\n"),
            "line 2: the timestamp is \"yesterday\", expected RFC 3339, `YYYY-MM-DD HH:MM:SS` or a Unix time"
        );
        assert_eq!(problem("1000000000\n"), "line 1: expected `timestamp,value`, found 1 column");
        assert_eq!(problem("timestamp,value\n"), "there is no point in it");
    }
}
