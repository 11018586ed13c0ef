//! What is remembered of one series, and the expectation that follows from it.

use model::{Maturity, Statistic, Timestamp};
use stats::{Half, PageHinkley, Quantum};

use super::{
    calendar::{DAY_SECONDS, HOURS, Moment},
    rhythm::{DayProfile, WeekProfile, unit, value},
    working::least_scale,
};

/// Windows after which anything is told at all.
pub(super) const FIRST_SAMPLES: u32 = 60;

/// The memory of one series. All values are on the working scale; profiles are in `unit`s of it.
///
/// *Cost*: constant; see the test that asserts it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct SeriesState {
    /// End of the last window with a row.
    pub(super) seen_at: Timestamp,
    /// Moves with a time constant of a day; stands still on the first day, as what the profile is measured
    /// from.
    pub(super) level: f64,
    pub(super) aside: Aside,
    /// The level of whole weeks, from `level`: what the offsets of the week are measured from.
    pub(super) weekly_offset: f32,
    /// Where the last ten minutes were, from level and season.
    pub(super) fast: f32,
    /// Mean absolute error of the prediction.
    pub(super) spread: f32,
    /// Mean absolute distance from level and season, over days: how far the fast level is used to go.
    pub(super) wander: f32,
    /// Mean distance from level and season, over the last hour.
    pub(super) recent: f32,
    /// Mean absolute error over the last hour.
    pub(super) recent_spread: f32,
    pub(super) n_samples: u32,
    /// Time that was learned from.
    pub(super) covered_seconds: u32,
    /// Share of the last day in which the series had rows.
    pub(super) presence: f32,
    /// When the series last had a row, by the processor's count of seconds with data.
    pub(super) active_at: u32,
    /// How long the level has stayed away.
    pub(super) shifted_seconds: f32,
    pub(super) drift: PageHinkley,
    pub(super) unit_exponent: i16,
    pub(super) n_shifts: u16,
    pub(super) flags: u8,
    /// Where the last sample lay; [`NOWHERE`] before the first.
    pub(super) bin: u8,
    pub(super) part: u8,
    pub(super) day: DayProfile,
    pub(super) week: WeekProfile,
    /// Mean absolute error of each hour, in parts of `spread`; 0 for hours not seen.
    pub(super) hours: [Half; HOURS],
}

/// What some statistics need beside.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Aside {
    Nothing,
    /// The step that values are multiples of.
    Step(Quantum),
    /// Errors and observations of windows that have too few of their own, and the time they took.
    Pool {
        errors: f64,
        support: f32,
        seconds: f32,
    },
}

impl Aside {
    pub(super) const EMPTY_POOL: Self = Self::Pool { errors: 0.0, support: 0.0, seconds: 0.0 };
}

pub(super) const NOWHERE: u8 = u8::MAX;

/// The prediction makes use of the daily profile.
pub(super) const SEASON_ON: u8 = 1;
/// The prediction makes use of the offsets of the week.
pub(super) const WEEK_ON: u8 = 2;
/// The daily profile began as that of another series of the service.
pub(super) const INHERITED: u8 = 4;
/// The last hour was worse than expected.
pub(super) const DEGRADED: u8 = 8;
/// The level has stayed away upwards.
pub(super) const SHIFTED_UP: u8 = 16;

/// What a window is expected to bring.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Prediction {
    pub(super) value: f64,
    /// What repeats with day and week.
    pub(super) seasonal: f64,
    /// The usual deviation.
    pub(super) scale: f64,
}

impl SeriesState {
    pub(super) fn new(statistic: Statistic) -> Self {
        let aside = match statistic {
            Statistic::ErrorRatio => Aside::EMPTY_POOL,
            Statistic::Mean => Aside::Step(Quantum::default()),
            _ => Aside::Nothing,
        };
        Self {
            seen_at: Timestamp::default(),
            level: 0.0,
            aside,
            weekly_offset: 0.0,
            fast: 0.0,
            spread: 0.0,
            wander: 0.0,
            recent: 0.0,
            recent_spread: 0.0,
            n_samples: 0,
            covered_seconds: 0,
            presence: 0.0,
            active_at: 0,
            shifted_seconds: 0.0,
            drift: PageHinkley::default(),
            unit_exponent: 0,
            n_shifts: 0,
            flags: 0,
            bin: NOWHERE,
            part: NOWHERE,
            day: DayProfile::default(),
            week: WeekProfile::default(),
            hours: [Half::default(); HOURS],
        }
    }

    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u8, on: bool) {
        if on { self.flags |= flag } else { self.flags &= !flag }
    }

    /// How much is known of the series.
    pub(super) fn maturity(&self) -> Maturity {
        if self.n_samples < FIRST_SAMPLES {
            Maturity::Insufficient
        } else if u64::from(self.covered_seconds) < DAY_SECONDS {
            Maturity::Gross
        } else if self.is(SEASON_ON) && self.is(WEEK_ON) {
            Maturity::Weekly
        } else if self.is(SEASON_ON) && !self.is(INHERITED) {
            Maturity::Daily
        } else {
            Maturity::Level
        }
    }

    /// Returns the part of the expectation that repeats.
    pub(super) fn seasonal(&self, moment: &Moment) -> f64 {
        let of_day = if self.is(SEASON_ON) { self.day.at(&moment.of_day) } else { 0.0 };
        let of_week = if self.is(WEEK_ON) { self.week.shrunken(&moment.of_week) } else { 0.0 };
        (of_day + of_week) * unit(self.unit_exponent)
    }

    /// Returns the expectation. Of an observation it uses the support alone.
    pub(super) fn predict(&self, moment: &Moment, statistic: Statistic, support: f64) -> Prediction {
        let seasonal = self.seasonal(moment);
        let value = self.level + seasonal + f64::from(self.fast);
        let by_hour = value_or_one(self.hours[moment.hour]);
        let usual = f64::from(self.spread) * (0.5 + 0.5 * by_hour);
        let scale = usual.max(least_scale(statistic, value, support, self.step()));
        Prediction { value, seasonal, scale }
    }

    /// Returns the step that values are multiples of, if they are.
    fn step(&self) -> Option<f64> {
        match &self.aside {
            Aside::Step(quantum) => quantum.step(),
            _ => None,
        }
    }
}

/// An hour that was not seen is like the others.
fn value_or_one(of_hour: Half) -> f64 {
    if of_hour.bits == 0 { 1.0 } else { value(of_hour) }
}
