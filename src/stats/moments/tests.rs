use proptest::prelude::*;
use statrs::statistics::Statistics;

use super::Moments;

fn moments_of(values: &[f64]) -> Moments {
    let mut moments = Moments::default();
    for &value in values {
        moments.add(value);
    }
    moments
}

#[test]
fn a_deviation_tiny_beside_its_mean_is_told() {
    let moments = moments_of(&[1e12, 1e12 + 1.0, 1e12 + 2.0]);
    let expected = (2.0_f64 / 3.0).sqrt();
    assert!((moments.deviation().unwrap() - expected).abs() < 1e-12);
}

#[test]
fn negative_zero_is_zero_whichever_comes_first() {
    for values in [[0.0, -0.0], [-0.0, 0.0]] {
        let moments = moments_of(&values);
        assert_eq!((moments.min.to_bits(), moments.max.to_bits()), (0, 0));
    }
}

#[test]
fn nothing_has_no_mean() {
    assert_eq!(Moments::default().mean(), None);
    assert_eq!(Moments::default().deviation(), None);
}

proptest! {
    #[test]
    fn the_deviation_agrees_with_two_passes(values in prop::collection::vec(-1e3..1e3_f64, 1..50)) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let expected = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        let moments = moments_of(&values);
        prop_assert!((moments.deviation().unwrap() - expected).abs() < 1e-9 * expected.max(1.0));
        prop_assert!((moments.mean().unwrap() - mean).abs() < 1e-9);
    }

    #[test]
    fn merging_is_adding(a in prop::collection::vec(any::<f64>().prop_filter("number", |x| !x.is_nan()), 0..20), b in prop::collection::vec(-1e9..1e9_f64, 0..20)) {
        let mut merged = moments_of(&b);
        merged.merge(&moments_of(&a));
        let mut all = a.clone();
        all.extend(&b);
        prop_assert_eq!(merged, moments_of(&all));
    }
}

proptest! {
    #[test]
    fn a_value_that_came_many_times_is_as_if_added_so_often(values in prop::collection::vec((-1e9..1e9_f64, 0..50_u64), 0..8)) {
        let (mut at_once, mut one_by_one) = (Moments::default(), Moments::default());
        for (value, times) in values {
            at_once.add_times(value, times);
            (0..times).for_each(|_| one_by_one.add(value));
        }
        prop_assert_eq!(at_once.sum.value(), one_by_one.sum.value());
        prop_assert_eq!(at_once.deviation(), one_by_one.deviation());
        prop_assert_eq!((at_once.count, at_once.min, at_once.max), (one_by_one.count, one_by_one.min, one_by_one.max));
    }
}

proptest! {
    #[test]
    fn moments_agree_with_those_of_statrs(values in prop::collection::vec(-1e6..1e6_f64, 1..200)) {
        let moments = moments_of(&values);
        let (mean, deviation) = (moments.mean().unwrap(), moments.deviation().unwrap());
        prop_assert!((mean - Statistics::mean(&values)).abs() <= 1e-9 * 1e6);
        let expected = Statistics::population_std_dev(&values);
        prop_assert!((deviation - expected).abs() <= 1e-9 * expected.max(1.0), "{deviation} {expected}");
        prop_assert_eq!((moments.min, moments.max), (Statistics::min(&values), Statistics::max(&values)));
    }
}
