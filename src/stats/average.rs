//! Means and variances that forget exponentially.

use crate::narrow::narrow;

#[cfg(test)]
mod tests;

/// A mean that forgets exponentially and is unbiased from its first value on.
///
/// While young it is the plain mean of what it has seen; later each value weighs its gain. `gain` comes
/// from [`Decay`](crate::Decay) and makes unequal steps right. Values that are not finite and gains
/// that are not positive change nothing.
///
/// *Cost*: 8 bytes, 8 ns. Kept in single precision: moves below 6·10^-8 of the mean are lost.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Ewma {
    pub mean: f32,
    /// Share of the mean that rests on values, from 0 (none yet) towards 1.
    pub weight: f32,
}

impl Ewma {
    #[inline]
    pub fn update(&mut self, value: f64, gain: f64) {
        if let Some(share) = share_of_new(&mut self.weight, value, gain) {
            let mean = f64::from(self.mean);
            self.mean = narrow(mean + share * (value - mean));
        }
    }

    /// Returns the mean, or none before the first value.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| f64::from(self.mean))
    }
}

/// A mean and a variance that forget exponentially; the rules of [`Ewma`] hold.
///
/// *Cost*: 12 bytes, 9 ns.
/// *Source*: T. Finch, "Incremental calculation of weighted mean and variance", 2009, section 9.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct EwVariance {
    pub mean: f32,
    /// Of the values as a whole population, with their present weights.
    pub variance: f32,
    pub weight: f32,
}

impl EwVariance {
    #[inline]
    pub fn update(&mut self, value: f64, gain: f64) {
        if let Some(share) = share_of_new(&mut self.weight, value, gain) {
            let mean = f64::from(self.mean);
            let difference = value - mean;
            let kept = 1.0 - share;
            self.mean = narrow(mean + share * difference);
            // The square last: it may overflow, and 0 · ∞ would be NaN.
            let between = kept * share * difference * difference;
            self.variance = narrow(kept * f64::from(self.variance) + between);
        }
    }

    /// Returns the mean, or none before the first value.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| f64::from(self.mean))
    }

    /// Returns the standard deviation, or none before the first value.
    #[inline]
    pub fn deviation(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| f64::from(self.variance).sqrt())
    }
}

/// Adds a gain to a total weight and returns the share of the new value in all, or none where it has none.
#[inline]
pub(crate) fn share_of_new(weight: &mut f32, value: f64, gain: f64) -> Option<f64> {
    if !value.is_finite() || gain.is_nan() || gain <= 0.0 {
        return None;
    }
    let gain = gain.min(1.0);
    let before = f64::from(*weight);
    let after = before + gain * (1.0 - before);
    *weight = after as f32;
    Some(gain / after)
}
