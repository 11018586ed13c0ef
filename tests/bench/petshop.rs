//! The PetShop data: metrics of components by the five minutes, faults with their causes, and who calls whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// *Units*: seconds.
pub(crate) const STEP: i64 = 300;
/// Lines before the points: component, metric and statistic of each column.
const HEADINGS: usize = 3;

/// A file of metrics.
pub(crate) struct Recording {
    pub(crate) columns: Vec<Column>,
    pub(crate) seconds: Vec<i64>,
    /// By column, then by point; NaN for none.
    values: Vec<Vec<f64>>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Column {
    pub(crate) component: String,
    pub(crate) metric: String,
    pub(crate) statistic: String,
}

#[derive(Deserialize)]
pub(crate) struct Truth {
    pub(crate) target: Target,
    pub(crate) root_cause: Cause,
}

/// What users felt, and when.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) node: String,
    pub(crate) metric: String,
    pub(crate) timestamp: i64,
}

#[derive(Deserialize)]
pub(crate) struct Cause {
    pub(crate) node: String,
}

impl Truth {
    /// Reads what the folder of a fault tells of it.
    pub(crate) fn read(issue: &Path) -> Result<Self> {
        let truth = fs::read_to_string(issue.join("target.json")).context("reading target.json")?;
        serde_json::from_str(&truth).context("reading target.json")
    }
}

/// Returns the folders of all faults.
pub(crate) fn issues(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = BTreeSet::new();
    for part in ["train", "test"] {
        let part = folder.join(part);
        for entry in fs::read_dir(&part).with_context(|| part.display().to_string())? {
            all.insert(entry?.path());
        }
    }
    Ok(all.into_iter().collect())
}

/// Reads who calls whom: of a table with a row for each caller, the columns that are not 0.
pub(crate) fn calls(text: &str) -> Result<Vec<(String, String)>> {
    let mut lines = text.lines();
    let callees: Vec<_> = lines.next().context("the graph is empty")?.split(',').skip(1).collect();
    let mut calls = Vec::new();
    for line in lines {
        let mut cells = line.split(',');
        let caller = cells.next().unwrap_or_default();
        let cells: Vec<_> = cells.collect();
        ensure!(cells.len() == callees.len(), "the row of {caller} has {} cells", cells.len());
        let called = callees.iter().zip(cells).filter(|(_, cell)| cell.parse() != Ok(0.0));
        calls.extend(called.map(|(callee, _)| (caller.to_owned(), (*callee).to_owned())));
    }
    Ok(calls)
}

impl Recording {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("reading {}", path.display()))
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        ensure!(lines.len() > HEADINGS, "there are no points");
        let width = lines[0].len();
        ensure!(lines.iter().all(|line| line.len() == width), "lines have different numbers of columns");
        let column = |at: usize| Column {
            component: lines[0][at].to_owned(),
            metric: lines[1][at].to_owned(),
            statistic: lines[2][at].to_owned(),
        };
        // The line below the headings names the column of times.
        let points =
            || lines[HEADINGS..].iter().filter_map(|line| Some((line[0].parse::<f64>().ok()?, line)));
        let value = |text: &str| text.parse().unwrap_or(f64::NAN);
        Ok(Self {
            columns: (1..width).map(column).collect(),
            seconds: points().map(|(seconds, _)| seconds as i64).collect(),
            values: (1..width).map(|at| points().map(|(_, line)| value(line[at])).collect()).collect(),
        })
    }

    /// Returns the points of a column; none where there is no such column.
    pub(crate) fn points(&self, column: &Column) -> Vec<(i64, f64)> {
        let at = self.columns.iter().position(|it| it == column);
        let values = at.and_then(|at| self.values.get(at)).into_iter().flatten();
        self.seconds.iter().copied().zip(values.copied()).filter(|(_, value)| value.is_finite()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_below_three_headings_and_may_be_missing() {
        let text = "microservice,a,b\nmetric,latency,latency\nstatistic,p90,p90\nunix_timestamp,,\n300.0,1.5,\n600.0,,2\n";
        let recording = Recording::parse(text).expect("it is well formed");
        let [a, b] = &recording.columns[..] else { panic!("two columns") };
        assert_eq!((&*a.component, &*b.statistic), ("a", "p90"));
        assert_eq!((recording.points(a), recording.points(b)), (vec![(300, 1.5)], vec![(600, 2.0)]));
        assert!(Recording::parse("microservice,a\nmetric\nstatistic,p90\nunix_timestamp,\n").is_err());
    }

    #[test]
    fn a_row_of_the_graph_calls_its_columns() {
        let told = calls(",site,search\nsite,0,1\nsearch,0,0.0\n").expect("it is well formed");
        assert_eq!(told, [("site".to_owned(), "search".to_owned())]);
        assert!(calls(",site,search\nsite,0\n").is_err());
    }
}
