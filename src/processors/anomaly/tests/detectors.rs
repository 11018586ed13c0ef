//! Each detector by what it alone is there for.

use std::{sync::Arc, time::Duration};

use model::{Calls, Edge, EdgeKind, Maturity, Rollups, Spread, Statistic};

use super::rows::{BEGIN, Bench, Subject, noise, window};
use crate::anomaly::{
    AnomalyConfig,
    config::{DetectorConfig, DetectorName},
    detectors::{Climb, MOST_RELATIONS, Relations},
};

const DAY: u64 = 24 * 60;

pub(super) fn only(name: DetectorName) -> AnomalyConfig {
    AnomalyConfig { detectors: vec![DetectorConfig::of(name)], ..AnomalyConfig::default() }
}

fn opening(name: DetectorName) -> AnomalyConfig {
    let entry = DetectorConfig { opens: Some(true), ..DetectorConfig::of(name) };
    AnomalyConfig { detectors: vec![entry], ..AnomalyConfig::default() }
}

/// Returns in which minutes episodes were opened.
fn openings(bench: &Bench) -> Vec<u64> {
    let opened = bench.told.lines().filter(|line| line.contains("(open)"));
    opened.filter_map(|line| line.split(':').next()?.parse().ok()).collect()
}

#[test]
fn a_value_never_seen_is_novel_once_and_then_known() {
    let subject = Subject::gauge("database");
    let mut bench = Bench::new(&only(DetectorName::Novelty));
    bench.run(1..3000, &[&subject], |minute, _| {
        let offset = if minute >= 2000 { 40.0 } else { 0.0 };
        100.0 + offset + noise(minute, 1)
    });
    assert_eq!(openings(&bench), [2000], "{}", bench.told);
    let above = bench.scores.iter().filter(|row| row[0] >= 3.0).count();
    assert_eq!(above, 1, "of a metric the score speaks once");
}

#[test]
fn novelty_of_spans_is_evidence_up_to_a_higher_level() {
    let subject = Subject::p95("checkout");
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..2000, &[&subject], |minute, _| 100.0 * (0.05 * noise(minute, 1)).exp());
    assert_eq!(openings(&bench), [] as [u64; 0], "{}", bench.told);
}

#[test]
fn zscore_and_iqr_open_nothing_unless_told_to() {
    let subject = Subject::gauge("database");
    for name in [DetectorName::Zscore, DetectorName::Iqr] {
        for (config, expected) in [(only(name), vec![]), (opening(name), vec![500])] {
            let mut bench = Bench::new(&config);
            bench.run(1..600, &[&subject], |minute, _| {
                let offset = if (500..510).contains(&minute) { 8.0 } else { 0.0 };
                100.0 + offset + noise(minute, 1)
            });
            assert_eq!(openings(&bench), expected, "{name:?}: {}", bench.told);
        }
    }
}

#[test]
fn a_series_that_stops_moving_is_a_flatline() {
    let subject = Subject::gauge("database");
    let mut bench = Bench::new(&only(DetectorName::Pattern));
    bench.run(1..1300, &[&subject], |minute, _| 100.0 + noise(minute.min(1200), 1));
    let opened = openings(&bench);
    assert_eq!(opened.len(), 1, "{}", bench.told);
    assert!((1210..1230).contains(&opened[0]), "{opened:?}");
    assert!(bench.told.contains("flatline"), "{}", bench.told);
}

#[test]
fn a_series_that_never_moved_or_seldom_moves_is_no_flatline() {
    let subject = Subject::gauge("database");
    for every in [10_000, 50] {
        let mut bench = Bench::new(&only(DetectorName::Pattern));
        bench.run(1..3000, &[&subject], |minute, _| (minute / every) as f64);
        assert_eq!(openings(&bench), [] as [u64; 0], "{}", bench.told);
    }
}

/// Runs a gauge, and restarts of its process in the minutes of which that is said.
fn run_restarting(
    bench: &mut Bench,
    subject: &Subject,
    minutes: std::ops::Range<u64>,
    value: impl Fn(u64) -> f64,
    is_restart: impl Fn(u64) -> bool,
) {
    for minute in minutes {
        let mut rollups = window(minute, &[(subject, value(minute), 1)]);
        if is_restart(minute) {
            rollups.restarts.push(Arc::clone(&subject.series.resource));
        }
        bench.judge(rollups);
    }
}

#[test]
fn a_climb_of_hours_after_a_restart_is_a_leak() {
    let subject = Subject::gauge("database");
    let mut bench = Bench::new(&only(DetectorName::Pattern));
    let value = |minute: u64| 100.0 + (minute % 720) as f64 / 4.0 + noise(minute, 1);
    run_restarting(&mut bench, &subject, 1..3 * DAY, value, |minute| minute % 720 < 2);
    let opened = openings(&bench);
    assert!(!opened.is_empty() && (720 + 300..720 + 400).contains(&opened[0]), "{opened:?} {}", bench.told);
    assert!(bench.told.contains("leak"), "{}", bench.told);
}

#[test]
fn a_restart_of_another_process_makes_no_leak() {
    let (subject, other) = (Subject::gauge("database"), Subject::gauge("checkout"));
    let mut bench = Bench::new(&only(DetectorName::Pattern));
    for minute in 1..3 * DAY {
        let mut rollups = window(minute, &[(&subject, 100.0 + (minute % 720) as f64 / 4.0, 1)]);
        rollups.restarts.push(Arc::clone(&other.series.resource));
        bench.judge(rollups);
    }
    assert_eq!(openings(&bench), [] as [u64; 0], "{}", bench.told);
}

/// Memory that is collected each time it is full, of which collecting leaves `left`.
fn collected(minute: u64, period: u64, left: impl Fn(u64) -> f64) -> f64 {
    let filled = (minute % period) as f64 / period as f64;
    100.0 + left(minute / period) + 180.0 * filled + noise(minute, period)
}

#[test]
fn a_week_of_memory_that_is_collected_says_nothing_whatever_the_period() {
    let subjects: Vec<_> = (0..48).map(|at| Subject::gauge(&format!("service {at}"))).collect();
    let mut bench = Bench::new(&only(DetectorName::Pattern));
    bench.run(1..7 * DAY, &subjects.iter().collect::<Vec<_>>(), |minute, at| {
        let (hours, scatter) = (at as u64 / 2 + 1, [0.0, 20.0][at % 2]);
        collected(minute, 60 * hours, |tooth| scatter * noise(tooth, hours))
    });
    assert_eq!(bench.told, "");
}

#[test]
fn memory_of_which_collecting_leaves_more_each_time_is_a_leak() {
    for (hours, within_teeth) in [(4, 6), (6, 6), (12, 6), (24, 6)] {
        let subject = Subject::gauge("database");
        let mut bench = Bench::new(&only(DetectorName::Pattern));
        let minutes = 1..hours * 60 * 8;
        bench.run(minutes, &[&subject], |minute, _| {
            collected(minute, 60 * hours, |tooth| 60.0 * tooth as f64)
        });
        let opened = openings(&bench);
        let is_found = opened.first().is_some_and(|&minute| minute < within_teeth * hours * 60);
        assert!(is_found && bench.told.contains("leak"), "{hours} h: {opened:?} {}", bench.told);
    }
}

#[test]
fn what_is_left_is_not_compared_before_the_course_of_the_day_is_known() {
    let subject = Subject { maturity: Maturity::Level, ..Subject::gauge("database") };
    let mut bench = Bench::new(&only(DetectorName::Pattern));
    bench.run(1..2 * DAY, &[&subject], |minute, _| collected(minute, 240, |tooth| 60.0 * tooth as f64));
    assert_eq!(openings(&bench), [] as [u64; 0], "{}", bench.told);
}

#[test]
fn a_climb_without_a_fall_and_noise_are_no_leak() {
    let subject = Subject::gauge("database");
    let climb = |minute: u64| minute as f64 / 10.0;
    for course in [climb, |_| 0.0] {
        let mut bench = Bench::new(&only(DetectorName::Pattern));
        bench.run(1..3 * DAY, &[&subject], |minute, _| 100.0 + course(minute) + 3.0 * noise(minute, 1));
        assert_eq!(openings(&bench), [] as [u64; 0], "{}", bench.told);
    }
}

#[test]
fn slow_requests_at_equal_intervals_are_periodic_and_at_unequal_ones_not() {
    let subject = Subject::p95("checkout");
    let spikes = |bench: &mut Bench, is_spike: fn(u64) -> bool| {
        bench.run(1..600, &[&subject], |minute, _| {
            100.0 * (0.05 * noise(minute, 1) + if is_spike(minute) { 0.5 } else { 0.0 }).exp()
        });
    };
    let mut bench = Bench::new(&only(DetectorName::Pattern));
    spikes(&mut bench, |minute| minute.is_multiple_of(15));
    assert_eq!(openings(&bench).len(), 1, "{}", bench.told);
    assert!(bench.told.contains("periodic_spikes"), "{}", bench.told);
    let mut bench = Bench::new(&only(DetectorName::Pattern));
    spikes(&mut bench, |minute| (minute * minute) % 31 == 5);
    assert_eq!(openings(&bench), [] as [u64; 0], "{}", bench.told);
}

#[test]
fn services_that_no_longer_rise_and_fall_together_are_told() {
    let rate = |service| Subject::new(service, "span.duration", Statistic::Rate, 100.0, 10.0);
    let (front, back) = (rate("front"), rate("back"));
    let config = AnomalyConfig {
        relations: vec![("front".to_owned(), "back".to_owned())],
        ..only(DetectorName::Relation)
    };
    let mut bench = Bench::new(&config);
    bench.run(1..2 * DAY, &[&front, &back], |minute, at| {
        let own = if at == 1 && minute > 2000 { 9 } else { 7 };
        100.0 + 10.0 * noise(minute, own) + noise(minute, at as u64)
    });
    let opened = openings(&bench);
    assert_eq!(opened.len(), 1, "{}", bench.told);
    assert!((2001..2060).contains(&opened[0]), "{opened:?}");
    assert!(
        bench.told.contains("requests of front and back no longer rise and fall together"),
        "{}",
        bench.told
    );
}

/// A window in which one service calls another, as `bottleneck` tells it.
fn called(bench: &mut Bench, minute: u64, client: &str, server: &str) {
    let edge = Edge {
        client: client.into(),
        server: server.into(),
        kind: EdgeKind::Request,
        calls: 10,
        failed: 0,
        lost: 0,
        lost_of_all: None,
        duration: Spread::EMPTY,
        gap: Spread::EMPTY,
        exemplar: None,
    };
    let calls = Calls { coverage: 1.0, edges: vec![edge], ..Calls::default() };
    let (start, width) = (BEGIN + Duration::from_secs(60 * minute), Duration::from_secs(10));
    bench.harness.judge(Rollups { start, width, calls: Some(Arc::new(calls)), ..Rollups::default() });
}

#[test]
fn where_no_pairs_are_named_those_who_call_each_other_are_watched_over_a_restart() {
    let rate = |service| Subject::new(service, "span.duration", Statistic::Rate, 100.0, 10.0);
    let (front, back, other) = (rate("front"), rate("back"), rate("other"));
    let config = only(DetectorName::Relation);
    let mut bench = Bench::new(&config);
    for minute in 1..2 * DAY {
        called(&mut bench, minute, "front", "back");
        if minute == 1900 {
            let snapshot = bench.harness.analysis().snapshot().expect("it has a state");
            bench = Bench { told: bench.told, ..Bench::new(&config) };
            bench.harness.analysis().restore(snapshot).expect("it is its own");
        }
        // The third goes with the first, until it stops: nobody calls it.
        bench.run(minute..minute + 1, &[&front, &back, &other], |minute, at| {
            let own = if at > 0 && minute > 2000 { 8 + at as u64 } else { 7 };
            100.0 + 10.0 * noise(minute, own) + noise(minute, at as u64)
        });
    }
    let opened = openings(&bench);
    assert_eq!(opened.len(), 1, "{}", bench.told);
    assert!((2001..2060).contains(&opened[0]), "{opened:?}");
    assert!(bench.told.contains("requests of front and back no longer rise"), "{}", bench.told);
}

#[test]
fn calls_are_watched_up_to_a_number_and_for_a_day_after_the_last() {
    let mut relations = Relations::new(&[]);
    for number in 0..MOST_RELATIONS {
        assert!(relations.follow("front", &format!("back-{number}")));
    }
    assert!(!relations.follow("front", "one more"));
    assert!(relations.follow("front", "back-7"), "it is known");
    for _ in 0..DAY {
        relations.close(60.0);
        assert!(relations.follow("front", "back-7"));
    }
    assert_eq!(relations.pairs.len(), MOST_RELATIONS);
    relations.close(60.0);
    assert_eq!(relations.pairs.len(), 1);
}

#[test]
fn services_that_never_had_to_do_with_each_other_are_not() {
    let rate = |service| Subject::new(service, "span.duration", Statistic::Rate, 100.0, 10.0);
    let (front, back) = (rate("front"), rate("back"));
    let config = AnomalyConfig {
        relations: vec![("front".to_owned(), "back".to_owned())],
        ..only(DetectorName::Relation)
    };
    let mut bench = Bench::new(&config);
    bench.run(1..2 * DAY, &[&front, &back], |minute, at| 100.0 + 10.0 * noise(minute, at as u64));
    assert_eq!(bench.told, "");
}

#[test]
fn a_combination_that_never_was_is_told_by_the_forest() {
    let subjects: Vec<_> =
        ["a", "b", "c", "d"].map(|metric| Subject::new("shop", metric, Statistic::Mean, 100.0, 1.0)).into();
    let mut bench = Bench::new(&only(DetectorName::Forest));
    // Four series that always move together, up to the minute from which two go the other way.
    bench.run(1..1500, &subjects.iter().collect::<Vec<_>>(), |minute, at| {
        let side = if minute >= 1400 && at >= 2 { -1.0 } else { 1.0 };
        let together = if minute >= 1400 { 6.0 } else { 2.0 * noise(minute, 99) };
        100.0 + side * together + 0.2 * noise(minute, at as u64)
    });
    let opened = openings(&bench);
    assert!(opened.len() <= 2 && opened.iter().any(|minute| (1400..1403).contains(minute)), "{}", bench.told);
    assert!(bench.told.contains("series of shop depart in a rare combination"), "{}", bench.told);
}

#[test]
fn means_of_blocks_keep_their_differences_whatever_the_level() {
    for (level, step) in [(0.0, 1e-30), (1e9, 1e6), (-3e20, 2e18), (5.0, 0.0)] {
        let means: [f32; 8] = std::array::from_fn(|at| (level - step * at as f64) as f32);
        let mut climb = Climb::default();
        climb.store(means, Some(level as f32));
        for more in 1..=20 {
            climb.push((level + step * f64::from(more)) as f32);
        }
        let climbed = f64::from(climb.climbed_in(7));
        assert!((climbed - 7.0 * step).abs() <= 0.004 * 7.0 * step, "{level} {step}: {climbed}");
    }
    let mut one = Climb::default();
    one.push(7.0);
    assert_eq!(one.climbed_in(0), 0.0);
}
