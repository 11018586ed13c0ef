use model::{Deployment, Maturity, Statistic};

use super::*;

fn calm(since: u64) -> f64 {
    100.0 + noise(5, since)
}

#[test]
fn a_shift_is_followed_within_the_hour_and_becomes_the_level_after_six() {
    let mut feed = Feed::new(Statistic::Mean);
    let shifted_at = 5 * DAY + 3 * HOUR;
    feed.run(0, shifted_at, calm);
    let told = feed.run(shifted_at, shifted_at + 6 * HOUR, |since| calm(since) + 30.0);
    assert!(told[0].z() > 20.0, "{:?}", told[0]);
    assert!(told[120..].iter().all(|it| it.z().abs() < 6.0));
    assert_eq!(feed.metric("level_shifts"), 0);
    let scale_before = told.last().unwrap().scale;
    let told = feed.run(shifted_at + 6 * HOUR, shifted_at + 8 * HOUR, |since| calm(since) + 30.0);
    assert_eq!(feed.metric("level_shifts"), 1);
    assert!(told.last().unwrap().scale > 1.2 * scale_before);
    // The season is what it was: the shift is in the level.
    assert!(told.iter().all(|it| it.seasonal.abs() < 2.0), "{:?}", told.last());
    feed.run(shifted_at + 8 * HOUR, 9 * DAY, |since| calm(since) + 30.0);
    assert_eq!(feed.metric("level_shifts"), 1);
}

#[test]
fn an_episode_of_an_hour_is_no_shift_and_leaves_the_band_where_it_was() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, 5 * DAY, calm);
    let before = feed.give(5 * DAY, calm(0));
    feed.run(5 * DAY + MINUTE, 5 * DAY + HOUR, |since| calm(since) + 30.0);
    let told = feed.run(5 * DAY + HOUR, 5 * DAY + 4 * HOUR, calm);
    let after = told.last().unwrap();
    assert_eq!(feed.metric("level_shifts"), 0);
    assert!((after.expected - before.expected).abs() < 1.0, "{before:?} {after:?}");
    assert!(after.scale < 1.5 * before.scale, "{before:?} {after:?}");
}

#[test]
fn one_wild_value_moves_nothing() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, 2 * DAY, calm);
    let before = feed.give(2 * DAY, 100.0);
    let wild = feed.give(2 * DAY + MINUTE, 1e20);
    let after = feed.give(2 * DAY + 2 * MINUTE, 100.0);
    assert!(wild.z() > 1e18);
    assert!((after.expected - before.expected).abs() < 1.0, "{before:?} {after:?}");
}

#[test]
fn a_slow_drift_is_followed_without_a_false_alarm_and_counted() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, 5 * DAY, calm);
    let drifting = |since: u64| calm(since) + 1.5 * (since - 5 * DAY) as f64 / DAY as f64;
    let told = feed.run(5 * DAY, 12 * DAY, drifting);
    assert!(feed.metric("drifts") >= 1);
    assert_eq!(feed.metric("level_shifts"), 0);
    assert!(told.iter().all(|it| it.z().abs() < 6.0));
    assert!(mean_error(&told) < 0.7, "{}", mean_error(&told));
}

#[test]
fn quiet_days_show_neither_drift_nor_shift() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, 20 * DAY, |since| calm(since) + 20.0 * daily(since));
    assert_eq!((feed.metric("drifts"), feed.metric("level_shifts")), (0, 0));
}

#[test]
fn a_flat_series_scores_its_first_step_and_no_rounding() {
    for level in [5.0, 0.0, -3e9] {
        let mut feed = Feed::new(Statistic::Mean);
        feed.run(0, 2 * DAY, |_| level);
        let rounding = feed.give(2 * DAY, level * (1.0 + 1e-6));
        let step = feed.give(2 * DAY + MINUTE, level + 1.0 + level.abs());
        assert!(
            rounding.z().abs() < 1.0 && step.z() > 100.0 && step.z().is_finite(),
            "{rounding:?} {step:?}"
        );
        assert!(step.scale >= (0.001 * level.abs()).max(1e-9));
    }
}

#[test]
fn one_step_of_what_only_takes_steps_is_no_surprise() {
    let mut feed = Feed::new(Statistic::Mean);
    let told = feed.run(0, 3 * DAY, |since| f64::from(u8::from((since / MINUTE).is_multiple_of(97))));
    assert!(told[2 * 1440..].iter().all(|it| it.z().abs() < 2.0));
}

#[test]
fn what_is_no_value_is_counted_and_leaves_no_trace() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, 2 * DAY, calm);
    let before = feed.give(2 * DAY, 100.0);
    for (at, value) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e31].into_iter().enumerate() {
        let told = feed.give(2 * DAY + (1 + at as u64) * MINUTE, value);
        assert!(told.observed.is_nan() && told.maturity == Maturity::Insufficient);
    }
    let after = feed.give(2 * DAY + 5 * MINUTE, 100.0);
    assert!((after.expected - before.expected).abs() < 0.2 && after.z().abs() < 3.0);
    assert_eq!(feed.metric("rejected_points"), 4);
    let mut rate = Feed::new(Statistic::Rate);
    rate.give(0, -1.0);
    let mut ratio = Feed::new(Statistic::ErrorRatio);
    ratio.give(0, 1.5);
    let mut latency = Feed::new(Statistic::P95);
    latency.give(0, 0.0);
    assert_eq!([&rate, &ratio, &latency].map(|feed| feed.metric("rejected_points")), [1, 1, 1]);
}

#[test]
fn the_band_is_in_the_unit_of_the_series() {
    let mut rate = Feed::new(Statistic::Rate);
    let told = rate.run(0, 2 * DAY, |since| 10.0 + 0.5 * noise(6, since));
    let last = told.last().unwrap();
    assert!((last.expected - 10.0).abs() < 0.5 && last.lower < 10.0 && 10.0 < last.upper, "{last:?}");
    assert!((last.observed - (last.value * 60.0 + 0.375).sqrt()).abs() < 1e-12);
    let mut latency = Feed::new(Statistic::P95);
    let told = latency.run(0, 2 * DAY, |since| 250.0 * (0.1 * noise(7, since)).exp());
    let last = told.last().unwrap();
    assert!((last.expected - 250.0).abs() < 15.0 && last.lower > 0.0, "{last:?}");
    let mut ratio = Feed::new(Statistic::ErrorRatio);
    let told = ratio.run(0, 2 * DAY, |_| 0.0);
    let last = told.last().unwrap();
    assert!(last.expected < 1e-3 && last.lower == 0.0 && last.upper < 0.01, "{last:?}");
}

#[test]
fn rows_with_too_few_observations_are_not_scored() {
    let mut feed = Feed::new(Statistic::P99);
    feed.run(0, 2 * DAY, |_| 100.0);
    feed.support = 99;
    let told = feed.give(2 * DAY, 1e6);
    assert!(told.observed.is_nan() && told.maturity == Maturity::Insufficient);
    assert!((told.expected - 100.0).abs() < 1.0);
    feed.support = 100;
    assert!(feed.give(2 * DAY + MINUTE, 1e6).z() > 10.0);
}

#[test]
fn ratios_add_up_windows_until_there_are_fifty_observations() {
    let mut feed = Feed::new(Statistic::ErrorRatio);
    feed.support = 10;
    let told = feed.run(0, DAY, |_| 0.1);
    let scored: Vec<_> = told.iter().skip(600).filter(|it| !it.observed.is_nan()).collect();
    assert_eq!(scored.len(), (1440 - 600) / 5);
    assert!(scored.iter().all(|it| (it.observed - 5.5 / 51.0).abs() < 1e-12));
}

#[test]
fn an_hour_that_is_slower_by_a_fifth_counts_as_degraded() {
    let mut feed = Feed::new(Statistic::P95);
    let steady = |since: u64| 100.0 * (0.02 * noise(8, since)).exp();
    feed.run(0, 3 * DAY, steady);
    assert_eq!(feed.metric("degraded_series"), 0);
    feed.run(3 * DAY, 3 * DAY + 3 * HOUR, |since| 1.1 * steady(since));
    assert_eq!(feed.metric("degraded_series"), 0);
    let told = feed.run(3 * DAY + 3 * HOUR, 3 * DAY + 5 * HOUR, |since| 1.35 * steady(since));
    assert_eq!(feed.metric("degraded_series"), 1);
    assert!(!told[0].is_degraded && told[119].is_degraded, "which one is told with its row");
    let told = feed.run(3 * DAY + 5 * HOUR, 3 * DAY + 14 * HOUR, steady);
    assert_eq!(feed.metric("degraded_series"), 0);
    assert!(told[0].is_degraded && !told[539].is_degraded);
}

#[test]
fn after_a_deployment_the_new_level_is_learned_faster() {
    let errors_after = |is_deployed: bool| -> f64 {
        let mut feed = Feed::new(Statistic::P95);
        feed.run(0, 2 * DAY, calm);
        let mut rollups = window(2 * DAY, MINUTE);
        rollups.push(Arc::clone(&feed.series), 0, calm(2 * DAY), 1000);
        if is_deployed {
            rollups.deployments.push(Deployment {
                service: "shop".into(),
                what: "service.version".into(),
                version: "2".into(),
                at: rollups.start,
            });
        }
        feed.harness.judge(rollups);
        let told = feed.run(2 * DAY + MINUTE, 2 * DAY + 30 * MINUTE, |since| 1.1 * calm(since));
        mean_error(&told)
    };
    assert!(errors_after(true) < 0.6 * errors_after(false));
}

#[test]
fn a_new_operation_knows_the_day_of_its_service() {
    let mut feed = Feed::new(Statistic::P95);
    let course = |since: u64| 100.0 * (daily(since) + 0.02 * noise(9, since)).exp();
    feed.run(0, 4 * DAY + 6 * HOUR, course);
    // The same course on another level.
    let new = series(2, Statistic::P95);
    for since in (4 * DAY + 6 * HOUR..4 * DAY + 12 * HOUR).step_by(60) {
        let mut rollups = window(since, MINUTE);
        rollups.push(Arc::clone(&feed.series), 0, course(since), 1000);
        rollups.push(Arc::clone(&new), 1, course(since) / 5.0, 1000);
        let out = feed.harness.judge(rollups);
        let columns = columns(tables(&out)[0]);
        if since == 4 * DAY + 11 * HOUR {
            let difference = columns.seasonal[1] - columns.seasonal[0];
            assert!(columns.seasonal[0].abs() > 0.2 && difference.abs() < 0.05, "{columns:?}");
            assert_eq!(columns.maturity[1], Maturity::Gross);
            assert!((columns.expected[1] / (course(since) / 5.0)).ln().abs() < 0.1);
        }
    }
}

#[test]
fn a_gauge_in_another_unit_has_the_same_band_in_that_unit() {
    let course = |since: u64| 100.0 + 20.0 * daily(since) + noise(10, since);
    let run = |factor: f64| -> Vec<Told> {
        let mut feed = Feed::new(Statistic::Mean);
        feed.run(0, 4 * DAY, |since| factor * course(since))
    };
    let plain = run(1.0);
    for (factor, tolerance) in [(1024.0, 1e-6), (0.25, 1e-6), (1000.0, 0.01)] {
        for (a, b) in plain.iter().zip(run(factor)).skip(60) {
            let is_alike = |a: f64, b: f64| (a * factor - b).abs() <= tolerance * factor * a.abs().max(1.0);
            assert!(is_alike(a.expected, b.expected) && is_alike(a.upper, b.upper), "{a:?} {b:?}");
        }
    }
}
