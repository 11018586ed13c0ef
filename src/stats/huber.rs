//! Keeping outliers from moving what is learned.

#[cfg(test)]
mod tests;

/// What a median absolute deviation is multiplied by to estimate a normal distribution's standard
/// deviation.
pub const MAD_TO_DEVIATION: f64 = 1.482_602_218_505_602;

/// Returns `error` cut to ±`limit`: the influence function of Huber's estimator.
///
/// NaN gives 0. *Source*: P. J. Huber, "Robust estimation of a location parameter", 1964.
#[inline]
pub fn huber_clip(error: f64, limit: f64) -> f64 {
    if error.is_nan() { 0.0 } else { error.max(-limit.abs()).min(limit.abs()) }
}

/// Scores a departure by its standardised size now and over the last points: `ln(1 + hypot(z, 2 zbar))`.
///
/// The logarithm keeps scores of different series comparable; twice the smoothed departure makes a
/// lasting one outrank a spike. Of the scores tried on WSD it had the best precision at each recall.
#[inline]
pub fn departure_score(z: f64, zbar: f64) -> f64 {
    z.hypot(2.0 * zbar).ln_1p()
}

/// Returns the median, or none of nothing. Reorders the values, which hold no NaN.
///
/// *Cost*: linear, no allocation.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = if even { below.iter().copied().max_by(f64::total_cmp)? } else { upper };
    Some(lower + (upper - lower) / 2.0)
}

/// Returns the median and the median absolute deviation from it, or none of nothing.
///
/// The values, which hold no NaN, are replaced by their absolute deviations. Multiply by
/// [`MAD_TO_DEVIATION`] for a standard deviation.
///
/// *Cost*: linear, no allocation.
pub fn median_absolute_deviation(values: &mut [f64]) -> Option<(f64, f64)> {
    let centre = median(values)?;
    for value in values.iter_mut() {
        *value = (*value - centre).abs();
    }
    Some((centre, median(values)?))
}

/// Returns the value at which half of all weight is reached, or none when no weight is positive.
///
/// Pairs are of value and weight; weights that are not positive do not count. Between two values that
/// share the half it takes the middle, as [`median`] does. Sorts the pairs, which hold no NaN.
///
/// *Cost*: n log n, no allocation.
pub fn weighted_median(pairs: &mut [(f64, f64)]) -> Option<f64> {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let counted = || pairs.iter().filter(|(_, weight)| *weight > 0.0);
    let half = counted().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    let mut reached = None;
    for &(value, weight) in counted() {
        if let Some(lower) = reached {
            return Some(lower + (value - lower) / 2.0);
        }
        below += weight;
        if below > half {
            return Some(value);
        }
        if below == half {
            reached = Some(value);
        }
    }
    reached
}
