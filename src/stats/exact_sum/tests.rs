use proptest::prelude::*;

use super::ExactSum;

fn sum_of(terms: &[f64]) -> ExactSum {
    let mut sum = ExactSum::default();
    for &term in terms {
        sum.add(term);
    }
    sum
}

#[test]
fn small_terms_beside_a_large_one_are_not_lost() {
    assert_eq!(sum_of(&[1e100, 1.0, -1e100]).value(), 1.0);
    assert_eq!(sum_of(&[0.1; 10]).value(), 1.0);
    assert_eq!(sum_of(&[f64::MAX, f64::MAX, -f64::MAX]).value(), f64::MAX);
    assert_eq!(sum_of(&[f64::MAX, f64::MAX]).value(), f64::INFINITY);
    assert_eq!(sum_of(&[f64::from_bits(1), f64::from_bits(3)]).value(), f64::from_bits(4));
}

#[test]
fn what_is_not_finite_wins() {
    assert_eq!(sum_of(&[1.0, f64::INFINITY]).value(), f64::INFINITY);
    assert_eq!(sum_of(&[f64::NEG_INFINITY, 1.0]).value(), f64::NEG_INFINITY);
    assert!(sum_of(&[f64::NEG_INFINITY, f64::INFINITY]).value().is_nan());
    assert!(sum_of(&[f64::NAN, 1.0]).value().is_nan());
}

#[test]
fn parts_that_no_sum_has_are_refused() {
    assert_eq!(ExactSum::from_parts(69, vec![1, 1], 0), None);
    assert_eq!(ExactSum::from_parts(0, vec![i64::MAX], 0), None);
    assert_eq!(ExactSum::from_parts(0, vec![], 8), None);
}

/// Doubles of all exponents, subnormal ones among them.
fn any_finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        -1e6..1e6,
        Just(0.0),
        Just(f64::MIN_POSITIVE / 4.0)
    ]
}

proptest! {
    #[test]
    fn the_sum_is_the_nearest_double_of_the_integer_sum(terms in prop::collection::vec((any::<i64>(), 0_u32..40), 0..40)) {
        // Each term is a double times a power of two, so that the sum of integers fits 128 bits.
        let doubles: Vec<f64> = terms.iter().map(|&(m, e)| (m >> 11) as f64 * 2_f64.powi(e as i32)).collect();
        let exact: i128 = terms.iter().map(|&(m, e)| i128::from(m >> 11) << e).sum();
        prop_assert_eq!(sum_of(&doubles).value(), exact as f64);
    }

    #[test]
    fn the_order_of_terms_and_of_merges_does_not_matter(terms in prop::collection::vec(any_finite(), 0..30), cut in 0_usize..30) {
        let (a, b) = terms.split_at(cut.min(terms.len()));
        let mut reversed: Vec<f64> = terms.clone();
        reversed.reverse();
        let mut merged = sum_of(b);
        merged.merge(&sum_of(a));
        prop_assert_eq!(&merged, &sum_of(&reversed));
        prop_assert_eq!(merged.value().to_bits(), sum_of(&terms).value().to_bits());
    }

    #[test]
    fn terms_and_their_opposites_leave_nothing(terms in prop::collection::vec(any_finite(), 0..30)) {
        let opposites: Vec<f64> = terms.iter().rev().map(|x| -x).collect();
        let mut sum = sum_of(&terms);
        sum.merge(&sum_of(&opposites));
        prop_assert_eq!(sum.value(), 0.0);
        prop_assert_eq!(sum, ExactSum::default());
    }

    #[test]
    fn one_term_is_its_own_sum_and_survives_its_parts(term in any_finite()) {
        let sum = sum_of(&[term]);
        prop_assert_eq!(sum.value(), term);
        let (lowest, digits, special) = sum.to_parts();
        prop_assert_eq!(ExactSum::from_parts(lowest, digits, special), Some(sum));
    }
}

proptest! {
    #[test]
    fn products_are_added_as_integers_would_be(factors in prop::collection::vec((any::<i32>(), any::<i32>(), 0_u32..20), 0..40)) {
        let mut sum = ExactSum::default();
        let mut exact = 0_i128;
        for (a, b, e) in factors {
            // 2^32 + 1 makes 64 significant bits of each product, more than a double has.
            let a = i64::from(a) * ((1 << 20) + 1);
            sum.add_product(a as f64, f64::from(b) * 2_f64.powi(e as i32));
            exact += (i128::from(a) * i128::from(b)) << e;
        }
        prop_assert_eq!(sum.value(), exact as f64);
        let (value, rest) = sum.value_and_rest();
        prop_assert_eq!(value as i128 + rest as i128, exact, "106 bits hold the sum and its rest");
    }
}
