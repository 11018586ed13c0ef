use super::*;
use crate::forecast::turns::Turns;

const EVERYTHING: &str = "window: 1h\nemit: {metrics: ['*']}\n";

fn bytes(all: &[Payload]) -> Vec<Option<bytes::Bytes>> {
    all.iter().map(|it| it.bytes().cloned()).collect()
}

#[test]
fn the_order_of_rows_and_the_parts_of_a_table_change_nothing() {
    let all: Vec<_> = (0..4).map(|number| series(number, "load")).collect();
    let mut forward = Feed::of(EVERYTHING, all.clone());
    let mut backward = Feed::of(EVERYTHING, all.clone());
    let value = |number: usize, since| 10.0 * number as f64 + normal(number as u64, since);
    for since in (0..3 * DAY).step_by(HOUR as usize) {
        let values: Vec<f64> = (0..4).map(|number| value(number, since)).collect();
        let expected = forward.give(since, &values);
        let mut rollups = window(since, HOUR, &[]);
        rollups.baseline = None;
        for number in (0..4).rev() {
            rollups.push(Arc::clone(&all[number]), number as u32, values[number], 1);
        }
        rollups.baseline = window(since, HOUR, &vec![(Arc::clone(&all[0]), 0.0); 4]).baseline;
        let mut told = backward.harness.judge(rollups);
        told.pop();
        assert_eq!(bytes(&told), bytes(&expected));
    }

    let mut parts = Feed::of(EVERYTHING, all[..2].to_vec());
    let mut told = Points::default();
    for since in (0..3 * DAY).step_by(HOUR as usize) {
        told = Points::of(&parts.give(since, &[value(0, since), value(1, since)]));
        let mut rest = window(since, HOUR, &[]);
        rest.baseline = None;
        for (number, series) in all.iter().enumerate().skip(2) {
            rest.push(Arc::clone(series), number as u32, value(number, since), 1);
        }
        rest.baseline = window(since, HOUR, &vec![(Arc::clone(&all[0]), 0.0); 2]).baseline;
        told.0.extend(Points::of(&parts.harness.judge(rest)).0);
    }
    let last = 3 * DAY - HOUR;
    let mut again = Feed::of(EVERYTHING, all);
    let mut expected = Points::default();
    for since in (0..=last).step_by(HOUR as usize) {
        expected = Points::of(&again.give(since, &[0, 1, 2, 3].map(|number| value(number, since))));
    }
    assert_eq!(told, expected);
}

#[test]
fn values_that_are_none_are_counted_and_change_nothing() {
    let mut plain = Feed::new(EVERYTHING, "load");
    let mut disturbed = Feed::new("window: 30m\nemit: {metrics: ['*']}\n", "load");
    let course = |since: u64| 100.0 + normal(1, since / HOUR);
    for since in (0..3 * DAY).step_by(HOUR as usize) {
        for (at, value) in [
            (since, course(since)),
            (since + HOUR / 2, [f64::NAN, f64::INFINITY, -1e300][(since / HOUR % 3) as usize]),
        ] {
            disturbed.give(at, &[value]);
        }
        plain.give(since, &[course(since)]);
    }
    assert_eq!(disturbed.metric("rejected_points"), 72);
    let told = Points::of(&disturbed.give(3 * DAY, &[course(3 * DAY)]));
    assert!((told.forecast("24h", "value").unwrap() - 100.0).abs() < 4.0);
    assert!(told.forecast("1h", "upper").unwrap() < 110.0);
}

#[test]
fn a_series_of_nothing_but_nonsense_is_not_remembered() {
    let mut feed = Feed::new(EVERYTHING, "load");
    assert_eq!(feed.run(0, DAY, |_| f64::NAN), Points::default());
    assert_eq!((feed.metric("series"), feed.metric("rejected_points")), (0, 24));
}

#[test]
fn a_row_of_the_same_or_an_earlier_window_is_counted_and_not_learned() {
    let mut feed = Feed::new(EVERYTHING, "load");
    let expected = feed.run(0, 3 * DAY, |since| 100.0 + normal(1, since));
    let again = Points::of(&feed.give(3 * DAY - HOUR, &[1e6]));
    assert_eq!(again, expected);
    assert_eq!(feed.metric("rejected_points"), 1);
}

#[test]
fn after_a_gap_nothing_is_judged_by_what_was_before() {
    let mut feed = Feed::new(EVERYTHING, "load");
    let before = feed.run(0, 10 * DAY, |since| 100.0 + 0.1 * normal(1, since));
    // Another level after a gap of two days: what was foretold before has no successor.
    let first = Points::of(&feed.give(12 * DAY, &[500.0]));
    for horizon in ["1h", "24h"] {
        let coverage = |points: &Points| points.get(&["coverage_ratio", &format!("horizon={horizon}")]);
        assert_eq!(coverage(&first), coverage(&before), "{horizon}: {first:?}\n{before:?}");
    }
    let told = feed.run(12 * DAY + HOUR, 15 * DAY, |since| 500.0 + 0.1 * normal(1, since));
    for horizon in ["1h", "24h"] {
        assert!((told.forecast(horizon, "value").unwrap() - 500.0).abs() < 15.0, "{horizon}");
    }
}

#[test]
fn a_clock_that_jumps_far_ahead_and_back_is_survived() {
    let mut feed = Feed::new(EVERYTHING, "load");
    let course = |since: u64| 100.0 + 10.0 * daily(since) + 0.1 * normal(1, since);
    feed.run(0, 10 * DAY, course);
    feed.give(4000 * DAY, &[100.0]);
    let told = feed.run(10 * DAY, 14 * DAY, course);
    assert_eq!((feed.metric("series"), feed.metric("rejected_points")), (1, 0));
    assert!((told.forecast("24h", "value").unwrap() - course(15 * DAY - HOUR)).abs() < 1.0);
    assert!((told.forecast("1h", "value").unwrap() - course(14 * DAY)).abs() < 2.0);
}

#[test]
fn rows_that_stand_for_a_silent_series_are_not_learned() {
    let mut feed = Feed::new(EVERYTHING, "load");
    let before = feed.run(0, 3 * DAY, |_| 100.0);
    let mut rollups = window(3 * DAY, HOUR, &[(Arc::clone(&feed.series[0]), 0.0)]);
    rollups.baseline.as_mut().unwrap().is_absent[0] = true;
    let told = Points::of(&feed.harness.judge(rollups));
    assert_eq!(told, before);
}

#[test]
fn windows_of_an_excluded_range_are_not_learned() {
    let told = [100.0, 5000.0].map(|in_range: f64| {
        let mut feed = Feed::new(EVERYTHING, "load");
        feed.run(0, 3 * DAY, |since| 100.0 + normal(1, since));
        for since in (3 * DAY..3 * DAY + 6 * HOUR).step_by(HOUR as usize) {
            let mut rollups = window(since, HOUR, &[(Arc::clone(&feed.series[0]), in_range)]);
            rollups.baseline.as_mut().unwrap().is_excluded = true;
            feed.harness.judge(rollups);
        }
        feed.run(3 * DAY + 6 * HOUR, 4 * DAY, |since| 100.0 + normal(1, since))
    });
    assert!((told[0].forecast("24h", "value").unwrap() - 100.0).abs() < 4.0);
    assert_eq!(told[0], told[1]);
}

#[test]
fn a_series_that_stays_silent_is_forgotten_and_an_outage_forgets_none() {
    let yaml = "window: 1h\nemit: {metrics: ['*']}\nseries_retention: 48h";
    let all = vec![series(1, "load"), series(2, "load")];
    let mut feed = Feed::of(yaml, all.clone());
    for hour in 0..24 {
        feed.give(hour * HOUR, &[1.0, 2.0]);
    }
    feed.series.truncate(1);
    feed.run(DAY, 3 * DAY, |_| 1.0);
    assert_eq!(feed.metric("series"), 2);
    feed.run(3 * DAY, 5 * DAY, |_| 1.0);
    assert_eq!(feed.metric("series"), 1);
    // All was silent for a year.
    feed.run(370 * DAY, 371 * DAY, |_| 1.0);
    assert_eq!(feed.metric("series"), 1);
    feed.run(371 * DAY, 373 * DAY, |_| 1.0);
    assert_eq!(feed.metric("series"), 1);
}

#[test]
fn what_changes_once_an_hour_is_told_every_four_minutes() {
    let mut feed = Feed::new("window: 10s\nemit: {metrics: ['*']}\n", "load");
    let mut n_told = 0;
    for since in (0..3 * HOUR).step_by(10) {
        let out = feed.give(since, &[100.0]);
        n_told += usize::from(since >= 2 * HOUR && !out.is_empty());
    }
    assert_eq!(n_told, 15);
}

#[test]
fn every_resource_has_its_turn_once_in_a_round_and_few_have_it_at_once() {
    let width = Duration::from_secs(10);
    let mut n_told = vec![0; 1000];
    let mut told_at = BEGIN;
    for window in 1..=72 {
        // One window never comes, and its resources have their turn with the next.
        if window == 30 {
            continue;
        }
        let end = BEGIN + width * window;
        let turns = Turns::new(end, width, told_at);
        let due: Vec<usize> = (0..1000).filter(|it: &usize| turns.is_due(&it.to_le_bytes())).collect();
        assert!(due.len() < if window == 31 { 140 } else { 70 }, "{window}: {}", due.len());
        due.into_iter().for_each(|resource| n_told[resource] += 1);
        told_at = end;
    }
    assert!(n_told.iter().all(|count| *count == 3));
    let after_a_gap = Turns::new(BEGIN + Duration::from_secs(7200), width, told_at);
    assert!((0..1000_usize).filter(|it| after_a_gap.is_due(&it.to_le_bytes())).count() < 70);
    let wide = Turns::new(BEGIN, Duration::from_secs(3600), Timestamp::default());
    assert!((0..1000_usize).all(|it| wide.is_due(&it.to_le_bytes())));
}

#[test]
fn what_is_told_of_many_series_comes_in_requests_of_bounded_bytes() {
    let all: Vec<_> = (0..4000).map(|number| series(number, "load")).collect();
    let mut feed = Feed::of(EVERYTHING, all);
    let mut told = Vec::new();
    for hour in 0..30 {
        told = feed.give(hour * HOUR, &[100.0 + normal(1, hour); 4000]);
    }
    let sizes: Vec<usize> = told.iter().map(|it| it.bytes().expect("metrics are bytes").len()).collect();
    assert!(sizes.len() > 1, "{sizes:?}");
    assert!(sizes.iter().all(|size| (100_000..1_200_000).contains(size)), "{sizes:?}");
    // Each is told once.
    let points = Points::of(&told);
    assert_eq!(points.0.keys().filter(|key| key.contains("horizon=24h")).count(), 4000);
}

#[test]
fn a_slot_that_goes_from_one_series_to_another_takes_its_state_along() {
    let mut feed = Feed::of(EVERYTHING, vec![series(1, "load"), series(2, "load")]);
    feed.run(0, DAY, |_| 1.0);
    feed.give(DAY, &[1.0, 2.0]);
    // Both slots are now those of others, which begin anew.
    feed.series = vec![series(3, "load"), series(4, "load")];
    for hour in 25..50 {
        feed.give(hour * HOUR, &[3.0, 4.0]);
    }
    assert_eq!(feed.metric("series"), 2);
    let told = Points::of(&feed.give(50 * HOUR, &[3.0, 4.0]));
    let of = |disk: &str| told.get(&["load.forecast{", "horizon=24h", "bound=value", disk]);
    assert_eq!((of("disk=3"), of("disk=4")), (Some(3.0), Some(4.0)));
    feed.series = vec![series(5, "load"), series(1, "load"), series(6, "load")];
    for hour in 51..100 {
        feed.give(hour * HOUR, &[5.0, 1.0, 6.0]);
    }
    assert_eq!(feed.metric("series"), 3);
    let told = Points::of(&feed.give(100 * HOUR, &[5.0, 1.0, 6.0]));
    let of = |disk: &str| told.get(&["load.forecast{", "horizon=24h", "bound=value", disk]);
    assert_eq!((of("disk=1"), of("disk=5"), of("disk=6")), (Some(1.0), Some(5.0), Some(6.0)));
}
