//! Quantiles of histograms with explicit bounds.

#[cfg(test)]
mod tests;

/// Estimates the value below which the share `q` of observations lies.
///
/// `bounds` ascend; `counts` has one more entry, for what lies above the last bound. Values are taken
/// as spread evenly within a bucket; the first bucket reaches down to zero unless its bound is
/// negative, and what lies above the last bound is told as that bound. These are the rules of
/// Prometheus's `histogram_quantile`.
///
/// None without observations, without bounds, or when `q` is not within 0..=1.
pub fn quantile_of_buckets(bounds: &[f64], counts: &[u64], q: f64) -> Option<f64> {
    let total = counts.iter().fold(0_u64, |sum, &count| sum.saturating_add(count));
    let last_bound = *bounds.last()?;
    if total == 0 || counts.len() != bounds.len() + 1 || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let rank = q * total as f64;
    let mut seen = 0.0;
    for (at, &count) in counts.iter().enumerate() {
        let before = seen;
        seen += count as f64;
        if count == 0 || seen < rank {
            continue;
        }
        let Some(&upper) = bounds.get(at) else { return Some(last_bound) };
        let lower = match at.checked_sub(1).and_then(|below| bounds.get(below)) {
            Some(&lower) => lower,
            None if upper <= 0.0 => return Some(upper),
            None => 0.0,
        };
        return Some(lower + (upper - lower) * ((rank - before) / count as f64).clamp(0.0, 1.0));
    }
    Some(last_bound)
}
