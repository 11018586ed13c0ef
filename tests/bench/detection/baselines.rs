//! What a row has to beat: chance, the oldest rule there is, and the rule that dashboards use.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::corpus::Series;

/// The score where something deviates that never did before.
const FAR: f64 = 1e6;

const HOUR_SECONDS: i64 = 3600;
/// A day, and two hours so that yesterday's rise is still in when today's comes.
const BAND_SECONDS: i64 = 26 * HOUR_SECONDS;
const BAND_DEVIATIONS: f64 = 2.0;

/// Scores by chance.
pub(super) fn random(series: &Series) -> Vec<f64> {
    let mut hasher = DefaultHasher::new();
    series.name.hash(&mut hasher);
    let mut random = Pcg64::seed_from_u64(hasher.finish());
    series.values.iter().map(|_| random.random()).collect()
}

/// Scores each point by its distance from the mean of all before it, in their standard deviations.
///
/// *Source*: Welford 1962 for the running variance.
pub(super) fn max_z(series: &Series) -> Vec<f64> {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    let score = |value: &f64| {
        let distance = value - mean;
        let score = if count < 2.0 { 0.0 } else { ratio(distance, f64::sqrt(squares / count)) };
        count += 1.0;
        mean += distance / count;
        squares += distance * (value - mean);
        score
    };
    series.values.iter().map(score).collect()
}

/// Scores each point by its distance from the mean of the last hour, in widths of Grafana's adaptive band.
///
/// *Source*: grafana/promql-anomaly-detection, the short-term band of its adaptive rules: the hour's mean and on each
/// side twice the hourly standard deviation averaged over 26 hours. Without the filters and margins that its
/// users set for each kind of metric.
pub(super) fn band(series: &Series) -> Vec<f64> {
    let mut hour = Window::new(HOUR_SECONDS);
    let mut deviations = Window::new(BAND_SECONDS);
    let points = series.seconds.iter().zip(&series.values);
    let score = |(seconds, value): (&i64, &f64)| {
        hour.push(*seconds, *value);
        deviations.push(*seconds, hour.deviation());
        ratio(value - hour.mean(), BAND_DEVIATIONS * deviations.mean())
    };
    points.map(score).collect()
}

fn ratio(distance: f64, unit: f64) -> f64 {
    match distance.abs() {
        0.0 => 0.0,
        distance if unit > 0.0 => (distance / unit).min(FAR),
        _ => FAR,
    }
}

/// The points of a time that moves along, at most this long.
struct Window {
    seconds: i64,
    points: VecDeque<(i64, f64)>,
}

impl Window {
    fn new(seconds: i64) -> Self {
        Self { seconds, points: VecDeque::new() }
    }

    fn push(&mut self, now: i64, value: f64) {
        self.points.push_back((now, value));
        while self.points.front().is_some_and(|(then, _)| now - then >= self.seconds) {
            self.points.pop_front();
        }
    }

    // Summed anew at each point, as PromQL does: a running sum would drift on long series.
    fn mean(&self) -> f64 {
        self.points.iter().map(|(_, value)| value).sum::<f64>() / self.points.len().max(1) as f64
    }

    fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.points.iter().map(|(_, value)| (value - mean).powi(2)).sum();
        (squares / self.points.len().max(1) as f64).sqrt()
    }
}
