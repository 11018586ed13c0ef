use proptest::prelude::*;

use super::{EwRegression, Line};
use crate::testing::Normals;

fn after(points: &[(f64, f64)], gain: f64) -> EwRegression {
    let mut regression = EwRegression::default();
    points.iter().for_each(|&(step, value)| regression.update(value, step, gain));
    regression
}

/// Weighted least squares over all points at once: slope, level, r2, and the slope's error for
/// independent values.
fn reference(points: &[(f64, f64)], gain: f64) -> (f64, f64, f64, f64) {
    let mut rows = Vec::new();
    let (mut time, mut weight) = (0.0, 1.0);
    for &(step, value) in points.iter().rev() {
        rows.push((time, value, weight));
        time -= step;
        weight *= 1.0 - gain;
    }
    let sum = |of: &dyn Fn(&(f64, f64, f64)) -> f64| rows.iter().map(of).sum::<f64>();
    let total = sum(&|row| row.2);
    let (t, y) = (sum(&|row| row.2 * row.0) / total, sum(&|row| row.2 * row.1) / total);
    let tt = sum(&|row| row.2 * (row.0 - t).powi(2));
    let slope = sum(&|row| row.2 * (row.0 - t) * (row.1 - y)) / tt;
    let yy = sum(&|row| row.2 * (row.1 - y).powi(2));
    let rss = sum(&|row| row.2 * (row.1 - y - slope * (row.0 - t)).powi(2));
    let count = total * total / sum(&|row| row.2 * row.2);
    let spread = sum(&|row| row.2 * row.2 * (row.0 - t).powi(2));
    let error = (rss / total * count / (count - 2.0) * spread).sqrt() / tt;
    (slope, y - slope * t, 1.0 - rss / yy, error)
}

fn line_of_noise(noise: impl Iterator<Item = f64>, slope: f64, gain: f64) -> Line {
    let points: Vec<_> = noise.enumerate().map(|(at, noise)| (1.0, slope * at as f64 + noise)).collect();
    after(&points, gain).line().unwrap()
}

#[test]
fn the_state_takes_72_bytes() {
    assert_eq!(size_of::<EwRegression>(), 72);
}

#[test]
fn nothing_and_one_instant_have_no_line() {
    assert_eq!(EwRegression::default().line(), None);
    assert_eq!(after(&[(0.0, 1.0), (0.0, 2.0), (0.0, 3.0)], 0.0).line(), None);
    assert_eq!(after(&[(1.0, 1.0), (1.0, 2.0)], 0.0).line(), None);
}

#[test]
fn a_straight_line_is_found_and_a_flat_one_is_no_trend() {
    let points: Vec<_> = (0..100).map(|at| (0.5, 7.0 + 3.0 * f64::from(at))).collect();
    let line = after(&points, 0.02).line().unwrap();
    assert!((line.slope - 6.0).abs() < 1e-9 && (line.level - 304.0).abs() < 1e-6 && line.r2 > 0.999_999);
    assert!(line.t() > 1e3);
    let flat = after(&[(1.0, 5.0); 50], 0.02).line().unwrap();
    assert_eq!((flat.slope, flat.r2, flat.t()), (0.0, 0.0, 0.0));
}

#[test]
fn what_is_not_finite_changes_nothing() {
    let mut regression = after(&[(1.0, 1.0), (1.0, 3.0), (1.0, 4.0)], 0.1);
    let before = regression;
    for (value, step, gain) in
        [(f64::NAN, 1.0, 0.1), (1.0, f64::INFINITY, 0.1), (1.0, -1.0, 0.1), (1.0, 1.0, 2.0)]
    {
        regression.update(value, step, gain);
        assert_eq!(regression, before);
    }
}

#[test]
fn years_of_values_on_a_great_level_keep_their_slope() {
    let line = line_of_noise(Normals::new(1).take(1_000_000).map(|noise| 1e9 + noise), 0.01, 0.0007);
    assert!((line.slope - 0.01).abs() < 5.0 * line.slope_error && line.slope_error < 1e-3, "{line:?}");
}

#[test]
fn noise_that_wanders_is_seldom_taken_for_a_trend() {
    for (factor, gain) in [(0.0, 0.0), (0.0, 0.02), (0.7, 0.0), (0.7, 0.02)] {
        let wrong = (0..400).filter(|&seed| {
            let mut level = 0.0;
            let wandering = Normals::new(seed).take(200).map(|noise| {
                level = factor * level + noise;
                level
            });
            line_of_noise(wandering, 0.0, gain).t().abs() > 3.0
        });
        // Of independent values 0.3 % would be; the correction is asymptotic.
        let wrong = wrong.count();
        assert!(wrong <= 16, "{factor} {gain}: {wrong} of 400");
    }
}

proptest! {
    #[test]
    fn the_line_agrees_with_least_squares_over_all_points(
        points in prop::collection::vec((0.1..3.0_f64, -1e2..1e2_f64), 8..80),
        gain in 0.0..0.15_f64,
    ) {
        let regression = after(&points, gain);
        let (slope, level, r2, error) = reference(&points, gain);
        if let Some(line) = regression.line() {
            prop_assert!((line.slope - slope).abs() < 1e-8, "{} {slope}", line.slope);
            prop_assert!((line.level - level).abs() < 1e-7);
            prop_assert!((line.r2 - r2).abs() < 1e-8);
        }
        let independent = EwRegression { residual_square: 0.0, ..regression };
        if let Some(line) = independent.line() {
            prop_assert!((line.slope_error / error - 1.0).abs() < 1e-3, "{} {error}", line.slope_error);
        }
    }
}
