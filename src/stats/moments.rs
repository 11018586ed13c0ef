//! Count, sum, mean, deviation and extremes of a stream of doubles.

use crate::ExactSum;

#[cfg(test)]
mod tests;

/// What can be said of a set of values without keeping them. Equal sets give equal moments, whatever
/// the order in which they were added and merged.
#[derive(Clone, PartialEq, Debug)]
pub struct Moments {
    pub count: u64,
    pub sum: ExactSum,
    /// The sum of the squares, exact as well: deviations small beside their mean survive.
    pub squares: ExactSum,
    /// +∞ without values.
    pub min: f64,
    /// −∞ without values.
    pub max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        let (sum, squares) = (ExactSum::default(), ExactSum::default());
        Self { count: 0, sum, squares, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Moments {
    /// Adds a value. The caller has left out NaN.
    pub fn add(&mut self, value: f64) {
        // Of the two zeros only one, or the extremes would depend on which came first.
        let value = value + 0.0;
        self.count = self.count.saturating_add(1);
        self.sum.add(value);
        self.squares.add_product(value, value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds a value that came `times` times; as exact as adding it so often.
    pub fn add_times(&mut self, value: f64, times: u64) {
        if times == 0 {
            return;
        }
        let (value, weight) = (value + 0.0, times as f64);
        self.count = self.count.saturating_add(times);
        self.sum.add_product(value, weight);
        let square = value * value;
        self.squares.add_product(square, weight);
        if square.is_finite() {
            self.squares.add_product(value.mul_add(value, -square), weight);
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Returns the mean, or none without values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.value() / self.count as f64)
    }

    /// Returns the standard deviation of the values as a whole population, or none without values.
    ///
    /// The two terms of the variance are subtracted with twice the precision of a double, so that a
    /// deviation of one part in 10^12 of the mean is still told.
    pub fn deviation(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let count = self.count as f64;
        let (sum, sum_rest) = self.sum.value_and_rest();
        let (squares, squares_rest) = self.squares.value_and_rest();
        // count × Σx² − (Σx)², term by term with the rounding errors of the products.
        let mut spread = ExactSum::default();
        spread.add_product(count, squares);
        spread.add_product(count, squares_rest);
        spread.add_product(-sum, sum);
        spread.add_product(-2.0 * sum, sum_rest);
        spread.add_product(-sum_rest, sum_rest);
        Some(spread.value().max(0.0).sqrt() / count)
    }
}
