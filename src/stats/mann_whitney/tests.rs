use proptest::prelude::*;
use statrs::stats_tests::{
    Alternative,
    mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu},
};

use super::mann_whitney;
use crate::{ExponentialHistogram, normal_two_sided, testing::Normals};

fn histogram(values: &[f64], scale: i32) -> ExponentialHistogram {
    let mut histogram = ExponentialHistogram::new(scale, 1_000);
    values.iter().for_each(|&value| histogram.add(value, 1));
    histogram
}

#[test]
fn nothing_and_a_single_bucket_cannot_be_compared() {
    let (empty, some) = (histogram(&[], 3), histogram(&[1.0, 1.0], 3));
    assert_eq!(mann_whitney(&empty, &some), None);
    assert_eq!(mann_whitney(&some, &empty), None);
    assert_eq!(mann_whitney(&some, &some), None);
}

#[test]
fn a_tenth_more_latency_is_told_and_none_is_not() {
    let latencies = |seed, factor: f64| -> Vec<f64> {
        Normals::new(seed).take(2_000).map(|normal| factor * 50.0 * (0.5 * normal).exp()).collect()
    };
    let before = histogram(&latencies(1, 1.0), 5);
    let slower = mann_whitney(&before, &histogram(&latencies(2, 1.1), 3)).unwrap();
    assert!(slower.p_value < 1e-4 && slower.superiority > 0.53, "{slower:?}");
    let same = mann_whitney(&before, &histogram(&latencies(3, 1.0), 5)).unwrap();
    assert!(same.p_value > 0.01 && (same.superiority - 0.5).abs() < 0.02, "{same:?}");
}

#[test]
fn equal_distributions_differ_as_often_as_they_should() {
    let sample = |seed| histogram(&Normals::new(seed).take(60).collect::<Vec<_>>(), 3);
    let found = (0..1_000_u64)
        .filter(|seed| mann_whitney(&sample(2 * seed), &sample(2 * seed + 1)).unwrap().p_value < 0.05);
    let found = found.count();
    assert!((30..=72).contains(&found), "{found} of 1,000 at 5 %");
}

proptest! {
    #[test]
    fn the_test_agrees_with_comparing_every_pair(
        a in prop::collection::vec(-4..5_i32, 1..30),
        b in prop::collection::vec(-4..5_i32, 1..30),
        finer in 0..4_i32,
    ) {
        // Powers of two of either sign, and zero: each has a bucket of its own at scale 0.
        let value = |&place: &i32| match place {
            0 => 0.0,
            _ => f64::from(place.signum()) * 2_f64.powi(place.abs()),
        };
        let (a, b): (Vec<f64>, Vec<f64>) = (a.iter().map(value).collect(), b.iter().map(value).collect());
        let mut wins = 0.0;
        for x in &a {
            wins += b.iter().map(|y| if y > x { 1.0 } else if y == x { 0.5 } else { 0.0 }).sum::<f64>();
        }
        let (n, m) = (a.len() as f64, b.len() as f64);
        let all: Vec<f64> = a.iter().chain(&b).copied().collect();
        let tied = all.iter().map(|x| all.iter().filter(|y| *y == x).count() as f64);
        let ties: f64 = tied.map(|t| t * t - 1.0).sum();
        let variance = n * m / 12.0 * (n + m + 1.0 - ties / ((n + m) * (n + m - 1.0)));
        let got = mann_whitney(&histogram(&a, finer), &histogram(&b, 0));
        match got {
            Some(got) => {
                let excess: f64 = wins - n * m / 2.0;
                let z = if excess == 0.0 { 0.0 } else { (excess - 0.5 * excess.signum()) / variance.sqrt() };
                prop_assert!((got.superiority - wins / (n * m)).abs() < 1e-12);
                prop_assert!((got.z - z).abs() < 1e-9, "{} {z}", got.z);
                prop_assert_eq!(got.p_value, normal_two_sided(got.z));
            }
            None => prop_assert!(variance <= 1e-9),
        }
    }
}

proptest! {
    #[test]
    fn the_p_value_agrees_with_that_of_statrs(
        a in prop::collection::vec(1..12_i32, 2..40),
        b in prop::collection::vec(1..12_i32, 2..40),
    ) {
        let powers = |places: &[i32]| -> Vec<f64> { places.iter().map(|place| 2_f64.powi(*place)).collect() };
        let got = mann_whitney(&histogram(&powers(&a), 0), &histogram(&powers(&b), 0));
        let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
        let (_, expected) = mannwhitneyu(&a, &b, method, Alternative::TwoSided).unwrap();
        match got {
            Some(got) => prop_assert!((got.p_value - expected).abs() < 1e-9, "{} {expected}", got.p_value),
            None => prop_assert!(a.iter().chain(&b).all(|place| *place == a[0])),
        }
    }
}
