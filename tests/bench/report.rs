//! The results: paired figures, their ratios, and the Markdown table.

use std::fmt::Write;

use serde::Serialize;

use crate::machine::Machine;
use crate::measure::Figures;
use crate::paths::{Against, Floor, Path};

/// Everything that one call found out.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) other: Option<Other>,
    pub(crate) seconds_per_run: f64,
    /// CPU time of the scan, key, hash and histogram of the same bytes in memory.
    pub(crate) reference_walk_nanos_per_span: f64,
    /// The same at 60,000 spans/s, with the copy from a socket.
    pub(crate) paced_walk_nanos_per_span: f64,
    pub(crate) paths: Vec<PathResult>,
}

/// What ours is compared with.
#[derive(Serialize)]
pub(crate) enum Other {
    /// The Go collector of this version.
    Otelcol(&'static str),
    /// Another trueline: the name of its binary.
    Baseline(String),
}

/// All runs of one path; `ours` and `theirs` of one index are a pair.
#[derive(Serialize)]
pub(crate) struct PathResult {
    pub(crate) name: &'static str,
    #[serde(skip)]
    pub(crate) path: Path,
    pub(crate) ours: Vec<Figures>,
    pub(crate) theirs: Vec<Figures>,
    /// `None` where the other was not run, or is no measure of the floor.
    pub(crate) met: Option<bool>,
}

impl PathResult {
    pub(crate) fn new(path: Path, ours: Vec<Figures>, theirs: Vec<Figures>, has_floor: bool) -> Self {
        let mut result = Self { name: path.name, path, ours, theirs, met: None };
        result.met = if has_floor { result.is_met() } else { None };
        result
    }

    /// Returns the other's CPU time per span over ours, pair by pair, in order of size.
    fn ratios(&self) -> Vec<f64> {
        let pairs = self.ours.iter().zip(&self.theirs);
        sorted(pairs.map(|(ours, theirs)| theirs.cpu_nanos_per_span / ours.cpu_nanos_per_span).collect())
    }

    /// Returns the median over the pairs of how much more we take for a span than the other.
    fn nanos_above(&self) -> f64 {
        let pairs = self.ours.iter().zip(&self.theirs);
        median(&sorted(
            pairs.map(|(ours, theirs)| ours.cpu_nanos_per_span - theirs.cpu_nanos_per_span).collect(),
        ))
    }

    fn is_met(&self) -> Option<bool> {
        if self.ours.is_empty() {
            return None;
        }
        let theirs_are_there = !self.theirs.is_empty();
        match self.path.floor {
            Floor::PeakMegabytes(limit) => Some(peak_megabytes(&self.ours) <= limit),
            Floor::CpuRatio(limit) => theirs_are_there.then(|| median(&self.ratios()) >= limit),
            Floor::CpuRatioAndLatency(limit) => theirs_are_there.then(|| {
                let (ours, theirs) = (latencies(&self.ours), latencies(&self.theirs));
                median(&self.ratios()) >= limit && ours.1 <= theirs.1
            }),
            Floor::NanosAbove { each, processors } => {
                theirs_are_there.then(|| self.nanos_above() <= each * processors as f64)
            }
            Floor::CpuAbove(limit) => theirs_are_there.then(|| 1.0 / median(&self.ratios()) <= 1.0 + limit),
            Floor::LatencyNotAbove => theirs_are_there.then(|| {
                let (ours, theirs) = (latencies(&self.ours), latencies(&self.theirs));
                ours.0 <= theirs.0 && ours.1 <= theirs.1
            }),
        }
    }
}

/// Returns the Markdown table with what stands around it.
pub(crate) fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let Machine { cpu, cores, kernel, .. } = &report.machine;
    let stamp = report.machine.stamp();
    // Writing to a String cannot fail.
    let mut line = |text: String| writeln!(out, "{text}").expect("a String takes everything");
    line(format!("{cpu}, {cores} cores, Linux {kernel}; {stamp}; {} s per run.", report.seconds_per_run));
    match &report.other {
        Some(Other::Otelcol(version)) => {
            line(format!("Beside it: Go collector {version}, `GOMAXPROCS=1`, same core, run alternately."))
        }
        Some(Other::Baseline(binary)) => line(format!("Beside it: `{binary}`, run alternately.")),
        None => line(
            "The Go collector is not built (`tests/testbed/build.sh otelcol`): our figures alone.".to_owned(),
        ),
    }
    line(format!(
        "Reference walk in memory: {:.0} ns/span; at 60,000 spans/s, with a copy and cold caches, {:.0}.",
        report.reference_walk_nanos_per_span, report.paced_walk_nanos_per_span
    ));
    line(String::new());
    line("| path | trueline ns/span | other ns/span | ratio (min–max) | at least | met | spans/s ours / other | peak RSS MB ours / other | ack p50, p99 ms ours / other |".to_owned());
    line("|---|---:|---:|---:|---:|---|---:|---:|---:|".to_owned());
    for result in &report.paths {
        line(row(result));
    }
    out
}

fn row(result: &PathResult) -> String {
    let Path { name, title, against, .. } = result.path;
    let other = match against {
        Against::OneShard => " (other: one shard)".to_owned(),
        Against::Itself(config) => format!(" (other: `{config}`)"),
        Against::Otelcol => String::new(),
    };
    let met = match result.met {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "–",
    };
    let (ours, theirs) = (&result.ours, &result.theirs);
    format!(
        "| `{name}`: {title}{other} | {} | {} | {} | {} | {met} | {} / {} | {} / {} | {} / {} |",
        cell(ours, |runs| format!("{:.0}", cpu_nanos(runs))),
        cell(theirs, |runs| format!("{:.0}", cpu_nanos(runs))),
        ratio(result),
        floor(result),
        cell(ours, |runs| format!("{:.0}", median_of(runs, |run| run.acked_spans_per_second))),
        cell(theirs, |runs| format!("{:.0}", median_of(runs, |run| run.acked_spans_per_second))),
        cell(ours, |runs| format!("{:.0}", peak_megabytes(runs))),
        cell(theirs, |runs| format!("{:.0}", peak_megabytes(runs))),
        cell(ours, latency_cell),
        cell(theirs, latency_cell),
    )
}

fn cell(runs: &[Figures], text: impl Fn(&[Figures]) -> String) -> String {
    if runs.is_empty() { "–".to_owned() } else { text(runs) }
}

fn ratio(result: &PathResult) -> String {
    let ratios = result.ratios();
    match (ratios.first(), ratios.last()) {
        (Some(least), Some(most)) => format!("{:.1} ({least:.1}–{most:.1})", median(&ratios)),
        _ => "–".to_owned(),
    }
}

fn floor(result: &PathResult) -> String {
    match result.path.floor {
        Floor::CpuRatio(ratio) => format!("{ratio} ×"),
        Floor::CpuRatioAndLatency(ratio) => format!("{ratio} ×, p99 not above"),
        Floor::NanosAbove { each, processors } => {
            format!("≤ {each} ns for each of {processors}: {:+.1}", result.nanos_above() / processors as f64)
        }
        Floor::CpuAbove(part) => format!("CPU ≤ +{:.0} %", part * 100.0),
        Floor::PeakMegabytes(limit) => format!("≤ {limit} MB"),
        Floor::LatencyNotAbove => "p50, p99 not above".to_owned(),
    }
}

fn latency_cell(runs: &[Figures]) -> String {
    let (p50, p99) = latencies(runs);
    format!("{:.2}, {:.2}", p50 * 1e3, p99 * 1e3)
}

/// Returns the medians over the runs of p50 and p99.
fn latencies(runs: &[Figures]) -> (f64, f64) {
    (median_of(runs, |run| run.latency_p50_seconds), median_of(runs, |run| run.latency_p99_seconds))
}

fn cpu_nanos(runs: &[Figures]) -> f64 {
    median_of(runs, |run| run.cpu_nanos_per_span)
}

/// Returns the largest resident set of any run.
fn peak_megabytes(runs: &[Figures]) -> f64 {
    runs.iter().map(|run| run.peak_rss_bytes).max().unwrap_or_default() as f64 / 1e6
}

fn median_of(runs: &[Figures], value: impl Fn(&Figures) -> f64) -> f64 {
    median(&sorted(runs.iter().map(value).collect()))
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Returns the median of sorted values; NaN for none.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}
