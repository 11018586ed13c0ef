use proptest::prelude::*;

use super::{Isotonic, Observation};

fn fit(points: &[(f64, f64)]) -> Option<Isotonic> {
    let mut observations: Vec<_> = points.iter().map(|&(x, y)| Observation { x, y, weight: 1.0 }).collect();
    Isotonic::fit(&mut observations)
}

#[test]
fn violators_are_pooled_and_others_kept() {
    let fitted = fit(&[(4.0, 5.0), (1.0, 1.0), (2.0, 3.0), (3.0, 2.0)]).unwrap();
    assert_eq!(fitted.knots, [(1.0, 1.0), (2.0, 2.5), (3.0, 2.5), (4.0, 5.0)]);
    for (x, expected) in
        [(-9.0, 1.0), (1.0, 1.0), (1.5, 1.75), (2.5, 2.5), (3.5, 3.75), (4.0, 5.0), (9.0, 5.0)]
    {
        assert_eq!(fitted.value(x), expected, "at {x}");
    }
    assert!(fitted.value(f64::NAN).is_nan());
}

#[test]
fn scores_of_hits_and_misses_become_probabilities() {
    let hits = [0, 0, 0, 1, 0, 1, 1, 0, 1, 1].map(f64::from);
    let points: Vec<_> = hits.iter().enumerate().map(|(at, &hit)| (at as f64, hit)).collect();
    let fitted = fit(&points).unwrap();
    assert_eq!(
        (fitted.value(2.0), fitted.value(4.0), fitted.value(6.0), fitted.value(9.0)),
        (0.0, 0.5, 2.0 / 3.0, 1.0)
    );
}

#[test]
fn what_is_not_finite_or_weighs_nothing_does_not_count() {
    assert_eq!(fit(&[]), None);
    let odd = [
        (f64::NAN, 1.0, 1.0),
        (1.0, f64::INFINITY, 1.0),
        (1.0, 1.0, 0.0),
        (1.0, 1.0, -2.0),
        (1.0, 1.0, f64::NAN),
    ];
    let mut odd = odd.map(|(x, y, weight)| Observation { x, y, weight });
    assert_eq!(Isotonic::fit(&mut odd), None);
    assert!(Isotonic { knots: Vec::new() }.value(1.0).is_nan());
}

proptest! {
    #[test]
    fn the_fit_agrees_with_the_formula_of_least_maxima(
        points in prop::collection::vec((0..8_i32, -20..20_i32, 1..4_i32), 1..25),
    ) {
        let mut observations: Vec<_> = points
            .iter()
            .map(|&(x, y, weight)| Observation { x: f64::from(x), y: f64::from(y), weight: f64::from(weight) })
            .collect();
        let fitted = Isotonic::fit(&mut observations).unwrap();
        let mean = |low: i32, high: i32| {
            let inside = points.iter().filter(|point| (low..=high).contains(&point.0));
            let (sum, weight) = inside.fold((0, 0), |(sum, weight), point| (sum + point.1 * point.2, weight + point.2));
            f64::from(sum) / f64::from(weight)
        };
        for &(x, _, _) in &points {
            // The value at x is the greatest, over all left ends, of the least mean over all right ends.
            let lefts = points.iter().map(|point| point.0).filter(|&left| left <= x);
            let expected = lefts
                .map(|left| {
                    let rights = points.iter().map(|point| point.0).filter(|&right| right >= x);
                    rights.map(|right| mean(left, right)).fold(f64::INFINITY, f64::min)
                })
                .fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((fitted.value(f64::from(x)) - expected).abs() < 1e-9);
        }
        prop_assert!(fitted.knots.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    }
}

proptest! {
    #[test]
    fn between_knots_the_function_is_straight(
        steps in prop::collection::vec((0.01..5.0_f64, 0.0..3.0_f64), 1..12), x in -2.0..40.0_f64,
    ) {
        let mut at = (0.0, 0.0);
        let knots: Vec<(f64, f64)> = steps
            .iter()
            .map(|step| {
                at = (at.0 + step.0, at.1 + step.1);
                at
            })
            .collect();
        let fitted = Isotonic { knots: knots.clone() };
        let (first, last) = (knots[0], knots[knots.len() - 1]);
        let between = knots.windows(2).find(|pair| (pair[0].0..=pair[1].0).contains(&x));
        let expected = match between {
            Some(pair) => {
                let share = (x - pair[0].0) / (pair[1].0 - pair[0].0);
                pair[0].1 * (1.0 - share) + pair[1].1 * share
            }
            None if x < first.0 => first.1,
            None => last.1,
        };
        prop_assert!((fitted.value(x) - expected).abs() < 1e-9, "{} {expected}", fitted.value(x));
    }
}
