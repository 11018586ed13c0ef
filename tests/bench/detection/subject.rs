//! Our own program as a row: `trueline detect FILE… --config FILE --format jsonl`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::corpus::{Corpus, Series};
use super::cpu;
use crate::subject::build_trueline;

/// The binary, built when the first row asks for it.
pub(super) struct Lazy {
    binary: Option<PathBuf>,
}

impl Lazy {
    pub(super) fn new(given: Option<&Path>) -> Self {
        Self { binary: given.map(Path::to_owned) }
    }

    /// Returns the binary.
    ///
    /// *Errors*: it cannot be built.
    pub(super) fn binary(&mut self) -> Result<&Path> {
        let binary = match self.binary.take() {
            Some(binary) => binary,
            None => build_trueline()?,
        };
        Ok(self.binary.insert(binary))
    }
}

/// What the program says about every point of every series.
pub(super) struct Said {
    pub(super) scores: Vec<Vec<f64>>,
    pub(super) anomalous: Vec<Vec<bool>>,
    /// Of the whole process: it reads the files and writes the lines in it, too.
    pub(super) cpu_seconds: f64,
}

/// One line of the program's output; what else stands in it is not scored.
#[derive(Deserialize)]
struct Line {
    series: String,
    value: f64,
    /// None while the series is too young.
    score: Option<f64>,
    anomalous: bool,
}

/// Runs the program over all series at once.
///
/// *Errors*: it has no such command or fails, which it says on stderr, or does not tell about every point.
pub(super) fn detect(binary: &Path, config: &Path, corpus: &Corpus) -> Result<Said> {
    let cpu_before = cpu::seconds_of_ended_children()?;
    let mut child = Command::new("nice")
        .args(["-n", "15"])
        .arg(binary)
        .arg("detect")
        .args(corpus.series.iter().map(|series| &series.path))
        .arg("--config")
        .arg(config)
        .args(["--format", "jsonl"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", binary.display()))?;
    let output = child.stdout.take().context("the child has no output")?;
    let said = read(BufReader::new(output), corpus);
    let status = child.wait().context("waiting for trueline detect")?;
    // A line that cannot be read comes first: the program then ended because nobody read on.
    let (scores, anomalous) = said?;
    ensure!(status.success(), "trueline detect ended with {status}");
    Ok(Said { scores, anomalous, cpu_seconds: cpu::seconds_of_ended_children()? - cpu_before })
}

/// Scores and anomalies, for each series and point.
pub(super) type Points = (Vec<Vec<f64>>, Vec<Vec<bool>>);

/// Reads the lines. Those of one series come in the order of its points; series may be mixed.
pub(super) fn read(lines: impl BufRead, corpus: &Corpus) -> Result<Points> {
    let places = places(corpus);
    let mut scores: Vec<Vec<f64>> = vec![Vec::new(); corpus.series.len()];
    let mut anomalous: Vec<Vec<bool>> = vec![Vec::new(); corpus.series.len()];
    for (text, number) in lines.lines().zip(1..) {
        let text = text.context("reading the output of trueline detect")?;
        let line: Line = serde_json::from_str(&text).with_context(|| format!("line {number} is {text}"))?;
        let place = places.get(line.series.as_str());
        let &series_idx =
            place.with_context(|| format!("line {number} names {}, no such file", line.series))?;
        let point = scores[series_idx].len();
        let series = &corpus.series[series_idx];
        let is_its_point = series.values.get(point).is_some_and(|value| is_same(*value, line.value));
        ensure!(is_its_point, "line {number} is not about point {point} of {}: {text}", series.name);
        scores[series_idx].push(line.score.unwrap_or(0.0));
        anomalous[series_idx].push(line.anomalous);
    }
    Ok((scores, anomalous))
}

/// Tells whether two numbers are one, written and read: the last digit may differ.
fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-12 * one.abs().max(other.abs())
}

/// Returns the series by the names that may stand for them: the path as given, below the data's folder, its
/// last part, and that without its ending; of names that several share, none.
fn places(corpus: &Corpus) -> HashMap<String, usize> {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (series_idx, series) in corpus.series.iter().enumerate() {
        for name in names(series) {
            let known = places.entry(name).or_default();
            if known.last() != Some(&series_idx) {
                known.push(series_idx);
            }
        }
    }
    let unique = places.into_iter().filter(|(_, series)| series.len() == 1);
    unique.map(|(name, series)| (name, series[0])).collect()
}

fn names(series: &Series) -> impl Iterator<Item = String> {
    let parts = [series.path.file_name(), series.path.file_stem()];
    let parts = parts.into_iter().flatten().map(|part| part.to_string_lossy().into_owned());
    [series.path.display().to_string(), series.name.clone()].into_iter().chain(parts.collect::<Vec<_>>())
}
