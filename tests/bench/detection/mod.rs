//! Scores detectors on labelled series: the Numenta Anomaly Benchmark, and years made here.
//!
//! `cargo run --release -p bench -- detection`; see README.md beside this file for what each figure is.
//! Nothing is fitted to the scored files: each row's settings are fixed, and where a figure chooses a
//! threshold on the labels its heading says so.

mod baselines;
mod corpus;
mod cpu;
mod events;
mod figures;
mod nab;
mod peers;
mod petshop;
mod points;
mod rows;
mod subject;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use self::corpus::Corpus;
use self::figures::Figures;
use self::rows::{Outcome, Row};
use crate::table;

/// Scores detectors on labelled series.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows to score; all when none is named.
    rows: Vec<String>,
    /// Folder that holds the public data as `nab/windows.json` and `nab/data/`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Score years made here instead of public data, by the five minutes, as many for each metric.
    #[arg(long, value_name = "N")]
    years: Option<u64>,
    /// Judge the faults of PetShop instead, by trueline alone.
    #[arg(long, conflicts_with_all = ["years", "rows"])]
    petshop: bool,
    /// A trueline binary, instead of building this tree's.
    #[arg(long, value_name = "FILE")]
    trueline: Option<PathBuf>,
    #[command(flatten)]
    output: table::Output,
}

/// Scores every row and writes the tables to stdout.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.petshop {
        return judge_petshop(args);
    }
    let rows = rows::named(&args.rows)?;
    let folder = tempfile::tempdir().context("making a folder for the series")?;
    let corpus = match args.years {
        Some(n_years) => {
            ensure!((1..=100).contains(&n_years), "--years is {n_years}, must be from 1 to 100");
            Corpus::synthetic(n_years, folder.path())?
        }
        None => {
            let data = args.data.clone().unwrap_or_else(default_data);
            let Some(corpus) = Corpus::nab(&data.join("nab"))? else {
                eprintln!(
                    "no public data in {}: nothing is scored; name its folder with --data",
                    data.display()
                );
                return Ok(());
            };
            corpus
        }
    };
    let outcomes = score_all(&rows, &corpus, args.trueline.as_deref())?;
    ensure!(!outcomes.is_empty(), "no row could be scored");
    let figures: Vec<Figures> = outcomes.iter().map(|outcome| Figures::of(&corpus, outcome)).collect();
    let report = figures::report(&corpus, &figures);
    args.output.write(&report, "detection")
}

fn judge_petshop(args: &Args) -> Result<()> {
    let data = args.data.clone().unwrap_or_else(default_data).join("petshop-low-traffic");
    let mut subject = subject::Lazy::new(args.trueline.as_deref());
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("detection/configs/trueline.yaml");
    let Some(report) = petshop::report(&data, subject.binary()?, &config)? else {
        eprintln!("no public data in {}: nothing is judged; name its folder with --data", data.display());
        return Ok(());
    };
    args.output.print(&report)
}

/// Scores one row after the other. A row whose program is missing is left out and said on stderr.
fn score_all(rows: &[Row], corpus: &Corpus, trueline: Option<&Path>) -> Result<Vec<Outcome>> {
    let mut subject = subject::Lazy::new(trueline);
    let mut outcomes = Vec::new();
    for row in rows {
        eprintln!("{}: {} points", row.name, corpus.n_points());
        match row.score(corpus, &mut subject) {
            Ok(outcome) => {
                outcome.check(corpus).with_context(|| format!("row {}", row.name))?;
                outcomes.push(outcome);
            }
            Err(problem) => eprintln!("{} is left out: {problem:#}", row.name),
        }
    }
    Ok(outcomes)
}

fn default_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")
}
