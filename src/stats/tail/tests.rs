use proptest::prelude::*;
use statrs::{
    distribution::ContinuousCDF,
    statistics::{Data, OrderStatistics},
};

use super::{GREATEST_SCORE, Tail, WARM_UP};
use crate::testing::{Normals, Uniforms};

const FLOOR: f32 = 1e-6;

fn scores(distances: impl Iterator<Item = f64>) -> Vec<f32> {
    let mut tail = Tail::default();
    distances.map(|distance| tail.update(distance as f32, FLOOR)).collect()
}

fn share_above(scores: &[f32], score: f32) -> f64 {
    scores.iter().filter(|&&other| other > score).count() as f64 / scores.len() as f64
}

/// Whether scores above 2, 2.5 and 3 come as often as they say, within the given factors.
fn check(distances: impl Iterator<Item = f64>, least: f64, most: f64) {
    let scores = scores(distances.take(400_000));
    for score in [2.0, 2.5, 3.0_f32] {
        let ratio = share_above(&scores, score) / 10_f64.powf(-f64::from(score));
        assert!((least..most).contains(&ratio), "{score}: {ratio}");
    }
}

#[test]
fn the_state_takes_15_bytes() {
    assert_eq!(size_of::<Tail>(), 15);
}

#[test]
fn exponential_tails_score_as_often_as_they_say() {
    check(Uniforms::new(1).map(|u| -u.ln()), 0.7, 2.0);
}

#[test]
fn heavy_tails_score_as_often_as_they_say() {
    check(Uniforms::new(2).map(|u| (u.powf(-0.25) - 1.0) / 0.25), 0.7, 2.5);
}

#[test]
fn light_tails_score_no_more_often_than_they_say() {
    check(Normals::new(3).map(f64::abs), 0.2, 1.7);
}

#[test]
fn the_unit_of_distance_does_not_matter() {
    let small = scores(Uniforms::new(4).map(|u| -u.ln()).take(10_000));
    let mut tail = Tail::default();
    let great = Uniforms::new(4).map(|u| -u.ln()).take(10_000).map(|d| tail.update(d as f32 * 1024.0, 1e-3));
    assert!(small.iter().zip(great).all(|(a, b)| (a - b).abs() < 1e-3));
}

#[test]
fn an_outlier_while_warming_up_does_not_blind() {
    let mut tail = Tail::default();
    for (at, uniform) in Uniforms::new(5).take(200).enumerate() {
        tail.update(if at == 9 { 1e6 } else { -uniform.ln() as f32 }, FLOOR);
    }
    assert!(tail.score(50.0, FLOOR) > 4.0, "{tail:?}");
}

#[test]
fn the_first_move_of_a_flat_series_is_bounded() {
    let mut tail = Tail::default();
    for _ in 0..100_000 {
        assert_eq!(tail.update(0.0, FLOOR), 0.0);
    }
    assert_eq!(tail.update(FLOOR / 2.0, FLOOR), 0.0);
    assert_eq!(tail.update(1e30, FLOOR), GREATEST_SCORE);
}

#[test]
fn a_new_scale_is_learned_within_hours_of_minutes_and_a_smaller_one_within_a_week() {
    let mut tail = Tail::default();
    let mut uniforms = Uniforms::new(6).map(|u| -u.ln() as f32);
    let mut feed = |tail: &mut Tail, n: usize, scale: f32| -> Vec<f32> {
        uniforms.by_ref().take(n).map(|d| tail.update(d * scale, FLOOR)).collect()
    };
    feed(&mut tail, 5_000, 1.0);
    feed(&mut tail, 200, 10.0);
    assert!(share_above(&feed(&mut tail, 1_000, 10.0), 4.0) < 0.01);
    feed(&mut tail, 10_000, 1.0);
    assert!(tail.score(40.0, FLOOR) > 4.0);
}

#[test]
fn what_is_not_finite_scores_and_teaches_nothing() {
    let mut tail = Tail::default();
    let before = tail;
    for (distance, floor) in [(f32::NAN, FLOOR), (f32::INFINITY, FLOOR), (1.0, f32::NAN)] {
        assert_eq!(tail.update(distance, floor), 0.0);
        assert_eq!(tail, before);
    }
}

#[test]
fn the_score_agrees_with_the_distribution_in_doubles() {
    let mut tail = Tail::default();
    for uniform in Uniforms::new(7).take(20_000) {
        tail.update((uniform.powf(-0.2) - 1.0) as f32, FLOOR);
    }
    let (mean, variance) = (f64::from(tail.mean_excess), f64::from(tail.variance));
    let shape = (0.5 * (1.0 - mean * mean / variance)).clamp(0.0, 0.4);
    for distance in [1.3_f32, 2.0, 3.0, 9.0] {
        let excess = f64::from(distance) - f64::from(tail.threshold);
        let base = 1.0 + shape * excess / (mean * (1.0 - shape));
        let expected = -(0.02 * base.powf(-1.0 / shape)).log10();
        assert!(shape > 0.01 && excess > 0.0);
        assert!((f64::from(tail.score(distance, FLOOR)) - expected.min(15.0)).abs() < 1e-4);
    }
}

proptest! {
    #[test]
    fn scores_are_within_their_bounds_and_ascend(
        distances in prop::collection::vec(prop_oneof![0.0..2.0_f32, Just(0.0), 0.0..f32::MAX], 0..300),
        a in 0.0..1e6_f32,
        b in 0.0..1e6_f32,
    ) {
        let mut tail = Tail::default();
        for (at, &distance) in distances.iter().enumerate() {
            let score = tail.update(distance, FLOOR);
            prop_assert!((0.0..=GREATEST_SCORE).contains(&score));
            prop_assert!(at >= usize::from(WARM_UP) || score == 0.0);
            prop_assert!(tail.threshold.is_finite() && tail.mean_excess.is_finite() && tail.variance.is_finite());
        }
        prop_assert!(tail.score(a.min(b), FLOOR) <= tail.score(a.max(b), FLOOR));
    }
}

proptest! {
    /// Excesses above a threshold follow a generalised Pareto distribution: with a shape above zero it is a
    /// Pareto distribution moved to begin at zero, with a shape of zero an exponential one.
    #[test]
    fn scores_agree_with_the_distributions_of_statrs(
        mean in 0.01..100.0_f32, ratio in 0.5..6.0_f32, excesses in 0.0..30.0_f32, threshold in 0.1..100.0_f32,
    ) {
        let variance = mean * mean * ratio;
        let tail = Tail { threshold, mean_excess: mean, variance, values: 1000, excesses: 64 };
        let distance = threshold + excesses * mean;
        let excess = f64::from(distance) - f64::from(threshold);
        let (mean, variance) = (f64::from(mean), f64::from(variance));
        let shape = (0.5 * (1.0 - mean * mean / variance)).clamp(0.0, 0.4);
        let scale = mean * (1.0 - shape);
        let beyond = if shape < 1e-3 {
            statrs::distribution::Exp::new(1.0 / scale).unwrap().sf(excess)
        } else {
            statrs::distribution::Pareto::new(scale / shape, 1.0 / shape).unwrap().sf(scale / shape + excess)
        };
        let expected = if excess > 0.0 { -(0.02 * beyond).log10() } else { 0.0 };
        let expected = expected.min(f64::from(GREATEST_SCORE));
        let got = f64::from(tail.score(distance, FLOOR));
        prop_assert!((got - expected).abs() < 1e-3 * expected.max(1.0), "{got} {expected} at shape {shape}");
    }

    #[test]
    fn the_threshold_is_near_the_quantile_of_the_sorted_distances(seed: u64) {
        let distances: Vec<f64> = Uniforms::new(seed).map(|u| -u.ln()).take(20_000).collect();
        let mut tail = Tail::default();
        distances.iter().for_each(|distance| { tail.update(*distance as f32, FLOOR); });
        // What it remembers: the last 2,500.
        let expected = Data::new(distances[17_500..].to_vec()).quantile(0.98);
        let got = f64::from(tail.threshold);
        prop_assert!((got / expected - 1.0).abs() < 0.35, "{got} {expected}");
    }
}
