use proptest::prelude::*;
use statrs::statistics::{Data, OrderStatistics};

use super::{Buckets, ExponentialHistogram, MAX_SCALE, MIN_SCALE, bucket_index, index_at_scale_3};

/// The index by the definition, with logarithms: right but near boundaries.
fn reference_index(value: f64, scale: i32) -> f64 {
    (value.log2() * 2_f64.powi(scale)).ceil() - 1.0
}

#[test]
fn a_power_of_two_belongs_to_the_bucket_it_closes() {
    for exponent in -1022..=1023 {
        let value = 2_f64.powi(exponent);
        assert_eq!(index_at_scale_3(value), exponent * 8 - 1);
        for scale in MIN_SCALE..=MAX_SCALE {
            let expected = if scale >= 0 { (exponent << scale) - 1 } else { (exponent - 1) >> -scale };
            assert_eq!(bucket_index(value, scale), expected, "2^{exponent} at scale {scale}");
        }
    }
}

#[test]
fn neighbours_of_every_boundary_fall_on_their_sides() {
    for eighth in 1..8 {
        // The nearest doubles of an irrational boundary: one below, one above, whichever way it rounded.
        let boundary = 2_f64.powf(f64::from(eighth) / 8.0);
        let below = f64::from_bits(boundary.to_bits() - 1);
        let above = f64::from_bits(boundary.to_bits() + 1);
        assert_eq!(index_at_scale_3(below), eighth - 1);
        assert_eq!(index_at_scale_3(above), eighth);
    }
}

#[test]
fn the_smallest_and_greatest_doubles_have_buckets() {
    assert_eq!(bucket_index(f64::from_bits(1), 0), -1075);
    assert_eq!(bucket_index(f64::from_bits(3), 0), -1073);
    assert_eq!(bucket_index(f64::MAX, 0), 1023);
    assert_eq!(bucket_index(f64::MAX, MIN_SCALE), 0);
    assert_eq!(bucket_index(f64::from_bits(1), MIN_SCALE), -2);
}

#[test]
fn a_histogram_of_few_buckets_holds_all_doubles() {
    let mut all = ExponentialHistogram::new(20, 4);
    for value in [f64::from_bits(1), f64::MAX, 1.0, -1.0, -f64::MAX, 0.0] {
        all.add(value, 1);
    }
    assert_eq!(all.count(), 6);
    assert!(all.positive().counts.len() <= 4);
}

#[test]
fn quantiles_cross_negative_zero_and_positive() {
    let mut histogram = ExponentialHistogram::new(3, 160);
    for (value, count) in [(-8.0, 10), (0.0, 10), (8.0, 10)] {
        histogram.add(value, count);
    }
    assert!(histogram.quantile(0.0).unwrap() < -7.0);
    assert_eq!(histogram.quantile(0.5), Some(0.0));
    assert_eq!(histogram.quantile(1.0), Some(8.0));
    assert_eq!(ExponentialHistogram::new(3, 160).quantile(0.5), None);
}

#[test]
fn parts_that_no_histogram_has_are_refused() {
    let at = |offset| Buckets { offset, counts: vec![1] };
    let none = Buckets::default();
    for (scale, offset) in [(21, 0), (-11, 0), (20, i32::MAX), (3, 1024 * 8 + 1), (3, i32::MIN)] {
        assert_eq!(ExponentialHistogram::from_parts(scale, 160, 0, &at(offset), &none), None);
        assert!(!ExponentialHistogram::new(3, 160).add_bucket(scale, offset, 1));
    }
    assert!(ExponentialHistogram::from_parts(-10, 160, 0, &none, &at(-2)).is_some());
}

fn positive() -> impl Strategy<Value = f64> {
    prop_oneof![1e-3..1e6, (-300..300_i32, 1.0..2.0).prop_map(|(e, m): (i32, f64)| m * 2_f64.powi(e))]
}

fn histogram_of(values: &[f64], scale: i32, max_size: u32) -> ExponentialHistogram {
    let mut histogram = ExponentialHistogram::new(scale, max_size);
    for &value in values {
        histogram.add(value, 1);
    }
    histogram
}

proptest! {
    #[test]
    fn the_fast_index_agrees_with_the_logarithm(value in positive()) {
        let off = f64::from(index_at_scale_3(value)) - reference_index(value, 3);
        let distance_to_boundary = (value.log2() * 8.0 - (value.log2() * 8.0).round()).abs();
        prop_assert!(off == 0.0 || distance_to_boundary < 1e-9);
    }

    #[test]
    fn every_scale_agrees_with_the_logarithm_and_nests(value in positive(), scale in MIN_SCALE..MAX_SCALE) {
        let off = (f64::from(bucket_index(value, scale)) - reference_index(value, scale)).abs();
        let scaled = value.log2() * 2_f64.powi(scale);
        prop_assert!(off == 0.0 || (off == 1.0 && (scaled - scaled.round()).abs() < 1e-4));
        prop_assert_eq!(bucket_index(value, scale + 1) >> 1, bucket_index(value, scale));
    }

    #[test]
    fn merging_is_adding_in_any_order(
        a in prop::collection::vec(prop_oneof![positive(), positive().prop_map(|x| -x), Just(0.0)], 0..40),
        b in prop::collection::vec(positive(), 0..40),
        scale in 0..MAX_SCALE,
        max_size in 2_u32..200,
    ) {
        let mut ab = histogram_of(&a, scale, max_size);
        ab.merge(&histogram_of(&b, scale, max_size));
        let mut ba = histogram_of(&b, scale, max_size);
        ba.merge(&histogram_of(&a, scale, max_size));
        let mut all = b.clone();
        all.extend(&a);
        all.reverse();
        prop_assert_eq!(&ab, &ba);
        prop_assert_eq!(&ab, &histogram_of(&all, scale, max_size));
        prop_assert!(ab.positive().counts.len() <= max_size as usize);
        prop_assert_eq!(ab.count(), (a.len() + b.len()) as u64);
    }

    #[test]
    fn quantiles_lie_within_a_bucket_of_the_truth(mut values in prop::collection::vec(1e-3_f64..1e6, 1..200), q in 0.0..=1.0_f64) {
        let estimate = histogram_of(&values, 3, 10_000).quantile(q).unwrap();
        values.sort_by(f64::total_cmp);
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let truth = values[rank - 1];
        let width = 2_f64.powf(1.0 / 8.0);
        prop_assert!(estimate <= truth * width && estimate >= truth / width, "{} against {}", estimate, truth);
    }

    #[test]
    fn parts_rebuild_the_histogram(values in prop::collection::vec(positive(), 0..40)) {
        let made = histogram_of(&values, 3, 160);
        let again = ExponentialHistogram::from_parts(made.scale(), 160, made.zero_count(), made.positive(), made.negative());
        prop_assert_eq!(Some(made), again);
    }
}

proptest! {
    #[test]
    fn quantiles_are_within_a_bucket_of_the_order_statistics_of_statrs(
        values in prop::collection::vec(1e-3_f64..1e6, 1..200), q in 0.01..=1.0_f64, scale in 0..6_i32,
    ) {
        let estimate = histogram_of(&values, scale, 10_000).quantile(q).unwrap();
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let truth = Data::new(values).order_statistic(rank);
        let width = 2_f64.powf(2_f64.powi(-scale)) * (1.0 + 1e-12);
        prop_assert!(estimate <= truth * width && estimate >= truth / width, "{estimate} {truth}");
    }

    #[test]
    fn half_the_resolution_is_the_histogram_made_so_from_the_start(
        values in prop::collection::vec(prop_oneof![1e-3..1e6_f64, -1e6..-1e-3_f64], 0..40),
        scale in 0..8_i32,
        by in 0_u32..12,
    ) {
        let mut got = histogram_of(&values, scale, 100_000);
        got.downscale(by);
        let expected = histogram_of(&values, (scale - by as i32).max(MIN_SCALE), 100_000);
        prop_assert_eq!(got, expected);
    }
}
