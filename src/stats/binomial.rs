//! Whether so many of so many is more than chance.

#[cfg(test)]
mod tests;

/// Returns the probability of `k` successes or more in `n` independent trials of chance `p`, exactly.
///
/// NaN when `p` is NaN; `p` below 0 is taken as 0, above 1 as 1.
///
/// *Cost*: some nine standard deviations of terms: 1 µs at n = 10^6. Right to nine digits there, more
/// below, in the far tail too.
pub fn binomial_tail(k: u64, n: u64, p: f64) -> f64 {
    if p.is_nan() {
        return f64::NAN;
    }
    let p = p.clamp(0.0, 1.0);
    if k == 0 || k > n || p == 0.0 || p == 1.0 {
        return if k == 0 || (k <= n && p == 1.0) { 1.0 } else { 0.0 };
    }
    let odds = p / (1.0 - p);
    let (n, k) = (n as f64, k as f64);
    // Summing from k away from the mean, each term is smaller than the one before.
    if k > (n + 1.0) * p {
        let mut successes = k;
        return sum_of_shrinking(probability(k, n, p), || {
            let ratio = (n - successes) / (successes + 1.0) * odds;
            successes += 1.0;
            ratio
        });
    }
    let mut successes = k - 1.0;
    let below = sum_of_shrinking(probability(successes, n, p), || {
        let ratio = successes / ((n - successes + 1.0) * odds);
        successes -= 1.0;
        ratio
    });
    (1.0 - below).max(0.0)
}

fn sum_of_shrinking(first: f64, mut next_ratio: impl FnMut() -> f64) -> f64 {
    let (mut term, mut sum) = (first, first);
    loop {
        term *= next_ratio();
        let more = sum + term;
        // Past either end the ratio is 0, and a NaN would end the sum as well.
        if more <= sum || more.is_nan() {
            return sum.min(1.0);
        }
        sum = more;
    }
}

fn probability(k: f64, n: f64, p: f64) -> f64 {
    let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    (ways + k * p.ln() + (n - k) * (-p).ln_1p()).exp()
}
