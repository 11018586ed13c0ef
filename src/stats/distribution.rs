//! The normal, beta and Student's distributions.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

#[cfg(test)]
mod tests;

/// Terms of the continued fraction. Some √max(a, b) are needed: enough for 10^7 observations.
const MOST_TERMS: u32 = 10_000;
/// Beyond, Student's distribution differs from the normal by less than this module's own error.
const NORMAL_FREEDOM: f64 = 1e8;

/// Returns the probability that a standard normal variable is at most `z`.
///
/// To twelve digits as far out as doubles reach in the lower tail; for the upper one ask for
/// `normal_cdf(-z)`.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// Returns the probability that a standard normal variable is at least as far from 0 as `z`.
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// Returns the value that a standard normal variable does not exceed with probability `p`.
///
/// −∞ for 0, +∞ for 1, NaN for what is not within 0..=1.
/// *Source*: the first guess is formula 26.2.23 of M. Abramowitz and I. Stegun, "Handbook of mathematical
/// functions", 1964; Halley's iteration makes it exact.
pub fn normal_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    if p == 0.5 {
        return 0.0;
    }
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let t = (-2.0 * p.ln()).sqrt();
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let denominator = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut z = numerator / denominator - t;
    // From an error of 4.5·10^-4 each step triples the digits; the second is the last that counts.
    for _ in 0..3 {
        let density = (-0.5 * z * z).exp() / TAU.sqrt();
        let error = (normal_cdf(z) - p) / density;
        if error.is_finite() {
            z -= error / (1.0 + 0.5 * z * error);
        }
    }
    z
}

/// Returns the probability that a beta variable is at most `x`: the regularised incomplete beta
/// function.
///
/// For the upper tail ask for `beta_cdf(1 − x, b, a)`. NaN unless `a` and `b` are positive and finite.
///
/// *Cost*: some √max(a, b) divisions. Right to nine digits at 10^6 observations, more below.
/// *Source*: the continued fraction 26.5.8 of M. Abramowitz and I. Stegun, "Handbook of mathematical
/// functions", 1964, by the method of W. J. Lentz, 1976.
pub fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    let positive = |shape: f64| shape > 0.0 && shape.is_finite();
    if x.is_nan() || !positive(a) || !positive(b) {
        return f64::NAN;
    }
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let log_factor = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    let factor = log_factor.exp();
    // The fraction converges fast on this side of the mean only.
    let value = if x < (a + 1.0) / (a + b + 2.0) {
        factor * beta_fraction(x, a, b) / a
    } else {
        1.0 - factor * beta_fraction(1.0 - x, b, a) / b
    };
    value.clamp(0.0, 1.0)
}

/// Returns the value that a beta variable does not exceed with probability `p`.
///
/// NaN for what is not within 0..=1 and unless `a` and `b` are positive and finite.
///
/// *Cost*: 62 times [`beta_cdf`].
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) || beta_cdf(0.5, a, b).is_nan() {
        return f64::NAN;
    }
    first_reaching(p, 1.0, |x| beta_cdf(x, a, b))
}

/// Returns the probability that a Student's variable is at most `t`.
///
/// `freedom` need not be whole. NaN unless it is positive.
pub fn student_t_cdf(t: f64, freedom: f64) -> f64 {
    let tail = 0.5 * student_t_two_sided(t, freedom);
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// Returns the probability that a Student's variable is at least as far from 0 as `t`.
pub fn student_t_two_sided(t: f64, freedom: f64) -> f64 {
    if freedom >= NORMAL_FREEDOM {
        return normal_two_sided(t);
    }
    let square = t * t;
    if square > 1.0 {
        beta_cdf(freedom / (freedom + square), 0.5 * freedom, 0.5)
    } else {
        // Near the middle this keeps the digits that freedom / (freedom + square) would lose.
        1.0 - beta_cdf(square / (freedom + square), 0.5, 0.5 * freedom)
    }
}

/// Returns the value that a Student's variable does not exceed with probability `p`.
///
/// NaN for what is not within 0..=1 and unless `freedom` is positive.
///
/// *Cost*: 63 times [`student_t_cdf`].
pub fn student_t_quantile(p: f64, freedom: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) || student_t_cdf(1.0, freedom).is_nan() {
        return f64::NAN;
    }
    if p == 0.5 {
        return 0.0;
    }
    let tail = p.min(1.0 - p);
    let distance = match tail {
        0.0 => f64::INFINITY,
        _ => first_reaching(-2.0 * tail, f64::MAX, |t| -student_t_two_sided(t, freedom)),
    };
    if p < 0.5 { -distance } else { distance }
}

/// The least double of 0..=`greatest` at which a rising function reaches `wanted`.
///
/// Doubles that are not negative order as their bits do, so halving the range of bits finds small values
/// as precisely as great ones.
fn first_reaching(wanted: f64, greatest: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0, greatest.to_bits());
    while low < high {
        let middle = low + (high - low) / 2;
        if function(f64::from_bits(middle)) >= wanted {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    f64::from_bits(low)
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let away_from_zero = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for term in 1..=MOST_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for coefficient in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + coefficient * d);
            c = away_from_zero(1.0 + coefficient / c);
            fraction *= c * d;
        }
        if (fraction - before).abs() <= f64::EPSILON * fraction.abs() {
            break;
        }
    }
    fraction
}
