//! The step of a series that only takes multiples of one.

#[cfg(test)]
mod tests;

/// Differences in a row that must be multiples of a step before it is believed.
const ENOUGH: u16 = 16;
/// A difference is a multiple of the step when this share of the step is all that is left over.
const LEFT_OVER: f64 = 1e-3;
/// A step below this share of the greatest difference is continuity, or rounding.
const FINEST: f64 = 1e-6;
/// Reductions of the step by one difference. Euclid's algorithm halves it at least every two.
const MOST_REDUCTIONS: u32 = 48;

/// The greatest common divisor of a series' differences: percent of 8 cores in steps of 12.5, bytes in
/// pages of 4,096.
///
/// A scale of departures below the step would make each step a surprise.
///
/// *Cost*: 24 bytes; one division per value that differs from the last.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Quantum {
    /// Means nothing before the first value; `seen` tells.
    pub last: f64,
    /// The divisor so far; 0 before the first difference.
    pub step: f64,
    pub greatest_difference: f32,
    /// Differences in a row that were multiples of the step, saturating.
    pub agreeing: u16,
    pub seen: bool,
    /// The values turned out to have no step. Stays until the state is made anew.
    pub continuous: bool,
}

impl Quantum {
    /// Adds a value. What is not finite, and what equals the last, changes nothing.
    pub fn update(&mut self, value: f64) {
        if self.continuous || !value.is_finite() {
            return;
        }
        let difference = (value - self.last).abs();
        let is_first = !self.seen;
        (self.last, self.seen) = (value, true);
        if is_first || difference == 0.0 {
            return;
        }
        self.greatest_difference = self.greatest_difference.max(difference as f32);
        // Differences of rounded values are off by their last digits.
        let rounding = 4.0 * f64::EPSILON * value.abs().max(difference);
        let reduced = common_step(self.step, difference, rounding);
        let agrees = self.step > 0.0 && reduced == self.step;
        self.agreeing = if agrees { self.agreeing.saturating_add(1) } else { 0 };
        self.step = reduced;
        self.continuous = reduced <= FINEST * f64::from(self.greatest_difference);
    }

    /// Returns the step, or none while it is not certain or when there is none.
    pub fn step(&self) -> Option<f64> {
        (self.agreeing >= ENOUGH && !self.continuous).then_some(self.step)
    }
}

/// The greatest common divisor of a step (0 for none) and a difference, within tolerance.
fn common_step(step: f64, difference: f64, rounding: f64) -> f64 {
    if step == 0.0 {
        return difference;
    }
    let (mut great, mut small) = (difference, step);
    if great < small {
        (great, small) = (small, great);
    }
    for _ in 0..MOST_REDUCTIONS {
        let left_over = (great - (great / small).round() * small).abs();
        if left_over <= (LEFT_OVER * small).max(rounding) {
            return small;
        }
        (great, small) = (small, left_over);
    }
    0.0
}
