use proptest::prelude::*;

use super::Conformal;
use crate::testing::{Normals, Students};

const LEVEL: f64 = 0.95;

fn after(errors: impl Iterator<Item = f64>) -> Conformal {
    at_level(LEVEL, errors)
}

fn at_level(level: f64, errors: impl Iterator<Item = f64>) -> Conformal {
    let mut conformal = Conformal::new(level);
    for error in errors {
        conformal.update(error, level);
    }
    conformal
}

fn check(errors: impl Iterator<Item = f64>) {
    let conformal = after(errors);
    let coverage = conformal.coverage().unwrap();
    assert!((0.93..=0.97).contains(&coverage), "{coverage} {conformal:?}");
}

#[test]
fn the_state_takes_25_bytes() {
    assert_eq!(size_of::<Conformal>(), 25);
}

#[test]
fn independent_errors_are_covered_as_promised() {
    check(Normals::new(1).take(5_000));
}

#[test]
fn errors_that_follow_each_other_are_covered_as_promised() {
    for factor in [0.5, 0.8, 0.95] {
        let mut error = 0.0;
        check(Normals::new(2).take(20_000).map(|normal| {
            error = factor * error + normal;
            error
        }));
    }
}

#[test]
fn heavy_tails_are_covered_as_promised() {
    check(Students::new(3).take(20_000));
    // Cauchy: no mean, no variance.
    check(Normals::new(4).zip(Normals::new(5)).map(|(a, b)| a / b).take(20_000));
}

#[test]
fn errors_with_a_daily_rhythm_are_covered_as_promised() {
    check(Normals::new(6).take(20_000).enumerate().map(|(at, normal)| {
        let hour = at as f64 / 24.0 * std::f64::consts::TAU;
        normal * (1.0 + 0.8 * hour.sin())
    }));
}

#[test]
fn errors_that_grow_a_hundredfold_or_shrink_are_covered_again() {
    check(Normals::new(7).take(12_000).enumerate().map(|(at, normal)| match at {
        0..4_000 => normal,
        4_000..8_000 => 100.0 * normal,
        _ => 0.01 * normal,
    }));
}

#[test]
fn every_level_is_covered_as_promised() {
    for (level, expected) in [(0.5, 0.674), (0.8, 1.282), (0.9, 1.645), (0.95, 1.960), (0.99, 2.576)] {
        let conformal = at_level(level, Normals::new(8).take(20_000));
        let half_width = conformal.interval(level).unwrap();
        assert!((half_width / expected - 1.0_f64).abs() < 0.25, "{level}: {half_width}");
        let coverage = conformal.coverage().unwrap();
        assert!((coverage - level).abs() < 0.02, "{level}: {coverage}");
    }
}

#[test]
fn another_level_keeps_the_errors_and_begins_its_own_account() {
    let mut conformal = after(Normals::new(8).take(4_000));
    conformal.turn_to(0.8);
    assert_eq!(conformal.coverage(), None);
    assert!((conformal.interval(0.8).unwrap() / 1.282 - 1.0_f64).abs() < 0.2, "{conformal:?}");
}

#[test]
fn an_early_outlier_does_not_widen_the_interval_for_long() {
    let conformal = after([1e-6, 1e9].into_iter().chain(Normals::new(9).take(600)));
    assert!(conformal.interval(LEVEL).unwrap() < 4.0, "{conformal:?}");
}

#[test]
fn too_few_errors_give_no_interval() {
    let conformal = after(Normals::new(10).take(19));
    assert_eq!((conformal.interval(0.5), conformal.coverage()), (None, None));
    let conformal = after(Normals::new(10).take(20));
    assert!(conformal.interval(0.5).is_some());
    assert_eq!([0.99, 1.0, -0.1, f64::NAN].map(|level| conformal.interval(level)), [None; 4]);
    assert!(after(Normals::new(10).take(100)).interval(0.99).is_some());
}

#[test]
fn a_forecast_that_is_always_right_has_an_interval_of_nothing() {
    assert_eq!(after(std::iter::repeat_n(0.0, 2_000)).interval(0.95), Some(0.0));
}

#[test]
fn zeros_before_the_first_error_are_no_small_errors() {
    let conformal = after(std::iter::repeat_n(0.0, 300).chain(Normals::new(11).take(600)));
    assert!((1.0..3.5).contains(&conformal.interval(0.95).unwrap()), "{conformal:?}");
}

proptest! {
    #[test]
    fn the_interval_agrees_with_the_sorted_errors(
        errors in prop::collection::vec(0.2..8.0_f64, 100..250),
        level in 0.5..0.95_f64,
    ) {
        let mut conformal = after(errors.iter().copied());
        conformal.turn_to(level);
        let mut sorted = errors;
        sorted.sort_by(f64::total_cmp);
        let rank = level * (sorted.len() + 1) as f64;
        let (low, high) = (sorted[rank as usize - 2], sorted[(rank as usize + 1).min(sorted.len() - 1)]);
        let bin = 2_f64.powf(0.25);
        let got = conformal.interval(level).unwrap();
        prop_assert!((low / bin..=high * bin).contains(&got), "{got} {low} {high}");
    }

    #[test]
    fn a_state_from_damaged_bytes_does_not_panic(
        lowest: u16, counts: [u8; 15], top: i16, miscoverage: u16, judged: u16, covered: u16, errors: [f64; 8],
    ) {
        let mut conformal = Conformal { lowest, counts, top, miscoverage, judged, covered };
        for error in errors {
            conformal.update(error, LEVEL);
            prop_assert!(conformal.interval(0.95).is_none_or(|half_width| half_width >= 0.0));
        }
    }

    #[test]
    fn any_errors_leave_a_state_with_finite_ascending_intervals(
        errors in prop::collection::vec(prop_oneof![any::<f64>(), Just(0.0), -1.0..1.0_f64], 0..600),
        a in 0.0..1.0_f64,
        b in 0.0..1.0_f64,
    ) {
        let conformal = after(errors.into_iter());
        let at = |level: f64| {
            let mut turned = conformal;
            turned.turn_to(level);
            turned.interval(level)
        };
        if let (Some(low), Some(high)) = (at(a.min(b)), at(a.max(b))) {
            prop_assert!(0.0 <= low && low <= high);
        }
        let (covered, judged) = (conformal.covered, conformal.judged);
        prop_assert!(covered <= judged);
    }
}
