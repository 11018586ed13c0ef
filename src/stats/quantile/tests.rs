use proptest::prelude::*;

use super::quantile_of_buckets;

#[test]
fn the_rules_of_histogram_quantile_hold() {
    let bounds = [1.0, 2.0, 4.0];
    assert_eq!(quantile_of_buckets(&bounds, &[10, 0, 0, 0], 0.5), Some(0.5));
    assert_eq!(quantile_of_buckets(&bounds, &[0, 10, 10, 0], 0.75), Some(3.0));
    assert_eq!(quantile_of_buckets(&bounds, &[0, 0, 0, 5], 0.1), Some(4.0));
    assert_eq!(quantile_of_buckets(&[-1.0, 2.0], &[5, 0, 0], 0.5), Some(-1.0));
    assert_eq!(quantile_of_buckets(&bounds, &[0, 0, 0, 0], 0.5), None);
    assert_eq!(quantile_of_buckets(&bounds, &[1, 1], 0.5), None);
    assert_eq!(quantile_of_buckets(&[], &[7], 0.5), None);
    assert_eq!(quantile_of_buckets(&bounds, &[1, 1, 1, 1], f64::NAN), None);
}

proptest! {
    #[test]
    fn quantiles_ascend_and_stay_within_the_bounds(counts in prop::array::uniform4(0_u64..100), q in 0.0..=1.0_f64) {
        let bounds = [1.0, 5.0, 25.0];
        let at = |q| quantile_of_buckets(&bounds, &counts, q);
        if let (Some(low), Some(high)) = (at(q / 2.0), at(q)) {
            prop_assert!(0.0 <= low && low <= high && high <= 25.0);
        } else {
            prop_assert_eq!(counts.iter().sum::<u64>(), 0);
        }
    }
}

proptest! {
    /// Each observation stands at its share of the way through its bucket; the quantile is found by going
    /// through them one by one.
    #[test]
    fn quantiles_agree_with_walking_through_the_observations(
        counts in prop::collection::vec(0_u64..40, 4),
        q in 0.0..=1.0_f64,
        lowest in prop_oneof![Just(-3.0_f64), Just(0.0), Just(0.5)],
    ) {
        let bounds = [lowest, 2.0, 7.0];
        let edges: [(f64, f64); 4] = [(lowest.min(0.0), lowest), (lowest, 2.0), (2.0, 7.0), (7.0, 7.0)];
        let total: u64 = counts.iter().sum();
        let rank = q * total as f64;
        let mut left = rank;
        let mut expected = None;
        for (&count, &(low, high)) in counts.iter().zip(&edges).filter(|(count, _)| **count > 0) {
            if left <= count as f64 {
                let low = if high <= 0.0 { high } else { low };
                expected = Some(low + (high - low) * left / count as f64);
                break;
            }
            left -= count as f64;
        }
        match (quantile_of_buckets(&bounds, &counts, q), expected) {
            (Some(got), Some(expected)) => prop_assert!((got - expected).abs() < 1e-9, "{got} {expected}"),
            (got, expected) => prop_assert_eq!(got, expected),
        }
    }
}
