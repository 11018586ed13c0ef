use super::super::nab::{PROFILES, score, sweep};
use super::{at_least, corpus, only, random_scores, series, two_series};

/// Thirty points, one window from 10 to 19; the probation has four points.
fn score_of(points: &[usize]) -> [f64; 3] {
    let corpus = corpus(vec![series(30, &[(10, 19)])]);
    [0, 1, 2].map(|profile| score(&corpus, &only(30, points), &PROFILES[profile]))
}

#[track_caller]
fn check(points: &[usize], expected: [f64; 3]) {
    let found = score_of(points);
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 0.005, "{points:?}: {found}, expected {expected}");
    }
}

#[test]
fn no_detection_scores_zero_and_the_first_point_of_each_window_a_hundred() {
    check(&[], [0.0, 0.0, 0.0]);
    check(&[10], [100.0, 100.0, 100.0]);
    let corpus = two_series();
    let firsts = [vec![300, 800], vec![500]];
    let detected: Vec<_> =
        firsts.iter().zip([1200, 1000]).map(|(firsts, n)| only(n, firsts).remove(0)).collect();
    for profile in &PROFILES {
        assert!((score(&corpus, &detected, profile) - 100.0).abs() < 1e-9);
    }
}

#[test]
fn a_later_detection_earns_less() {
    // (19 - 15 + 1) / 10 = 0.5 before the end: (2 / (1 + e^-2.5) - 1) / 0.98661 = 0.85979;
    // (1 + 0.85979) / 2, and (2 + 0.85979) / 3 where a miss costs two.
    check(&[15], [92.99, 92.99, 95.33]);
    // One step before the end: (2 / (1 + e^-0.5) - 1) / 0.98661 = 0.24824.
    check(&[19], [62.41, 62.41, 74.94]);
}

#[test]
fn of_several_detections_in_a_window_the_earliest_counts() {
    check(&[12, 13, 14, 19], score_of(&[12]));
}

#[test]
fn a_false_alarm_costs_less_just_behind_a_window_than_elsewhere() {
    // Before any window the whole weight: 0.11 / 2, 0.22 / 2, 0.11 / 3.
    check(&[5], [-5.5, -11.0, -3.667]);
    // Five points behind, 5 / 9 of the width: 2 / (1 + e^(25/9)) - 1 = -0.88292.
    check(&[24], [-4.856, -9.712, -3.237]);
    check(&[5, 24], [-10.356, -20.712, -6.904]);
}

#[test]
fn far_behind_a_window_a_false_alarm_costs_its_whole_weight() {
    let corpus = corpus(vec![series(100, &[(20, 24)])]);
    let near = score(&corpus, &only(100, &[36]), &PROFILES[0]);
    let far = score(&corpus, &only(100, &[37]), &PROFILES[0]);
    assert!(near > -5.5 && near < -5.499, "{near}");
    assert!((far - -5.5).abs() < 1e-12, "{far}");
}

#[test]
fn every_row_above_the_threshold_outside_windows_costs_again() {
    check(&[5, 6, 7, 8], [-22.0, -44.0, -14.667]);
}

#[test]
fn nothing_counts_in_the_probation() {
    check(&[0, 1, 2, 3], [0.0, 0.0, 0.0]);
    // A window that ends in it is neither found nor missed.
    let corpus = corpus(vec![series(100, &[(3, 9), (50, 59)])]);
    assert!((score(&corpus, &only(100, &[50]), &PROFILES[0]) - 100.0).abs() < 1e-9);
}

#[test]
fn the_probation_is_15_percent_and_no_more_than_750_points() {
    assert_eq!(series(4032, &[]).probation, 604);
    assert_eq!(series(22_695, &[]).probation, 750);
}

#[test]
fn the_sweep_finds_what_trying_every_threshold_finds() {
    let corpus = two_series();
    for seed in 0..20 {
        let scores = random_scores(&corpus, seed, 200);
        for profile in &PROFILES {
            let tried =
                (0..200).map(|threshold| score(&corpus, &at_least(&scores, f64::from(threshold)), profile));
            let best = tried.fold(0.0, f64::max);
            let swept = sweep(&corpus, &scores, profile);
            assert!((swept.score - best).abs() < 1e-9, "seed {seed}: {swept:?}, expected {best}");
            let again = score(&corpus, &at_least(&scores, swept.threshold), profile);
            assert!((again - best).abs() < 1e-9, "the threshold of {swept:?} gives {again}");
        }
    }
}

#[test]
fn a_constant_score_can_not_be_told_from_silence() {
    let corpus = two_series();
    let constant: Vec<_> = corpus.series.iter().map(|series| vec![0.5; series.values.len()]).collect();
    let swept = sweep(&corpus, &constant, &PROFILES[0]);
    assert_eq!((swept.score, swept.threshold), (0.0, f64::INFINITY));
}
