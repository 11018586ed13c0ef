//! The scale on which deviations of a statistic are alike at every level.

use model::Statistic;

/// Observations that a ratio or percentile must rest on.
const ENOUGH_FOR_RATIO: f64 = 50.0;
const ENOUGH_FOR_P50: u64 = 10;
const ENOUGH_FOR_P95: u64 = 20;
const ENOUGH_FOR_P99: u64 = 100;
/// A mean absolute deviation as a part of the standard deviation, for a normal distribution.
const MEAN_DEVIATION: f64 = 0.797_884_560_802_865_4;

/// Anscombe's constant: the root of a Poisson count plus this has the variance 1/4 at every level.
const ANSCOMBE: f64 = 0.375;

/// Greater values leave no room for their errors in single precision.
const GREATEST: f64 = 1e30;

/// One observation on the working scale.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Observation {
    pub(super) value: f64,
    /// Observations behind it; a ratio's depends on it.
    pub(super) support: f64,
}

/// What a row says of its series.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Reading {
    Enough(Observation),
    /// Errors and observations that must be pooled with others.
    Pooled {
        errors: f64,
        support: f64,
    },
    /// Too few observations to tell anything.
    Scarce,
    /// Not a value that the statistic can have.
    Unreadable,
}

/// Reads a row. *Units*: the width of the window in seconds.
pub(super) fn read(statistic: Statistic, value: f64, support: u64, width: f64) -> Reading {
    let enough = |value| Reading::Enough(Observation { value, support: support as f64 });
    if !value.is_finite() {
        return Reading::Unreadable;
    }
    match statistic {
        Statistic::Rate if value < 0.0 => Reading::Unreadable,
        Statistic::Rate => enough((value * width + ANSCOMBE).sqrt()),
        Statistic::ErrorRatio if !(0.0..=1.0).contains(&value) => Reading::Unreadable,
        Statistic::ErrorRatio => {
            Reading::Pooled { errors: (value * support as f64).round(), support: support as f64 }
        }
        Statistic::P50 | Statistic::P95 | Statistic::P99 if support < least_support(statistic) => {
            Reading::Scarce
        }
        Statistic::P50 | Statistic::P95 | Statistic::P99 if value <= 0.0 => Reading::Unreadable,
        Statistic::P50 | Statistic::P95 | Statistic::P99 => enough(value.ln()),
        Statistic::Mean if value.abs() > GREATEST => Reading::Unreadable,
        Statistic::Mean => enough(value),
    }
}

fn least_support(statistic: Statistic) -> u64 {
    match statistic {
        Statistic::P50 => ENOUGH_FOR_P50,
        Statistic::P95 => ENOUGH_FOR_P95,
        _ => ENOUGH_FOR_P99,
    }
}

/// Smooths a ratio by half an error, once it rests on enough observations.
pub(super) fn ratio(errors: f64, support: f64) -> Option<Observation> {
    (support >= ENOUGH_FOR_RATIO).then(|| Observation { value: (errors + 0.5) / (support + 1.0), support })
}

/// Turns a value of the working scale back into the unit of the series.
pub(super) fn natural(statistic: Statistic, value: f64, support: f64, width: f64) -> f64 {
    match statistic {
        Statistic::Rate => (value.max(0.0) * value.max(0.0) - ANSCOMBE).max(0.0) / width,
        Statistic::ErrorRatio => {
            let support = support.max(ENOUGH_FOR_RATIO);
            ((value * (support + 1.0) - 0.5) / support).clamp(0.0, 1.0)
        }
        // Beyond e^709 there are no doubles.
        Statistic::P50 | Statistic::P95 | Statistic::P99 => value.min(709.0).exp(),
        Statistic::Mean => value,
    }
}

/// Returns the scale below which a deviation says nothing, whatever the past looked like: 0.2 % of the level,
/// one step of what can be counted, and the error of a sample.
pub(super) fn least_scale(statistic: Statistic, expected: f64, support: f64, step: Option<f64>) -> f64 {
    const SHARE: f64 = 0.002;
    const LEAST: f64 = 1e-9;
    let by_statistic = match statistic {
        Statistic::Rate => (SHARE * expected.abs()).max(0.5 / expected.max(ANSCOMBE.sqrt())),
        Statistic::ErrorRatio => {
            let support = support.max(ENOUGH_FOR_RATIO);
            let share = expected.clamp(0.0, 1.0);
            let sampling = (share * (1.0 - share) / (support + 1.0)).sqrt() * MEAN_DEVIATION;
            (SHARE * share).max(1.0 / (support + 1.0)).max(sampling)
        }
        // 0.2 % of what the logarithm is of.
        Statistic::P50 | Statistic::P95 | Statistic::P99 => SHARE,
        Statistic::Mean => (SHARE * expected.abs()).max(step.unwrap_or(0.0)),
    };
    by_statistic.max(LEAST)
}
