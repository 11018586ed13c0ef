//! What learning needs beside the states, and what it counts.

use super::{ForecastConfig, state::Contest};

/// Horizons by their place in every list: an hour, a day, thirty days.
pub(super) const HOUR_AHEAD: usize = 0;
pub(super) const DAY_AHEAD: usize = 1;
pub(super) const MONTH_AHEAD: usize = 2;

/// One per processor.
#[derive(Clone, Debug, Default)]
pub(super) struct Learning {
    /// Share of values that are to lie within intervals.
    pub(super) confidence: f64,
    /// Whether thirty days ahead is foretold for all.
    pub(super) is_month_told: bool,
    pub(super) scratch: Vec<f64>,
    /// Since it was last read.
    pub(super) tally: Tally,
}

/// Forecasts that were judged once their time had come, by horizon, and models that were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    pub(super) within: [u64; 3],
    pub(super) outside: [u64; 3],
    pub(super) replaced: u64,
    pub(super) kept: u64,
}

impl Learning {
    pub(super) fn new(config: &ForecastConfig) -> Self {
        let [.., is_month_told] = config.tells();
        Self { confidence: config.confidence, is_month_told, ..Self::default() }
    }
}

impl Tally {
    /// Counts whether a value lay within its interval; nothing where there was none.
    pub(super) fn judge(&mut self, horizon: usize, is_within: Option<bool>) {
        match is_within {
            Some(true) => self.within[horizon] += 1,
            Some(false) => self.outside[horizon] += 1,
            None => {}
        }
    }

    pub(super) fn settle(&mut self, contest: Option<Contest>) {
        match contest {
            Some(Contest::Replaced) => self.replaced += 1,
            Some(Contest::Kept) => self.kept += 1,
            None => {}
        }
    }
}
