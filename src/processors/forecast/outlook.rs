//! What is told of one series, from its state.

use model::{Series, Statistic};
use stats::Conformal;

use super::{
    capacity::{self, Assessment, Demand},
    config::ForecastConfig,
    history::History,
    role::Role,
    state::SeriesState,
    trend::{Course, Crossing, Quantiles, Target},
};

/// A forecast with its interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Forecasted {
    pub(super) value: f64,
    /// Lower and upper end, once enough errors are known.
    pub(super) interval: Option<(f64, f64)>,
    /// Share of values that lay within their interval.
    pub(super) coverage: Option<f64>,
}

/// All that is told of a series.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Outlook {
    /// An hour, a day and thirty days ahead.
    pub(super) horizons: [Option<Forecasted>; 3],
    pub(super) course: Option<Course>,
    pub(super) volatility: Option<f64>,
    pub(super) seasonality: Option<f64>,
    /// By index of the configuration's thresholds.
    pub(super) crossings: Vec<(usize, Crossing)>,
    /// The index of the capacity and what is told of it.
    pub(super) capacity: Option<(usize, Assessment)>,
}

/// What outlooks are made with.
pub(super) struct Lens<'a> {
    pub(super) config: &'a ForecastConfig,
    /// Which of the horizons are told.
    pub(super) tells: [bool; 3],
    /// Of `confidence`.
    pub(super) quantiles: &'a Quantiles,
    /// With which demand is not exceeded with the confidence of capacities.
    pub(super) capacity_quantiles: &'a Quantiles,
}

impl Lens<'_> {
    pub(super) fn look(
        &self,
        series: &Series,
        role: &Role,
        state: &SeriesState,
        scratch: &mut Vec<f64>,
    ) -> Outlook {
        let course = state.course();
        let level = self.config.confidence;
        let forecasted = |value: Option<f64>, errors: Option<&Conformal>| {
            let half_width = errors.and_then(|errors| errors.interval(level));
            forecasted(series.statistic, value?, half_width, errors.and_then(Conformal::coverage))
        };
        let horizons = [
            forecasted(state.in_an_hour(), Some(&state.hour_ahead)),
            forecasted(state.in_24_hours(), state.days.as_ref().map(|days| &days.day_ahead)),
            self.month(series.statistic, state, course.as_ref(), scratch),
        ];
        let crossings = role.thresholds.iter().flat_map(|all| all.iter());
        let crossings = crossings.filter_map(|&index| {
            let target = self.config.thresholds.get(usize::from(index))?.target()?;
            Some((usize::from(index), self.time_to(target, state, course.as_ref()?)?))
        });
        Outlook {
            horizons: std::array::from_fn(|at| horizons[at].filter(|_| self.tells[at])),
            crossings: crossings.collect(),
            capacity: self.assess(role, state, course.as_ref(), scratch),
            course,
            volatility: state.volatility(),
            seasonality: state.seasonality(),
        }
    }

    /// The day that ends in thirty days: by the history's model where there is one, by the line otherwise.
    fn month(
        &self,
        statistic: Statistic,
        state: &SeriesState,
        course: Option<&Course>,
        scratch: &mut Vec<f64>,
    ) -> Option<Forecasted> {
        let of_line = course.map(|course| course.month_half_width(self.quantiles));
        let days = state.days.as_ref();
        let Some(history) = days.and_then(|days| days.history.as_deref()) else {
            let errors = days.map(|days| &days.month.errors);
            let half_width = errors.and_then(|errors| errors.interval(self.config.confidence)).or(of_line);
            return forecasted(
                statistic,
                course?.in_a_month(),
                half_width,
                errors.and_then(Conformal::coverage),
            );
        };
        let half_width = history.month_ahead.interval(self.config.confidence).or(of_line);
        let value = history.in_a_month(scratch).or(course.map(Course::in_a_month))?;
        forecasted(statistic, value, half_width, history.month_ahead.coverage())
    }

    fn time_to(&self, target: Target, state: &SeriesState, course: &Course) -> Option<Crossing> {
        let noise = state.day_interval(self.config.confidence);
        course.time_to(target, noise, &state.seasons(), self.quantiles)
    }

    fn assess(
        &self,
        role: &Role,
        state: &SeriesState,
        course: Option<&Course>,
        scratch: &mut Vec<f64>,
    ) -> Option<(usize, Assessment)> {
        let (index, history) = (usize::from(role.capacity?), state.days.as_ref()?.history.as_deref()?);
        let capacity = self.config.capacity.get(index)?;
        let demand = self.demand(history, course, scratch);
        let peak_ratio = history.peak_ratio(scratch);
        let crossing = course.and_then(|course| {
            // Peaks reach the capacity when the mean reaches so much; seasons are in the ratio.
            let target = Target::Above(capacity.capacity / peak_ratio);
            course.time_to(target, None, &Default::default(), self.quantiles)
        });
        Some((index, Assessment { capacity: capacity.capacity, used: history.last_peak(), demand, crossing }))
    }

    fn demand(&self, history: &History, course: Option<&Course>, scratch: &mut Vec<f64>) -> Option<Demand> {
        let mean = history.in_a_month(scratch).or(course.map(Course::in_a_month))?;
        let rise = history
            .rises
            .interval(capacity::LEVEL)
            .or(course.map(|course| course.month_half_width(self.capacity_quantiles)))?;
        let peak_ratio = history.peak_ratio(scratch);
        Some(Demand { median: mean * peak_ratio, upper: (mean + rise) * peak_ratio })
    }
}

/// Keeps a forecast to what its statistic can be.
fn forecasted(
    statistic: Statistic,
    value: f64,
    half_width: Option<f64>,
    coverage: Option<f64>,
) -> Option<Forecasted> {
    let possible = |value: f64| match statistic {
        Statistic::ErrorRatio => value.clamp(0.0, 1.0),
        Statistic::Rate | Statistic::P50 | Statistic::P95 | Statistic::P99 => value.max(0.0),
        Statistic::Mean => value,
    };
    let interval = half_width.filter(|width| width.is_finite());
    value.is_finite().then(|| Forecasted {
        value: possible(value),
        interval: interval.map(|width| (possible(value - width), possible(value + width))),
        coverage,
    })
}
