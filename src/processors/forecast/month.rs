//! Forecasts of thirty days ahead that wait for their day, of series without a history.

use stats::Conformal;

use super::{candidates::narrow, trend::MONTH_DAYS};

/// What is foretold on every second day is kept: neighbours are wrong together, and teach little more.
const EVERY: usize = 2;
pub(super) const AWAITED_DAYS: usize = MONTH_DAYS as usize / EVERY;

/// What was foretold of the days to come, and how wrong it was before.
///
/// *Cost*: 88 bytes, from the first forecast on.
#[derive(Clone, Debug)]
pub(super) struct Month {
    /// Means of days, by half the day since the epoch; NaN where none was foretold.
    pub(super) awaited: [f32; AWAITED_DAYS],
    pub(super) errors: Conformal,
}

impl Month {
    pub(super) fn new(confidence: f64) -> Self {
        Self { awaited: [f32::NAN; AWAITED_DAYS], errors: Conformal::new(confidence) }
    }

    /// Judges what was foretold for a day that followed the last one after `passed` days, and keeps what is
    /// foretold on it. Returns whether the mean lay within its interval, if there was one.
    pub(super) fn end_day(
        &mut self,
        day: u16,
        passed: u16,
        mean: f64,
        told: Option<f64>,
        confidence: f64,
    ) -> Option<bool> {
        for missed in 1..passed.min(MONTH_DAYS as u16 + 1) {
            if let Some(place) = place(day.saturating_sub(missed)) {
                self.awaited[place] = f32::NAN;
            }
        }
        let told = told.map_or(f32::NAN, narrow);
        let foretold = std::mem::replace(&mut self.awaited[place(day)?], told);
        // Errors that are no numbers, as there was no forecast, teach nothing.
        self.errors.update(mean - f64::from(foretold), confidence)
    }
}

/// Returns where a day's forecast is kept; none for odd days.
fn place(day: u16) -> Option<usize> {
    let day = usize::from(day);
    day.is_multiple_of(EVERY).then_some(day / EVERY % AWAITED_DAYS)
}
