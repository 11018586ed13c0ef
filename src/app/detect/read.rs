//! From a file of `timestamp,value` lines to the points of a series.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
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
    /// What is odd about it, for people.
    pub(crate) warning: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Point {
    /// As it stands in the file.
    pub(crate) text: String,
    /// Where it stands, from 1.
    pub(crate) line: u64,
    pub(crate) at: Timestamp,
    /// NaN where the file has no number.
    pub(crate) value: f64,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// With the line, when a line is not a time and a number, or times go back; and when there are fewer than two
    /// points.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("{shown} can not be opened"))?;
        let is_file = file.metadata().is_ok_and(|found| !found.is_dir());
        ensure!(is_file, "{shown} is a directory; name the files in it");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let points = read_points(Limited::new(file)).with_context(|| shown.to_string())?;
        let goes_back = goes_back(&points).with_context(|| shown.to_string())?;
        let step =
            step(&points).with_context(|| format!("{shown}: fewer than two points of different times"))?;
        let warning = goes_back.map(|back| format!("{shown}: {back}; points are judged as they stand"));
        Ok(Self { name, points, step, warning })
    }
}

fn read_points(file: impl Read) -> anyhow::Result<Vec<Point>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut points = Vec::new();
    let mut columns = [0, 1];
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(unread)?;
        let line = record.position().map_or(0, csv::Position::line);
        let [time, value] = columns.map(|column| record.get(column).map(str::trim));
        if index == 0
            && let Some(named) = header(&record)
        {
            columns = named;
            continue;
        }
        let (Some(time), Some(value)) = (time, value) else {
            let found: String = record.iter().collect::<Vec<_>>().join(",").chars().take(40).collect();
            bail!("line {line}: expected `timestamp,value`, found {} column: \"{found}\"", record.len());
        };
        let Some(at) = parse_time(time) else {
            bail!(
                "line {line}: the timestamp is \"{time}\", expected RFC 3339, `YYYY-MM-DD HH:MM:SS` or a Unix time"
            );
        };
        let value = parse_value(value).with_context(|| {
            format!("line {line}: the value is \"{value}\", expected a number, or nothing for a gap")
        })?;
        points.push(Point { text: time.to_owned(), line, at, value });
    }
    ensure!(!points.is_empty(), "there is no point in it");
    Ok(points)
}

/// Returns where a header says that time and value stand; none when the line is no header. A header that names
/// neither is of a file whose first two columns they are.
fn header(record: &csv::StringRecord) -> Option<[usize; 2]> {
    let is_time = |text: &str| parse_time(text).is_some();
    if record.len() < 2 || record.iter().any(|text| is_time(text.trim())) {
        return None;
    }
    let named = |name: &str| record.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
    Some([named("timestamp").unwrap_or(0), named("value").unwrap_or(1)])
}

/// Says where a file can not be read as lines of text, in our words.
fn unread(problem: csv::Error) -> anyhow::Error {
    let line = problem.position().map_or(0, csv::Position::line);
    match problem.into_kind() {
        csv::ErrorKind::Utf8 { .. } => anyhow!("line {line}: it is not UTF-8 text"),
        csv::ErrorKind::Io(problem) => problem.into(),
        other => anyhow!("line {line}: it can not be read: {other:?}"),
    }
}

/// A file whose lines have an end, so that one that is no text does not fill the memory.
struct Limited<R> {
    file: R,
    line: u64,
    length: usize,
}

impl<R> Limited<R> {
    /// *Units*: bytes.
    const LONGEST_LINE: usize = 1 << 20;

    fn new(file: R) -> Self {
        Self { file, line: 1, length: 0 }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n_read = self.file.read(into)?;
        for part in into[..n_read].split_inclusive(|byte| *byte == b'\n') {
            self.length += part.len();
            if self.length > Self::LONGEST_LINE {
                let problem = format!("line {}: it is longer than {} bytes", self.line, Self::LONGEST_LINE);
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            if part.ends_with(b"\n") {
                (self.line, self.length) = (self.line + 1, 0);
            }
        }
        Ok(n_read)
    }
}

/// Returns where times go back first. A few do in local time, when summer ends.
///
/// # Errors
/// When more than one time in a hundred goes back: the file is in another order.
fn goes_back(points: &[Point]) -> anyhow::Result<Option<String>> {
    let back: Vec<&Point> =
        points.windows(2).filter(|pair| pair[1].at < pair[0].at).map(|pair| &pair[1]).collect();
    let Some(first) = back.first() else { return Ok(None) };
    let told = format!("line {}: the time {} is before that of the point before", first.line, first.text);
    ensure!(back.len() * 100 <= points.len(), "{told}; sort the file by time, oldest first");
    Ok(Some(told))
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
    const GAPS: [&str; 6] = ["", "null", "none", "nan", "na", "n/a"];
    if GAPS.iter().any(|gap| text.eq_ignore_ascii_case(gap)) {
        return Some(f64::NAN);
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
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
            "line 2: the value is \"many\", expected a number, or nothing for a gap"
        );
        assert_eq!(
            problem("1000000000,1\nyesterday,1\n"),
            "line 2: the timestamp is \"yesterday\", expected RFC 3339, `YYYY-MM-DD HH:MM:SS` or a Unix time"
        );
        assert_eq!(
            problem("1000000000;1\n"),
            "line 1: expected `timestamp,value`, found 1 column: \"1000000000;1\""
        );
        assert_eq!(problem("timestamp,value\n"), "there is no point in it");
        assert!(problem("1000000000,1\n1000000060,inf\n").starts_with("line 2: the value is \"inf\""));
    }

    #[test]
    fn a_header_tells_where_time_and_value_stand() {
        let text = "host,Value,timestamp\na,1,1000000000\na,n/a,1000000060\n";
        let points = read_points(text.as_bytes()).unwrap();
        assert_eq!((points[0].at, points[0].value), (Timestamp::from_secs(1_000_000_000), 1.0));
        assert!(points[1].value.is_nan());
        let unnamed = read_points("when,load\n1000000000,1\n".as_bytes()).unwrap();
        assert_eq!((unnamed[0].value, unnamed[0].line), (1.0, 2));
    }

    #[test]
    fn what_is_no_text_and_what_has_no_lines_is_refused() {
        let problem = |bytes: &[u8]| format!("{:#}", read_points(Limited::new(bytes)).unwrap_err());
        assert_eq!(problem(b"1000000000,1\n\xff,1\n"), "line 2: it is not UTF-8 text");
        let long = [&b"1000000000,1\n"[..], &[b'x'; 2 << 20]].concat();
        assert_eq!(problem(&long), "line 2: it is longer than 1048576 bytes");
    }

    #[test]
    fn a_few_times_may_go_back_and_a_file_in_another_order_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cpu.csv");
        let read = |times: &mut dyn Iterator<Item = u64>| {
            let lines: String = times.map(|time| format!("{},1\n", 1_000_000_000 + time * 60)).collect();
            std::fs::write(&file, lines).unwrap();
            Recording::read(&file)
        };
        assert_eq!(read(&mut (0..200)).unwrap().warning, None);
        let summer_ends = read(&mut (0..200).chain(140..300)).unwrap();
        assert_eq!(summer_ends.points.len(), 360);
        assert!(summer_ends.warning.unwrap().contains("line 201: the time 1000008400 is before"));
        let newest_first = format!("{:#}", read(&mut (0..200).rev()).unwrap_err());
        assert!(newest_first.ends_with("sort the file by time, oldest first"), "{newest_first}");
        let directory = format!("{:#}", Recording::read(folder.path()).unwrap_err());
        assert!(directory.ends_with("is a directory; name the files in it"), "{directory}");
    }
}
