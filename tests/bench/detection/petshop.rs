//! Faults of a real application: the low-traffic part of Amazon's PetShop data.
//!
//! Two days without a fault, by the five minutes, and 26 recordings of five windows in which one begins. Each recording
//! follows the two days, as nothing else is known of its past, so what changed between them counts as found too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::corpus::{Corpus, Series};
use super::subject;
use crate::machine::Machine;
use crate::petshop::{Column, Recording, STEP, Truth, issues};
use crate::table::{Report, Table};

const DAY: i64 = 86_400;
/// Columns that have fewer points without a fault are no series.
const LEAST_POINTS: usize = 288;

/// What was found of one fault.
struct Found {
    /// Windows from that in which it began to the first alarm, 1 for the same, at the component that caused it.
    at_cause: Option<usize>,
    at_target: Option<usize>,
    n_components: usize,
    n_alarming_components: usize,
}

/// Judges all recordings; none where there is no such data.
pub(super) fn report(folder: &Path, binary: &Path, config: &Path) -> Result<Option<Report>> {
    let healthy = folder.join("noissue/metrics.csv");
    if !healthy.is_file() {
        return Ok(None);
    }
    let healthy = Recording::read(&healthy)?;
    let (n_series, n_days, n_alarms) = alarms_without_a_fault(&healthy, binary, config)?;
    let mut all = Vec::new();
    for issue in issues(folder)? {
        eprintln!("{}", issue.display());
        all.push(judge(&healthy, &issue, binary, config).with_context(|| issue.display().to_string())?);
    }
    let title = format!(
        "PetShop, low traffic: {} faults after two days without one; {n_series} series of 5 min; {}.",
        all.len(),
        Machine::here().stamp()
    );
    let rate = format!("{:.2}", n_alarms as f64 / n_days);
    let calm = Table {
        caption: "Alarms of single series on the second day without a fault, before anything is withheld."
            .to_owned(),
        heading: ["series-days", "alarms", "per series-day"].map(str::to_owned).into(),
        lines: vec![vec![format!("{n_days:.0}"), n_alarms.to_string(), rate]],
    };
    Ok(Some(Report { title, tables: vec![faults(&all), calm] }))
}

fn faults(all: &[Found]) -> Table {
    let line = |name: &str, windows: fn(&Found) -> Option<usize>| {
        let within = |most: usize| {
            let n_found = all.iter().filter(|found| windows(found).is_some_and(|it| it <= most)).count();
            format!("{n_found} of {}", all.len())
        };
        vec![name.to_owned(), within(1), within(2), within(3), within(usize::MAX)]
    };
    let share: f64 = all.iter().map(|it| it.n_alarming_components as f64 / it.n_components as f64).sum();
    Table {
        caption: format!(
            "Faults with an alarm, by windows from the one in which the fault began. In the mean {:.0} % of the components \
             have one.",
            100.0 * share / all.len().max(1) as f64
        ),
        heading: ["at the component", "within 1", "within 2", "within 3", "at all"].map(str::to_owned).into(),
        lines: vec![line("that is the cause", |it| it.at_cause), line("that users see", |it| it.at_target)],
    }
}

/// Returns the series, their days that count, and the points of alarms in them.
fn alarms_without_a_fault(healthy: &Recording, binary: &Path, config: &Path) -> Result<(usize, f64, usize)> {
    let folder = tempfile::tempdir()?;
    let columns = usual_columns(healthy);
    let corpus = corpus(&columns, folder.path(), |column| healthy.points(column))?;
    let said = subject::detect(binary, config, &corpus)?;
    let first_counted = healthy.seconds.first().context("there are no points")? + DAY;
    let (mut n_points, mut n_alarms) = (0, 0);
    for (series, anomalous) in corpus.series.iter().zip(&said.anomalous) {
        let counted = series.seconds.iter().zip(anomalous).filter(|(seconds, _)| **seconds >= first_counted);
        for (_, is_anomalous) in counted {
            n_points += 1;
            n_alarms += usize::from(*is_anomalous);
        }
    }
    Ok((columns.len(), n_points as f64 * STEP as f64 / DAY as f64, n_alarms))
}

fn judge(healthy: &Recording, issue: &Path, binary: &Path, config: &Path) -> Result<Found> {
    let truth = Truth::read(issue)?;
    let fault = Recording::read(&issue.join("metrics.csv"))?;
    let last = *healthy.seconds.last().context("there are no points")?;
    let moved = last + STEP - fault.seconds.first().context("there are no points")?;
    let columns: Vec<_> =
        usual_columns(healthy).into_iter().filter(|column| fault.columns.contains(column)).collect();
    let folder = tempfile::tempdir()?;
    let corpus = corpus(&columns, folder.path(), |column| {
        let after = fault.points(column).into_iter().map(|(seconds, value)| (seconds + moved, value));
        healthy.points(column).into_iter().chain(after).collect()
    })?;
    let said = subject::detect(binary, config, &corpus)?;
    // A point is told by the beginning of its window.
    let first = (truth.target.timestamp + moved - STEP + 1).max(last + 1);
    let windows_to = |component: Option<&str>| {
        let of = columns.iter().zip(corpus.series.iter().zip(&said.anomalous));
        let of = of.filter(|(column, _)| component.is_none_or(|component| column.component == component));
        let alarms = of.flat_map(|(_, (series, anomalous))| {
            series.seconds.iter().zip(anomalous).filter(|(_, is)| **is).map(|(seconds, _)| *seconds)
        });
        let first_alarm = alarms.filter(|seconds| *seconds >= first).min()?;
        Some(((first_alarm - first) / STEP) as usize + 1)
    };
    let components: BTreeSet<&str> = columns.iter().map(|column| &*column.component).collect();
    Ok(Found {
        at_cause: windows_to(Some(&truth.root_cause.node)),
        at_target: windows_to(Some(&truth.target.node)),
        n_components: components.len(),
        n_alarming_components: components.iter().filter(|it| windows_to(Some(it)).is_some()).count(),
    })
}

/// Writes a file of each column.
fn corpus(columns: &[Column], folder: &Path, points: impl Fn(&Column) -> Vec<(i64, f64)>) -> Result<Corpus> {
    let mut series = Vec::new();
    for (number, column) in columns.iter().enumerate() {
        let (seconds, values): (Vec<_>, Vec<_>) = points(column).into_iter().unzip();
        let name = format!("{number}.csv");
        let path = folder.join(&name);
        let lines = seconds.iter().zip(&values).map(|(seconds, value)| format!("{seconds},{value}\n"));
        let text = "timestamp,value\n".to_owned() + &lines.collect::<String>();
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        series.push(Series::new(name, path, seconds, values, Vec::new()));
    }
    Ok(Corpus { title: String::new(), series, is_nab: false })
}

/// The columns with points enough to be judged by.
fn usual_columns(recording: &Recording) -> Vec<Column> {
    let is_usual = |column: &&Column| recording.points(column).len() >= LEAST_POINTS;
    recording.columns.iter().filter(is_usual).cloned().collect()
}
