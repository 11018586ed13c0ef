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
