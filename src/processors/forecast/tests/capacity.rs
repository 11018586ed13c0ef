use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as LogsRequest;
use prost::Message;

use super::*;
use crate::{
    forecast::{
        capacity::Verdict,
        history::{History, Model},
        learning::{Learning, Tally},
        peaks::Peaks,
        state::Contest,
    },
    testing::value_text,
};

const DISK: &str =
    "window: 1h\ncapacity: [{name: disk of shop, metric: disk, statistic: mean, capacity: 100}]\n";

/// Urgencies and sentences of the log records.
fn events(payloads: &[Payload]) -> Vec<(String, String)> {
    let logs = payloads.iter().filter(|payload| matches!(payload, Payload::Logs(_)));
    let requests = logs.map(|it| LogsRequest::decode(it.bytes().unwrap().clone()).expect("logs are sound"));
    let mut events = Vec::new();
    for request in requests {
        let scopes = request.resource_logs.into_iter().flat_map(|it| it.scope_logs);
        for record in scopes.flat_map(|it| it.log_records) {
            assert_eq!(record.event_name, "trueline.capacity");
            let urgency = record.attributes.iter().find(|it| it.key == "trueline.capacity.urgency");
            let body = record.body.and_then(|body| body.value);
            events.push((value_text(urgency.expect("an event has an urgency")), format!("{body:?}")));
        }
    }
    events
}

fn run(feed: &mut Feed, from: u64, to: u64, value: impl Fn(u64) -> Vec<f64>) -> (Points, Vec<String>) {
    let (mut last, mut urgencies) = (Vec::new(), Vec::new());
    for since in (from..to).step_by(feed.width as usize) {
        last = feed.give(since, &value(since));
        urgencies.extend(events(&last).into_iter().map(|(urgency, _)| urgency));
    }
    (Points::of(&last), urgencies)
}

#[test]
fn a_disk_that_fills_is_told_with_what_is_needed_and_when() {
    let mut feed = Feed::new(DISK, "disk");
    // Full after 100 days.
    let (told, urgencies) = run(&mut feed, 0, 60 * DAY, |since| vec![days(since) + 0.1 * normal(1, since)]);
    let get = |name: &str| told.get(&[&format!("capacity.{name}{{"), "name=disk of shop"]).unwrap();
    assert!((get("used_ratio") - 0.6).abs() < 0.02, "{}", get("used_ratio"));
    let required = get("required");
    assert!((80.0..95.0).contains(&required), "{required}");
    assert!((95.0..110.0).contains(&get("recommended")), "{}", get("recommended"));
    let exhausted = told.get(&["time_to_exhaustion", "bound=median"]).unwrap() / DAY as f64;
    assert!((exhausted - 39.0).abs() < 3.0, "{exhausted}");
    assert_eq!(urgencies, ["low"]);

    let (_, urgencies) =
        run(&mut feed, 60 * DAY, 105 * DAY, |since| vec![days(since) + 0.1 * normal(1, since)]);
    assert_eq!(urgencies, ["medium", "high", "critical"]);
    let (_, urgencies) = run(&mut feed, 105 * DAY, 190 * DAY, |since| vec![20.0 + normal(1, since)]);
    assert_eq!(urgencies.last().map(String::as_str), Some("none"), "{urgencies:?}");
}

#[test]
fn peaks_are_what_is_sized_for_and_not_means() {
    let mut feed = Feed::new(DISK, "disk");
    // Twelve busy hours: the mean is 40, the 95th percentile 60.
    let busy = |since: u64| if since % DAY < DAY / 2 { 60.0 } else { 20.0 };
    let (told, urgencies) = run(&mut feed, 0, 30 * DAY, |since| vec![busy(since) + 0.1 * normal(1, since)]);
    let recommended = told.get(&["capacity.recommended"]).unwrap();
    assert!((recommended - 72.0).abs() < 3.0, "{recommended}");
    assert_eq!(urgencies, Vec::<String>::new());
}

#[test]
fn cpu_and_memory_that_idle_together_are_oversized_and_either_alone_is_not() {
    let yaml = "window: 1h\ncapacity:\n- {name: cpu, metric: cpu, statistic: mean, capacity: 8, kind: cpu}\n\
                - {name: memory, metric: memory, statistic: mean, capacity: 100, kind: memory}\n";
    for (cpu, memory, expected) in [(1.0, 30.0, true), (1.0, 60.0, false), (4.0, 30.0, false)] {
        let mut feed = Feed::of(yaml, vec![series(1, "cpu"), series(2, "memory")]);
        let noisy = |since| vec![cpu + 0.01 * normal(1, since), memory + normal(2, since)];
        let (_, urgencies) = run(&mut feed, 0, 20 * DAY, noisy);
        assert_eq!(urgencies == ["oversized", "oversized"], expected, "{urgencies:?}");
        assert!(expected || urgencies.is_empty());
    }
}

#[test]
fn a_new_model_takes_over_only_when_it_was_better_on_days_it_had_not_seen() {
    let give = |history: &mut History, day: u16, mean: f64| {
        let mut learning = Learning { confidence: 0.95, ..Learning::default() };
        history.note(mean);
        history.end_day(day, mean, &mut learning);
        match learning.tally {
            Tally { replaced: 0, kept: 0, .. } => None,
            Tally { kept: 0, .. } => Some(Contest::Replaced),
            _ => Some(Contest::Kept),
        }
    };
    // A level with noise: no line is better than none.
    let mut steady = History::new(100.0, 0.95);
    let contests: Vec<_> =
        (100..180).filter_map(|day| give(&mut steady, day, 50.0 + normal(7, u64::from(day)))).collect();
    assert_eq!(contests.len(), 80 - 20);
    let n_replaced = contests.iter().filter(|it| **it == Contest::Replaced).count();
    assert!(n_replaced < contests.len() / 2, "{n_replaced}");
    assert!(steady.model.slope.abs() < 0.002, "{:?}", steady.model);

    // A line: the first model that knows it takes over, and an equal one does not.
    let mut rising = History::new(100.0, 0.95);
    let contests: Vec<_> =
        (100..140).filter_map(|day| give(&mut rising, day, f64::from(day - 100))).collect();
    assert_eq!(contests[0], Contest::Replaced);
    assert!((rising.model.slope - 0.01).abs() < 0.001, "{:?}", rising.model);

    // When it stops, the line is given up.
    for day in 140..200 {
        give(&mut rising, day, 40.0);
    }
    assert!(rising.model.slope.abs() < 0.003, "{:?}", rising.model);

    let before = rising.model;
    rising.model = Model { slope: 5.0, ..Model::default() };
    assert_eq!(give(&mut rising, 200, 40.0), Some(Contest::Replaced), "a bad model does not last");
    assert!((rising.model.slope - before.slope).abs() < 0.003);
}

#[test]
fn days_of_the_week_and_thirty_days_ahead_are_foretold_within_their_intervals() {
    let mut feed = Feed::new(DISK, "disk");
    let weekly = |since: u64| if since / DAY % 7 >= 5 { 20.0 } else { 50.0 };
    let mut told_before = BTreeMap::new();
    let (mut n_judged, mut n_covered, mut error) = (0.0, 0.0, 0.0);
    for day in 0..160_u64 {
        let mut sum = 0.0;
        for since in (day * DAY..(day + 1) * DAY).step_by(HOUR as usize) {
            let value = weekly(since) + normal(3, since) + 2.0 * normal(4, day);
            sum += value / 24.0;
            let told = Points::of(&feed.give(since, &[value]));
            if since % DAY == 23 * HOUR && day > 60 {
                let bounds = ["value", "lower", "upper"].map(|bound| told.forecast("30d", bound).unwrap());
                told_before.insert(day + 30, bounds);
            }
        }
        if let Some([value, lower, upper]) = told_before.get(&day) {
            n_judged += 1.0;
            n_covered += f64::from(u8::from((*lower..=*upper).contains(&sum)));
            error += (sum - value).abs();
        }
    }
    assert!(error / n_judged < 3.0, "{}", error / n_judged);
    assert!(n_covered / n_judged > 0.9, "{}", n_covered / n_judged);
    assert!(feed.metric("models") > 100);
}

#[test]
fn the_95th_percentile_of_a_day_is_near_the_exact_one() {
    for scale in [1e-9, 1.0, 1e12] {
        let mut peaks = Peaks::default();
        let mut values: Vec<f64> = (0..1440).map(|at| scale * normal(1, at).exp()).collect();
        values.iter().for_each(|&value| peaks.add(value));
        values.sort_by(f64::total_cmp);
        let exact = values[1440 * 95 / 100];
        assert!((peaks.p95().unwrap() / exact - 1.0).abs() < 0.03, "{:?} {exact}", peaks.p95());
    }
    let mut zeros = Peaks::default();
    assert_eq!(zeros.p95(), None);
    (0..10).for_each(|_| zeros.add(0.0));
    assert_eq!(zeros.p95(), Some(0.0));
    zeros.add(-5.0);
    zeros.add(f64::MAX);
    assert!(zeros.p95().is_some());
}

#[test]
fn every_verdict_is_known_by_its_number() {
    let names: Vec<_> =
        (0..8).map(|number| Verdict::of_number(number).map(|it| (it as u8 == number, it.name()))).collect();
    let known = ["none", "oversized", "low", "medium", "high", "critical"].map(|name| Some((true, name)));
    assert_eq!(names, [known.as_slice(), &[None, None]].concat());
}
