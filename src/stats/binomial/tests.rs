use proptest::prelude::*;
use statrs::distribution::DiscreteCDF;

use super::binomial_tail;
use crate::beta_cdf;

fn near(got: f64, expected: f64, relative: f64) {
    assert!((got - expected).abs() <= relative * expected, "{got} is not {expected}");
}

#[test]
fn tails_agree_with_values_computed_with_40_digits() {
    for (k, n, p, expected) in [
        (3, 10, 0.01, 1.138_491_179_057_796_5e-4),
        (40, 1_000, 0.01, 4.688_553_566_249_806e-13),
        (60, 100, 0.5, 2.844_396_682_049_04e-2),
        (12, 20, 0.9, 0.999_940_141_468_259_6),
    ] {
        near(binomial_tail(k, n, p), expected, 1e-12);
    }
}

#[test]
fn a_million_trials_keep_their_digits_in_the_far_tail() {
    for (k, expected) in [
        (9_900, 0.843_776_413_753_639_8),
        (10_300, 1.363_115_039_531_703e-3),
        (11_500, 2.367_108_035_752_456_6e-49),
    ] {
        near(binomial_tail(k, 1_000_000, 0.01), expected, 1e-8);
    }
}

#[test]
fn what_is_certain_and_what_cannot_be() {
    assert_eq!(binomial_tail(0, 10, 0.3), 1.0);
    assert_eq!(binomial_tail(0, 0, 0.3), 1.0);
    assert_eq!(binomial_tail(11, 10, 0.3), 0.0);
    assert_eq!(binomial_tail(11, 10, 1.0), 0.0);
    assert_eq!(binomial_tail(10, 10, 1.0), 1.0);
    assert_eq!(binomial_tail(1, 10, -0.5), 0.0);
    assert!(binomial_tail(1, 10, f64::NAN).is_nan());
    assert_eq!(binomial_tail(u64::MAX, u64::MAX, 0.5), 0.0);
}

/// One row of the distribution after the other, as Pascal's triangle.
fn reference(k: u64, n: u64, p: f64) -> f64 {
    let mut row = vec![1.0];
    for _ in 0..n {
        let fails = row.iter().map(|chance| chance * (1.0 - p)).chain([0.0]);
        let succeeds = [0.0].into_iter().chain(row.iter().map(|chance| chance * p));
        row = fails.zip(succeeds).map(|(a, b)| a + b).collect();
    }
    row.iter().skip(k as usize).rev().sum()
}

proptest! {
    #[test]
    fn tails_agree_with_pascals_triangle(n in 0_u64..120, k in 0_u64..125, p in 0.0..=1.0_f64) {
        let expected = reference(k, n, p);
        prop_assert!((binomial_tail(k, n, p) - expected).abs() <= 1e-10 * expected + 1e-15);
    }

    #[test]
    fn tails_agree_with_the_beta_distribution(n in 1_u64..50_000, share in 0.0..=1.0_f64, p in 1e-4..0.999_f64) {
        let k = 1 + (share * (n - 1) as f64) as u64;
        let expected = beta_cdf(p, k as f64, (n - k + 1) as f64);
        prop_assert!((binomial_tail(k, n, p) - expected).abs() <= 1e-8 * expected + 1e-12);
    }
}

proptest! {
    #[test]
    fn tails_agree_with_those_of_statrs(n in 1_u64..20_000, share in 0.0..=1.0_f64, p in 1e-6..0.999_f64) {
        let k = 1 + (share * (n - 1) as f64) as u64;
        let expected = statrs::distribution::Binomial::new(p, n).unwrap().sf(k - 1);
        let got = binomial_tail(k, n, p);
        prop_assert!((got - expected).abs() <= 1e-8 * expected + 1e-12, "{got} {expected}");
    }
}
