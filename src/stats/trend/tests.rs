use augurs::{Fit, mstl::MSTLModel};
use proptest::prelude::*;

use super::{MOST_POINTS, mann_kendall, theil_sen};
use crate::{EwRegression, testing::Normals};

#[test]
fn a_textbook_series_has_its_score() {
    // Gilbert, "Statistical methods for environmental pollution monitoring", 1987: S of 5, 6, 11, 8, 10 is 6,
    // its variance 5 · 4 · 15 / 18.
    let test = mann_kendall(&[5.0, 6.0, 11.0, 8.0, 10.0]).unwrap();
    assert!((test.tau - 0.6).abs() < 1e-15);
    assert!((test.z - 5.0 / (50.0 / 3.0_f64).sqrt()).abs() < 1e-12);
    assert!((test.p_value - 0.220_671).abs() < 1e-6, "{}", test.p_value);
}

#[test]
fn too_little_has_no_trend() {
    assert_eq!(mann_kendall(&[1.0, 2.0]), None);
    assert_eq!(mann_kendall(&[1.0, f64::NAN, 2.0]), None);
    assert_eq!(mann_kendall(&[4.0; 30]), None);
    assert_eq!(theil_sen(&[(1.0, 2.0)], &mut Vec::new()), None);
    assert_eq!(theil_sen(&[(1.0, 2.0), (1.0, 5.0)], &mut Vec::new()), None);
    assert_eq!(theil_sen(&[(1.0, 2.0), (2.0, f64::NAN)], &mut Vec::new()), None);
}

#[test]
fn noise_has_a_trend_as_often_as_it_should() {
    let found = (0..2_000_u64)
        .filter(|&seed| {
            mann_kendall(&Normals::new(seed).take(40).collect::<Vec<_>>()).unwrap().p_value < 0.05
        })
        .count();
    assert!((60..=140).contains(&found), "{found} of 2,000 at 5 %");
}

#[test]
fn a_quarter_of_wild_points_does_not_bend_the_line() {
    let points: Vec<_> = (0..90)
        .map(|day| (f64::from(day), if day % 4 == 3 { 1e6 } else { 3.0 + 0.5 * f64::from(day) }))
        .collect();
    let line = theil_sen(&points, &mut Vec::new()).unwrap();
    assert!((line.slope - 0.5).abs() < 1e-9, "{line:?}");
    assert!((line.intercept - 3.0).abs() < 20.0, "{line:?}");
}

#[test]
fn only_the_last_points_count_and_the_room_for_slopes_is_kept() {
    let mut scratch = Vec::new();
    let bent: Vec<_> = (0..2 * MOST_POINTS)
        .map(|at| (at as f64, if at < MOST_POINTS { 0.0 } else { 2.0 * at as f64 }))
        .collect();
    assert!((theil_sen(&bent, &mut scratch).unwrap().slope - 2.0).abs() < 1e-9);
    let room = scratch.capacity();
    theil_sen(&bent, &mut scratch);
    assert_eq!(scratch.capacity(), room);
}

proptest! {
    #[test]
    fn the_score_and_its_variance_agree_with_their_definitions(
        values in prop::collection::vec((-6..6_i32).prop_map(f64::from), 3..40),
    ) {
        let n = values.len() as f64;
        let mut score = 0.0;
        for (at, late) in values.iter().enumerate() {
            score += values[..at].iter().map(|early| (late - early).partial_cmp(&0.0).unwrap() as i32 as f64).sum::<f64>();
        }
        let group = |value: i32| values.iter().filter(|&&other| other == f64::from(value)).count() as f64;
        let ties: f64 = (-6..6).map(|value| { let t = group(value); t * (t - 1.0) * (2.0 * t + 5.0) }).sum();
        let variance: f64 = (n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0;
        match mann_kendall(&values) {
            Some(test) => {
                let z = if score == 0.0 { 0.0 } else { (score - score.signum()) / variance.sqrt() };
                prop_assert!((test.z - z).abs() < 1e-9);
                prop_assert!((test.tau - score / (n * (n - 1.0) / 2.0)).abs() < 1e-12);
            }
            None => prop_assert!(variance <= 0.0),
        }
    }

    #[test]
    fn half_of_all_slopes_lie_on_either_side(
        points in prop::collection::vec((0.0..90.0_f64, -50.0..50.0_f64), 3..30),
    ) {
        let line = theil_sen(&points, &mut Vec::new()).unwrap();
        let mut slopes = Vec::new();
        for (at, a) in points.iter().enumerate() {
            slopes.extend(points[at + 1..].iter().filter(|b| b.0 != a.0).map(|b| (b.1 - a.1) / (b.0 - a.0)));
        }
        slopes.sort_by(f64::total_cmp);
        let (low, high) = (slopes[(slopes.len() - 1) / 2], slopes[slopes.len() / 2]);
        prop_assert!(low - 1e-9 <= line.slope && line.slope <= high + 1e-9);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Four weeks of hours with a daily course and a trend, which a decomposition takes apart.
    #[test]
    fn the_slope_agrees_with_the_trend_that_augurs_finds(
        slope in -0.05..0.05_f64, swing in 0.0..20.0_f64, seed in 0..1_000_u64,
    ) {
        let course = |at: usize| swing * (at as f64 / 24.0 * std::f64::consts::TAU).sin();
        let values: Vec<f64> = Normals::new(seed)
            .take(24 * 28)
            .enumerate()
            .map(|(at, normal)| 100.0 + slope * at as f64 + course(at) + normal)
            .collect();
        let fitted = MSTLModel::naive(vec![24]).fit(&values).unwrap();
        let trend: Vec<f64> = fitted.fit().trend().iter().map(|value| f64::from(*value)).collect();
        let (first, last) = (&trend[..24], &trend[trend.len() - 24..]);
        let mean = |day: &[f64]| day.iter().sum::<f64>() / 24.0;
        let expected = (mean(last) - mean(first)) / (trend.len() - 24) as f64;
        let days: Vec<(f64, f64)> =
            values.chunks(24).enumerate().map(|(day, hours)| (24.0 * day as f64, mean(hours))).collect();
        let robust = theil_sen(&days, &mut Vec::new()).unwrap().slope;
        let mut regression = EwRegression::default();
        days.iter().for_each(|day| regression.update(day.1, 24.0, 0.0));
        let squares = regression.line().unwrap().slope;
        for got in [robust, squares] {
            prop_assert!((got - expected).abs() < 0.003, "{got} {expected} {slope}");
        }
    }
}
