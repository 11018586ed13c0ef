//! Stored counts under settings that have changed, and times that do not count.

use std::time::Duration;

use component::Snapshot;
use opentelemetry_proto::tonic::trace::v1::Status;
use serde_json::json;

use super::{
    super::{plan::Plan, ring::Count, snapshot::Memory, state::Record},
    kinds::ask,
    *,
};

fn slo(window: &str, rest: &str) -> String {
    format!("slos: [{{name: a, service: s, min_events: 1, target: 0.9, window: {{{window}}}, {rest}}}]")
}

const SPANS: &str = "sli: {type: success_rate}";

fn failing(n: u64, n_bad: u64, second: u64) -> Vec<Span> {
    let status = |code| Some(Status { code, message: String::new() });
    (0..n)
        .map(|at| Span { status: status(if at < n_bad { 2 } else { 1 }), ..ended("pay", second, 1) })
        .collect()
}

/// Counts of a stage that saw 15 good events and 5 bad ones, and was told of 90 and 10 of the day before.
fn stored(yaml: &str) -> Snapshot {
    let mut stage = Stage::new(yaml, 1);
    stage.until(10);
    let yesterday = T0.0 / 1_000_000_000 - 86_400;
    let slots = json!([{"start": yesterday, "width": 3600, "good": 90, "total": 100}]).to_string();
    ask(&mut stage, "POST", &["slos", "a", "backfill"], &slots);
    stage.spans("s", failing(20, 5, 9));
    stage.until(60);
    stage.harness.analysis().snapshot().unwrap()
}

/// Runs on with other settings.
fn continued(yaml: &str, stored: Snapshot) -> Stage {
    let mut stage = Stage::new(yaml, 1);
    stage.harness.analysis().restore(stored).unwrap();
    stage.now = 61;
    stage.until(65);
    stage.spans("s", failing(2, 1, 64));
    stage.until(80);
    stage
}

#[test]
fn a_period_is_made_again_of_the_ring_when_the_calendar_changes() {
    // It is midnight between Tuesday and Wednesday, in the middle of a month and of a quarter.
    let (today, both) = ((16, 6), (106, 16));
    for (before, after, expected) in [
        ("calendar: 1d", "calendar: 1d", today),
        ("calendar: 1d", "calendar: 1w", both),
        ("calendar: 1w", "calendar: 1d", today),
        ("calendar: 1M", "calendar: 1Q", both),
        ("calendar: 1d", "calendar: 1d, timezone: Asia/Kolkata", today),
        ("calendar: 1w", "calendar: 1w, timezone: America/New_York", both),
        ("rolling: 30d", "calendar: 1M", both),
        ("rolling: 30d", "calendar: 1d", today),
        ("calendar: 1d", "rolling: 7d", both),
    ] {
        let mut stage = continued(&slo(after, SPANS), stored(&slo(before, SPANS)));
        let value = ask(&mut stage, "GET", &["slos", "a"], "");
        let number = |name: &str| value["events"][name].as_u64().unwrap();
        assert_eq!((number("good"), number("bad")), expected, "{before} to {after}");
        let coverage = value["coverage_ratio"].as_f64().unwrap();
        let is_whole = after == "calendar: 1d";
        assert_eq!(coverage > 0.95, is_whole, "{before} to {after}: {coverage}");
    }
}

#[test]
fn a_calendar_that_comes_back_does_not_bring_stale_counts() {
    let calendar = slo("calendar: 1d", SPANS);
    let mut rolling = continued(&slo("rolling: 7d", SPANS), stored(&calendar));
    let stored = rolling.harness.analysis().snapshot().unwrap();
    let mut again = Stage::new(&calendar, 1);
    again.harness.analysis().restore(stored).unwrap();
    again.now = 81;
    again.until(90);
    assert_eq!(ask(&mut again, "GET", &["slos", "a"], "")["events"]["total"].as_u64(), Some(22));
}

#[test]
fn what_the_ring_no_longer_holds_does_not_count_as_observed() {
    let plan = Plan::of(&settings(&slo("calendar: 1y", SPANS)));
    let mut record = Record::default();
    let day = Duration::from_secs(86_400);
    record.coverage.add(T0 - day * 300, T0);
    record.ring.add(T0 - Duration::from_secs(5), Count { good: 1, total: 1 });
    record.adopt(&plan.objectives[0]);
    let period = record.period.unwrap();
    assert_eq!(period.count.total, 1);
    // The year began 318 days before.
    let coverage = record.coverage.ratio(period.period, T0);
    assert!((coverage - 90.0 / 318.0).abs() < 0.001, "{coverage}");
}

#[test]
fn counts_of_something_else_are_left_behind() {
    let window = "rolling: 7d";
    let slices = "sli: {type: success_rate}, budgeting: {timeslices: {slice: 10s, target: 0.9}}";
    let wider = "sli: {type: success_rate}, budgeting: {timeslices: {slice: 20s, target: 0.9}}";
    let stricter = "sli: {type: success_rate, bad: ['otel.status == error', 'span.name == pay']}";
    for (before, after, n_left_behind) in [
        (SPANS, slices, 1),
        (slices, SPANS, 1),
        (slices, wider, 1),
        (SPANS, "sli: {type: latency, within: 1s}", 1),
        (SPANS, stricter, 0),
        (slices, slices, 0),
    ] {
        let stored = stored(&slo(window, before));
        let plan = Plan::of(&settings(&slo(window, after)));
        let memory = Memory::load(&plan, &stored.bytes).unwrap();
        assert_eq!(memory.n_left_behind, n_left_behind, "{before} to {after}");
        let kept = memory.records[0].ring.sum(at(60), Duration::from_secs(7 * 86_400)).total;
        assert_eq!(kept == 0, n_left_behind == 1, "{before} to {after}: {kept}");
        assert_eq!(memory.records[0].coverage.spans.is_empty(), n_left_behind == 1, "{before} to {after}");
    }
}

#[test]
fn maintenance_of_the_past_does_not_count_and_is_told_of_its_period_alone() {
    let yesterday = T0.0 / 1_000_000_000 - 86_400;
    for (window, expected) in
        [("rolling: 7d", (900, 900)), ("calendar: 1w", (900, 900)), ("calendar: 1d", (0, 0))]
    {
        let rest = "sli: {type: success_rate}, maintenance: [{name: move, start: '2023-11-14T10:30:00Z', end: '2023-11-14T11:00:00Z'}]";
        let mut stage = Stage::new(&slo(window, rest), 1);
        stage.until(20);
        let slots =
            json!([{"start": yesterday + 36_000, "width": 3600, "good": 1800, "total": 3600}]).to_string();
        ask(&mut stage, "POST", &["slos", "a", "backfill"], &slots);
        stage.until(40);
        let value = ask(&mut stage, "GET", &["slos", "a"], "");
        let number = |name: &str| value["events"][name].as_u64().unwrap();
        assert_eq!((number("good"), number("bad")), expected, "{window}");
        let (good, bad) = expected;
        assert_eq!(value["exclusions"], json!([{"name": "move", "good": good, "bad": bad}]), "{window}");
    }
}

#[test]
fn what_maintenance_left_out_leaves_with_its_period_and_survives_a_restart() {
    for (window, is_gone_at) in [("rolling: 1h", 7200), ("calendar: 1d", 86_400)] {
        let yaml = slo(
            window,
            "sli: {type: success_rate}, maintenance: [{name: night, schedule: 'Wed 00:00-00:30 UTC'}]",
        );
        let mut before = Stage::new(&yaml, 1);
        before.until(10);
        before.spans("s", failing(20, 5, 9));
        before.until(30);
        let left_out = |stage: &mut Stage| ask(stage, "GET", &["slos", "a"], "")["exclusions"].clone();
        let all = json!([{"name": "night", "good": 15, "bad": 5}]);
        assert_eq!(left_out(&mut before), all, "{window}");
        let stored = before.harness.analysis().snapshot().unwrap();
        let mut after = Stage::new(&yaml, 1);
        after.harness.analysis().restore(stored).unwrap();
        after.now = 31;
        after.until(50);
        assert_eq!(left_out(&mut after), all, "{window}");
        after.now = is_gone_at;
        after.until(is_gone_at + 20);
        assert_eq!(left_out(&mut after), json!([{"name": "night", "good": 0, "bad": 0}]), "{window}");
    }
}
