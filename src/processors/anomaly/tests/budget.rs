//! False alarms: what is withheld, counted and learned from.

use std::sync::Arc;

use component::{BuildCx, Cx, Processor as _, Question, Telemetry, Workbench};
use model::{Ack, Batch, Maturity, Payload, Statistic, Timestamp};

use super::rows::{BEGIN, Bench, MINUTE, Subject, noise, window};
use crate::anomaly::{
    AnalysisHalf, AnomalyConfig,
    config::{DetectorConfig, DetectorName, NoiseConfig},
    detectors::Detector,
    hierarchy::{Hierarchy, Tick},
    judge::Class,
    snapshot::Memory,
    tuning::{TUNABLE, Tuning},
};

fn counter(bench: &Bench, name: &str) -> u64 {
    let all = bench.harness.telemetry.read();
    all.iter().filter(|one| one.name.ends_with(name)).map(|one| one.value).sum()
}

fn service(name: &str) -> Arc<str> {
    name.into()
}

#[test]
fn one_odd_row_is_significant_of_a_single_series_and_not_among_many_services() {
    let mut alone = Tick::default();
    alone.add(&service("a"), 1);
    alone.note(&service("a"), 1e-4);
    assert_eq!(alone.significant().len(), 1);
    let mut among = Tick::default();
    for at in 0..1000 {
        among.add(&service(&format!("s{at}")), 20);
    }
    among.note(&service("s7"), 1e-4);
    assert_eq!(among.significant().len(), 0);
}

#[test]
fn several_odd_rows_of_a_service_are_significant_where_one_is_not() {
    let mut tick = Tick::default();
    for at in 0..100 {
        tick.add(&service(&format!("s{at}")), 20);
    }
    tick.note(&service("s7"), 1e-4);
    for _ in 0..12 {
        tick.note(&service("s8"), 1e-4);
    }
    assert_eq!(tick.significant().into_iter().collect::<Vec<_>>(), [service("s8")]);
}

#[test]
fn a_service_spends_two_incidents_a_day_and_more_episodes_of_one_incident_are_free() {
    let mut hierarchy = Hierarchy::new(2.0);
    let at = |minutes: u32| BEGIN + MINUTE * minutes;
    let spend = |hierarchy: &mut Hierarchy, minutes| hierarchy.spend(&service("a"), at(minutes));
    let spent: Vec<_> = [0, 3, 8, 60, 120, 180].map(|minutes| spend(&mut hierarchy, minutes)).into();
    assert_eq!(spent, [true, true, true, true, false, false]);
    assert!(hierarchy.spend(&service("b"), at(180)), "each service has its own");
    assert!(spend(&mut hierarchy, 24 * 60), "half a day earns one");
    hierarchy.forget(at(10 * 24 * 60));
    assert!(hierarchy.purses.is_empty());
}

#[test]
fn less_than_one_incident_a_day_is_one_in_several() {
    let mut hierarchy = Hierarchy::new(0.5);
    let at = |hours: u64| Timestamp::from_secs(1_767_571_200 + hours * 3600);
    let spent = [0, 25, 47, 49].map(|hours| hierarchy.spend(&service("a"), at(hours)));
    assert_eq!(spent, [true, false, false, true]);
}

#[test]
fn what_the_budget_withholds_is_counted_at_its_end() {
    let subject = Subject::p95("checkout");
    let config = AnomalyConfig { incidents_per_service_day: 1.0, ..AnomalyConfig::default() };
    let mut bench = Bench::new(&config);
    bench.run(1..1000, &[&subject], |minute, _| {
        let is_slow = (100..110).contains(&(minute % 300));
        100.0 * if is_slow { 5.0 } else { (0.05 * noise(minute, 1)).exp() }
    });
    assert_eq!(counter(&bench, "opened_episodes"), 3);
    assert_eq!(bench.told.lines().count(), 2, "{}", bench.told);
    // All three are in the record; rows of the one that was told are marked, from its first window to its last.
    let of = |columns: &[Vec<bool>], from: usize| columns[from..from + 300].iter().filter(|it| it[0]).count();
    let [open, marked] = [&bench.open, &bench.marked].map(|columns| [0, 300, 600].map(|at| of(columns, at)));
    assert!(open.iter().all(|count| *count >= 10), "{open:?}");
    assert_eq!(marked, [open[0], 0, 0]);
    let withheld: Vec<_> = bench
        .harness
        .telemetry
        .read()
        .into_iter()
        .filter(|one| one.name.ends_with("withheld_episodes"))
        .map(|one| (one.labels[0].1.clone(), one.value))
        .collect();
    assert_eq!(withheld, [("incident_budget".to_owned(), 2), ("not_significant".to_owned(), 0)]);
}

#[test]
fn marks_raise_the_level_of_the_series_they_name() {
    let course = |minute: u64| 100.0 * if (100..110).contains(&minute) { 2.9 } else { 1.0 };
    let subject = Subject::p95("checkout");
    let noise = NoiseConfig { service: Some("checkout".to_owned()), count: 9, ..NoiseConfig::default() };
    let detectors = AnomalyConfig::default().detectors.into_iter().take(1).collect::<Vec<_>>();
    for (marked, is_told) in [(Vec::new(), true), (vec![noise], false)] {
        let config =
            AnomalyConfig { noise: marked, detectors: detectors.clone(), ..AnomalyConfig::default() };
        let mut bench = Bench::new(&config);
        bench.run(1..150, &[&subject], |minute, _| course(minute));
        assert_eq!(!bench.told.is_empty(), is_told, "{}", bench.told);
    }
}

#[test]
fn a_series_that_a_person_calls_noise_is_judged_less_strictly_from_then_on() {
    let telemetry = Telemetry::default();
    let cx = BuildCx {
        id: "anomaly",
        telemetry: &telemetry,
        instance_id: "test",
        started_at: BEGIN,
        is_watched: true,
    };
    let detectors = AnomalyConfig::default().detectors.into_iter().take(1).collect();
    let mut half = AnalysisHalf::new(&AnomalyConfig { detectors, ..AnomalyConfig::default() }, &cx);
    let subject = Subject::p95("checkout");
    let score = |half: &mut AnalysisHalf, minute| {
        let payload = Payload::Rollups(Box::new(window(minute, &[(&subject, 290.0, 1000)])));
        let mut bench = Workbench::default();
        half.process(Batch { payload, items: 1, ack: Ack::none() }, &mut Cx::new(BEGIN, &mut bench));
        let passed = bench.out.pop().expect("the window is passed on");
        let Payload::Rollups(rollups) = passed.payload else { panic!("{passed:?}") };
        rollups.anomaly.expect("the columns were added").score[0]
    };
    let ask = |half: &mut AnalysisHalf, method: &str, rest: &[&str], body: &str| {
        let path = ["anomalies"].iter().chain(rest).map(|part| (*part).to_owned()).collect();
        let (method, body) = (method.to_owned(), body.to_owned().into());
        let question = Question { method, path, body, ..Question::default() };
        let answer = half.answer(&question, &mut Cx::new(BEGIN, &mut Workbench::default()));
        let said: serde_json::Value = serde_json::from_slice(&answer.body).expect("answers are JSON");
        (answer.status, answer.is_changed, said)
    };
    let before = score(&mut half, 1);
    let (_, _, all) = ask(&mut half, "GET", &[], "");
    assert_eq!((&all["n_open"], &all["anomalies"][0]["is_told"]), (&1.into(), &true.into()), "{all}");
    let id = all["anomalies"][0]["id"].as_str().expect("an id is text").to_owned();
    let series = format!("{:016x}", subject.series.fingerprint);
    assert_eq!(all["anomalies"][0]["series"], series.as_str());
    assert_eq!(ask(&mut half, "GET", &[&id], "").2, all["anomalies"][0]);
    for (rest, body, status) in [
        (["0000000000000007", "feedback"], r#"{"verdict":"noise"}"#, 404),
        (["checkout", "feedback"], r#"{"verdict":"noise"}"#, 404),
        ([&id, "feedback"], r#"{"verdict":"nonsense"}"#, 400),
        ([&id, "feedback"], "", 400),
        ([&id, "silence"], "{}", 404),
    ] {
        assert_eq!(ask(&mut half, "POST", &rest, body).0, status, "{rest:?} {body}");
    }
    assert_eq!(ask(&mut half, "DELETE", &[&id], "").0, 405);
    assert!(!ask(&mut half, "POST", &[&id, "feedback"], r#"{"verdict":"useful"}"#).1);
    for n_marks in 1..10 {
        // By the episode while it is open, by its series for as long as that is known.
        let named = if n_marks % 2 == 0 { &id } else { &series };
        let (status, is_changed, said) =
            ask(&mut half, "POST", &[named, "feedback"], r#"{"verdict":"noise"}"#);
        assert_eq!((status, is_changed, &said["noise"]), (200, true, &n_marks.into()));
    }
    assert!(before > 3.0 && score(&mut half, 2) < 0.9 * before, "{before}");
    // Of several episodes at once, by their ids and beginnings: one of a series that nobody knows changes nothing.
    let start = all["anomalies"][0]["start_unix_nano"].as_str().expect("a start is text");
    let known = format!(r#"{{"id": "{id}", "start_unix_nano": "{start}"}}"#);
    let unknown = format!(r#"{{"id": "{id}", "start_unix_nano": "7"}}"#);
    let on_many = |half: &mut AnalysisHalf, verdict: &str, episodes: &[&String]| {
        let episodes = episodes.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
        let body = format!(r#"{{"verdict": "{verdict}", "episodes": [{episodes}]}}"#);
        ask(half, "POST", &["feedback"], &body)
    };
    let (status, is_changed, said) = on_many(&mut half, "noise", &[&known, &unknown, &known]);
    assert_eq!((status, is_changed, &said["series"]), (200, true, &1.into()));
    assert_eq!(ask(&mut half, "POST", &[&series, "feedback"], r#"{"verdict":"noise"}"#).2["noise"], 11);
    assert!(!on_many(&mut half, "noise", &[&unknown]).1);
    assert!(!on_many(&mut half, "useful", &[&unknown]).1);
    assert_eq!(on_many(&mut half, "noise", &[&r#"{"id": "7"}"#.to_owned()]).0, 400);
    // Each word of praise takes one word of noise back, until none is left and the levels are what they were.
    assert!(on_many(&mut half, "useful", &[&known, &known]).1);
    for n_marks in (0..10).rev() {
        let (status, is_changed, said) =
            ask(&mut half, "POST", &[&series, "feedback"], r#"{"verdict":"useful"}"#);
        assert_eq!((status, is_changed, &said["noise"]), (200, true, &n_marks.into()));
    }
    assert!(!on_many(&mut half, "useful", &[&known]).1);
    assert!(score(&mut half, 3) >= before, "it lasts, and is as strong as at first");
}

/// Lives through days of so many series in which each of the tunable detectors gives so many alarms.
fn live(tuning: &mut Tuning, days: usize, n_series: usize, alarms: [usize; TUNABLE.len()]) {
    for _ in 0..days {
        for (detector, n_alarms) in TUNABLE.into_iter().zip(alarms) {
            (0..n_alarms).for_each(|_| tuning.count(detector, 0.0));
        }
        tuning.watch(n_series, 1.0);
        tuning.adjust(0.01, [true; TUNABLE.len()]);
    }
}

#[test]
fn the_level_of_each_detector_goes_where_its_half_of_the_budget_is_spent() {
    let mut tuning = Tuning::default();
    // Ten a day are to be: five of each.
    live(&mut tuning, 10, 1000, [5, 40]);
    let [seasonal, novelty] = tuning.decades;
    assert!((novelty - 1.5).abs() < 1e-9 && seasonal.abs() < 0.3, "{:?}", tuning.decades);
    let realised = tuning.realised().expect("days were watched");
    assert!((0.04..0.06).contains(&realised), "{realised}");
    live(&mut tuning, 40, 1000, [0, 0]);
    assert_eq!(tuning.decades, [-1.5, -1.5]);
}

#[test]
fn the_mean_rate_is_that_of_the_budget_whatever_a_level_does() {
    // Of a detector whose alarms fall tenfold with a fifth of a decade, and begin at twenty times their share.
    let mut tuning = Tuning::default();
    let (mut n_alarms, mut owed) = (0, 0.0);
    for day in 0..450 {
        owed += 20.0 * 10_f64.powf(-5.0 * tuning.decades[1]);
        while owed >= 1.0 {
            owed -= 1.0;
            n_alarms += u32::from(day >= 50);
            tuning.count(Detector::Novelty, 0.0);
        }
        tuning.watch(100, 1.0);
        tuning.adjust(0.01, [false, true]);
    }
    // Each counts for the tenth that is taken for faults, of which there are none here.
    assert!((340..=380).contains(&n_alarms), "{n_alarms} in 400 days of 0.9 a day");
}

#[test]
fn what_is_a_decade_rarer_than_the_level_asks_is_no_false_alarm_and_the_rest_stand_for_those_that_are() {
    let mut tuning = Tuning::default();
    tuning.count(Detector::Seasonal, 1.0);
    assert_eq!(tuning.fresh_alarms, [0.0, 0.0]);
    (0..9).for_each(|_| tuning.count(Detector::Seasonal, 0.9));
    assert!((tuning.fresh_alarms[0] - 10.0).abs() < 1e-9);
}

#[test]
fn what_rules_take_of_the_budget_the_others_save() {
    let mut tuning = Tuning::default();
    for _ in 0..10 {
        (0..10).for_each(|_| tuning.count(Detector::Flatline, 0.0));
        tuning.watch(1000, 1.0);
        tuning.adjust(0.01, [true; TUNABLE.len()]);
    }
    assert!(tuning.decades.iter().all(|decades| decades.abs() < 1e-9), "{:?}", tuning.decades);
    assert!(!tuning.adjust(0.01, [false; TUNABLE.len()]));
}

#[test]
fn few_series_teach_nothing() {
    let mut tuning = Tuning::default();
    (0..20).for_each(|_| tuning.count(Detector::Novelty, 0.0));
    for _ in 0..10 {
        tuning.watch(3, 1.0);
        assert!(!tuning.adjust(0.1, [true; TUNABLE.len()]));
    }
}

#[test]
fn three_episodes_of_a_service_are_a_fault_and_none_of_them_is_counted() {
    let subjects = ["a", "b", "c"].map(|name| Subject::new("one", name, Statistic::Mean, 100.0, 1.0));
    let all: Vec<_> = subjects.iter().collect();
    let level = AnomalyConfig {
        detectors: [DetectorConfig::of(DetectorName::Seasonal)].into(),
        ..AnomalyConfig::default()
    };
    for (n_faulty, expected) in [(2, "2.2"), (3, "0.0")] {
        let mut bench = Bench::new(&level);
        // One after the other: the first had no company when it began.
        let is_high = |minute, at| at < n_faulty && (100 + at as u64..104 + at as u64).contains(&minute);
        bench.run(1..200, &all, |minute, at| if is_high(minute, at) { 125.0 } else { 100.0 });
        let snapshot = bench.harness.analysis().snapshot().expect("the stage has a state");
        let memory = Memory::decode(snapshot.version, &snapshot.bytes).expect("the snapshot is whole");
        let counted = memory.tunings[Class::Metrics as usize].fresh_alarms[0];
        assert_eq!(format!("{counted:.1}"), expected, "{n_faulty} of 3: {}", bench.told);
    }
}

#[test]
fn calm_series_keep_the_budget_once_levels_have_followed() {
    const DAY: u64 = 24 * 60;
    let subjects: Vec<_> =
        (0..30).map(|at| Subject { scale: 2.0, ..Subject::gauge(&format!("s{at}")) }).collect();
    let all: Vec<_> = subjects.iter().collect();
    let mut bench =
        Bench::new(&AnomalyConfig { false_alarms_per_series_day: 0.2, ..AnomalyConfig::default() });
    // Sums of uniform numbers: nearly normal, with a deviation of 2.
    let value = |minute: u64, at: usize| {
        100.0 + (0..12).map(|part| noise(minute, (at * 16 + part) as u64)).sum::<f64>()
    };
    bench.run(1..6 * DAY, &all, value);
    let before = counter(&bench, "opened_episodes");
    bench.run(6 * DAY..10 * DAY, &all, value);
    let rate = (counter(&bench, "opened_episodes") - before) as f64 / (30.0 * 4.0);
    assert!((0.1..=0.25).contains(&rate), "{rate} a series-day, {before} in the first six days");
}

#[test]
fn a_series_that_is_hardly_known_warns_at_most_and_only_of_gross_faults() {
    let subject = Subject { maturity: Maturity::Gross, ..Subject::p95("checkout") };
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..100, &[&subject], |minute, _| if minute < 50 { 100.0 } else { 280.0 });
    assert_eq!(bench.told, "");
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..100, &[&subject], |minute, _| if minute < 50 { 100.0 } else { 1000.0 });
    assert!(bench.told.contains("warning") && !bench.told.contains("critical"), "{}", bench.told);
}

#[test]
fn what_three_services_suffer_at_once_is_critical() {
    let of = |service| Subject::new(service, "span.duration", Statistic::P95, 100.0, 0.05);
    let client = |service| {
        let mut subject = of(service);
        let series = Arc::make_mut(&mut subject.series);
        series.attributes = Arc::default();
        subject
    };
    let three = [client("a"), client("b"), client("c")];
    let mut bench = Bench::new(&AnomalyConfig::default());
    let slow = |minute: u64, _| if minute < 50 { 100.0 } else { 400.0 };
    bench.run(1..100, &three.iter().collect::<Vec<_>>(), slow);
    assert_eq!(bench.told.matches("critical").count(), 3, "{}", bench.told);
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..100, &[&three[0]], slow);
    assert_eq!(bench.told.matches("critical").count(), 0, "{}", bench.told);
}

#[test]
fn an_episode_expires_after_two_days_and_does_not_open_again() {
    let subject = Subject::p95("checkout");
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..3 * 24 * 60, &[&subject], |minute, _| if minute < 50 { 100.0 } else { 400.0 });
    let states: Vec<_> =
        bench.told.lines().map(|line| line.rsplit(['(', ')']).nth(1).unwrap_or("")).collect();
    assert_eq!(states, ["open", "expired"], "{}", bench.told);
    assert_eq!(bench.open.iter().filter(|rows| rows[0]).count(), 48 * 60);
}
