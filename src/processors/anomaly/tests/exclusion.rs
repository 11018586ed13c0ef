//! Windows of a range of time that is excluded.

use component::{Cx, Question, Workbench};
use model::{Checkpoint, Forgotten, Recall, Rollups, Statistic, Timestamp};

use super::rows::{BEGIN, Bench, MINUTE, Subject, noise, window};
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
        assert!(bench.told.contains("is silent, expected 100.0 (open)"), "{}", bench.told);
        for minute in 105..120 {
            let rollups = window(minute, &[(&subject, 100.0, 1000)]);
            bench.judge(if is_excluded { excluded(rollups) } else { rollups });
        }
        assert!(bench.told.contains("is silent, expected 100.0 (closed)"), "{}", bench.told);
        memory(&mut bench).tunings[Class::Spans as usize].alarms
    };
    assert_eq!(alarms(true), 0.0);
    assert!(alarms(false) > 0.9);
}

fn recalling(mut rollups: Rollups, recall: Recall) -> Rollups {
    rollups.baseline.as_mut().expect("the columns were added").recall = recall;
    rollups
}

fn end_of(minute: u64) -> Timestamp {
    BEGIN + MINUTE * minute as u32
}

/// What is kept before a minute is the state of the one before.
fn kept_before(minute: u64) -> Recall {
    Recall { checkpoint: Some(Checkpoint { until: end_of(minute - 1), most: 2 }), forgotten: None }
}

fn forgotten(from: u64, until: u64) -> Recall {
    let forgotten = Forgotten { from: end_of(from), until: end_of(until) };
    Recall { checkpoint: None, forgotten: Some(forgotten) }
}

fn everything() -> AnomalyConfig {
    use DetectorName::{Forest, Iqr, Novelty, Pattern, Relation, Seasonal, Zscore};
    AnomalyConfig {
        detectors: [Seasonal, Novelty, Zscore, Iqr, Pattern, Relation, Forest].map(DetectorConfig::of).into(),
        relations: vec![("checkout".to_owned(), "payment".to_owned())],
        ..AnomalyConfig::default()
    }
}

/// Noise; from minute 700 to 760 a load test, nine times as high, of all series.
fn load_test(minute: u64, at: usize) -> f64 {
    let factor = if (700..760).contains(&minute) { 9.0 } else { 1.0 };
    factor * 100.0 * (1.0 + 0.01 * noise(minute, at as u64))
}

fn subjects() -> [Subject; 3] {
    let rate = |service| Subject::new(service, "span.duration", Statistic::Rate, 100.0, 1.0);
    [Subject::gauge("checkout"), rate("checkout"), rate("payment")]
}

/// A day with a load test in it, of which the state before minute 600 is kept, and that before minute 680.
fn with_a_load_test(subjects: &[Subject; 3]) -> Bench {
    let mut bench = Bench::new(&everything());
    for minute in 1..800 {
        let readings: Vec<_> = (0..3).map(|at| (&subjects[at], load_test(minute, at), 1000)).collect();
        let recall = if [600, 680].contains(&minute) { kept_before(minute) } else { Recall::default() };
        bench.judge(recalling(window(minute, &readings), recall));
    }
    bench
}

fn restarted(bench: &mut Bench) -> Bench {
    let snapshot = bench.harness.analysis().snapshot().expect("the stage has a state");
    let mut again = Bench::new(&everything());
    again.harness.analysis().restore(snapshot.clone()).expect("the snapshot is whole");
    assert_eq!(again.harness.analysis().snapshot(), Some(snapshot), "earlier states survive a restart");
    again
}

/// What was learned, without what follows from what was told.
fn learned(bench: &mut Bench) -> String {
    let Memory { series, tunings, relations, forests, .. } = memory(bench);
    format!("{series:?} {tunings:?} {relations:?} {forests:?}")
}

#[test]
fn what_was_learned_of_a_range_that_is_excluded_afterwards_is_as_if_it_had_not_been() {
    let subjects = subjects();
    let all: Vec<_> = subjects.iter().collect();
    // One that was asleep from the checkpoint to the restart.
    let mut asleep = Bench::new(&everything());
    asleep.run(1..680, &all, load_test);
    let mut rewound = restarted(&mut with_a_load_test(&subjects));
    let mut kept = restarted(&mut with_a_load_test(&subjects));
    assert_ne!(learned(&mut rewound), learned(&mut asleep));
    for minute in 800..1000 {
        let readings: Vec<_> = (0..3).map(|at| (&subjects[at], load_test(minute, at), 1000)).collect();
        // It is told with every window, and followed once.
        rewound.judge(recalling(window(minute, &readings), forgotten(679, 799)));
        asleep.judge(window(minute, &readings));
        kept.judge(window(minute, &readings));
        assert_eq!(learned(&mut rewound), learned(&mut asleep), "{minute}");
    }
    assert_ne!(learned(&mut kept), learned(&mut asleep), "without an exclusion the load test is remembered");
    // The same comes again, and is as new as it was.
    let told: Vec<_> = [&mut rewound, &mut asleep, &mut kept]
        .map(|bench| {
            bench.judge(window(1000, &[(&subjects[0], 900.0, 1000)]));
            *bench.scores.last().and_then(|scores| scores.first()).expect("the row was judged")
        })
        .into();
    assert_eq!(told[0], told[1]);
    assert!(told[0] > 3.0 && told[2] < told[0], "{told:?}");
    // A restart does not go back once more.
    let [mut again, mut plain] = [(); 2].map(|()| restarted(&mut rewound));
    again.judge(recalling(window(1001, &[]), forgotten(679, 799)));
    plain.judge(window(1001, &[]));
    assert_eq!(learned(&mut again), learned(&mut plain));
}

#[test]
fn without_a_state_from_before_the_range_all_is_learned_anew_and_people_are_not_forgotten() {
    let subjects = subjects();
    let mut bench = with_a_load_test(&subjects);
    let fingerprint = subjects[0].series.fingerprint;
    let id = format!("{fingerprint:016x}");
    let question = Question {
        method: "POST".to_owned(),
        path: vec!["anomalies".to_owned(), id, "feedback".to_owned()],
        body: r#"{"verdict": "noise"}"#.into(),
        ..Question::default()
    };
    let mut workbench = Workbench::default();
    let answer = bench.harness.analysis().answer(&question, &mut Cx::new(BEGIN, &mut workbench));
    assert_eq!(answer.status, 200);
    let mut restarted = restarted(&mut bench);
    restarted.judge(recalling(window(800, &[]), forgotten(500, 799)));
    let Memory { series, tunings, earlier, .. } = memory(&mut restarted);
    assert_eq!(series.iter().map(|(id, state)| (*id, state.marks)).collect::<Vec<_>>(), [(fingerprint, 1)]);
    assert!(series[0].1.novelty.is_none() && earlier.states.is_empty());
    assert!(tunings.iter().all(|tuning| tuning.total_series_days < 0.01));
}

#[test]
fn an_episode_that_is_open_when_its_range_is_excluded_ends_and_is_no_false_alarm() {
    let subjects = subjects();
    let all: Vec<_> = subjects.iter().collect();
    let mut bench = Bench::new(&everything());
    bench.run(1..600, &all, load_test);
    let readings: Vec<_> = (0..3).map(|at| (&subjects[at], load_test(600, at), 1000)).collect();
    bench.judge(recalling(window(600, &readings), kept_before(600)));
    bench.run(601..720, &all, load_test);
    assert!(bench.n_open() > 0);
    let mut restarted = restarted(&mut bench);
    let minute = |minute: u64| {
        let readings: Vec<_> = (0..3).map(|at| (&subjects[at], load_test(minute - 400, at), 1000)).collect();
        recalling(window(minute, &readings), forgotten(599, 719))
    };
    (720..740).for_each(|at| {
        restarted.judge(minute(at));
    });
    let open = memory(&mut restarted).episodes;
    assert!(open.is_empty(), "{open:#?}");
    assert_eq!(memory(&mut restarted).tunings.iter().map(|tuning| tuning.alarms).sum::<f64>(), 0.0);
}
