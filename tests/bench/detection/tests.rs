//! The scorers on cases worked out by hand, and against plain and slow ones.

mod alerts;
mod corpora;
mod nab;
mod outputs;

use std::path::PathBuf;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::corpus::{Corpus, Series, Window};

/// Points of five minutes.
fn series(n_points: usize, windows: &[(usize, usize)]) -> Series {
    let windows = windows.iter().map(|&(first, last)| Window { first, last, scale: None }).collect();
    let seconds = (0..n_points as i64).map(|point| point * 300).collect();
    Series::new("made.csv".to_owned(), PathBuf::from("made.csv"), seconds, vec![0.0; n_points], windows)
}

fn corpus(series: Vec<Series>) -> Corpus {
    Corpus { title: "made".to_owned(), series, is_nab: true }
}

/// Two series of four days, with windows in both.
fn two_series() -> Corpus {
    corpus(vec![series(1200, &[(300, 360), (800, 805)]), series(1000, &[(500, 599)])])
}

/// Scores of few different values, so that ties are common.
fn random_scores(corpus: &Corpus, seed: u64, n_values: u32) -> Vec<Vec<f64>> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut score = || f64::from(random.random_range(0..n_values));
    corpus.series.iter().map(|series| series.values.iter().map(|_| score()).collect()).collect()
}

fn at_least(scores: &[Vec<f64>], threshold: f64) -> Vec<Vec<bool>> {
    scores.iter().map(|scores| scores.iter().map(|score| *score >= threshold).collect()).collect()
}

/// Detections at the given points of a single series.
fn only(n_points: usize, points: &[usize]) -> Vec<Vec<bool>> {
    vec![(0..n_points).map(|point| points.contains(&point)).collect()]
}
