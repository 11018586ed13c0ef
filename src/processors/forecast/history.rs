//! The last ninety days of a capacity, and the model of the next thirty.

use stats::{Conformal, Half, median, theil_sen};

use super::{
    candidates::narrow,
    capacity,
    learning::{Learning, MONTH_AHEAD},
    peaks::Peaks,
    state::Contest,
    trend::{MONTH_DAYS, damped},
};

pub(super) const DAYS: usize = 90;
pub(super) const MONTH: usize = MONTH_DAYS as usize;
pub(super) const WEEK: usize = 7;
/// Days on which a new model is compared with the one in use.
const HELD_BACK: usize = 7;
/// Days that a model is fitted to at least: two of each day of the week.
const LEAST_DAYS: usize = 14;
/// The level is the median of so many last days.
const LEVEL_DAYS: usize = 7;
/// The peaks of so many last days are compared with their means.
const PEAK_DAYS: usize = 28;
/// A half that is not a number stands for a day that is missing.
const MISSING: Half = Half { bits: 0x7e00 };

/// Days, the model, and what it foretold.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// What days are told in: the capacity when the history began.
    pub(super) unit: f64,
    /// Mean, 95th percentile and maximum of each day's windows, the last at the end.
    pub(super) days: [[Half; 3]; DAYS],
    /// The last day, since the epoch.
    pub(super) last_day: u16,
    pub(super) model: Model,
    /// By day modulo 30 the mean that was foretold 30 days before; NaN where none was. In units.
    pub(super) awaited: [f32; MONTH],
    pub(super) month_ahead: Conformal,
    /// Of the same errors those upwards, the others as 0: what a capacity must be ready for.
    pub(super) rises: Conformal,
    /// Windows of the open day.
    pub(super) peaks: Peaks,
    pub(super) greatest: f32,
    /// What was last told of the capacity, as a number of `capacity`.
    pub(super) told: u8,
}

/// How days move: a slope and the days of the week, in units. The level is that of the last days.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Model {
    pub(super) slope: f32,
    /// By day since the epoch modulo 7.
    pub(super) week: [f32; WEEK],
}

impl History {
    pub(super) fn new(unit: f64, confidence: f64) -> Self {
        Self {
            unit,
            days: [[MISSING; 3]; DAYS],
            last_day: 0,
            model: Model::default(),
            awaited: [f32::NAN; MONTH],
            month_ahead: Conformal::new(confidence),
            rises: Conformal::new(capacity::LEVEL),
            peaks: Peaks::default(),
            greatest: f32::NEG_INFINITY,
            told: 0,
        }
    }

    /// Takes a window's value.
    pub(super) fn note(&mut self, value: f64) {
        self.peaks.add(value);
        self.greatest = self.greatest.max(narrow(value));
    }

    /// Drops what was noted of a day with too few hours.
    pub(super) fn forget_today(&mut self) {
        self.peaks = Peaks::default();
        self.greatest = f32::NEG_INFINITY;
    }

    /// Ends a day: judges what was foretold for it, learns it, and lets a new model compete with the one in use.
    pub(super) fn end_day(&mut self, day: u16, mean: f64, learning: &mut Learning) {
        let passed = usize::from(day.saturating_sub(self.last_day).max(1));
        // A forecast whose day was missing comes to nothing.
        for missed in 1..passed.min(MONTH + 1) {
            self.awaited[(usize::from(self.last_day) + missed) % MONTH] = f32::NAN;
        }
        self.push(passed, mean);
        self.last_day = day;
        let awaited = &mut self.awaited[usize::from(day) % MONTH];
        let foretold = std::mem::replace(awaited, f32::NAN);
        if !foretold.is_nan() {
            let error = mean - f64::from(foretold) * self.unit;
            learning.tally.judge(MONTH_AHEAD, self.month_ahead.update(error, learning.confidence));
            self.rises.update(error.max(0.0), capacity::LEVEL);
        }
        learning.tally.settle(self.compete(&mut learning.scratch));
        let told = self.in_a_month(&mut learning.scratch).map_or(f32::NAN, |value| narrow(value / self.unit));
        self.awaited[usize::from(day) % MONTH] = told;
    }

    fn push(&mut self, passed: usize, mean: f64) {
        let passed = passed.min(DAYS);
        self.days.copy_within(passed.., 0);
        self.days[DAYS - passed..].fill([MISSING; 3]);
        // All values may lie at the lower end of the highest bin.
        let p95 = self.peaks.p95().map_or(mean, |p95| p95.min(f64::from(self.greatest)));
        let told = [mean, p95, f64::from(self.greatest)];
        self.days[DAYS - 1] = told.map(|value| Half::nearest((value / self.unit) as f32));
        self.forget_today();
    }

    /// Fits a model to all days but the last, on which it is compared with the one in use. Only a better one
    /// takes its place.
    fn compete(&mut self, scratch: &mut Vec<f64>) -> Option<Contest> {
        let (train, held_back) = (self.points(0..DAYS - HELD_BACK), self.points(DAYS - HELD_BACK..DAYS));
        if train.len() < LEAST_DAYS || held_back.len() < HELD_BACK {
            return None;
        }
        let candidate = Model::fit(&train, scratch)?;
        let mut error = |model: &Model| -> Option<f64> {
            let (origin, level) = model.level(&train, scratch)?;
            let of_day = |&(day, value): &(f64, f64)| (value - model.at(origin, level, day)).abs();
            Some(held_back.iter().map(of_day).sum())
        };
        if error(&candidate)? < error(&self.model)? {
            self.model = candidate;
            return Some(Contest::Replaced);
        }
        Some(Contest::Kept)
    }

    /// Foretells the mean of the day that ends 30 days after the last one; none before a model was tried.
    pub(super) fn in_a_month(&self, scratch: &mut Vec<f64>) -> Option<f64> {
        let points = self.points(0..DAYS);
        let (origin, level) = self.model.level(&points, scratch)?;
        (points.len() >= LEAST_DAYS + HELD_BACK)
            .then(|| self.unit * self.model.at(origin, level, f64::from(self.last_day) + MONTH_DAYS))
    }

    /// Returns the 95th percentile of the last day's windows.
    pub(super) fn last_peak(&self) -> Option<f64> {
        self.days.iter().rev().map(|day| self.told(day[1])).find(|peak| peak.is_finite())
    }

    /// Returns the usual ratio of a day's 95th percentile to its mean, at least 1.
    pub(super) fn peak_ratio(&self, scratch: &mut Vec<f64>) -> f64 {
        scratch.clear();
        for [mean, p95, _] in &self.days[DAYS - PEAK_DAYS..] {
            let (mean, p95) = (self.told(*mean), self.told(*p95));
            if mean > 0.0 && p95.is_finite() {
                scratch.push(p95 / mean);
            }
        }
        median(scratch).unwrap_or(1.0).max(1.0)
    }

    /// Returns the days that are known with their means in units.
    fn points(&self, range: std::ops::Range<usize>) -> Vec<(f64, f64)> {
        let first = f64::from(self.last_day) - (DAYS - 1) as f64;
        let all = range.map(|at| (first + at as f64, f64::from(self.days[at][0].to_f32())));
        all.filter(|(_, value)| value.is_finite()).collect()
    }

    fn told(&self, half: Half) -> f64 {
        f64::from(half.to_f32()) * self.unit
    }
}

impl Model {
    /// Fits a line, days of the week to what is left, and the line again without them.
    fn fit(points: &[(f64, f64)], scratch: &mut Vec<f64>) -> Option<Self> {
        let line = theil_sen(points, scratch)?;
        let mut week = [0.0; WEEK];
        for (day_of_week, offset) in week.iter_mut().enumerate() {
            scratch.clear();
            let of_day = points.iter().filter(|(day, _)| place(*day) == day_of_week);
            scratch.extend(of_day.map(|(day, value)| value - line.slope * day - line.intercept));
            let n_weeks = scratch.len() as f64;
            // Few weeks say little: their offset is drawn to zero.
            *offset = median(scratch).unwrap_or(0.0) * n_weeks / (n_weeks + 2.0);
        }
        let without_week: Vec<_> =
            points.iter().map(|(day, value)| (*day, value - week[place(*day)])).collect();
        let line = theil_sen(&without_week, scratch)?;
        Some(Self { slope: narrow(line.slope), week: week.map(narrow) })
    }

    /// Returns the last day of some and the level at it.
    fn level(&self, points: &[(f64, f64)], scratch: &mut Vec<f64>) -> Option<(f64, f64)> {
        let (origin, _) = *points.last()?;
        scratch.clear();
        let last = &points[points.len().saturating_sub(LEVEL_DAYS)..];
        scratch.extend(last.iter().map(|(day, value)| {
            value - f64::from(self.week[place(*day)]) - f64::from(self.slope) * (day - origin)
        }));
        Some((origin, median(scratch)?))
    }

    fn at(&self, origin: f64, level: f64, day: f64) -> f64 {
        level + f64::from(self.slope) * damped(day - origin) + f64::from(self.week[place(day)])
    }
}

fn place(day: f64) -> usize {
    day.rem_euclid(WEEK as f64) as usize
}
