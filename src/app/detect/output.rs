//! What `detect` prints.

use std::io::{self, Write};

use model::{AnomalyColumns, Rollups, Series};
use serde::Serialize;

use super::read::Point;

/// What the stages say of a point; NaN where they say nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) expected: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) score: f64,
    /// Whether an episode is open.
    pub(super) is_anomalous: bool,
}

impl Default for Judged {
    fn default() -> Self {
        Self { expected: f64::NAN, lower: f64::NAN, upper: f64::NAN, score: f64::NAN, is_anomalous: false }
    }
}

impl Judged {
    /// Returns what a table says of a series.
    pub(super) fn of(table: &Rollups, series: &Series) -> Option<Self> {
        let row = table.series.iter().position(|it| it.fingerprint == series.fingerprint)?;
        let number =
            |column: Option<&Vec<f64>>| column.and_then(|it| it.get(row)).copied().unwrap_or(f64::NAN);
        let (baseline, anomaly) = (table.baseline.as_ref(), table.anomaly.as_ref());
        Some(Self {
            expected: number(baseline.map(|it| &it.expected)),
            lower: number(baseline.map(|it| &it.lower)),
            upper: number(baseline.map(|it| &it.upper)),
            score: anomaly.and_then(|it| it.score.get(row)).map_or(f64::NAN, |score| f64::from(*score)),
            is_anomalous: anomaly.and_then(|it| it.is_anomalous.get(row)).is_some_and(|flag| *flag),
        })
    }
}

pub(super) trait Writer {
    fn point(&mut self, series: &str, point: &Point, judged: &Judged) -> io::Result<()>;

    /// Writes what was held back.
    fn end(&mut self) -> io::Result<()>;
}

/// One line of JSON for each point.
pub(super) struct JsonLines<W: Write>(io::BufWriter<W>);

/// Numbers that are not known are null.
#[derive(Serialize)]
struct Line<'a> {
    series: &'a str,
    timestamp: &'a str,
    value: f64,
    expected: f64,
    lower: f64,
    upper: f64,
    score: f64,
    anomalous: bool,
}

impl<W: Write> JsonLines<W> {
    pub(super) fn new(out: W) -> Self {
        Self(io::BufWriter::new(out))
    }
}

impl<W: Write> Writer for JsonLines<W> {
    fn point(&mut self, series: &str, point: &Point, judged: &Judged) -> io::Result<()> {
        let Judged { expected, lower, upper, score, .. } = *judged;
        let line = Line {
            series,
            timestamp: &point.text,
            value: point.value,
            expected,
            lower,
            upper,
            score,
            anomalous: score >= f64::from(AnomalyColumns::OPENS_AT),
        };
        serde_json::to_writer(&mut self.0, &line)?;
        self.0.write_all(b"\n")
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// One line for each episode.
pub(super) struct Table<W: Write> {
    out: W,
    episodes: Vec<Episode>,
    n_points: u64,
}

/// Points in a row that are anomalous.
struct Episode {
    series: String,
    start: String,
    end: String,
    peak: Judged,
    value: f64,
    is_open: bool,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, episodes: Vec::new(), n_points: 0 }
    }
}

impl<W: Write> Writer for Table<W> {
    fn point(&mut self, series: &str, point: &Point, judged: &Judged) -> io::Result<()> {
        self.n_points += 1;
        let open = self.episodes.last_mut().filter(|episode| episode.is_open && episode.series == series);
        match open {
            Some(episode) if judged.is_anomalous => {
                episode.end.clone_from(&point.text);
                if judged.score > episode.peak.score {
                    (episode.peak, episode.value) = (*judged, point.value);
                }
            }
            Some(episode) => episode.is_open = false,
            None if judged.is_anomalous => self.episodes.push(Episode {
                series: series.to_owned(),
                start: point.text.clone(),
                end: point.text.clone(),
                peak: *judged,
                value: point.value,
                is_open: true,
            }),
            None => {}
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let width = self.episodes.iter().map(|it| it.series.chars().count()).max().unwrap_or(0).max(6);
        if !self.episodes.is_empty() {
            writeln!(
                self.out,
                "{:width$}  {:25}  {:25}  {:>7}  {:>12}  expected (band)",
                "SERIES", "START", "END", "SCORE", "VALUE"
            )?;
        }
        for Episode { series, start, end, peak, value, .. } in &self.episodes {
            writeln!(
                self.out,
                "{series:width$}  {start:25}  {end:25}  {:>7.2}  {value:>12.4}  {:.4} ({:.4} to {:.4})",
                peak.score, peak.expected, peak.lower, peak.upper
            )?;
        }
        writeln!(self.out, "{} episodes in {} points", self.episodes.len(), self.n_points)
    }
}
