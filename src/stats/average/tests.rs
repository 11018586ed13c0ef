use augurs::{
    Predict,
    ets::model::{ErrorComponent, ModelType, SeasonalComponent, TrendComponent, Unfit},
};
use proptest::prelude::*;
use statrs::statistics::Statistics;

use super::{EwVariance, Ewma};
use crate::{decay_gain, testing::Normals};

const TIME_CONSTANT: f64 = 10.0;

/// Each value weighs its gain, times what all later ones have left of it.
fn reference(points: &[(f64, f64)]) -> (f64, f64) {
    let gains: Vec<f64> = points.iter().map(|&(step, _)| decay_gain(step, TIME_CONSTANT)).collect();
    let weight = |at: usize| gains[at] * gains[at + 1..].iter().map(|gain| 1.0 - gain).product::<f64>();
    let weights: Vec<f64> = (0..points.len()).map(weight).collect();
    let total: f64 = weights.iter().sum();
    let mean = weights.iter().zip(points).map(|(weight, point)| weight * point.1).sum::<f64>() / total;
    let squares = weights.iter().zip(points).map(|(weight, point)| weight * (point.1 - mean).powi(2));
    (mean, squares.sum::<f64>() / total)
}

#[test]
fn the_states_take_8_and_12_bytes() {
    assert_eq!((size_of::<Ewma>(), size_of::<EwVariance>()), (8, 12));
}

#[test]
fn nothing_has_no_mean() {
    assert_eq!(Ewma::default().value(), None);
    assert_eq!((EwVariance::default().value(), EwVariance::default().deviation()), (None, None));
}

#[test]
fn what_is_not_finite_changes_nothing() {
    let mut average = Ewma::default();
    average.update(3.0, 0.1);
    let before = average;
    for (value, gain) in [(f64::NAN, 0.1), (f64::INFINITY, 0.1), (9.0, 0.0), (9.0, f64::NAN), (9.0, -1.0)] {
        average.update(value, gain);
        assert_eq!(average, before);
    }
}

#[test]
fn the_greatest_doubles_leave_a_state_that_recovers() {
    let mut variance = EwVariance::default();
    variance.update(f64::MAX, 0.5);
    variance.update(-f64::MAX, 0.5);
    for _ in 0..400 {
        variance.update(1.0, 0.5);
    }
    assert_eq!((variance.value(), variance.deviation().map(f64::round)), (Some(1.0), Some(0.0)));
}

#[test]
fn the_mean_before_each_value_is_what_augurs_foretells_by_exponential_smoothing() {
    for (seed, wandering) in [(1, 0.05), (2, 0.2), (3, 1.0)] {
        let mut level = 100.0;
        let next = |[step, noise]: [f64; 2]| {
            level += wandering * step;
            level + noise
        };
        let normals: Vec<f64> = Normals::new(seed).take(1200).collect();
        let values: Vec<f64> = normals.as_chunks::<2>().0.iter().copied().map(next).collect();
        // How fast it forgets it finds by itself.
        let model = ModelType {
            error: ErrorComponent::Additive,
            trend: TrendComponent::None,
            season: SeasonalComponent::None,
        };
        let fitted = Unfit::new(model).fit(&values).expect("the values are fit for it");
        let foretold = fitted.predict_in_sample(None).expect("it was fitted").point;
        let after = fitted.predict(1, None).expect("it was fitted").point[0];
        let (last, last_foretold) = (values[599], foretold[599]);
        let gain = (after - last_foretold) / (last - last_foretold);
        assert!((0.02..1.0).contains(&gain), "{gain}");
        let mut average = Ewma::default();
        for (at, (value, foretold)) in values.iter().zip(&foretold).enumerate() {
            // Where each of them begins counts for less than a millionth by then.
            if (1.0 - gain).powi(at as i32) < 1e-6 {
                let mean = average.value().expect("there were values");
                assert!((mean - foretold).abs() < 1e-4, "{seed}, {at}: {mean} {foretold}");
            }
            average.update(*value, gain);
        }
        assert!((average.value().expect("there were values") - after).abs() < 1e-4);
        assert!((1.0 - gain).powi(500) < 1e-6, "at least a hundred were compared: {gain}");
    }
}

proptest! {
    #[test]
    fn mean_and_variance_agree_with_the_weighted_sums(
        points in prop::collection::vec((0.01..30.0_f64, -1e3..1e3_f64), 1..60),
    ) {
        let (mut average, mut variance) = (Ewma::default(), EwVariance::default());
        for &(step, value) in &points {
            let gain = decay_gain(step, TIME_CONSTANT);
            average.update(value, gain);
            variance.update(value, gain);
        }
        let (mean, spread) = reference(&points);
        prop_assert!((average.value().unwrap() - mean).abs() < 2e-3);
        prop_assert_eq!(average.value(), variance.value());
        prop_assert!((variance.deviation().unwrap() - spread.sqrt()).abs() < 1e-3 * spread.sqrt() + 2e-3);
    }
}

proptest! {
    /// With a gain so small that nothing is forgotten yet, all values weigh the same.
    #[test]
    fn before_it_forgets_it_agrees_with_statrs(values in prop::collection::vec(-1e3..1e3_f64, 1..200)) {
        let (mut average, mut variance) = (Ewma::default(), EwVariance::default());
        for &value in &values {
            average.update(value, 1e-9);
            variance.update(value, 1e-9);
        }
        let (mean, deviation) = (Statistics::mean(&values), Statistics::population_std_dev(&values));
        prop_assert!((average.value().unwrap() - mean).abs() < 1e-2, "{average:?} {mean}");
        prop_assert!((variance.deviation().unwrap() - deviation).abs() < 1e-3 * deviation + 1e-2, "{variance:?}");
    }
}
