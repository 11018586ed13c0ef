//! What survives a restart, and what is told when it does not.

use component::Snapshot;

use super::{
    super::{
        partial::{EventsRow, HistogramRow, SlaPartial, WorkflowRow},
        snapshot::{
            SavedExcluded, SavedFlow, SavedObjective, SavedOutage, SavedPeriod, SavedTier, SlaSnapshot,
        },
    },
    kinds::{ask, asked},
    *,
};

#[test]
fn what_is_told_and_stored_is_as_described() {
    let mut schema = schemas::Schema::compile("sla.proto");
    schema.holds::<SlaPartial>("SlaPartial");
    schema.holds::<EventsRow>("EventsRow");
    schema.holds::<WorkflowRow>("WorkflowRow");
    schema.holds::<HistogramRow>("HistogramRow");
    schema.holds::<SlaSnapshot>("SlaSnapshot");
    schema.holds::<SavedObjective>("SavedObjective");
    schema.holds::<SavedTier>("SavedTier");
    schema.holds::<SavedPeriod>("SavedPeriod");
    schema.holds::<SavedOutage>("SavedOutage");
    schema.holds::<SavedExcluded>("SavedExcluded");
    schema.holds::<SavedFlow>("SavedFlow");
    schema.finish();
}

const TWO: &str = "
slos:
  - {name: fast, service: checkout, min_events: 1, sli: {type: latency, within: 300ms}, target: 0.99}
  - {name: fresh, service: checkout, min_events: 1, sli: {type: freshness, max_age: 5m}, target: 0.9, window: {calendar: 1M, timezone: Europe/Berlin}}
  - {name: orders, service: checkout, min_events: 1, sli: {type: workflow, within: 1h}, target: 0.9}
";

fn snapshot(stage: &mut Stage) -> Snapshot {
    stage.harness.analysis().snapshot().expect("there is state")
}

fn busy() -> Stage {
    let mut stage = Stage::new(TWO, 1);
    for second in (0..600).step_by(30) {
        stage.until(second + 1);
        let child = Span { parent_span_id: vec![1; 8], ..ended("pay", second, second) };
        stage.spans("checkout", vec![child]);
    }
    stage.until(600);
    stage
}

#[test]
fn a_restart_changes_nothing_but_the_coverage() {
    let mut before = busy();
    let stored = snapshot(&mut before);
    let mut after = Stage::new(TWO, 1);
    after.harness.analysis().restore(stored.clone()).unwrap();
    assert_eq!(snapshot(&mut after), stored);
    // Ten minutes of silence: the time in between was not observed.
    after.now = 1200;
    after.until(1205);
    after.until(1300);
    before.until(1300);
    let of = |stage: &mut Stage, id: &str| ask(stage, "GET", &["slos", id], "");
    let (was, is) = (of(&mut before, "fast"), of(&mut after, "fast"));
    assert_eq!(was["events"], is["events"]);
    assert!(was["events"]["bad"].as_u64() > Some(0));
    assert!(was["coverage_ratio"].as_f64() > is["coverage_ratio"].as_f64());
    assert_eq!(of(&mut before, "orders")["workflows"], of(&mut after, "orders")["workflows"]);
    // Slices of the gap are not judged, so that silence of the judge is no failure.
    assert!(
        of(&mut after, "fresh")["events"]["total"].as_u64()
            < of(&mut before, "fresh")["events"]["total"].as_u64()
    );
    assert_eq!(after.truths()["SLOStateUnreadable "], Some(false));
}

#[test]
fn counts_that_can_not_be_read_are_an_alert_for_as_long_as_was_set() {
    let stored = snapshot(&mut busy());
    let version = Snapshot { version: 9, ..stored.clone() };
    let damaged = Snapshot { bytes: vec![0xff; 20], ..stored };
    for broken in [version, damaged] {
        let mut stage = Stage::new(TWO, 1);
        assert!(stage.harness.analysis().restore(broken).is_err());
        stage.until(20);
        assert_eq!(stage.truths()["SLOStateUnreadable "], Some(true));
        // A second restart does not forget that something is missing.
        let stored = snapshot(&mut stage);
        let mut again = Stage::new(TWO, 1);
        again.harness.analysis().restore(stored).unwrap();
        again.until(3590);
        assert_eq!(again.truths()["SLOStateUnreadable "], Some(true));
        again.until(3620);
        assert_eq!(again.truths()["SLOStateUnreadable "], Some(false));
    }
}

#[test]
fn any_cut_of_a_snapshot_is_read_or_refused_and_never_panics() {
    let stored = snapshot(&mut busy());
    for end in 0..stored.bytes.len() {
        let mut stage = Stage::new(TWO, 1);
        let cut = Snapshot { bytes: stored.bytes[..end].to_vec(), ..stored.clone() };
        let _either = stage.harness.analysis().restore(cut);
        stage.until(10);
    }
}

#[test]
fn history_fills_what_was_not_observed_and_nothing_twice() {
    let mut stage = Stage::new(TWO, 1);
    stage.until(60);
    let start = T0.0 / 1_000_000_000 - 29 * 86_400;
    let slots: Vec<_> = (0..29 * 24)
        .map(|hour| serde_json::json!({"start": start + hour * 3600, "width": 3600, "good": 990, "total": 1000}))
        .collect();
    let body = serde_json::to_string(&slots).unwrap();
    let filled = ask(&mut stage, "POST", &["slos", "checkout-fast", "backfill"], &body);
    assert_eq!(filled["filled"], 29 * 24);
    stage.until(80);
    let value = ask(&mut stage, "GET", &["slos", "fast"], "");
    assert_eq!(value["events"]["total"], 29 * 24 * 1000);
    assert!(value["error_budget_remaining"].as_f64().unwrap().abs() < 0.01, "{value}");
    assert!(value["coverage_ratio"].as_f64().unwrap() > 0.96);
    let points = ask(&mut stage, "GET", &["slos", "fast", "budget"], "");
    assert!(points["points"].as_array().unwrap().len() > 100);
    let (status, refused) = asked(&mut stage, "POST", &["slos", "checkout-fast", "backfill"], &body);
    assert!(status == 400 && refused["error"].as_str().unwrap().contains("counted already"), "{refused}");
    for (body, part) in [
        ("{}", "list of slots"),
        (r#"[{"start": 5, "width": 10, "good": 1, "total": 1}]"#, "multiple of 10"),
        (r#"[{"start": 0, "width": 10, "good": 1, "total": 1}]"#, "90 days"),
        (r#"[{"start": 99999999990, "width": 10, "good": 1, "total": 1}]"#, "future"),
        (r#"[{"start": 1600000000, "width": 10, "good": 2, "total": 1}]"#, "good <= total"),
        (r#"[{"start": 1600000000, "width": 0, "good": 1, "total": 1}]"#, "a day"),
    ] {
        let (status, refused) = asked(&mut stage, "POST", &["slos", "checkout-fast", "backfill"], body);
        assert!(status == 400 && refused["error"].as_str().unwrap().contains(part), "{body}: {refused}");
    }
    assert_eq!(asked(&mut stage, "GET", &["slos", "nothing"], "").0, 404);
    assert_eq!(asked(&mut stage, "DELETE", &["slos", "fast"], "").0, 405);
}

#[test]
fn maintenance_is_left_out_and_listed() {
    let yaml = "
slos:
  - name: up
    service: checkout
    min_events: 1
    sli: {type: success_rate}
    target: 0.99
    rto: 1m
    cost: {per_bad_event: 2, per_down_minute: 10, currency: EUR, credits: [{below: 0.9, amount: 50}, {below: 0.5, amount: 100}]}
    maintenance: [{name: move, start: '2023-11-15T00:02:00Z', end: '2023-11-15T00:04:00Z'}]
";
    let mut stage = Stage::new(yaml, 1);
    for second in (0..600).step_by(10) {
        let is_down = (120..420).contains(&second);
        let status = Some(opentelemetry_proto::tonic::trace::v1::Status {
            code: if is_down { 2 } else { 1 },
            message: String::new(),
        });
        stage.until(second + 1);
        stage.spans("checkout", vec![Span { status, ..ended("pay", second, 10) }]);
    }
    stage.until(620);
    let value = ask(&mut stage, "GET", &["slos", "up"], "");
    assert_eq!(value["exclusions"], serde_json::json!([{"name": "move", "good": 0, "bad": 12}]));
    assert_eq!((&value["events"]["bad"], &value["events"]["good"]), (&18.into(), &30.into()));
    assert_eq!(
        (&value["downtime"]["planned_seconds"], &value["downtime"]["unplanned_seconds"]),
        (&120.into(), &180.into())
    );
    assert_eq!((&value["downtime"]["outages"], &value["downtime"]["over_rto"]), (&1.into(), &1.into()));
    // 18 bad events, 3 minutes, and the credit below 0.9.
    assert_eq!(value["cost"]["total"].as_f64(), Some(36.0 + 30.0 + 50.0));
    assert_eq!(value["state"], "breached");
    let advice = value["recommendations"].as_array().unwrap();
    assert!(advice.iter().any(|it| it.as_str().unwrap().contains("hold back")), "{advice:?}");
}
