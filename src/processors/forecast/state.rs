//! What is remembered of one series, hour by hour.

use stats::{Bfloat, Conformal};

use super::{
    candidates::{self, Errors, Last, OF_DAY, OF_HOUR, moved, narrow},
    days::Days,
    history::History,
    hours::{DayRing, HOURS},
    learning::{DAY_AHEAD, HOUR_AHEAD, Learning},
    trend::Course,
};

/// A day counts for the trend with at least so many hours: the others are taken from the day before.
const LEAST_HOURS: u8 = 18;
/// The level of tomorrow is drawn halfway to that of the last weeks.
const SHRINKAGE: f64 = 0.5;
/// Of `role`, as long as it is not known.
pub(super) const NO_ROLE: u32 = u32::MAX;
/// Greater values are no measurements.
pub(super) const GREATEST: f64 = 1e30;
/// Deviations from the mean of the day are remembered over a week of hours.
const REMEMBERED_HOURS: u8 = 168;

/// The memory of one series.
///
/// *Cost*: constant; see the test that asserts it.
#[derive(Clone, Debug)]
pub(super) struct SeriesState {
    pub(super) ring: DayRing,
    /// Why the series is forecast, as a number that the processor gave.
    pub(super) role: u32,
    /// End of the last window, in seconds since the epoch.
    pub(super) seen_at: u32,
    /// Over the windows of the open hour: what is above the ring's base, and what of it was cut as an outlier.
    pub(super) sum: f32,
    pub(super) excess: f32,
    pub(super) count: u16,
    /// Hours that were learned, up to the most that a byte tells: those beyond make no difference.
    pub(super) n_hours: u8,
    /// Of the open day.
    pub(super) hours_of_day: u8,
    /// Whether the hour before the open one was learned.
    pub(super) follows: bool,
    /// By how much the hour before the open one was above that of the day before; NaN when one is missing.
    pub(super) seasonal_error: Bfloat,
    pub(super) of_hour: Errors<OF_HOUR>,
    pub(super) of_day: Errors<OF_DAY>,
    /// Mean absolute deviation of hours from the mean of the last day.
    pub(super) deviation: Bfloat,
    /// By how much the level of tomorrow is moved towards that of the last weeks: today's, and yesterday's.
    pub(super) shifts: [Bfloat; 2],
    pub(super) hour_ahead: Conformal,
    /// From the second day on; of capacities from the start.
    pub(super) days: Option<Box<Days>>,
}

/// A window's value as the series' state takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) value: f64,
    /// The value with what is far outside of its band cut off.
    pub(super) kept: f64,
    /// Start and end of the window, in seconds since the epoch.
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Why a value was not learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rejection {
    Unreadable,
    /// Its window is not after the last one of the series.
    OutOfOrder,
}

/// What became of the model of a capacity when a day ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Contest {
    Replaced,
    Kept,
}

impl SeriesState {
    pub(super) fn new(first: &Sample, confidence: f64) -> Self {
        Self {
            ring: DayRing::new(first.value),
            role: NO_ROLE,
            seen_at: first.start,
            sum: 0.0,
            excess: 0.0,
            count: 0,
            n_hours: 0,
            hours_of_day: 0,
            follows: false,
            seasonal_error: Bfloat::NAN,
            of_hour: Errors::default(),
            of_day: Errors::default(),
            deviation: Bfloat::default(),
            shifts: [Bfloat::default(); 2],
            hour_ahead: Conformal::new(confidence),
            days: None,
        }
    }

    /// The open hour, since the epoch: a window that ends with an hour opens the next.
    pub(super) fn hour(&self) -> u32 {
        self.seen_at / 3600
    }

    /// Takes a window's value. With the last one of an hour, or the first of another, the hour is learned.
    ///
    /// A window that is more than an hour older than the last one means that the time was set back: then it
    /// goes on from there.
    pub(super) fn take(&mut self, sample: &Sample, learning: &mut Learning) -> Result<(), Rejection> {
        if !is_readable(sample.value) {
            return Err(Rejection::Unreadable);
        }
        if sample.end <= self.seen_at && self.seen_at - sample.end < 3600 {
            return Err(Rejection::OutOfOrder);
        }
        let hour = sample.start / 3600;
        if hour != self.hour() {
            self.turn_to(hour, learning);
        }
        self.seen_at = sample.start;
        let above_base = sample.value - self.ring.base;
        self.sum = narrow(f64::from(self.sum) + above_base);
        self.excess = narrow(f64::from(self.excess) + (sample.value - sample.kept));
        self.count = self.count.saturating_add(1);
        if let Some(history) = self.history_mut() {
            history.note(sample.value);
        }
        let next_hour = sample.end / 3600;
        if next_hour > self.hour() {
            self.turn_to(next_hour, learning);
        }
        self.seen_at = sample.end;
        Ok(())
    }

    /// Ends the open hour, the day if it was its last, and begins another hour.
    fn turn_to(&mut self, hour: u32, learning: &mut Learning) {
        let is_learned = self.count > 0;
        if is_learned {
            self.learn_hour(learning);
        }
        let before = self.hour();
        let (day, next_day) = (before / HOURS as u32, hour / HOURS as u32);
        if day != next_day {
            self.end_day(day, learning);
        }
        self.follows = is_learned && hour == before + 1;
        if hour > before {
            self.ring.skip(before + u32::from(is_learned), hour);
        } else {
            self.ring.skip(0, HOURS as u32);
        }
        (self.sum, self.excess, self.count) = (0.0, 0.0, 0);
    }

    fn learn_hour(&mut self, learning: &mut Learning) {
        let (n, hour) = (f64::from(self.count), self.hour());
        let value = self.ring.base + f64::from(self.sum) / n;
        let kept = self.ring.base + f64::from(self.sum - self.excess) / n;
        let yesterday = self.ring.value(hour);
        let mean = self.ring.mean();
        self.judge_hour(value, kept, mean, learning);
        if let Some(foretold) = self.ring.awaited(hour) {
            let errors = &mut self.days_mut(learning.confidence).day_ahead;
            learning.tally.judge(DAY_AHEAD, errors.update(value - foretold, learning.confidence));
        }
        if let Some(mean) = mean {
            let gain = 1.0 / f64::from(self.n_hours.clamp(1, REMEMBERED_HOURS));
            let before = f64::from(self.deviation);
            self.deviation = moved(self.deviation, before + gain * ((kept - mean).abs() - before));
        }
        self.n_hours = self.n_hours.saturating_add(1);
        self.hours_of_day = self.hours_of_day.saturating_add(1);
        self.ring.set(hour, kept);
        self.seasonal_error =
            yesterday.map_or(Bfloat::NAN, |yesterday| Bfloat::nearest(narrow(kept - yesterday)));
        let told = self.day_after(hour);
        self.ring.await_value(hour, told);
    }

    /// Compares an hour with what was foretold for it.
    fn judge_hour(&mut self, value: f64, kept: f64, mean: Option<f64>, learning: &mut Learning) {
        let yesterday = self.ring.value(self.hour());
        let told = candidates::of_hour(yesterday, self.last(), mean);
        if let Some(foretold) = self.of_hour.mix(&told).filter(|_| self.follows) {
            // On the first day forecasts know no season; their errors would widen intervals for weeks.
            if yesterday.is_some() {
                learning
                    .tally
                    .judge(HOUR_AHEAD, self.hour_ahead.update(value - foretold, learning.confidence));
            }
            self.of_hour.learn(&told, kept, self.n_hours);
        }
        // The forecast was made yesterday, with the shift of then.
        let told = candidates::of_day(yesterday, f64::from(self.shifts[1]), self.level());
        self.of_day.learn(&told, kept, self.n_hours.saturating_sub(HOURS as u8 - 1));
    }

    /// The hour before the open one; none after a gap.
    fn last(&self) -> Option<Last> {
        let value = self.ring.value(self.hour().checked_sub(1)?).filter(|_| self.follows)?;
        let seasonal_error = f64::from(self.seasonal_error);
        Some(Last { value, seasonal_error: (!seasonal_error.is_nan()).then_some(seasonal_error) })
    }

    /// The mean of the last weeks; none before the first whole day.
    fn level(&self) -> Option<f64> {
        self.days.as_ref()?.trend.level()
    }

    /// Learns a day of which enough hours are known.
    fn end_day(&mut self, day: u32, learning: &mut Learning) {
        let hours = std::mem::take(&mut self.hours_of_day);
        self.ring.centre();
        let is_whole = hours >= LEAST_HOURS && self.ring.is_full();
        let Some(mean) = self.ring.mean().filter(|_| is_whole) else {
            if let Some(history) = self.history_mut() {
                history.forget_today();
            }
            return;
        };
        let day = u16::try_from(day).unwrap_or(u16::MAX);
        let days = self.days_mut(learning.confidence);
        days.end_day(day, mean, learning);
        let shift = SHRINKAGE * (days.trend.mean_value - mean);
        self.shifts = [Bfloat::nearest(narrow(shift)), self.shifts[0]];
    }

    pub(super) fn days_mut(&mut self, confidence: f64) -> &mut Days {
        self.days.get_or_insert_with(|| Box::new(Days::new(confidence)))
    }

    pub(super) fn history_mut(&mut self) -> Option<&mut History> {
        self.days.as_mut()?.history.as_deref_mut()
    }

    /// Begins the adaptation of all intervals anew, for another confidence.
    pub(super) fn turn_to_confidence(&mut self, confidence: f64) {
        self.hour_ahead.turn_to(confidence);
        if let Some(days) = &mut self.days {
            days.turn_to_confidence(confidence);
        }
    }

    /// Foretells the mean of the hour that is open.
    pub(super) fn in_an_hour(&self) -> Option<f64> {
        let last = self.last()?;
        let told = candidates::of_hour(self.ring.value(self.hour()), Some(last), self.ring.mean());
        self.of_hour.mix(&told)
    }

    /// Foretells the mean of the hour that ends 24 hours after the last whole one.
    pub(super) fn in_24_hours(&self) -> Option<f64> {
        self.day_after(self.hour().checked_sub(1)?)
    }

    /// Foretells an hour of the next day from the same one of this, which is known.
    fn day_after(&self, hour: u32) -> Option<f64> {
        let told = candidates::of_day(self.ring.value(hour), f64::from(self.shifts[0]), self.level());
        self.of_day.mix(&told)
    }

    /// What the days say of those to come.
    pub(super) fn course(&self) -> Option<Course> {
        let days = self.days.as_ref()?;
        // From the middle of the trend's last day to the end of the last whole hour.
        let since = f64::from(self.hour()) / HOURS as f64 - (f64::from(days.last_day) + 0.5);
        days.trend.course(since)
    }

    /// Returns half the width of the interval a day ahead.
    pub(super) fn day_interval(&self, confidence: f64) -> Option<f64> {
        self.days.as_ref()?.day_ahead.interval(confidence)
    }

    /// Returns the usual change from an hour to the next, as a share of the mean.
    pub(super) fn volatility(&self) -> Option<f64> {
        let [_, of_last, _] = self.of_hour.0.map(f64::from);
        let mean = self.ring.mean()?.abs();
        (!of_last.is_nan() && mean > 0.0).then(|| of_last / mean)
    }

    /// Returns the share of the variance within days that repeats from day to day.
    pub(super) fn seasonality(&self) -> Option<f64> {
        let ([of_yesterday, ..], deviation) = (self.of_day.0.map(f64::from), f64::from(self.deviation));
        if of_yesterday.is_nan() || deviation <= 0.0 {
            return None;
        }
        // The difference of two days holds the noise of both.
        let unexplained: f64 = (of_yesterday / deviation).powi(2) / 2.0;
        Some((1.0 - unexplained).clamp(0.0, 1.0))
    }

    /// Returns by how much each of the coming 24 hours usually lies above the mean of its day: as much of the
    /// last day's course as repeats.
    pub(super) fn seasons(&self) -> [f64; HOURS] {
        let (Some(mean), Some(share)) = (self.ring.mean(), self.seasonality()) else {
            return [0.0; HOURS];
        };
        std::array::from_fn(|ahead| {
            let value = self.ring.value(self.hour() + ahead as u32);
            value.map_or(0.0, |value| share * (value - mean))
        })
    }
}

fn is_readable(value: f64) -> bool {
    value.abs() <= GREATEST
}
