//! Labelled series: read from public files, or made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use testbed::series::{Fault, Metric, Series as Made, Year, parse_timestamp};

/// Part of a series at its begin in which nothing is scored, as NAB has it.
const PROBATION_RATIO: f64 = 0.15;
/// The probation is no longer than that of 5,000 points.
const MAX_PROBATION_POINTS: usize = 750;

/// An alert so many points after the end of a made fault still is about it.
const AFTERMATH_POINTS: usize = 10;

/// A set of labelled series.
pub(crate) struct Corpus {
    /// What the tables are headed with.
    pub(crate) title: String,
    pub(crate) series: Vec<Series>,
    /// Whether windows are meant for NAB's scoring.
    pub(crate) is_nab: bool,
}

/// One series and its truth.
#[derive(Debug)]
pub(crate) struct Series {
    /// The path below the folder of the data, such as `realTraffic/speed_7578.csv`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Seconds since the epoch. Public files hold some twice, and one hour back.
    pub(crate) seconds: Vec<i64>,
    pub(crate) values: Vec<f64>,
    /// In order, apart from each other.
    pub(crate) windows: Vec<Window>,
    /// Points at the begin that are not scored.
    pub(crate) probation: usize,
}

/// An anomalous stretch of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// Index of its first point.
    pub(crate) first: usize,
    /// Index of its last point.
    pub(crate) last: usize,
    /// The size of a made fault, in deviations of the noise.
    pub(crate) scale: Option<f64>,
}

impl Window {
    pub(crate) fn contains(&self, point: usize) -> bool {
        (self.first..=self.last).contains(&point)
    }
}

impl Corpus {
    /// Reads the files that `windows.json` of the folder names, or `None` where there is no such file.
    pub(crate) fn nab(folder: &Path) -> Result<Option<Self>> {
        let labels = folder.join("windows.json");
        if !labels.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&labels).with_context(|| format!("reading {}", labels.display()))?;
        let windows: BTreeMap<String, Vec<(String, String)>> =
            serde_json::from_str(&text).with_context(|| format!("reading {}", labels.display()))?;
        ensure!(!windows.is_empty(), "{} names no file", labels.display());
        let mut series = Vec::new();
        for (name, limits) in windows {
            let path = folder.join("data").join(&name);
            let (seconds, values) = read_csv(&path)?;
            let windows = limits.iter().map(|(first, last)| window_between(&seconds, first, last));
            let windows = windows.collect::<Result<_>>().with_context(|| format!("windows of {name}"))?;
            series.push(Series::new(name, path, seconds, values, windows));
        }
        let n_windows: usize = series.iter().map(|series| series.windows.len()).sum();
        let title = format!("Numenta Anomaly Benchmark, {} files, {n_windows} windows", series.len());
        Ok(Some(Self { title, series, is_nab: true }))
    }

    /// Makes so many years of every metric and writes them into the folder, for programs that read files.
    pub(crate) fn synthetic(n_years: u64, folder: &Path) -> Result<Self> {
        let mut series = Vec::new();
        for metric in [Metric::Rate, Metric::Latency] {
            for seed in 1..=n_years {
                let made = Year { step_seconds: 300, ..Year::new(metric, seed) }.generate()?;
                let name = format!("{}.csv", made.name);
                let path = folder.join(&name);
                fs::write(&path, made.to_csv()).with_context(|| format!("writing {}", path.display()))?;
                let windows = made.faults.iter().filter_map(|fault| window_of(&made, fault)).collect();
                series.push(Series::new(name, path, made.seconds, made.values, windows));
            }
        }
        let n_windows: usize = series.iter().map(|series| series.windows.len()).sum();
        let title = format!("made years, {} series, {n_windows} faults", series.len());
        Ok(Self { title, series, is_nab: false })
    }

    pub(crate) fn n_points(&self) -> usize {
        self.series.iter().map(|series| series.values.len()).sum()
    }

    /// Returns the days over all series that are scored.
    pub(crate) fn scored_days(&self) -> f64 {
        self.series.iter().map(Series::scored_days).sum()
    }

    pub(crate) fn n_scored_windows(&self) -> usize {
        self.series.iter().map(|series| series.scored_windows().count()).sum()
    }
}

impl Series {
    pub(crate) fn new(
        name: String,
        path: PathBuf,
        seconds: Vec<i64>,
        values: Vec<f64>,
        windows: Vec<Window>,
    ) -> Self {
        let probation = ((values.len() as f64 * PROBATION_RATIO) as usize).min(MAX_PROBATION_POINTS);
        Self { name, path, seconds, values, windows, probation }
    }

    /// Returns windows of which at least one point is scored.
    pub(crate) fn scored_windows(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(|window| window.last >= self.probation)
    }

    pub(crate) fn is_anomalous(&self, point: usize) -> bool {
        self.windows.iter().any(|window| window.contains(point))
    }

    /// Returns how many points a day usually has.
    pub(crate) fn points_per_day(&self) -> usize {
        let mut steps: Vec<i64> = self.seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.sort_unstable();
        let step = steps.get(steps.len() / 2).copied().unwrap_or(0).max(1);
        usize::try_from(86_400 / step).unwrap_or(0).max(1)
    }

    fn scored_days(&self) -> f64 {
        let first = self.seconds.get(self.probation);
        let last = self.seconds.last();
        first.zip(last).map_or(0.0, |(first, last)| (last - first) as f64 / 86_400.0)
    }
}

/// Reads a file of `timestamp,value` lines below that heading.
fn read_csv(path: &Path) -> Result<(Vec<i64>, Vec<f64>)> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut lines = text.lines();
    let heading = lines.next().unwrap_or_default();
    ensure!(
        heading == "timestamp,value",
        "{}: the heading is {heading:?}, must be timestamp,value",
        path.display()
    );
    let points = lines
        .zip(2..)
        .map(|(line, number)| read_point(line).with_context(|| format!("{}:{number}", path.display())));
    let points: Vec<_> = points.collect::<Result<_>>()?;
    Ok(points.into_iter().unzip())
}

fn read_point(line: &str) -> Result<(i64, f64)> {
    let (timestamp, value) = line.split_once(',').with_context(|| format!("{line:?} has no comma"))?;
    let number = value.trim().parse().ok().filter(|number: &f64| number.is_finite());
    let number = number.with_context(|| format!("value is {value:?}, must be a number"))?;
    Ok((parse_timestamp(timestamp)?, number))
}

fn window_between(seconds: &[i64], first: &str, last: &str) -> Result<Window> {
    let place = |text: &str| {
        let wanted = parse_timestamp(text)?;
        let found = seconds.iter().position(|seconds| *seconds == wanted);
        found.with_context(|| format!("no point is at {text}"))
    };
    let (first, last) = (place(first)?, place(last)?);
    ensure!(first <= last, "the window ends at point {last}, before its begin at {first}");
    Ok(Window { first, last, scale: None })
}

/// Returns the points of a fault and a few after it, or `None` where all of them are lost.
fn window_of(made: &Made, fault: &Fault) -> Option<Window> {
    let first = made.seconds.partition_point(|seconds| *seconds < fault.begin);
    let end = made.seconds.partition_point(|seconds| *seconds < fault.end);
    let last = (end - 1 + AFTERMATH_POINTS).min(made.seconds.len() - 1);
    (first < end).then_some(Window { first, last, scale: Some(fault.scale) })
}
