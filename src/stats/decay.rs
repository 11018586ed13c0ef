//! Exponential forgetting over steps of unequal length.

#[cfg(test)]
mod tests;

/// Below this share of the time constant four terms of the series do: the fifth is under 10^-14 of them.
const SHORT: f64 = 1e-3;

/// Returns the share by which an exponentially forgetting state moves to a new value.
///
/// `1 − e^(−step / time_constant)`: two short steps forget as much as one long. A step that is not
/// positive gives 0, a time constant that is not positive gives 1.
///
/// *Units*: `step` and `time_constant` in the same, whichever it is.
/// *Cost*: 1 ns for steps below a thousandth of the time constant, about 10 ns for others.
#[inline]
pub fn decay_gain(step: f64, time_constant: f64) -> f64 {
    if step.is_nan() || step <= 0.0 {
        return 0.0;
    }
    if time_constant.is_nan() || time_constant <= 0.0 {
        return 1.0;
    }
    let ratio = step / time_constant;
    if ratio < SHORT {
        return ratio
            * (1.0 - ratio * (1.0 / 2.0) * (1.0 - ratio * (1.0 / 3.0) * (1.0 - ratio * (1.0 / 4.0))));
    }
    -(-ratio).exp_m1()
}

/// A time constant with the gain of its usual step at hand. One per setting, not per series.
///
/// *Cost*: 24 bytes; one comparison for the usual step, [`decay_gain`] for any other.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Decay {
    time_constant: f64,
    usual_step: f64,
    usual_gain: f64,
}

impl Decay {
    /// *Units*: both in the same.
    pub fn new(time_constant: f64, usual_step: f64) -> Self {
        Self { time_constant, usual_step, usual_gain: decay_gain(usual_step, time_constant) }
    }

    /// Returns the share by which a state moves to a new value that comes `step` after the last.
    #[inline]
    pub fn gain(&self, step: f64) -> f64 {
        if step == self.usual_step { self.usual_gain } else { decay_gain(step, self.time_constant) }
    }
}
