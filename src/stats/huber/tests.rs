use proptest::prelude::*;
use statrs::{
    distribution::ContinuousCDF,
    statistics::{Data, Median},
};

use super::{
    MAD_TO_DEVIATION, departure_score, huber_clip, median, median_absolute_deviation, weighted_median,
};
use crate::normal_quantile;

fn plain_median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[test]
fn clipping_bounds_what_one_value_can_do() {
    assert_eq!(huber_clip(3.0, 4.0), 3.0);
    assert_eq!(huber_clip(f64::INFINITY, 4.0), 4.0);
    assert_eq!(huber_clip(-9.0, 4.0), -4.0);
    assert_eq!(huber_clip(-9.0, -4.0), -4.0);
    assert_eq!(huber_clip(f64::NAN, 4.0), 0.0);
}

#[test]
fn a_lasting_departure_outranks_a_spike_of_the_same_size() {
    assert_eq!(departure_score(0.0, 0.0), 0.0);
    assert!(departure_score(10.0, 10.0) > departure_score(20.0, 4.0));
    assert!((departure_score(3.0, 2.0) - 6_f64.ln()).abs() < 1e-15);
}

#[test]
fn nothing_has_no_median() {
    assert_eq!(median(&mut []), None);
    assert_eq!(median_absolute_deviation(&mut []), None);
    assert_eq!(weighted_median(&mut []), None);
    assert_eq!(weighted_median(&mut [(1.0, 0.0), (2.0, -1.0)]), None);
}

#[test]
fn one_wild_value_in_five_moves_neither_median_nor_deviation_far() {
    let (centre, deviation) = median_absolute_deviation(&mut [1.0, 2.0, 3.0, 4.0, 1e9]).unwrap();
    assert_eq!((centre, deviation), (3.0, 1.0));
}

proptest! {
    #[test]
    fn the_median_agrees_with_sorting(values in prop::collection::vec(-1e6..1e6_f64, 1..80)) {
        let expected = plain_median(&values);
        let deviations: Vec<f64> = values.iter().map(|value| (value - expected).abs()).collect();
        prop_assert!((median(&mut values.clone()).unwrap() - expected).abs() < 1e-9);
        let (_, deviation) = median_absolute_deviation(&mut values.clone()).unwrap();
        prop_assert!((deviation - plain_median(&deviations)).abs() < 1e-9);
    }

    #[test]
    fn a_weight_is_so_many_copies(pairs in prop::collection::vec((-9_i32..9, 0_usize..5), 1..30)) {
        let copies: Vec<f64> =
            pairs.iter().flat_map(|&(value, times)| std::iter::repeat_n(f64::from(value), times)).collect();
        let mut weighted: Vec<_> =
            pairs.iter().map(|&(value, times)| (f64::from(value), times as f64)).collect();
        let expected = (!copies.is_empty()).then(|| plain_median(&copies));
        prop_assert_eq!(weighted_median(&mut weighted), expected);
    }
}

proptest! {
    #[test]
    fn the_median_agrees_with_that_of_statrs(values in prop::collection::vec(-1e6..1e6_f64, 1..80)) {
        let expected = Data::new(values.clone()).median();
        prop_assert!((median(&mut values.clone()).unwrap() - expected).abs() < 1e-9);
    }

    #[test]
    fn a_clipped_error_is_the_nearest_within_the_limit(error in -1e3..1e3_f64, limit in 0.0..100.0_f64) {
        let expected = if error > limit { limit } else if error < -limit { -limit } else { error };
        prop_assert_eq!(huber_clip(error, limit), expected);
    }

    #[test]
    fn the_score_is_the_logarithm_of_both_departures(z in -1e3..1e3_f64, zbar in -1e3..1e3_f64) {
        let expected = (1.0 + (z * z + 4.0 * zbar * zbar).sqrt()).ln();
        prop_assert!((departure_score(z, zbar) - expected).abs() < 1e-12);
    }
}

#[test]
fn a_deviation_of_a_normal_distribution_is_so_many_median_deviations() {
    let normal = statrs::distribution::Normal::standard();
    assert!((MAD_TO_DEVIATION - 1.0 / normal.inverse_cdf(0.75)).abs() < 1e-12);
    assert!((MAD_TO_DEVIATION - 1.0 / normal_quantile(0.75)).abs() < 1e-15);
}
