//! What people are told: events, alerts on budgets, scores, trends, and what stands in for data that is missing.

use model::Spending;
use opentelemetry_proto::tonic::trace::v1::Status;
use serde_json::json;

use super::{
    kinds::{ask, asked},
    *,
};

fn failing(n: u64, n_bad: u64, second: u64) -> Vec<Span> {
    let status = |code| Some(Status { code, message: String::new() });
    (0..n)
        .map(|at| Span { status: status(if at < n_bad { 2 } else { 1 }), ..ended("pay", second, 1) })
        .collect()
}

/// Sends events that end now, and lets the next evaluation see them.
fn send(stage: &mut Stage, n: u64, n_bad: u64) {
    let now = stage.now;
    stage.spans("s", failing(n, n_bad, now - 1));
    stage.until(now + 20);
}

fn up(rest: &str) -> Stage {
    let yaml = format!("slos: [{{name: up, service: s, target: 0.9, sli: {{type: success_rate}}, {rest}}}]");
    let mut stage = Stage::new(&yaml, 1);
    stage.until(5);
    stage
}

fn score(stage: &mut Stage) -> f64 {
    ask(stage, "GET", &["slos", "up"], "")["score"].as_f64().unwrap()
}

#[test]
fn budgets_breaches_and_recoveries_are_told_once_each() {
    let mut stage = up(
        "window: {rolling: 1h}, burn_alerts: none, escalation: [{budget_consumed: 0.5, severity: ticket}, {budget_consumed: 1, severity: page}]",
    );
    let budgets = |stage: &Stage| {
        let truths = stage.truths();
        (truths["UpBudgetConsumed ticket"], truths["UpBudgetConsumed page"])
    };
    assert_eq!(budgets(&stage), (None, None));
    send(&mut stage, 95, 5);
    assert_eq!(stage.events, ["trueline.slo.budget_threshold"]);
    assert_eq!(budgets(&stage), (Some(true), Some(false)));
    // 5 of the 9.5 that may fail.
    assert!((score(&mut stage) - (100.0 - 50.0 * 5.0 / 9.5)).abs() < 1e-6);
    send(&mut stage, 10, 10);
    assert_eq!(
        stage.events,
        ["trueline.slo.budget_threshold", "trueline.slo.breach", "trueline.slo.budget_threshold"]
    );
    assert_eq!(budgets(&stage), (Some(true), Some(true)));
    assert!((score(&mut stage) - 50.0 / (15.0 / 10.5)).abs() < 1e-6);
    stage.events.clear();
    send(&mut stage, 200, 0);
    assert_eq!(stage.events, ["trueline.slo.recovered"]);
    assert_eq!(budgets(&stage), (Some(false), Some(false)));
    send(&mut stage, 40, 40);
    assert_eq!(
        stage.events,
        [
            "trueline.slo.recovered",
            "trueline.slo.breach",
            "trueline.slo.budget_threshold",
            "trueline.slo.budget_threshold"
        ],
        "what was spent again is told again"
    );
}

#[test]
fn too_few_events_are_neither_good_nor_bad() {
    let mut stage = up(
        "window: {rolling: 1h}, escalation: [{budget_consumed: 1, severity: page}], alerting: {insufficient_data: ticket}",
    );
    let labels = "service.name=s,trueline.slo.id=s-up,trueline.slo.name=up";
    let state =
        |stage: &Stage, name: &str| stage.metric(&format!("trueline.slo.state{{{labels},state={name}}}"));
    send(&mut stage, 9, 9);
    assert_eq!((state(&stage, "insufficient_data"), state(&stage, "breached")), (Some(1.0), Some(0.0)));
    let truths = stage.truths();
    assert_eq!(truths["UpInsufficientData ticket"], Some(true));
    assert_eq!(truths["UpBudgetConsumed page"], None);
    for name in ["sli", "score", "error_budget.remaining"] {
        assert_eq!(stage.metric(&format!("trueline.slo.{name}{{{labels}}}")), None, "{name}");
    }
    assert!(stage.events.is_empty(), "{:?}", stage.events);
    send(&mut stage, 1, 1);
    assert_eq!((state(&stage, "insufficient_data"), state(&stage, "breached")), (Some(0.0), Some(1.0)));
    assert_eq!(stage.truths()["UpInsufficientData ticket"], Some(false));
    assert_eq!(stage.truths()["UpBudgetConsumed page"], Some(true));
    // An hour later nothing is left, which repairs nothing.
    stage.events.clear();
    stage.now = 7200;
    stage.until(7220);
    assert_eq!(stage.truths()["UpInsufficientData ticket"], Some(true));
    assert!(stage.events.is_empty(), "{:?}", stage.events);
}

#[test]
fn a_trend_is_the_last_quarter_against_those_before() {
    for (n_bad_before, n_bad_lately, expected) in
        [(1, 50, "worsening"), (50, 1, "improving"), (10, 11, "steady"), (0, 0, "steady")]
    {
        let mut stage = up("window: {rolling: 1h}");
        send(&mut stage, 100, n_bad_before);
        let trend = |stage: &mut Stage| ask(stage, "GET", &["slos", "up"], "")["trend"].clone();
        assert_eq!(trend(&mut stage), "unknown");
        stage.now = 3000;
        stage.until(3005);
        send(&mut stage, 100, n_bad_lately);
        assert_eq!(trend(&mut stage), expected, "{n_bad_before} and {n_bad_lately} of 100");
    }
}

#[test]
fn advice_says_what_to_do_now() {
    let advice = |stage: &mut Stage| ask(stage, "GET", &["slos", "up"], "")["recommendations"].to_string();
    let mut few = up("window: {rolling: 1h}");
    send(&mut few, 3, 0);
    assert!(advice(&mut few).contains("3 of 10 needed events came"), "{}", advice(&mut few));
    let mut burning = up("window: {rolling: 2h}");
    send(&mut burning, 1000, 0);
    burning.now = 7000;
    burning.until(7005);
    send(&mut burning, 100, 30);
    // 72.7 % are left of two hours' budget, and the last hour burns three times as fast.
    for part in
        ["the budget is spent in 29m", "failures grew in the last quarter", "% of the period was observed"]
    {
        assert!(advice(&mut burning).contains(part), "{part}: {}", advice(&mut burning));
    }
    let mut well = up("window: {rolling: 1h}");
    well.until(3600);
    send(&mut well, 100, 0);
    assert!(advice(&mut well).contains("over 90 % of the budget is left"), "{}", advice(&mut well));
    assert!(!advice(&mut well).contains("was observed"), "{}", advice(&mut well));
}

#[test]
fn alerts_of_pyrra_fire_by_their_factors() {
    for (n_bad, expected) in [
        (0, [false; 4]),
        (15, [false, false, false, true]),
        (30, [false, false, true, true]),
        (75, [false, true, true, true]),
        (145, [true; 4]),
    ] {
        let mut stage = Stage::new(
            "slos: [{name: up, service: s, target: 0.99, window: {rolling: 28d}, sli: {type: success_rate}, burn_alerts: pyrra}]",
            1,
        );
        stage.until(5);
        send(&mut stage, 1000, n_bad);
        let of = |long: &str| {
            let subject = |it: &&Condition| it.subject.labels.get("long").is_some_and(|it| it == long);
            stage.conditions.iter().find(subject).unwrap()
        };
        let found = ["1h", "6h", "1d", "4d"].map(|long| of(long).is_true == Some(true));
        assert_eq!(found, expected, "{n_bad} of 1000");
        let holds = ["1h", "6h", "1d", "4d"].map(|long| of(long).subject.hold.as_secs() / 60);
        assert_eq!(holds, [2, 15, 60, 180]);
        assert_eq!(of("1h").subject.name, "ErrorBudgetBurn");
        assert_eq!(of("1h").subject.labels["exhausted"], "2d");
    }
}

#[test]
fn a_workflow_that_never_ends_is_given_up_and_stays_a_failure() {
    let yaml = "slos: [{name: a, service: s, min_events: 1, target: 0.9, sli: {type: workflow, within: 1m, escalate_after: 90s, give_up_after: 3m}}]";
    let mut stage = Stage::new(yaml, 1);
    stage.until(6);
    let of_trace = |trace: u8, is_root: bool, second: u64| Span {
        trace_id: vec![trace; 16],
        parent_span_id: if is_root { vec![] } else { vec![1; 8] },
        ..ended("step", second, 1)
    };
    stage.spans("s", vec![of_trace(1, false, 5), of_trace(2, false, 5), of_trace(3, false, 5)]);
    stage.until(30);
    stage.spans("s", vec![of_trace(2, true, 29)]);
    stage.until(100);
    stage.spans("s", vec![of_trace(3, true, 99)]);
    stage.until(150);
    let labels = "{service.name=s,trueline.slo.id=s-a,trueline.slo.name=a}";
    let told = |stage: &Stage, names: [&str; 5]| {
        names.map(|name| stage.metric(&format!("trueline.slo.workflows.{name}{labels}")).unwrap())
    };
    let names = ["started", "completed", "failed", "open", "overdue"];
    assert_eq!(told(&stage, names), [3.0, 2.0, 2.0, 1.0, 1.0]);
    assert_eq!(stage.truths()["AWorkflowOverdue page"], Some(true));
    stage.until(300);
    assert_eq!(told(&stage, names), [3.0, 2.0, 2.0, 0.0, 0.0]);
    assert_eq!(stage.truths()["AWorkflowOverdue page"], Some(false));
    let value = ask(&mut stage, "GET", &["slos", "a"], "");
    assert_eq!((&value["events"]["good"], &value["events"]["bad"]), (&json!(1), &json!(2)));
    // Counters go on after a restart.
    let stored = stage.harness.analysis().snapshot().unwrap();
    let mut again = Stage::new(yaml, 1);
    again.harness.analysis().restore(stored).unwrap();
    again.now = 301;
    again.until(380);
    assert_eq!(told(&again, names), [3.0, 2.0, 2.0, 0.0, 0.0]);
}

#[test]
fn an_alert_of_the_shortest_windows_that_are_allowed_does_not_go_on_and_off() {
    for (slice, short) in [("1m", "3m"), ("2m", "5m"), ("5m", "11m")] {
        let alert =
            |short: &str| format!("burn_alerts: [{{severity: page, long: 12m, short: {short}, factor: 2}}]");
        let yaml = |short: &str| {
            format!(
                "slos: [{{name: up, service: s, min_events: 1, target: 0.9, sli: {{type: availability, slice: {slice}}}, {}}}]",
                alert(short)
            )
        };
        let shorter = format!("{}m", short.trim_end_matches('m').parse::<u64>().unwrap() - 1);
        assert!(read(&yaml(&shorter)).1.iter().any(|it| it.contains("too short")), "{shorter} for {slice}");
        let mut stage = Stage::new(&yaml(short), 1);
        for second in (0..2400).step_by(10) {
            stage.until(second + 5);
            stage.spans("s", failing(1, 1, second + 4));
            if second > 700 {
                assert_eq!(stage.truths()["UpBurnRate page"], Some(true), "{slice} and {short} at {second}");
            }
        }
    }
}

#[test]
fn a_composite_burns_over_windows_of_its_own_and_tells_nothing_that_it_has_not() {
    let yaml = "
slos:
  - {name: a, service: s, target: 0.9, sli: {type: success_rate}, match: {span.name: pay}, burn_alerts: none}
  - {name: b, service: s, target: 0.9, sli: {type: success_rate}, match: {span.name: none}, burn_alerts: none}
  - {name: all, service: s, target: 0.9, sli: {type: composite, of: [{slo: a}, {slo: b}]}, burn_alerts: [{severity: page, long: 20m, short: 3m, factor: 4}]}
";
    for (n_bad, expected) in [(3, false), (5, true)] {
        let mut stage = Stage::new(yaml, 1);
        stage.until(5);
        send(&mut stage, 10, n_bad);
        assert_eq!(stage.truths()["AllBurnRate page"], Some(expected), "{n_bad} of 10");
        let value = ask(&mut stage, "GET", &["slos", "all"], "");
        assert_eq!((&value["trend"], &value["downtime"]), (&json!(null), &json!(null)));
        assert!(ask(&mut stage, "GET", &["slos", "a"], "")["downtime"].is_object());
        let downtime = |name: &str| {
            let of = |metric: &&String| {
                metric.starts_with("trueline.slo.downtime.") && metric.contains(&format!("=s-{name},"))
            };
            stage.metrics.keys().filter(of).count()
        };
        assert_eq!((downtime("a"), downtime("all")), (2, 0));
        let (status, refused) = asked(&mut stage, "GET", &["slos", "all", "budget"], "");
        assert!(
            status == 404 && refused["error"].as_str().unwrap().contains("made of other objectives"),
            "{refused}"
        );
    }
}

#[test]
fn an_objective_of_several_percentiles_is_found_by_its_name() {
    let yaml = "slos: [{name: latency, service: checkout, sli: {type: latency, targets: {p95: 300ms, p99: 800ms}}}, {name: late, service: checkout, target: 0.9, sli: {type: success_rate}}]";
    let mut stage = Stage::new(yaml, 1);
    stage.until(20);
    let ids = |value: &serde_json::Value| -> Vec<String> {
        value["objectives"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    };
    for name in ["latency", "checkout-latency"] {
        let value = ask(&mut stage, "GET", &["slos", name], "");
        assert_eq!(ids(&value), ["checkout-latency-p95", "checkout-latency-p99"], "{name}");
    }
    assert_eq!(ask(&mut stage, "GET", &["slos", "late"], "")["id"], "checkout-late");
    for name in ["latency-p9", "checkout-lat", "checkout"] {
        assert_eq!(asked(&mut stage, "GET", &["slos", name], "").0, 404, "{name}");
    }
    let (status, refused) = asked(&mut stage, "GET", &["slos", "latency", "budget"], "");
    assert!(
        status == 404 && refused["error"].as_str().unwrap().contains("checkout-latency-p95"),
        "{refused}"
    );
}

#[test]
fn many_objectives_are_told_in_several_requests_none_of_which_is_too_large_for_a_receiver() {
    let objectives: String = (0..250)
        .map(|number| {
            format!("  - {{name: slo{number}, service: checkout, sli: {{type: success_rate}}, target: 0.9, min_events: 1}}\n")
        })
        .collect();
    let mut stage =
        Stage::new(&format!("emit: {{dialects: [native, sloth, pyrra]}}\nslos:\n{objectives}"), 1);
    stage.spans("checkout", vec![ended("pay", 0, 10)]);
    let told: Vec<Payload> = (1..=15).flat_map(|second| stage.harness.tick(at(second))).collect();
    let told: Vec<Payload> = told.into_iter().filter(|it| matches!(it, Payload::Metrics(_))).collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|payload| payload.bytes().is_some_and(|bytes| bytes.len() < 1 << 20)));
    let targets = points(&told).into_keys().filter(|key| key.starts_with("trueline.slo.target{")).count();
    assert_eq!(targets, 250);
}

#[test]
fn evaluations_tell_how_budgets_stand_and_what_was_spent() {
    let mut stage = up("window: {rolling: 1h}, burn_alerts: none, cost: {per_bad_event: 0.8, currency: EUR}");
    let budget = |stage: &Stage| stage.budgets[0].clone();
    let (untouched, nothing) = (budget(&stage), Spending { amount: 0.0, currency: "EUR".into() });
    assert_eq!((untouched.events, untouched.bad_events, untouched.spending), (0, 0, Some(nothing)));
    assert_eq!((untouched.share_of_event, untouched.remaining), (None, None), "nothing is known yet");
    send(&mut stage, 95, 5);
    send(&mut stage, 5, 1);
    let budget = budget(&stage);
    assert_eq!((&*budget.slo_id, budget.events, budget.bad_events), ("s-up", 100, 6));
    // Ten of the hundred may be bad.
    assert!((budget.allowed - 0.1).abs() < 1e-9 && (budget.share_of_event.unwrap() - 0.1).abs() < 1e-9);
    assert!((budget.remaining.unwrap() - 0.4).abs() < 1e-9);
    assert!((budget.spending.unwrap().amount - 4.8).abs() < 1e-9);
}

#[test]
fn downtime_and_credits_are_spent_too() {
    let mut stage = up("window: {rolling: 1h}, burn_alerts: none, \
         cost: {per_down_minute: 100, credits: [{below: 0.9, amount: 1000}], currency: EUR}");
    send(&mut stage, 100, 100);
    stage.until(200);
    // One minute in which everything failed, and one promise that is not kept.
    assert_eq!(stage.budgets[0].spending, Some(Spending { amount: 1100.0, currency: "EUR".into() }));
}
