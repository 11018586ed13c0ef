//! What is usual of a subject, and in which of the last minutes it was not so.

use std::{collections::VecDeque, time::Duration};

use model::Timestamp;
use stats::{MAD_TO_DEVIATION, median_absolute_deviation};

/// A minute is judged by those before it: some minutes to speak at all, half an hour to follow the day.
pub(super) const MIN_CALM: usize = 5;
pub(super) const MAX_CALM: usize = 30;
/// Departures within so many usual deviations are noise, however large the factor: the 95th percentile of a few
/// calls is the slowest of them.
const DEVIATIONS: f64 = 3.0;
/// The minutes that are looked at together, and how many of them must be unusual.
pub(super) const RECENT: usize = 5;
pub(super) const UNUSUAL_OF_RECENT: usize = 3;
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// What is remembered of a subject; some 300 bytes.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Usual {
    /// 95th percentiles of minutes without a bottleneck, the oldest first. *Units*: milliseconds.
    pub(super) calm: VecDeque<f32>,
    /// The oldest first.
    pub(super) recent: VecDeque<Recent>,
    /// When anything was last seen.
    pub(super) seen: Timestamp,
}

/// A minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Recent {
    pub(super) start: Timestamp,
    pub(super) n: u64,
    pub(super) is_over: bool,
}

/// What is usual.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Bounds {
    /// *Units*: milliseconds.
    pub(super) usual: f64,
    pub(super) most: f64,
}

impl Usual {
    /// Returns what is usual, once enough is known. Above `most` it is `factor` times as long, by `least` at least,
    /// and outside of what it usually varies by.
    pub(super) fn bounds(&self, factor: f64, least: f64) -> Option<Bounds> {
        if self.calm.len() < MIN_CALM {
            return None;
        }
        let mut logs: Vec<f64> = self.calm.iter().map(|it| f64::from(it.max(SHORTEST)).ln()).collect();
        let (middle, deviation) = median_absolute_deviation(&mut logs)?;
        let usual = middle.exp();
        let noise = (middle + DEVIATIONS * MAD_TO_DEVIATION * deviation).exp();
        Some(Bounds { usual, most: (usual * factor).max(usual + least).max(noise) })
    }

    pub(super) fn learn(&mut self, millis: f64) {
        if millis.is_finite() {
            if self.calm.len() == MAX_CALM {
                self.calm.pop_front();
            }
            self.calm.push_back(millis as f32);
        }
    }

    pub(super) fn note(&mut self, minute: Recent) {
        self.seen = minute.start;
        self.recent.push_back(minute);
        while self.recent.front().is_some_and(|it| it.start + MINUTE * RECENT as u32 <= minute.start) {
            self.recent.pop_front();
        }
    }

    /// Returns how many of the last minutes were unusual, and all observations within them.
    pub(super) fn recent(&self) -> (usize, u64) {
        let over = self.recent.iter().filter(|minute| minute.is_over).count();
        (over, self.recent.iter().map(|minute| minute.n).fold(0, u64::saturating_add))
    }

    /// Returns when the first of the last unusual minutes began.
    pub(super) fn began(&self) -> Option<Timestamp> {
        self.recent.iter().find(|minute| minute.is_over).map(|minute| minute.start)
    }
}

/// A tenth of a microsecond: nothing is shorter, and zero has no logarithm.
const SHORTEST: f32 = 1e-4;
