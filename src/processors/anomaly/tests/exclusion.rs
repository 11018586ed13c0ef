//! Windows of a range of time that is excluded.

use model::Rollups;

use super::rows::{Bench, Subject, noise, window};
use crate::anomaly::{
    AnomalyConfig,
    config::{DetectorConfig, DetectorName},
    judge::Class,
    snapshot::Memory,
};

fn excluded(mut rollups: Rollups) -> Rollups {
    rollups.baseline.as_mut().expect("the columns were added").is_excluded = true;
    rollups
}

fn memory(bench: &mut Bench) -> Memory {
    let snapshot = bench.harness.analysis().snapshot().expect("the stage has a state");
    Memory::decode(snapshot.version, &snapshot.bytes).expect("the snapshot is whole")
}

#[test]
fn what_comes_in_an_excluded_window_is_neither_told_nor_learned() {
    use DetectorName::{Forest, Iqr, Novelty, Pattern, Seasonal, Zscore};
    let config = AnomalyConfig {
        detectors: [Seasonal, Novelty, Zscore, Iqr, Pattern, Forest].map(DetectorConfig::of).into(),
        ..AnomalyConfig::default()
    };
    let subjects = [Subject::p95("checkout"), Subject::gauge("checkout")];
    let calm = |minute: u64, at: usize| 100.0 * (1.0 + 0.01 * noise(minute, at as u64));
    let [calm_range, fault, _silence] = [1.0, 9.0, f64::NAN].map(|factor| {
        let mut bench = Bench::new(&config);
        bench.run(1..300, &[&subjects[0], &subjects[1]], calm);
        for minute in 300..360 {
            let readings = [0, 1].map(|at| (&subjects[at], factor * calm(minute, at), 1000));
            bench.judge(excluded(window(minute, &readings)));
        }
        let in_range = bench.scores[299..].iter().flatten().filter(|score| !score.is_nan()).count();
        assert_eq!((bench.told.as_str(), in_range, bench.n_open()), ("", 0, 0));
        bench.run(360..420, &[&subjects[0], &subjects[1]], calm);
        (format!("{:?}", memory(&mut bench)), format!("{:?}", bench.scores))
    });
    assert_eq!(calm_range, fault, "values of the range leave no trace");
}

#[test]
fn an_episode_that_ends_in_an_excluded_range_is_no_false_alarm() {
    let subject = Subject::p95("checkout");
    let alarms = |is_excluded: bool| {
        let mut bench = Bench::new(&AnomalyConfig::default());
        bench.run(1..100, &[&subject], |_, _| 100.0);
        bench.run(100..105, &[&subject], |_, _| f64::NAN);
        assert!(bench.told.contains("is silent (open)"), "{}", bench.told);
        for minute in 105..120 {
            let rollups = window(minute, &[(&subject, 100.0, 1000)]);
            bench.judge(if is_excluded { excluded(rollups) } else { rollups });
        }
        assert!(bench.told.contains("is silent (closed)"), "{}", bench.told);
        memory(&mut bench).tunings[Class::Spans as usize].alarms
    };
    assert_eq!(alarms(true), 0.0);
    assert!(alarms(false) > 0.9);
}
