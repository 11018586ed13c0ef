//! Faults in PetShop: metrics of components, a point a minute.
//!
//! The source has a point for five minutes. Time runs five times as fast here, so that each point has one of the windows
//! that are judged by default; requests are as many as there were. There are no traces: who calls whom is configured.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};

use super::case::{Case, Corpus, TOLD_AFTER};
use super::telemetry::{Metric, Origin, Point, SECOND, Telemetry};
use crate::petshop::{self, Recording, STEP, Truth};

/// A point each so much in place of [`STEP`].
const POINT: u64 = 60 * SECOND;
/// Any instant will do: 2023-04-18.
const EPOCH: u64 = 1_681_776_000 * SECOND;
/// The parts of the recording without a fault from which on its authors judge it: from the half on, each tenth.
const SPLIT_EVERY: f64 = 0.1;
/// The last split leaves more points than this.
const LAST_SPLIT_POINTS: usize = 3;

/// The points that show a fault, from the one in which it began; the recordings go on when it is over.
const FAULT_POINTS: u64 = 3;

/// What stands for a metric and a statistic of the source, and how many of its unit one in the table is.
static COLUMNS: [((&str, &str), Metric, f64); 7] = [
    (("latency", "Average"), gauge("latency.mean", "s"), 1.0),
    (("latency", "p50"), gauge("latency.p50", "s"), 1.0),
    (("latency", "p90"), gauge("latency.p90", "s"), 1.0),
    (("latency", "p95"), gauge("latency.p95", "s"), 1.0),
    (("latency", "p99"), gauge("latency.p99", "s"), 1.0),
    (("requests", "Sum"), Metric { name: "requests", unit: "{request}", is_count: true }, 1.0),
    (("availability", "Average"), gauge("availability", "1"), 1e-2),
];

const fn gauge(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit, is_count: false }
}

/// Reads all faults of every `petshop-*` in a folder of data.
pub(super) fn corpora(data: &Path) -> Result<Vec<Corpus>> {
    let mut folders = Vec::new();
    if data.is_dir() {
        for entry in fs::read_dir(data).with_context(|| format!("reading {}", data.display()))? {
            folders.push(entry?.path());
        }
    }
    folders.sort();
    let is_shop = |folder: &Path| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("petshop-")) && folder.join("noissue/metrics.csv").is_file()
    };
    let folders = folders.iter().filter(|folder| is_shop(folder));
    folders.map(|folder| corpus(folder).with_context(|| folder.display().to_string())).collect()
}

fn corpus(folder: &Path) -> Result<Corpus> {
    let graph = folder.join("graph.csv");
    let graph = fs::read_to_string(&graph).with_context(|| format!("reading {}", graph.display()))?;
    let healthy = Recording::read(&folder.join("noissue/metrics.csv"))?;
    let first = *healthy.seconds.first().context("there are no points")?;
    let last = *healthy.seconds.last().context("there are no points")?;
    let end = at(last + STEP, first, EPOCH);
    let mut cases = Vec::new();
    for issue in petshop::issues(folder)? {
        cases.push(case(&issue, end).with_context(|| issue.display().to_string())?);
    }
    let n_points = healthy.seconds.len();
    let splits = (n_points / 2..n_points.saturating_sub(LAST_SPLIT_POINTS))
        .step_by(((n_points as f64 * SPLIT_EVERY) as usize).max(1))
        .map(|point| at(healthy.seconds[point], first, EPOCH));
    let name = folder.file_name().unwrap_or_default().to_string_lossy().replace('-', " ");
    Ok(Corpus {
        title: name.replacen("petshop", "PetShop,", 1),
        splits: splits.collect(),
        baseline: telemetry(&healthy, first, EPOCH),
        begin: EPOCH,
        end,
        copies: 1,
        calls: petshop::calls(&graph)?,
        time_factor: STEP as u64 * SECOND / POINT,
        cases,
    })
}

fn case(issue: &Path, begin: u64) -> Result<Case> {
    let truth = Truth::read(issue)?;
    let fault = Recording::read(&issue.join("metrics.csv"))?;
    let first = *fault.seconds.first().context("there are no points")?;
    let last = *fault.seconds.last().context("there are no points")?;
    let parts: Vec<_> =
        issue.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
    let begin_of_fault = at(truth.target.timestamp, first, begin);
    Ok(Case {
        name: parts.into_iter().rev().collect::<Vec<_>>().join("/"),
        kind: truth.target.metric,
        cause: truth.root_cause.node,
        telemetry: telemetry(&fault, first, begin),
        begin: begin_of_fault,
        end: at(last + STEP, first, begin),
        again: 0,
        judged_at: begin_of_fault + FAULT_POINTS * POINT + TOLD_AFTER,
    })
}

/// Returns where an instant of the source is, of which `first` is at `begin`.
fn at(seconds: i64, first: i64, begin: u64) -> u64 {
    begin.saturating_add_signed((seconds - first) * (POINT / STEP as u64) as i64)
}

/// Makes points of a recording, each in the middle of its window.
fn telemetry(recording: &Recording, first: i64, begin: u64) -> Telemetry {
    let mut origins: HashMap<&str, Rc<Origin>> = HashMap::new();
    let mut telemetry = Telemetry::default();
    for column in &recording.columns {
        let is_it =
            |(name, ..): &&((&str, &str), Metric, f64)| *name == (&*column.metric, &*column.statistic);
        let Some((_, metric, factor)) = COLUMNS.iter().find(is_it) else { continue };
        let origin = origins.entry(&column.component).or_insert_with(|| {
            Rc::new(Origin { service: column.component.clone(), instance: String::new() })
        });
        telemetry.points.extend(recording.points(column).into_iter().map(|(seconds, value)| Point {
            origin: Rc::clone(origin),
            metric,
            time: at(seconds, first, begin) + POINT / 2,
            value: value * factor,
        }));
    }
    telemetry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_of_five_minutes_is_one_of_one_minute() {
        let text = "microservice,site,site\nmetric,availability,requests\nstatistic,Average,Sum\nunix_timestamp,,\n\
                    300.0,98,40\n600.0,,41\n";
        let recording = Recording::parse(text).expect("it is well formed");
        let told = telemetry(&recording, 300, EPOCH);
        let points: Vec<_> =
            told.points.iter().map(|point| (point.metric.name, point.time - EPOCH, point.value)).collect();
        let half = POINT / 2;
        assert_eq!(
            points,
            [("availability", half, 0.98), ("requests", half, 40.0), ("requests", POINT + half, 41.0)]
        );
    }
}
