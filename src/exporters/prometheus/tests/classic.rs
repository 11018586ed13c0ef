use proptest::prelude::*;

use super::super::classic::classic;
use crate::prometheus_names::{Dense, Exponential};

fn dense(offset: i64, counts: &[u64]) -> Dense {
    Dense { offset, counts: counts.to_vec() }
}

#[test]
fn bounds_are_powers_of_the_fourth_root_of_two() {
    let histogram =
        Exponential { count: 6, scale: 2, positive: dense(-1, &[1, 2, 3]), ..Exponential::default() };
    let made = classic(&histogram);
    assert_eq!(made.bounds, [1.0, 2_f64.powf(0.25), 2_f64.powf(0.5)]);
    assert_eq!(made.counts, [1, 2, 3, 0]);
}

#[test]
fn finer_scales_come_to_the_same_bounds() {
    let fine = Exponential { count: 8, scale: 5, positive: dense(0, &[1; 8]), ..Exponential::default() };
    let made = classic(&fine);
    assert_eq!(made.bounds, [2_f64.powf(0.25)]);
    assert_eq!(made.counts, [8, 0]);
}

#[test]
fn negative_values_and_zeros_come_before_the_positive() {
    let histogram = Exponential {
        count: 10,
        scale: 0,
        zero_count: 4,
        zero_threshold: 0.5,
        positive: dense(0, &[1]),
        negative: dense(0, &[2, 3]),
        ..Exponential::default()
    };
    let made = classic(&histogram);
    assert_eq!(made.bounds, [-2.0, -1.0, 0.5, 2.0]);
    assert_eq!(made.counts, [3, 2, 4, 1, 0]);
}

#[test]
fn bounds_that_can_not_be_written_fall_into_the_last_bucket() {
    let histogram =
        Exponential { count: 3, scale: -4, positive: dense(63, &[1, 2]), ..Exponential::default() };
    let made = classic(&histogram);
    assert_eq!(made.bounds, [] as [f64; 0]);
    assert_eq!(made.counts, [3]);
}

proptest! {
    #[test]
    fn nothing_is_lost_and_bounds_ascend(
        scale in prop_oneof![4 => -6..20_i32, 1 => Just(i32::MIN), 1 => Just(i32::MAX)],
        offsets in (-3_000..3_000_i64, -3_000..3_000_i64),
        positive in prop::collection::vec(0..50_u64, 0..400),
        negative in prop::collection::vec(0..50_u64, 0..400),
        zero_count in 0..5_u64,
        zero_threshold in prop_oneof![Just(0.0), 0.0..2.0_f64],
    ) {
        let count = positive.iter().sum::<u64>() + negative.iter().sum::<u64>() + zero_count;
        let (positive, negative) = (dense(offsets.0, &positive), dense(offsets.1, &negative));
        let histogram = Exponential { count, sum: None, scale, zero_count, zero_threshold, positive, negative };
        let made = classic(&histogram);
        prop_assert!(made.bounds.is_sorted_by(|a, b| a < b));
        prop_assert!(made.bounds.len() <= 161);
        prop_assert_eq!(made.counts.len(), made.bounds.len() + 1);
        prop_assert_eq!(made.counts.iter().sum::<u64>(), count);
    }
}
