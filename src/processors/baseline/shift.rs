//! When a level that stays away becomes the level, and when a slow drift has moved it.

use stats::huber_clip;

use super::{
    calendar::DAY_SECONDS,
    learn::Pace,
    state::{Aside, Prediction, SEASON_ON, SHIFTED_UP, SeriesState, WEEK_ON},
};

/// A level is away when the fast level is so many times as far from it as usual,
const AWAY: f64 = 4.0;
/// and is back below so many.
const BACK: f64 = 2.0;
/// How long a level must stay away before it is the level, when it is steady there.
const STEADY_SECONDS: f32 = 6.0 * 3600.0;
/// How long at most, steady or not.
const LONGEST_SECONDS: f32 = 24.0 * 3600.0;
/// A level is steady when the last hour's errors are below this part of the shift.
const STEADY: f64 = 1.0 / 3.0;
/// Around a new level more is uncertain.
const WIDENED_BY_SHIFT: f32 = 1.5;
/// After a day without data much more is.
const WIDENED_BY_DAY: f32 = 2.0;

/// What happened to a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Happening {
    LevelShift,
    Drift,
}

impl SeriesState {
    pub(super) fn is_shifted(&self) -> bool {
        self.shifted_seconds > 0.0
    }

    /// How far the fast level usually goes, at least the scale.
    pub(super) fn usual_distance(&self, scale: f64) -> f64 {
        f64::from(self.wander).max(scale)
    }

    /// Looks for a shift after a sample was learned. *Units*: `step` in seconds.
    pub(super) fn watch_level(&mut self, scale: f64, step: f64) -> Option<Happening> {
        if !self.covers_a_day() {
            return None;
        }
        let fast = f64::from(self.fast);
        let distance = fast.abs() / self.usual_distance(scale);
        let is_same_side = self.is(SHIFTED_UP) == (fast > 0.0);
        if self.is_shifted() && distance > BACK && is_same_side {
            self.shifted_seconds += step as f32;
        } else if distance > AWAY {
            self.shifted_seconds = step as f32;
            self.set(SHIFTED_UP, fast > 0.0);
        } else {
            self.shifted_seconds = 0.0;
        }
        let is_steady = f64::from(self.recent_spread) < STEADY * fast.abs();
        let is_over = self.shifted_seconds > STEADY_SECONDS && is_steady;
        (is_over || self.shifted_seconds > LONGEST_SECONDS).then(|| {
            self.anchor();
            self.spread *= WIDENED_BY_SHIFT;
            self.n_shifts = self.n_shifts.saturating_add(1);
            Happening::LevelShift
        })
    }

    /// Looks for a drift, once for each bin of the day: at 4 usual distances it is told after 14 bins, at 1
    /// after 67. Days whose course is not known would look like drifts.
    pub(super) fn watch_drift(&mut self, scale: f64) -> Option<Happening> {
        if !self.is(SEASON_ON) {
            return None;
        }
        let distance = f64::from(self.fast) / self.usual_distance(scale);
        self.drift.update(distance)?;
        self.anchor();
        Some(Happening::Drift)
    }

    /// Makes where the last minutes were the level. The season stays; the level of the week follows once
    /// weekends can be told from shifts.
    fn anchor(&mut self) {
        let by = f64::from(self.fast);
        self.move_level(by);
        if self.is(WEEK_ON) {
            self.weekly_offset += self.fast;
        }
        self.fast = 0.0;
        self.recent = 0.0;
        self.shifted_seconds = 0.0;
        self.drift = Default::default();
    }

    /// Begins anew what compares neighbours in time, after a gap. *Units*: `gap` in seconds, infinite
    /// when unknown.
    pub(super) fn cross_gap(&mut self, value: f64, prediction: &Prediction, gap: f64, pace: &Pace) {
        let from_slow = f64::from(self.fast) + value - prediction.value;
        self.fast = huber_clip(from_slow, AWAY * self.usual_distance(prediction.scale)) as f32;
        self.shifted_seconds = 0.0;
        self.drift = Default::default();
        self.recent = 0.0;
        self.recent_spread = self.spread;
        if gap > (DAY_SECONDS as f64).max(3.0 * pace.width) {
            self.spread *= WIDENED_BY_DAY;
        }
        match &mut self.aside {
            Aside::Step(quantum) => quantum.seen = false,
            Aside::Pool { .. } => self.aside = Aside::EMPTY_POOL,
            Aside::Nothing => {}
        }
    }
}
