use proptest::prelude::*;

use super::{Rejected, benjamini_hochberg, holm, simes};

/// The 15 p-values of the example in Benjamini's and Hochberg's paper.
const PUBLISHED: [f64; 15] = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
    0.7590, 1.0,
];

#[test]
fn the_published_example_rejects_four_and_three() {
    let mut shuffled = PUBLISHED;
    shuffled.reverse();
    assert_eq!(benjamini_hochberg(&mut shuffled, 0.05), Rejected { count: 4, threshold: 0.0095 });
    shuffled.reverse();
    assert_eq!(holm(&mut shuffled, 0.05), Rejected { count: 3, threshold: 0.0019 });
    assert!((simes(&mut shuffled).unwrap() - 0.0015).abs() < 1e-15);
}

#[test]
fn nothing_and_nan_reject_nothing() {
    let none = Rejected { count: 0, threshold: 0.0 };
    assert_eq!((simes(&mut []), benjamini_hochberg(&mut [], 0.05), holm(&mut [], 0.05)), (None, none, none));
    let mut nans = [f64::NAN, -f64::NAN, 0.9];
    assert_eq!((benjamini_hochberg(&mut nans, 0.05), holm(&mut nans, 0.05)), (none, none));
    assert_eq!(simes(&mut [f64::NAN, -f64::NAN]), Some(1.0));
}

/// By the definitions, with a count for each value instead of sorting.
fn rank(p_values: &[f64], p: f64) -> usize {
    p_values.iter().filter(|&&other| other <= p).count()
}

proptest! {
    #[test]
    fn the_procedures_agree_with_their_definitions(
        p_values in prop::collection::vec(prop_oneof![0.0..1.0_f64, 0.0..0.01_f64, Just(0.02)], 1..40),
        level in 0.001..0.5_f64,
    ) {
        let total = p_values.len() as f64;
        let low = |p: &&f64| **p <= level * rank(&p_values, **p) as f64 / total;
        let threshold = p_values.iter().filter(low).copied().fold(-1.0, f64::max);
        let expected = rank(&p_values, threshold);
        let got = benjamini_hochberg(&mut p_values.clone(), level);
        prop_assert_eq!(got.count, expected);
        prop_assert_eq!(rank(&p_values, got.threshold) * usize::from(got.count > 0), got.count);

        let global = p_values.iter().map(|&p| p * total / rank(&p_values, p) as f64).fold(1.0, f64::min);
        prop_assert!((simes(&mut p_values.clone()).unwrap() - global).abs() < 1e-12);
        prop_assert_eq!(got.count > 0, global <= level * (1.0 + 1e-12));

        let mut left = p_values.clone();
        left.sort_by(f64::total_cmp);
        while left.first().is_some_and(|&p| p <= level / left.len() as f64) {
            left.remove(0);
        }
        let stepped = holm(&mut p_values.clone(), level);
        prop_assert_eq!(stepped.count, p_values.len() - left.len());
        prop_assert!(stepped.count <= got.count);
    }
}
