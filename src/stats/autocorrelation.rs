//! Whether a short series repeats itself.

#[cfg(test)]
mod tests;

/// Returns the correlation of a series with itself `lag` values earlier, −1..=1.
///
/// None when the lag is 0, fewer than two pairs are left, or the values are constant or not finite.
///
/// *Cost*: linear, no allocation.
pub fn autocorrelation(values: &[f64], lag: usize) -> Option<f64> {
    if lag == 0 || values.len() < lag + 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let product: f64 =
        values.iter().zip(values.iter().skip(lag)).map(|(early, late)| (early - mean) * (late - mean)).sum();
    varies(variance, mean, values.len()).then(|| (product / variance).clamp(-1.0, 1.0))
}

/// Returns the share of a series' variance that repeats with `period`, 0..=1.
///
/// About 0 for noise, however short the series: the share is corrected for the values that a period of
/// its length would explain by chance. None with fewer than two periods, and as [`autocorrelation`].
///
/// *Cost*: linear, no allocation.
/// *Source*: the strength of R. J. Hyndman et al., "Large-scale unusual time series detection", 2015, with
/// the mean of each place in the period as seasonal part and with R² adjusted.
pub fn period_strength(values: &[f64], period: usize) -> Option<f64> {
    let count = values.len();
    if period < 2 || count < period.checked_mul(2)? {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if !varies(total, mean, count) {
        return None;
    }
    let unexplained: f64 = (0..period).map(|place| spread(values.iter().skip(place).step_by(period))).sum();
    let share = (unexplained / (count - period) as f64) / (total / (count - 1) as f64);
    Some((1.0 - share).clamp(0.0, 1.0))
}

/// Whether a sum of squares about the mean is more than the rounding errors of a constant series' mean.
fn varies(squares: f64, mean: f64, count: usize) -> bool {
    let count = count as f64;
    squares.is_finite() && squares > count * (count * mean * f64::EPSILON).powi(2)
}

/// The sum of squares about the mean.
fn spread<'a>(values: impl Iterator<Item = &'a f64> + Clone) -> f64 {
    let (count, sum) = values.clone().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    let mean = sum / count;
    values.map(|value| (value - mean).powi(2)).sum()
}
