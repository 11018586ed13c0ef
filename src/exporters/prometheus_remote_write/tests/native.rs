use proptest::prelude::*;

use super::super::{
    messages::{Native, Span},
    native::{has_form, of_explicit, of_exponential},
};
use crate::prometheus_names::{Dense, Explicit, Exponential};

fn exponential(scale: i32, offset: i64, counts: &[u64]) -> Exponential {
    Exponential {
        count: counts.iter().sum(),
        sum: Some(1.0),
        scale,
        positive: Dense { offset, counts: counts.to_vec() },
        ..Exponential::default()
    }
}

/// Index of the upper bound and count of every bucket that holds something.
fn buckets(spans: &[Span], deltas: &[i64]) -> Vec<(i64, i64)> {
    let (mut index, mut count, mut deltas) = (0_i64, 0_i64, deltas.iter());
    let mut out = Vec::new();
    for span in spans {
        index += i64::from(span.offset);
        for _ in 0..span.length {
            count += deltas.next().unwrap();
            if count != 0 {
                out.push((index, count));
            }
            index += 1;
        }
    }
    assert_eq!(deltas.next(), None);
    out
}

fn spans(native: &Native) -> Vec<(i32, u32)> {
    native.positive_spans.iter().map(|span| (span.offset, span.length)).collect()
}

#[test]
fn buckets_are_numbered_by_their_upper_bound_and_counted_by_difference() {
    let native = of_exponential(&exponential(3, -2, &[4, 2, 3])).unwrap();
    assert_eq!((native.schema, native.count, native.zero_threshold), (3, 9, 1e-128));
    assert_eq!(spans(&native), [(-1, 3)]);
    assert_eq!(native.positive_deltas, [4, -2, 1]);
}

#[test]
fn small_gaps_are_written_out_and_large_ones_skipped() {
    let native = of_exponential(&exponential(0, 0, &[1, 0, 0, 2, 0, 0, 0, 3])).unwrap();
    assert_eq!(spans(&native), [(1, 4), (3, 1)]);
    assert_eq!(native.positive_deltas, [1, -1, 0, 2, 1]);
}

#[test]
fn a_finer_scale_than_prometheus_knows_is_made_coarser() {
    // At scale 10 four buckets make one of scale 8; -5 to -1 lie in -2 and -1.
    let native = of_exponential(&exponential(10, -5, &[1, 2, 3, 4, 5])).unwrap();
    assert_eq!(native.schema, 8);
    assert_eq!(buckets(&native.positive_spans, &native.positive_deltas), [(-1, 1), (0, 14)]);
}

#[test]
fn a_coarser_scale_than_prometheus_knows_has_no_form() {
    assert_eq!(of_exponential(&exponential(-5, 0, &[1])), None);
    assert!(!has_form(&exponential(-5, 0, &[1])));
    assert!(has_form(&exponential(-4, 0, &[1])));
}

#[test]
fn indices_beyond_32_bits_have_no_form() {
    assert!(!has_form(&exponential(0, i64::from(i32::MAX), &[1])));
    assert_eq!(of_exponential(&exponential(0, i64::from(i32::MAX), &[1])), None);
}

#[test]
fn the_zero_bucket_keeps_its_width() {
    let mut histogram = exponential(0, 0, &[]);
    (histogram.count, histogram.zero_count, histogram.zero_threshold) = (5, 5, 0.25);
    let native = of_exponential(&histogram).unwrap();
    assert_eq!((native.zero_count, native.zero_threshold), (5, 0.25));
    assert_eq!(spans(&native), []);
}

#[test]
fn chosen_bounds_become_custom_values() {
    let histogram = Explicit { count: 9, sum: Some(3.0), bounds: vec![1.0, 2.0], counts: vec![0, 3, 4] };
    let native = of_explicit(&histogram).unwrap();
    assert_eq!((native.schema, native.count), (-53, 7));
    assert_eq!(native.custom_values, [1.0, 2.0]);
    assert_eq!(buckets(&native.positive_spans, &native.positive_deltas), [(1, 3), (2, 4)]);
}

proptest! {
    #[test]
    fn no_observation_is_lost(
        scale in -4..20_i32,
        offset in -500..500_i64,
        counts in prop::collection::vec(prop_oneof![3 => Just(0_u64), 1 => 0..1_000_u64], 0..300),
    ) {
        let histogram = exponential(scale, offset, &counts);
        prop_assert!(has_form(&histogram));
        let native = of_exponential(&histogram).unwrap();
        let shift = (scale - 8).max(0);
        let mut expected: Vec<(i64, i64)> = Vec::new();
        for (index, &count) in (offset..).zip(&counts).filter(|(_, count)| **count > 0) {
            let index = (index >> shift) + 1;
            match expected.last_mut() {
                Some((last, sum)) if *last == index => *sum += count as i64,
                _ => expected.push((index, count as i64)),
            }
        }
        prop_assert_eq!(buckets(&native.positive_spans, &native.positive_deltas), expected);
    }
}
