//! Forecasts of thirty days ahead that wait for their day, of series without a history.

use stats::{Conformal, Half};

use super::{
    hours::{NOTHING, REACH, encode, exponent_for, unit_of},
    trend::MONTH_DAYS,
};

/// What is foretold on every second day is kept: neighbours are wrong together, and teach little more.
const EVERY: usize = 2;
/// Greater means are none: forecasts go beyond the values that they follow from, but not so far.
pub(super) const GREATEST: f64 = f32::MAX as f64;
pub(super) const AWAITED_DAYS: usize = MONTH_DAYS as usize / EVERY;

/// What was foretold of the days to come, and how wrong it was before.
///
/// Forecasts are kept as deviations from a base that follows them, as the hours of a day are. Packed, lest the base is
/// followed by room for another.
///
/// *Cost*: 64 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(2))]
pub(super) struct Month {
    pub(super) base: f64,
    /// Of the unit, as a power of two.
    pub(super) exponent: i8,
    pub(super) errors: Conformal,
    /// Means of days, by half the day since the epoch; not a number where none was foretold.
    pub(super) awaited: [Half; AWAITED_DAYS],
}

impl Month {
    pub(super) fn new(confidence: f64) -> Self {
        let errors = Conformal::new(confidence);
        Self { base: 0.0, exponent: 0, errors, awaited: [NOTHING; AWAITED_DAYS] }
    }

    /// Makes a month of forecasts with more digits, NaN where none was foretold.
    pub(super) fn of_singles(awaited: [f32; AWAITED_DAYS], errors: Conformal) -> Self {
        let mut month = Self { base: 0.0, exponent: 0, errors, awaited: [NOTHING; AWAITED_DAYS] };
        for (place, foretold) in awaited.into_iter().enumerate().filter(|(_, foretold)| !foretold.is_nan()) {
            month.await_value(place, Some(f64::from(foretold)));
        }
        month
    }

    /// Whether anything was foretold or judged.
    pub(super) fn has_begun(&self) -> bool {
        self.errors != Conformal { miscoverage: self.errors.miscoverage, ..Conformal::new(0.5) }
            || !self.is_empty()
    }

    fn is_empty(&self) -> bool {
        (0..AWAITED_DAYS).all(|place| self.told(place).is_none())
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
            if let Some(place) = place_of(day.saturating_sub(missed)) {
                self.await_value(place, None);
            }
        }
        let place = place_of(day)?;
        let foretold = self.told(place);
        self.await_value(place, told);
        self.errors.update(mean - foretold?, confidence)
    }

    /// Returns what waits at a place.
    pub(super) fn told(&self, place: usize) -> Option<f64> {
        let deviation = f64::from(self.awaited[place].to_f32());
        (!deviation.is_nan()).then(|| self.base + deviation * unit_of(self.exponent))
    }

    fn await_value(&mut self, place: usize, value: Option<f64>) {
        let value = value.filter(|value| value.abs() <= GREATEST);
        self.awaited[place] = NOTHING;
        if let Some(value) = value
            && (place == 0 || self.is_empty() || (value - self.base).abs() > REACH * unit_of(self.exponent))
        {
            // At least once a month, lest halves tell how far the base is.
            self.fit(value);
        }
        self.awaited[place] = value.map_or(NOTHING, |value| encode(value - self.base, self.exponent));
    }

    /// Tells all forecasts from another base, in a unit for the greatest of them.
    fn fit(&mut self, base: f64) {
        let before = *self;
        let told = (0..AWAITED_DAYS).filter_map(|place| before.told(place));
        let greatest = told.map(|value| (value - base).abs()).fold(0.0, f64::max);
        self.base = base;
        self.exponent = exponent_for(if greatest > 0.0 { greatest } else { base.abs() });
        for place in 0..AWAITED_DAYS {
            let told = before.told(place);
            self.awaited[place] = told.map_or(NOTHING, |value| encode(value - base, self.exponent));
        }
    }
}

/// Returns where a day's forecast is kept; none for odd days.
fn place_of(day: u16) -> Option<usize> {
    let day = usize::from(day);
    day.is_multiple_of(EVERY).then_some(day / EVERY % AWAITED_DAYS)
}
