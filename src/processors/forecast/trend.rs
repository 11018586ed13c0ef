//! The line through whole days, and when it reaches a value.

use stats::{EwRegression, Line, decay_gain, student_t_quantile};

use super::{candidates::narrow, hours::HOURS};

/// Days after which a day weighs e times less.
const TIME_CONSTANT_DAYS: f64 = 30.0;
/// With less than a week the course of the week looks like a trend.
const LEAST_WEIGHT: f64 = 6.0;
/// A slope below three standard errors, or that explains less than half of the variance, is no trend.
const LEAST_T: f64 = 3.0;
const LEAST_R2: f64 = 0.5;
/// What is left of a trend after another day, 30 days ahead: trends do not go on for ever.
pub(super) const DAMPING: f64 = 0.98;
pub(super) const MONTH_DAYS: f64 = 30.0;
/// What lies further ahead is not told.
const MOST_DAYS: u32 = 3650;
/// Degrees of freedom for which quantiles are kept at hand.
const MOST_FREEDOM: usize = 100;

/// The regression over daily means, in single precision between days but for the mean.
///
/// Packed, lest the whole of the days is as wide as the mean asks for.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[repr(C, packed(4))]
pub(super) struct Trend {
    pub(super) mean_value: f64,
    /// `weight`, `mean_time`, `time_square`, `product`, `value_square` of the regression.
    pub(super) sums: [f32; 5],
    pub(super) squared_weight: [f32; 3],
    /// `residual`, `residual_square`, `residual_product` of the regression.
    pub(super) residuals: [f32; 3],
}

impl Trend {
    /// Adds the mean of a day that ended `step` days after the last.
    pub(super) fn update(&mut self, mean: f64, step: f64) {
        let mut regression = self.regression();
        regression.update(mean, step, decay_gain(step, TIME_CONSTANT_DAYS));
        let EwRegression { weight, mean_time, time_square, product, value_square, .. } = regression;
        *self = Self {
            mean_value: regression.mean_value,
            sums: [weight, mean_time, time_square, product, value_square].map(narrow),
            squared_weight: regression.squared_weight,
            residuals: [regression.residual, regression.residual_square, regression.residual_product],
        };
    }

    /// Returns the mean of the last weeks, or none before the first whole day.
    pub(super) fn level(&self) -> Option<f64> {
        (self.sums[0] > 0.0).then_some(self.mean_value)
    }

    /// Returns what the days say, or none before there is a week of them.
    ///
    /// `since` are the days from the middle of the last day to now.
    pub(super) fn course(&self, since: f64) -> Option<Course> {
        let regression = self.regression();
        if regression.weight < LEAST_WEIGHT {
            return None;
        }
        let line = regression.line()?;
        let unexplained = (regression.value_square - line.slope * regression.product).max(0.0);
        let is_trend = line.t().abs() > LEAST_T && line.r2 > LEAST_R2;
        let squares = if is_trend { unexplained } else { regression.value_square };
        let freedom = line.effective_count - 2.0;
        let variance = squares / regression.weight * (1.0 + 2.0 / freedom);
        Some(Course {
            line,
            is_trend,
            mean: regression.mean_value,
            since,
            mean_time: regression.mean_time,
            deviation: (variance * (1.0 + 1.0 / line.effective_count)).sqrt(),
        })
    }

    fn regression(&self) -> EwRegression {
        let [weight, mean_time, time_square, product, value_square] = self.sums.map(f64::from);
        let [residual, residual_square, residual_product] = self.residuals;
        EwRegression {
            weight,
            mean_time,
            mean_value: self.mean_value,
            time_square,
            product,
            value_square,
            squared_weight: self.squared_weight,
            residual,
            residual_square,
            residual_product,
        }
    }
}

/// What the last weeks say of those to come. Times are days from now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Course {
    pub(super) line: Line,
    /// Whether the slope is more than chance and explains most of what happened.
    pub(super) is_trend: bool,
    mean: f64,
    since: f64,
    mean_time: f64,
    /// Of a day from the line, or from the mean where there is no trend.
    deviation: f64,
}

impl Course {
    /// Returns -1 for falling, 1 for rising, 0 for no trend.
    pub(super) fn direction(&self) -> f64 {
        if self.is_trend { self.line.slope.signum() } else { 0.0 }
    }

    /// Returns the correlation with time that the slope's t stands for, from 0 to 1: unlike r², neighbours that
    /// resemble each other do not raise it.
    pub(super) fn strength(&self) -> f64 {
        let t = self.line.t().abs();
        let freedom = self.line.effective_count - 2.0;
        if t.is_infinite() { 1.0 } else { t / (t * t + freedom).sqrt() }
    }

    /// Returns the mean of the day that ends in 30 days: the damped line, or the level where there is no trend.
    pub(super) fn in_a_month(&self) -> f64 {
        if self.is_trend { self.now() + self.line.slope * damped(MONTH_DAYS) } else { self.mean }
    }

    /// Returns half the width of the interval around [`Self::in_a_month`].
    pub(super) fn month_half_width(&self, quantiles: &Quantiles) -> f64 {
        self.half_width(MONTH_DAYS, self.deviation * self.quantile(quantiles), quantiles)
    }

    /// Returns when the line and its band reach `target`; none when there is no trend, or none towards it.
    ///
    /// The line is not damped: the question is what happens if this goes on, and a damped trend would never
    /// reach what is 50 days away. `noise` is half the width of the interval around a single hour, and
    /// `seasons` the usual deviations of the hours to come from the mean of their day.
    pub(super) fn time_to(
        &self,
        target: Target,
        noise: Option<f64>,
        seasons: &[f64; HOURS],
        quantiles: &Quantiles,
    ) -> Option<Crossing> {
        if !self.is_trend {
            return None;
        }
        let (sign, value) = match target {
            Target::Above(value) => (1.0, value),
            Target::Below(value) => (-1.0, value),
        };
        let noise = noise.unwrap_or(self.deviation * self.quantile(quantiles));
        let reaches = |days: f64, season: f64, side: f64| {
            let median = self.now() + self.line.slope * days + season;
            sign * (median - value) + side * self.half_width(days, noise, quantiles) >= 0.0
        };
        let first = |side: f64| first_hour(seasons, |days, season| reaches(days, season, side));
        let median = first(0.0)?;
        Some(Crossing { early: first(1.0).unwrap_or(median).min(median), median, late: first(-1.0) })
    }

    fn now(&self) -> f64 {
        self.line.level + self.line.slope * self.since
    }

    fn half_width(&self, days: f64, noise: f64, quantiles: &Quantiles) -> f64 {
        let from_mean = days + self.since - self.mean_time;
        noise.hypot(self.quantile(quantiles) * self.line.slope_error * from_mean)
    }

    fn quantile(&self, quantiles: &Quantiles) -> f64 {
        quantiles.of(self.line.effective_count - 2.0)
    }
}

/// A value, and the side from which it must not be reached.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Target {
    Above(f64),
    Below(f64),
}

/// *Units*: seconds from now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Crossing {
    pub(super) early: f64,
    pub(super) median: f64,
    /// None when it is not within ten years.
    pub(super) late: Option<f64>,
}

/// Returns the seconds until the end of the first hour for which a predicate holds that stays true from day to day.
fn first_hour(seasons: &[f64; HOURS], reaches: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let of_phase = |(hour, &season): (usize, &f64)| {
        let day_part = (hour + 1) as f64 / HOURS as f64;
        let after = |days: u32| reaches(day_part + f64::from(days), season);
        let (mut low, mut high) = (0, MOST_DAYS);
        if !after(high) {
            return None;
        }
        while low < high {
            let middle = (low + high) / 2;
            if after(middle) { high = middle } else { low = middle + 1 }
        }
        Some(low as usize * HOURS + hour + 1)
    };
    let first = seasons.iter().enumerate().filter_map(of_phase).min()?;
    // The hour that is just over is the last of the coming day.
    Some(if reaches(0.0, seasons[HOURS - 1]) { 0.0 } else { first as f64 * 3600.0 })
}

/// Returns by how many days' worth a damped trend moves in so many days.
pub(super) fn damped(days: f64) -> f64 {
    DAMPING * (1.0 - DAMPING.powf(days)) / (1.0 - DAMPING)
}

/// Student's quantiles of one two-sided level, by degrees of freedom: each costs 10 µs to find.
#[derive(Clone, Debug)]
pub(super) struct Quantiles(Vec<f64>);

impl Quantiles {
    pub(super) fn new(confidence: f64) -> Self {
        let of = |freedom: usize| student_t_quantile(0.5 + confidence / 2.0, freedom as f64);
        Self((1..=MOST_FREEDOM).map(of).collect())
    }

    /// Rounds the freedom down: the interval is rather too wide.
    fn of(&self, freedom: f64) -> f64 {
        self.0[(freedom as usize).clamp(1, MOST_FREEDOM) - 1]
    }
}
