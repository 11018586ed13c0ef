use proptest::prelude::*;
use statrs::statistics::Statistics;

use super::{EwCovariance, correlation_change, fisher_z};
use crate::testing::Normals;

fn after(pairs: &[(f64, f64)], gain: f64) -> EwCovariance {
    let mut covariance = EwCovariance::default();
    pairs.iter().for_each(|&(x, y)| covariance.update(x, y, gain));
    covariance
}

fn reference(pairs: &[(f64, f64)], gain: f64) -> (f64, f64) {
    let weights: Vec<f64> = (0..pairs.len()).map(|at| (1.0 - gain).powi((pairs.len() - at) as i32)).collect();
    let total: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| {
        pairs.iter().zip(&weights).map(|(pair, weight)| weight * of(pair)).sum::<f64>() / total
    };
    let (x, y) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let xx = mean(&|pair| (pair.0 - x).powi(2));
    let yy = mean(&|pair| (pair.1 - y).powi(2));
    let xy = mean(&|pair| (pair.0 - x) * (pair.1 - y));
    (xy / (xx * yy).sqrt(), total * total / weights.iter().map(|weight| weight * weight).sum::<f64>())
}

#[test]
fn the_state_takes_28_bytes() {
    assert_eq!(size_of::<EwCovariance>(), 28);
}

#[test]
fn what_does_not_vary_has_no_correlation() {
    assert_eq!(EwCovariance::default().correlation(), None);
    assert_eq!(EwCovariance::default().effective_count(), 0.0);
    assert_eq!(after(&[(1.0, 1.0), (1.0, 2.0)], 0.1).correlation(), None);
}

#[test]
fn what_is_not_finite_changes_nothing_and_the_greatest_values_leave_no_nan() {
    let mut covariance = after(&[(1.0, 2.0), (3.0, 5.0)], 0.1);
    let before = covariance;
    covariance.update(f64::NAN, 1.0, 0.1);
    covariance.update(1.0, f64::INFINITY, 0.1);
    covariance.update(1.0, 1.0, 0.0);
    assert_eq!(covariance, before);
    assert!(after(&[(f64::MAX, -f64::MAX), (-f64::MAX, f64::MAX)], 0.5).correlation().is_some());
}

#[test]
fn fishers_test_agrees_with_a_worked_example() {
    // atanh(0.5) = 0.549306, atanh(0.3) = 0.309520, error = sqrt(1/100 + 1/100).
    let z = correlation_change(0.5, 103.0, 0.3, 103.0).unwrap();
    assert!((z - 1.695_545).abs() < 1e-5, "{z}");
    assert_eq!(correlation_change(0.5, 3.0, 0.3, 103.0), None);
    assert!(fisher_z(1.0).is_finite() && fisher_z(-1.0).is_finite());
}

#[test]
fn a_broken_relation_is_told() {
    let coupled: Vec<_> =
        Normals::new(1).zip(Normals::new(2)).take(200).map(|(a, b)| (a, 0.9 * a + 0.3 * b)).collect();
    let broken: Vec<_> = Normals::new(3).zip(Normals::new(4)).take(60).collect();
    let (before, now) = (after(&coupled, 0.02), after(&broken, 0.05));
    let change = correlation_change(
        before.correlation().unwrap(),
        before.effective_count(),
        now.correlation().unwrap(),
        now.effective_count(),
    );
    assert!(change.unwrap() > 5.0, "{change:?}");
}

proptest! {
    #[test]
    fn correlation_and_count_agree_with_the_weighted_sums(
        pairs in prop::collection::vec((-1e2..1e2_f64, -1e2..1e2_f64), 3..80),
        gain in 0.005..0.3_f64,
    ) {
        let covariance = after(&pairs, gain);
        let (correlation, count) = reference(&pairs, gain);
        prop_assert!((covariance.correlation().unwrap() - correlation).abs() < 1e-3);
        prop_assert!((covariance.effective_count() / count - 1.0).abs() < 1e-3);
    }
}

proptest! {
    /// With a gain so small that nothing is forgotten yet, all pairs weigh the same.
    #[test]
    fn before_it_forgets_it_agrees_with_statrs(
        pairs in prop::collection::vec((-1e2..1e2_f64, -1e2..1e2_f64), 3..200),
    ) {
        let covariance = after(&pairs, 1e-9);
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let expected = Statistics::population_covariance(&x, &y)
            / (Statistics::population_std_dev(&x) * Statistics::population_std_dev(&y));
        prop_assert!((covariance.correlation().unwrap() - expected).abs() < 1e-3, "{covariance:?} {expected}");
    }

    #[test]
    fn fishers_transformation_is_half_the_logarithm_of_a_ratio(r in -0.999_99..0.999_99_f64) {
        let expected = 0.5 * ((1.0 + r) / (1.0 - r)).ln();
        prop_assert!((fisher_z(r) - expected).abs() <= 1e-10 * expected.abs().max(1.0));
    }

    #[test]
    fn a_change_is_the_difference_in_standard_errors(
        a in -0.99..0.99_f64, b in -0.99..0.99_f64, n in 3.5..1e4_f64, m in 3.5..1e4_f64,
    ) {
        let error = ((n + m - 6.0) / ((n - 3.0) * (m - 3.0))).sqrt();
        let expected = (a.atanh() - b.atanh()) / error;
        let got = correlation_change(a, n, b, m).unwrap();
        prop_assert!((got - expected).abs() <= 1e-9 * expected.abs().max(1.0));
        prop_assert_eq!(correlation_change(b, m, a, n), Some(-got));
    }
}
