//! NAB's scoring: early detections earn, misses and false alarms cost, three profiles weigh them.
//!
//! *Source*: Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms", and the rules of
//! NAB 1.1 as its program applies them.

use super::corpus::{Corpus, Series};

/// What a hit earns, a miss and a false alarm cost.
pub(super) struct Profile {
    pub(super) name: &'static str,
    true_positive: f64,
    false_negative: f64,
    false_positive: f64,
}

/// The three profiles of NAB 1.1.
pub(super) const PROFILES: [Profile; 3] = [
    Profile { name: "standard", true_positive: 1.0, false_negative: 1.0, false_positive: 0.11 },
    Profile { name: "low FP", true_positive: 1.0, false_negative: 1.0, false_positive: 0.22 },
    Profile { name: "low FN", true_positive: 1.0, false_negative: 2.0, false_positive: 0.11 },
];

/// From this many widths behind a window on, a false alarm costs its full weight.
const FAR_BEHIND: f64 = 3.0;

/// The best score that one threshold for all series can reach, and the threshold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swept {
    pub(super) score: f64,
    pub(super) threshold: f64,
}

/// Returns the normalised score of given detections: 0 for none, 100 for one at each window's first point.
pub(super) fn score(corpus: &Corpus, detected: &[Vec<bool>], profile: &Profile) -> f64 {
    let mut tally = Tally::new(corpus, profile);
    for (series_idx, detected) in detected.iter().enumerate() {
        for (point, _) in detected.iter().enumerate().filter(|(_, detected)| **detected) {
            tally.detect(series_idx, point);
        }
    }
    tally.normalised()
}

/// Tries every threshold and returns the best, as NAB prescribes; the threshold has then seen the labels.
pub(super) fn sweep(corpus: &Corpus, scores: &[Vec<f64>], profile: &Profile) -> Swept {
    let mut tally = Tally::new(corpus, profile);
    let mut best = Swept { score: tally.normalised(), threshold: f64::INFINITY };
    for tied in descending(corpus, scores).chunk_by(|one, other| one.score == other.score) {
        for place in tied {
            tally.detect(place.series_idx, place.point);
        }
        let score = tally.normalised();
        if score > best.score {
            best = Swept { score, threshold: tied[0].score };
        }
    }
    best
}

/// A scored point and where it is.
pub(super) struct Place {
    pub(super) score: f64,
    pub(super) series_idx: usize,
    pub(super) point: usize,
}

/// Returns all points that count, those of the highest score first.
pub(super) fn descending(corpus: &Corpus, scores: &[Vec<f64>]) -> Vec<Place> {
    let mut places = Vec::with_capacity(corpus.n_points());
    for (series_idx, (series, scores)) in corpus.series.iter().zip(scores).enumerate() {
        let scored = scores.iter().enumerate().skip(series.probation);
        places.extend(scored.map(|(point, score)| Place { score: *score, series_idx, point }));
    }
    // Stable, so that ties stay in the order of series and points.
    places.sort_by(|one, other| other.score.total_cmp(&one.score));
    places
}

/// The raw score while detections come in, in any order.
struct Tally<'a> {
    profile: &'a Profile,
    /// What a detection is worth, for each series and point.
    worths: Vec<Vec<Worth>>,
    /// What each window has earned so far, for each series.
    earned: Vec<Vec<f64>>,
    raw: f64,
    n_windows: usize,
}

/// What a detection at a point is worth before the profile weighs it.
#[derive(Clone, Copy)]
enum Worth {
    /// In the probation nothing counts.
    Nothing,
    /// Part of what the first point of the window would earn.
    Hit {
        window_idx: usize,
        earns: f64,
    },
    FalseAlarm {
        costs: f64,
    },
}

impl<'a> Tally<'a> {
    fn new(corpus: &Corpus, profile: &'a Profile) -> Self {
        let misses = |series: &Series| vec![-profile.false_negative; series.windows.len()];
        let n_windows = corpus.n_scored_windows();
        Self {
            profile,
            worths: corpus.series.iter().map(worths).collect(),
            earned: corpus.series.iter().map(misses).collect(),
            raw: -profile.false_negative * n_windows as f64,
            n_windows,
        }
    }

    /// Counts a detection; of those in one window only the best earns.
    fn detect(&mut self, series_idx: usize, point: usize) {
        match self.worths[series_idx][point] {
            Worth::Nothing => {}
            Worth::FalseAlarm { costs } => self.raw -= self.profile.false_positive * costs,
            Worth::Hit { window_idx, earns } => {
                let earned = &mut self.earned[series_idx][window_idx];
                let now = earned.max(self.profile.true_positive * earns);
                self.raw += now - *earned;
                *earned = now;
            }
        }
    }

    /// Returns the raw score between that of no detection, 0, and that of the perfect detector, 100.
    fn normalised(&self) -> f64 {
        let n_windows = self.n_windows.max(1) as f64;
        let none = -self.profile.false_negative * self.n_windows as f64;
        let perfect = self.profile.true_positive * n_windows;
        100.0 * (self.raw - none) / (perfect - none)
    }
}

fn worths(series: &Series) -> Vec<Worth> {
    let at = |point| if point < series.probation { Worth::Nothing } else { worth(series, point) };
    (0..series.values.len()).map(at).collect()
}

fn worth(series: &Series, point: usize) -> Worth {
    let n_begun = series.windows.partition_point(|window| window.first <= point);
    let Some(window_idx) = n_begun.checked_sub(1) else { return Worth::FalseAlarm { costs: 1.0 } };
    let window = series.windows[window_idx];
    let width = (window.last - window.first + 1) as f64;
    if window.contains(point) {
        // At the last point one step is still left, so every detection in a window earns something.
        let position = -((window.last - point + 1) as f64) / width;
        return Worth::Hit { window_idx, earns: falling(position) / falling(-1.0) };
    }
    let behind = (point - window.last) as f64 / (width - 1.0);
    Worth::FalseAlarm { costs: -falling(behind) }
}

/// Falls from almost 1 at the begin of a window (-1) over 0 at its end (0) to -1 far behind it.
fn falling(position: f64) -> f64 {
    if position > FAR_BEHIND { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}
