//! The rows of the tables: which detectors there are, and what each one says.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::corpus::{Corpus, Series};
use super::subject::Lazy;
use super::{baselines, cpu, peers, subject};

/// A detector to score.
pub(super) struct Row {
    pub(super) name: String,
    source: Source,
}

enum Source {
    /// A configuration of ours.
    Trueline { config: PathBuf },
    /// A rule computed here, and the score from which on it alerts where it has one.
    Baseline { score: fn(&Series) -> Vec<f64>, level: Option<f64> },
    /// A row of `peers/peers.py`, and the score from which on it alerts where its authors name one.
    Peer { name: &'static str, level: Option<f64> },
}

/// What a row says about every point.
pub(super) struct Outcome {
    pub(super) name: String,
    /// For each series and point; what a higher score means is the row's own affair.
    pub(super) scores: Vec<Vec<f64>>,
    /// Whether each point is an anomaly by the row's fixed level, where it has one.
    pub(super) detected: Option<Vec<Vec<bool>>>,
    pub(super) cpu_micros_per_point: f64,
}

/// Returns the rows of these names, or all.
///
/// *Errors*: a name is not known.
pub(super) fn named(names: &[String]) -> Result<Vec<Row>> {
    let all = all()?;
    let known: Vec<_> = all.iter().map(|row| row.name.clone()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        bail!("row is {unknown}, must be one of {}", known.join(", "));
    }
    Ok(all.into_iter().filter(|row| names.is_empty() || names.contains(&row.name)).collect())
}

fn all() -> Result<Vec<Row>> {
    let baseline =
        |name: &str, score, level| Row { name: name.to_owned(), source: Source::Baseline { score, level } };
    let baselines = [
        baseline("random", baselines::random as fn(&Series) -> Vec<f64>, None),
        baseline("max-z", baselines::max_z, Some(3.0)),
        baseline("band", baselines::band, Some(1.0)),
    ];
    let peer =
        |name: &str, peer, level| Row { name: name.to_owned(), source: Source::Peer { name: peer, level } };
    let peers = [
        peer("river-hst", "half_space_trees", None),
        peer("rrcf", "robust_random_cut_forest", None),
        // Its guide alerts outside the interval of 99 %.
        peer("statsforecast", "statsforecast", Some(2.575_829)),
    ];
    Ok(ours()?.into_iter().chain(baselines).chain(peers).collect())
}

/// Returns a row for each file of `configs/`, that of the whole product first.
fn ours() -> Result<Vec<Row>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("detection/configs");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut rows = Vec::new();
    for entry in entries {
        let config = entry?.path();
        let name = config.file_stem().context("a configuration has no name")?.to_string_lossy().into_owned();
        rows.push(Row { name, source: Source::Trueline { config } });
    }
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(rows)
}

impl Row {
    /// Scores every point of every series, each from that point and those before it.
    pub(super) fn score(&self, corpus: &Corpus, trueline: &mut Lazy) -> Result<Outcome> {
        match &self.source {
            Source::Trueline { config } => {
                let said = subject::detect(trueline.binary()?, config, corpus)?;
                Ok(self.outcome(corpus, said.scores, Some(said.anomalous), said.cpu_seconds))
            }
            Source::Baseline { score, level } => {
                let (scores, elapsed) = cpu::fastest(|| corpus.series.iter().map(*score).collect::<Vec<_>>());
                let detected = level.map(|level| at_level(&scores, level));
                Ok(self.outcome(corpus, scores, detected, elapsed.as_secs_f64()))
            }
            Source::Peer { name, level } => {
                let (scores, cpu_seconds) = peers::score(name, corpus)?;
                let detected = level.map(|level| at_level(&scores, level));
                Ok(self.outcome(corpus, scores, detected, cpu_seconds))
            }
        }
    }

    fn outcome(
        &self,
        corpus: &Corpus,
        scores: Vec<Vec<f64>>,
        detected: Option<Vec<Vec<bool>>>,
        cpu_seconds: f64,
    ) -> Outcome {
        let cpu_micros_per_point = 1e6 * cpu_seconds / corpus.n_points().max(1) as f64;
        Outcome { name: self.name.clone(), scores, detected, cpu_micros_per_point }
    }
}

impl Outcome {
    /// Refuses an outcome that does not tell a number for every point.
    pub(super) fn check(&self, corpus: &Corpus) -> Result<()> {
        for (series, scores) in corpus.series.iter().zip(&self.scores) {
            let n_points = series.values.len();
            ensure!(
                scores.len() == n_points,
                "{}: {} scores for {n_points} points",
                series.name,
                scores.len()
            );
            let wrong = scores.iter().position(|score| !score.is_finite());
            ensure!(wrong.is_none(), "{}: the score of point {wrong:?} is not a number", series.name);
        }
        ensure!(self.scores.len() == corpus.series.len(), "scores for {} series", self.scores.len());
        Ok(())
    }
}

fn at_level(scores: &[Vec<f64>], level: f64) -> Vec<Vec<bool>> {
    scores.iter().map(|scores| scores.iter().map(|score| *score >= level).collect()).collect()
}
