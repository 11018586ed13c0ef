//! Recall and precision of alerts at an equal number of false alarms.
//!
//! Points are what a program computes, alerts are what a person gets: neighbouring points make one alert.

use super::corpus::{Corpus, Series};
use super::nab::descending;

/// Points of one alert are no further apart than this.
const MERGE_POINTS: usize = 10;

/// What a row finds when its threshold is as low as a budget of false alarms allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AtBudget {
    /// Windows that an alert overlaps, of all windows; 0 where the highest scores alone exceed the budget.
    pub(super) recall: f64,
    /// Alerts that overlap a window, of all alerts; none where there is no alert.
    pub(super) precision: Option<f64>,
    /// Infinite where there is no alert.
    pub(super) threshold: f64,
}

/// How many alerts there are, and what they hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alerts {
    pub(super) n_alerts: usize,
    /// Alerts that overlap a window.
    pub(super) n_hits: usize,
    /// Windows that an alert overlaps.
    pub(super) n_found: usize,
}

impl Alerts {
    pub(super) fn n_false(self) -> usize {
        self.n_alerts - self.n_hits
    }

    fn plus(self, other: Self) -> Self {
        Self {
            n_alerts: self.n_alerts + other.n_alerts,
            n_hits: self.n_hits + other.n_hits,
            n_found: self.n_found + other.n_found,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            n_alerts: self.n_alerts - other.n_alerts,
            n_hits: self.n_hits - other.n_hits,
            n_found: self.n_found - other.n_found,
        }
    }
}

/// Lowers the threshold until false alarms exceed each budget, given per series and day in rising order.
///
/// *Cost*: quadratic in the points of a series that are above the lowest threshold tried.
pub(super) fn at_budgets(corpus: &Corpus, scores: &[Vec<f64>], budgets: &[f64]) -> Vec<AtBudget> {
    let days = corpus.scored_days();
    let n_windows = corpus.n_scored_windows().max(1) as f64;
    let mut points: Vec<Vec<usize>> = vec![Vec::new(); corpus.series.len()];
    let mut alerts = vec![Alerts::default(); corpus.series.len()];
    let mut total = Alerts::default();
    let nothing = AtBudget { recall: 0.0, precision: None, threshold: f64::INFINITY };
    let mut found = vec![nothing; budgets.len()];
    let mut n_exceeded = 0;
    for tied in descending(corpus, scores).chunk_by(|one, other| one.score == other.score) {
        for place in tied {
            let points = &mut points[place.series_idx];
            let position = points.partition_point(|point| *point < place.point);
            points.insert(position, place.point);
        }
        for changed in tied.chunk_by(|one, other| one.series_idx == other.series_idx) {
            let series_idx = changed[0].series_idx;
            let now = alerts_of(&corpus.series[series_idx], &points[series_idx]);
            total = total.minus(alerts[series_idx]).plus(now);
            alerts[series_idx] = now;
        }
        let false_per_day = total.n_false() as f64 / days;
        // The first excess ends a budget: what a still lower threshold gains by merging false alarms
        // into few long ones is no merit.
        n_exceeded += budgets[n_exceeded..].iter().take_while(|budget| false_per_day > **budget).count();
        if n_exceeded == budgets.len() {
            break;
        }
        let at_budget = AtBudget {
            recall: total.n_found as f64 / n_windows,
            precision: (total.n_alerts > 0).then(|| total.n_hits as f64 / total.n_alerts as f64),
            threshold: tied[0].score,
        };
        found[n_exceeded..].fill(at_budget);
    }
    found
}

/// Merges points in rising order into alerts. An alert that lasts is given anew each day, so that a
/// detector that is never silent is not one with a single alert.
pub(super) fn alerts_of(series: &Series, points: &[usize]) -> Alerts {
    let points_per_day = series.points_per_day();
    let mut alerts = Alerts::default();
    let mut found = vec![false; series.windows.len()];
    let mut give = |first: usize, last: usize| {
        let mut is_hit = false;
        for (window, found) in series.windows.iter().zip(&mut found) {
            if window.first <= last && first <= window.last {
                *found = true;
                is_hit = true;
            }
        }
        alerts.n_alerts += 1;
        alerts.n_hits += usize::from(is_hit);
    };
    let mut open: Option<(usize, usize)> = None;
    for &point in points {
        open = match open {
            Some((first, last)) if point - last <= MERGE_POINTS && point - first < points_per_day => {
                Some((first, point))
            }
            Some((first, last)) => {
                give(first, last);
                Some((point, point))
            }
            None => Some((point, point)),
        };
    }
    if let Some((first, last)) = open {
        give(first, last);
    }
    alerts.n_found = found.iter().filter(|found| **found).count();
    alerts
}

/// Keeps the first point of each alert, as a notification would.
pub(super) fn openings(detected: &[bool]) -> Vec<bool> {
    let mut last = None;
    let mut opens = |(point, detected): (usize, &bool)| {
        let is_opening = *detected && last.is_none_or(|last| point - last > MERGE_POINTS);
        if *detected {
            last = Some(point);
        }
        is_opening
    };
    detected.iter().enumerate().map(&mut opens).collect()
}

/// Returns the windows of a size that alerts at a threshold overlap, and all windows of that size.
pub(super) fn found_of_scale(
    corpus: &Corpus,
    scores: &[Vec<f64>],
    threshold: f64,
    scale: f64,
) -> (usize, usize) {
    let (mut n_found, mut n_windows) = (0, 0);
    for (series, scores) in corpus.series.iter().zip(scores) {
        for window in series.scored_windows().filter(|window| window.scale == Some(scale)) {
            let first = window.first.max(series.probation);
            n_windows += 1;
            n_found += usize::from(scores[first..=window.last].iter().any(|score| *score >= threshold));
        }
    }
    (n_found, n_windows)
}
