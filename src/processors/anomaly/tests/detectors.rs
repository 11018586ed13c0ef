//! Each detector by what it alone is there for.

use model::Statistic;

use super::rows::{Bench, Subject, noise};
use crate::anomaly::{
    AnomalyConfig,
    config::{DetectorConfig, DetectorName},
    detectors::BlockMeans,
};

const DAY: u64 = 24 * 60;

fn only(name: DetectorName) -> AnomalyConfig {
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

#[test]
fn a_climb_of_hours_after_a_fall_is_a_leak() {
    let subject = Subject::gauge("database");
    let mut bench = Bench::new(&only(DetectorName::Pattern));
    bench.run(1..3 * DAY, &[&subject], |minute, _| 100.0 + (minute % 720) as f64 / 4.0 + noise(minute, 1));
    let opened = openings(&bench);
    assert!(!opened.is_empty() && (720 + 300..720 + 400).contains(&opened[0]), "{opened:?} {}", bench.told);
    assert!(bench.told.contains("leak"), "{}", bench.told);
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
    assert!(bench.told.contains("trueline.relation.correlation of front"), "{}", bench.told);
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
    assert!(bench.told.contains("trueline.forest.score of shop"), "{}", bench.told);
}

#[test]
fn means_of_blocks_keep_their_differences_whatever_the_level() {
    for (level, step) in [(0.0, 1e-30), (1e9, 1e6), (-3e20, 2e18), (5.0, 0.0)] {
        let means: [f32; 8] = std::array::from_fn(|at| (level - step * at as f64) as f32);
        let mut blocks = BlockMeans::of(means);
        for more in 1..=20 {
            blocks.push((level + step * f64::from(more)) as f32);
        }
        let climbed = f64::from(blocks.climbed(7));
        assert!((climbed - 7.0 * step).abs() <= 0.004 * 7.0 * step, "{level} {step}: {climbed}");
    }
    let mut one = BlockMeans::default();
    one.push(7.0);
    assert_eq!(one.climbed(0), 0.0);
}
