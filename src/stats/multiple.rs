//! Many tests at once.

#[cfg(test)]
mod tests;

/// Which of many hypotheses are rejected: those with a p-value at or below the threshold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rejected {
    pub count: usize,
    /// The greatest p-value that is rejected; 0 with none.
    pub threshold: f64,
}

/// Returns the p-value of the hypothesis that all are true, or none of nothing.
///
/// Sorts the values; NaN counts as 1. Valid for independent tests and those that depend positively.
///
/// *Cost*: n log n, no allocation.
/// *Source*: R. J. Simes, "An improved Bonferroni procedure", 1986.
pub fn simes(p_values: &mut [f64]) -> Option<f64> {
    sort(p_values);
    let count = p_values.len() as f64;
    let scaled = p_values.iter().enumerate().map(|(at, p)| p * count / (at + 1) as f64);
    scaled.min_by(f64::total_cmp).map(|p| p.min(1.0))
}

/// Rejects so that of those rejected at most the share `q` is expected to be true.
///
/// Sorts the values; NaN counts as 1. Valid for independent tests and those that depend positively.
///
/// *Cost*: n log n, no allocation.
/// *Source*: Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", 1995.
pub fn benjamini_hochberg(p_values: &mut [f64], q: f64) -> Rejected {
    sort(p_values);
    let total = p_values.len() as f64;
    let is_low = |(at, p): (usize, &f64)| *p <= q * (at + 1) as f64 / total;
    let count = p_values.iter().enumerate().rposition(is_low).map_or(0, |at| at + 1);
    first(p_values, count)
}

/// Rejects so that the chance of rejecting any that is true stays below `alpha`, whatever the tests'
/// dependence.
///
/// Sorts the values; NaN counts as 1.
///
/// *Cost*: n log n, no allocation.
/// *Source*: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
pub fn holm(p_values: &mut [f64], alpha: f64) -> Rejected {
    sort(p_values);
    let total = p_values.len();
    let is_low = |(at, p): &(usize, &f64)| **p <= alpha / (total - at) as f64;
    let count = p_values.iter().enumerate().take_while(is_low).count();
    first(p_values, count)
}

/// Equal values need no care: the bound of a later rank is never lower, so both count or neither.
fn first(sorted: &[f64], count: usize) -> Rejected {
    let threshold = count.checked_sub(1).and_then(|last| sorted.get(last)).copied().unwrap_or(0.0);
    Rejected { count, threshold }
}

fn sort(p_values: &mut [f64]) {
    for p in p_values.iter_mut().filter(|p| p.is_nan()) {
        *p = 1.0;
    }
    p_values.sort_unstable_by(f64::total_cmp);
}
