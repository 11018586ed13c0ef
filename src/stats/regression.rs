//! Straight lines through a stream that is forgotten gradually.

use crate::narrow::narrow;

#[cfg(test)]
mod tests;

/// Weight of points from which on a residual is worth learning: two points lie on any line.
const FIRST_RESIDUAL: f64 = 3.0;
/// Greatest correlation of neighbours that is corrected for; beyond, no trend can be told.
const GREATEST_CORRELATION: f64 = 0.99;

/// The line of least squares through all values so far, each weighing less the older it is.
///
/// Sums are kept about their means and times are counted from the last value back, so that nothing
/// cancels and nothing grows with the age of the process.
///
/// *Cost*: 72 bytes, about 15 ns per value.
/// *Source*: the recursions of D. H. D. West, "Updating mean and variance estimates", 1979, with
/// forgetting.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct EwRegression {
    /// Sum of the weights; the last value weighs 1.
    pub weight: f64,
    /// Weighted mean time, from the last value on: not positive.
    pub mean_time: f64,
    pub mean_value: f64,
    /// Weighted sums of squares and products about the means.
    pub time_square: f64,
    pub product: f64,
    pub value_square: f64,
    /// Sums of the weights' squares, times the zeroth, first and second power of the time.
    pub squared_weight: [f32; 3],
    /// The last residual, and weighted sums of its square and of its product with the one before.
    pub residual: f32,
    pub residual_square: f32,
    pub residual_product: f32,
}

/// What a regression says at the time of its last value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Line {
    /// *Units*: value per unit of time.
    pub slope: f64,
    /// The line's value at the time of the last value.
    pub level: f64,
    /// Share of the values' variance that the line explains, 0..=1; 0 when all values are equal.
    pub r2: f64,
    /// Standard error of the slope, corrected for neighbours that resemble each other.
    pub slope_error: f64,
    /// Number of independent values that would tell as much.
    pub effective_count: f64,
}

impl Line {
    /// Returns Student's t of the slope, infinite for a rising line without noise, 0 for a flat one.
    ///
    /// Its degrees of freedom are the effective count less two.
    pub fn t(&self) -> f64 {
        if self.slope == 0.0 { 0.0 } else { self.slope / self.slope_error }
    }
}

impl EwRegression {
    /// Adds a value that comes `step` after the last and leaves of the older ones' weight the share
    /// `1 − gain`. What is not finite, and steps and gains below zero, change nothing.
    ///
    /// *Units*: `step` in the unit in which slopes are wanted; hours or days, not nanoseconds.
    pub fn update(&mut self, value: f64, step: f64, gain: f64) {
        if !value.is_finite() || !step.is_finite() || step < 0.0 || !(0.0..=1.0).contains(&gain) {
            return;
        }
        self.age(step, 1.0 - gain);
        self.learn_residual(value);
        self.add(value);
    }

    /// Returns the line, or none before there are more than two values' worth of information or when
    /// all came at one time.
    pub fn line(&self) -> Option<Line> {
        let [weights, times, squares] = self.squared_weight.map(f64::from);
        if self.time_square <= 0.0 || weights <= 0.0 {
            return None;
        }
        let inflation = self.inflation();
        let effective_count = self.weight * self.weight / weights / inflation;
        if effective_count <= 2.0 {
            return None;
        }
        let slope = self.product / self.time_square;
        let explained = slope * self.product;
        let unexplained = (self.value_square - explained).max(0.0);
        let variance = unexplained / self.weight * effective_count / (effective_count - 2.0);
        // Of a weighted slope the error depends on the squares of the weights.
        let spread = (squares - 2.0 * self.mean_time * times + self.mean_time.powi(2) * weights).max(0.0);
        Some(Line {
            slope,
            level: self.mean_value - slope * self.mean_time,
            r2: if self.value_square > 0.0 { (explained / self.value_square).clamp(0.0, 1.0) } else { 0.0 },
            slope_error: (variance * spread * inflation).sqrt() / self.time_square,
            effective_count,
        })
    }

    /// Moves the origin of time to the new value and forgets.
    fn age(&mut self, step: f64, kept: f64) {
        self.mean_time -= step;
        for sum in [&mut self.weight, &mut self.time_square, &mut self.product, &mut self.value_square] {
            *sum *= kept;
        }
        let [weights, times, squares] = self.squared_weight.map(f64::from);
        let moved = [weights, times - step * weights, squares - 2.0 * step * times + step * step * weights];
        self.squared_weight = moved.map(|sum| narrow(sum * kept * kept));
        self.residual_square = narrow(f64::from(self.residual_square) * kept);
        self.residual_product = narrow(f64::from(self.residual_product) * kept);
    }

    /// Compares a value with what the line before it foretold.
    fn learn_residual(&mut self, value: f64) {
        if self.weight < FIRST_RESIDUAL || self.time_square <= 0.0 {
            return;
        }
        let slope = self.product / self.time_square;
        let residual = value - (self.mean_value - slope * self.mean_time);
        self.residual_product =
            narrow(f64::from(self.residual_product) + residual * f64::from(self.residual));
        self.residual_square = narrow(f64::from(self.residual_square) + residual * residual);
        self.residual = narrow(residual);
    }

    fn add(&mut self, value: f64) {
        let before = self.weight;
        self.weight += 1.0;
        let time_difference = -self.mean_time;
        let value_difference = value - self.mean_value;
        self.mean_time += time_difference / self.weight;
        self.mean_value += value_difference / self.weight;
        let share = before / self.weight;
        self.time_square += share * time_difference * time_difference;
        self.product += share * time_difference * value_difference;
        self.value_square += share * value_difference * value_difference;
        self.squared_weight[0] += 1.0;
    }

    /// By how much neighbours that resemble each other inflate the slope's variance, as they do in a
    /// first-order autoregression; opposite neighbours are not believed.
    fn inflation(&self) -> f64 {
        if self.residual_square <= 0.0 {
            return 1.0;
        }
        let correlation = f64::from(self.residual_product) / f64::from(self.residual_square);
        let correlation = correlation.clamp(0.0, GREATEST_CORRELATION);
        (1.0 + correlation) / (1.0 - correlation)
    }
}
