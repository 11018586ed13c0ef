use augurs::seasons::{Detector, PeriodogramDetector};
use proptest::prelude::*;
use statrs::statistics::Statistics;

use super::{autocorrelation, period_strength};
use crate::testing::Normals;

fn daily(noise: f64) -> Vec<f64> {
    let hour = |at: usize| (at as f64 / 24.0 * std::f64::consts::TAU).sin();
    Normals::new(1).take(24 * 14).enumerate().map(|(at, normal)| 100.0 + hour(at) + noise * normal).collect()
}

#[test]
fn a_day_repeats_itself_and_half_a_day_is_its_opposite() {
    let values = daily(0.1);
    assert!(autocorrelation(&values, 24).unwrap() > 0.85);
    assert!(autocorrelation(&values, 12).unwrap() < -0.85);
    assert!(period_strength(&values, 24).unwrap() > 0.95);
    assert!(period_strength(&values, 7).unwrap() < 0.1);
}

#[test]
fn strength_is_the_share_of_variance_that_repeats() {
    // A sine of variance 1/2 and noise of variance 1/2.
    let strength = period_strength(&daily(0.5_f64.sqrt()), 24).unwrap();
    assert!((strength - 0.5).abs() < 0.08, "{strength}");
}

#[test]
fn noise_has_no_period_however_short() {
    let mean: f64 = (0..200)
        .map(|seed| period_strength(&Normals::new(seed).take(48).collect::<Vec<_>>(), 24).unwrap())
        .sum::<f64>()
        / 200.0;
    assert!(mean < 0.15, "{mean}");
}

#[test]
fn too_few_constant_or_not_finite_values_have_neither() {
    assert_eq!(autocorrelation(&[1.0, 2.0, 3.0], 0), None);
    assert_eq!(autocorrelation(&[1.0, 2.0, 3.0], 2), None);
    assert_eq!(autocorrelation(&[0.1; 30], 1), None);
    assert_eq!(autocorrelation(&[1.0, f64::NAN, 3.0, 4.0], 1), None);
    assert_eq!(period_strength(&[1.0; 30], 5), None);
    assert_eq!(period_strength(&[1.0, 2.0, 3.0], 2), None);
    assert_eq!(period_strength(&[1.0, 2.0, 3.0, 4.0], 1), None);
    assert_eq!(period_strength(&[1.0, 2.0], usize::MAX), None);
}

proptest! {
    #[test]
    fn neither_depends_on_unit_or_level(
        values in prop::collection::vec(-10.0..10.0_f64, 20..60),
        factor in 0.01..100.0_f64,
        level in -1e3..1e3_f64,
        lag in 2_usize..10,
    ) {
        let moved: Vec<f64> = values.iter().map(|value| level + factor * value).collect();
        let close = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 1e-6;
        prop_assert!(close(autocorrelation(&values, lag), autocorrelation(&moved, lag)));
        prop_assert!(close(period_strength(&values, lag), period_strength(&moved, lag)));
    }
}

/// The share of variance that one value for each place in the period leaves unexplained, with R² adjusted.
fn strength_by_definition(values: &[f64], period: usize) -> f64 {
    let n = values.len() as f64;
    let of_place = |place: usize| -> Vec<f64> {
        (0..values.len()).filter(|at| at % period == place).map(|at| values[at]).collect()
    };
    let fitted: Vec<f64> = (0..values.len()).map(|at| Statistics::mean(of_place(at % period))).collect();
    let residual: f64 = values.iter().zip(&fitted).map(|(value, fit)| (value - fit) * (value - fit)).sum();
    let total = Statistics::population_variance(values) * n;
    (1.0 - (residual / (n - period as f64)) / (total / (n - 1.0))).clamp(0.0, 1.0)
}

proptest! {
    #[test]
    fn both_agree_with_their_definitions(
        values in prop::collection::vec(-10.0..10.0_f64, 24..80),
        lag in 2_usize..12,
    ) {
        let mean = Statistics::mean(&values);
        let early: Vec<f64> = values[..values.len() - lag].iter().map(|value| value - mean).collect();
        let late: Vec<f64> = values[lag..].iter().map(|value| value - mean).collect();
        let product: f64 = (0..early.len()).map(|at| early[at] * late[at]).sum();
        let expected = product / (Statistics::population_variance(&values) * values.len() as f64);
        prop_assert!((autocorrelation(&values, lag).unwrap() - expected).abs() < 1e-9);
        let expected = strength_by_definition(&values, lag);
        prop_assert!((period_strength(&values, lag).unwrap() - expected).abs() < 1e-9);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A series that repeats itself, and the period that a periodogram finds in it.
    #[test]
    fn the_period_that_augurs_finds_is_the_strongest(
        period in prop_oneof![Just(8_usize), Just(12), Just(16), Just(24)], seed in 0..1_000_u64, noise in 0.0..0.3_f64,
    ) {
        let wave = |at: usize| (at as f64 / period as f64 * std::f64::consts::TAU).sin();
        let values: Vec<f64> =
            Normals::new(seed).take(12 * period).enumerate().map(|(at, normal)| wave(at) + noise * normal).collect();
        let found = PeriodogramDetector::default().detect(&values);
        // Its frequencies lie so far apart that a neighbour may stand for the period.
        prop_assert!(found.first().is_some_and(|found| found.abs_diff(period as u32) <= 1), "{found:?} {period}");
        // A multiple of the period repeats as well; of those that do not contain it none is as strong.
        let strength = |lag: usize| period_strength(&values, lag).unwrap();
        let others = (2..2 * period).filter(|other| other % period != 0);
        let best = others.max_by(|a, b| strength(*a).total_cmp(&strength(*b))).unwrap();
        prop_assert!(strength(period) > strength(best), "{period} {best}");
        prop_assert!(strength(period) > 0.75 && autocorrelation(&values, period).unwrap() > 0.6);
    }
}
