//! Every kind of indicator, as a table: what comes, and what it counts as.

use model::{Rollups, Series, Statistic};
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
    trace::v1::Status,
};

use super::*;
use crate::{
    aggregation::attributes::AttributeList,
    testing::{attribute, text},
};

/// A stage with one objective, judged without delay.
fn stage(objective: &str) -> Stage {
    Stage::new(&format!("slos:\n  - {{name: a, service: checkout, min_events: 1, {objective}}}\n"), 1)
}

/// Good and bad events of the only objective.
fn counts(stage: &mut Stage) -> (u64, u64) {
    let value = ask(stage, "GET", &["slos", "a"], "");
    let number = |name: &str| value["events"][name].as_u64().unwrap();
    (number("good"), number("bad"))
}

pub(super) fn ask(stage: &mut Stage, method: &str, path: &[&str], body: &str) -> serde_json::Value {
    let (status, value) = asked(stage, method, path, body);
    assert!(status < 300, "{status} {value}");
    value
}

pub(super) fn asked(stage: &mut Stage, method: &str, path: &[&str], body: &str) -> (u16, serde_json::Value) {
    let question = component::Question {
        method: method.to_owned(),
        path: path.iter().map(|part| (*part).to_owned()).collect(),
        body: body.as_bytes().to_vec().into(),
        ..component::Question::default()
    };
    let mut bench = component::Workbench::default();
    let mut cx = component::Cx::new(at(stage.now), &mut bench);
    let answer = stage.harness.analysis().answer(&question, &mut cx);
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

fn failed(span: Span) -> Span {
    Span { status: Some(Status { code: 2, message: String::new() }), ..span }
}

fn having(attributes: Vec<KeyValue>) -> Span {
    Span { attributes, ..ended("pay", 5, 100) }
}

#[test]
fn each_span_counts_as_its_kind_says() {
    let status = |code: i64| attribute("http.response.status_code", Value::IntValue(code));
    let total = |value: f64| attribute("order.total", Value::DoubleValue(value));
    let span = || ended("pay", 5, 100);
    let bad_500 = "sli: {type: success_rate, bad: ['http.response.status_code >= 500', 'otel.status == error'], exclude: [\"http.route == '/health'\"]}, target: 0.9";
    for (objective, span, expected) in [
        (bad_500, having(vec![status(200)]), (1, 0)),
        (bad_500, having(vec![status(503)]), (0, 1)),
        (bad_500, failed(span()), (0, 1)),
        (bad_500, failed(having(vec![text("http.route", "/health")])), (0, 0)),
        ("sli: {type: success_rate}, target: 0.9", failed(span()), (0, 1)),
        ("match: {http.route: '/api/*'}, sli: {type: success_rate}, target: 0.9", span(), (0, 0)),
        (
            "match: {http.route: '/api/*'}, sli: {type: success_rate}, target: 0.9",
            having(vec![text("http.route", "/api/a")]),
            (1, 0),
        ),
        (
            "match: {http.route: /pay}, sli: {type: success_rate}, target: 0.9",
            having(vec![text("http.route", "/pay")]),
            (1, 0),
        ),
        (
            "match: {http.route: /pay}, sli: {type: success_rate}, target: 0.9",
            having(vec![text("http.route", "/pays")]),
            (0, 0),
        ),
        ("match: {span.kind: server}, sli: {type: success_rate}, target: 0.9", span(), (1, 0)),
        ("match: {span.kind: client}, sli: {type: success_rate}, target: 0.9", span(), (0, 0)),
        (
            "match: {http.response.status_code: '< 500'}, sli: {type: success_rate}, target: 0.9",
            having(vec![status(200)]),
            (1, 0),
        ),
        ("match: {region: north}, sli: {type: success_rate}, target: 0.9", span(), (0, 0)),
        ("sli: {type: latency, within: 100ms}, target: 0.9", span(), (1, 0)),
        ("sli: {type: latency, within: 99ms}, target: 0.9", span(), (0, 1)),
        ("sli: {type: latency, targets: {p99: 99ms}}", span(), (0, 1)),
        ("sli: {type: value, attribute: order.total, lt: 10}, target: 0.9", having(vec![total(9.9)]), (1, 0)),
        (
            "sli: {type: value, attribute: order.total, lt: 10}, target: 0.9",
            having(vec![total(10.0)]),
            (0, 1),
        ),
        (
            "sli: {type: value, attribute: order.total, gt: 10}, target: 0.9",
            having(vec![total(10.5)]),
            (1, 0),
        ),
        (
            "sli: {type: value, attribute: order.total, between: [1, 2]}, target: 0.9",
            having(vec![total(2.0)]),
            (1, 0),
        ),
        (
            "sli: {type: value, attribute: order.total, between: [1, 2]}, target: 0.9",
            having(vec![total(f64::NAN)]),
            (0, 0),
        ),
        ("sli: {type: value, attribute: order.total, lt: 10}, target: 0.9", span(), (0, 0)),
    ] {
        let mut stage = stage(objective);
        stage.spans("checkout", vec![span]);
        stage.until(20);
        assert_eq!(counts(&mut stage), expected, "{objective}");
    }
}

#[test]
fn each_slice_counts_as_its_kind_says() {
    // Spans at the given seconds; those above 1000 failed a thousand seconds before.
    for (objective, seconds, expected) in [
        ("sli: {type: throughput, min: 2/m, slice: 1m}, target: 0.9", vec![61, 62, 130], (1, 3)),
        ("sli: {type: throughput, max: 2/m, slice: 1m}, target: 0.9", vec![61, 62, 63, 130], (3, 1)),
        ("sli: {type: availability, slice: 1m}, target: 0.9", vec![10, 61, 1062, 1130], (1, 2)),
        ("sli: {type: availability, slice: 1m, up_from: 0.5}, target: 0.9", vec![10, 61, 1062, 1130], (2, 1)),
        ("sli: {type: availability, slice: 1m, silence_is_down: true}, target: 0.9", vec![10, 61], (2, 2)),
        ("sli: {type: freshness, max_age: 70s, slice: 1m}, target: 0.9", vec![10], (1, 3)),
        (
            "sli: {type: success_rate}, budgeting: {timeslices: {slice: 1m, target: 0.6}}, target: 0.9",
            vec![10, 61, 1062, 130, 131, 1132],
            (2, 1),
        ),
        (
            "sli: {type: success_rate}, budgeting: {timeslices: {slice: 1m, target: 0.6, count_empty: true}}, target: 0.9",
            vec![10],
            (4, 0),
        ),
    ] {
        let mut stage = stage(objective);
        for second in seconds {
            let (second, is_bad) = (second % 1000, second > 1000);
            stage.until(second + 1);
            let span = ended("pay", second, 100);
            stage.spans("checkout", vec![if is_bad { failed(span) } else { span }]);
        }
        stage.until(250);
        assert_eq!(counts(&mut stage), expected, "{objective}");
    }
}

fn window(second: u64, rows: &[(&str, Statistic, f64)]) -> Rollups {
    let mut rollups =
        Rollups { start: at(second), width: std::time::Duration::from_secs(10), ..Rollups::default() };
    for (slot, (metric, statistic, value)) in rows.iter().enumerate() {
        let mut attributes = AttributeList::default();
        attributes.push_str("queue", "orders");
        let series = Series {
            resource: std::sync::Arc::default(),
            metric: (*metric).into(),
            unit: "".into(),
            attributes: attributes.into_bytes().into(),
            statistic: *statistic,
            service: "checkout".into(),
            fingerprint: 77 + slot as u64,
        };
        rollups.push(series.into(), slot as u32, *value, 10);
    }
    rollups
}

#[test]
fn each_window_of_a_series_counts_as_its_kind_says() {
    let rows = [
        ("requests", Statistic::Rate, 10.0),
        ("failures", Statistic::Rate, 0.25),
        ("depth", Statistic::Mean, 7.0),
    ];
    for (objective, expected) in [
        ("sli: {type: metric, metric: {name: depth}, lt: 10}, target: 0.9", (2, 0)),
        (
            "sli: {type: metric, metric: {name: depth, attributes: {queue: orders}}, gt: 10}, target: 0.9",
            (0, 2),
        ),
        (
            "sli: {type: metric, metric: {name: depth, attributes: {queue: other}}, gt: 10}, target: 0.9",
            (0, 0),
        ),
        ("sli: {type: metric, metric: {name: depth, statistic: p99}, gt: 10}, target: 0.9", (0, 0)),
        (
            "sli: {type: success_rate, counters: {total: {name: requests}, bad: {name: failures}}}, target: 0.9",
            (195, 5),
        ),
        (
            "sli: {type: success_rate, counters: {total: {name: requests}, good: {name: failures}}}, target: 0.9",
            (5, 195),
        ),
    ] {
        let mut stage = stage(objective);
        stage.harness.judge(window(0, &rows));
        stage.harness.judge(window(10, &rows));
        stage.until(30);
        assert_eq!(counts(&mut stage), expected, "{objective}");
    }
}

#[test]
fn a_percentile_is_told_beside_its_budget() {
    let mut stage = stage("sli: {type: latency, targets: {p50: 90ms, p99: 800ms}}");
    let spans = (1..=100).map(|n| ended("pay", 5, n * 10));
    stage.spans("checkout", spans.collect());
    stage.until(30);
    for (name, promised, observed, good) in [("a-p50", 0.09, 0.5, 9), ("a-p99", 0.8, 0.99, 80)] {
        let value = ask(&mut stage, "GET", &["slos", name], "");
        assert_eq!(value["events"]["good"].as_u64(), Some(good), "{name}");
        assert_eq!(value["latency"]["promised_seconds"].as_f64(), Some(promised));
        let seen = value["latency"]["observed_seconds"].as_f64().unwrap();
        assert!((seen / observed - 1.0).abs() < 0.05, "{name} is {seen}");
    }
}

#[test]
fn a_composite_is_the_mean_or_the_worst_of_others() {
    for (combine, expected) in [("weighted", 0.2), ("min", 0.5)] {
        let yaml = format!("
slos:
  - {{name: good, service: s, sli: {{type: success_rate}}, match: {{span.name: a}}, target: 0.9}}
  - {{name: half, service: s, sli: {{type: success_rate}}, match: {{span.name: b}}, target: 0.9}}
  - {{name: silent, service: s, sli: {{type: success_rate}}, match: {{span.name: c}}, target: 0.9}}
  - {{name: all, service: s, target: 0.9, sli: {{type: composite, combine: {combine}, of: [{{slo: good, weight: 3}}, {{slo: half, weight: 2}}, {{slo: silent}}]}}}}
");
        let mut stage = Stage::new(&yaml, 1);
        stage.spans("s", (0..20).map(|_| ended("a", 5, 1)).collect());
        stage.spans(
            "s",
            (0..20).map(|n| if n % 2 == 0 { failed(ended("b", 5, 1)) } else { ended("b", 5, 1) }).collect(),
        );
        stage.until(30);
        let value = ask(&mut stage, "GET", &["slos", "all"], "");
        let errors = 1.0 - value["sli"].as_f64().unwrap();
        assert!((errors - expected).abs() < 1e-9, "{combine}: {errors}");
        let truths = stage.truths();
        assert_eq!((truths["AllBurnRate page"], truths["AllBurnRate ticket"]), (Some(false), Some(true)));
    }
}

fn of_trace(trace: u8, root: bool, name: &str, start: u64, end: u64) -> Span {
    Span {
        trace_id: vec![trace; 16],
        parent_span_id: if root { vec![] } else { vec![1; 8] },
        start_time_unix_nano: at(start).0,
        end_time_unix_nano: at(end).0,
        ..ended(name, end, 0)
    }
}

#[test]
fn a_workflow_is_told_while_it_still_runs() {
    let mut stage = stage("target: 0.9, sli: {type: workflow, within: 1m, escalate_after: 2m}");
    stage.spans("checkout", vec![of_trace(1, false, "step", 0, 5), of_trace(2, false, "step", 0, 5)]);
    stage.until(15);
    let labels = "{service.name=checkout,trueline.slo.id=checkout-a,trueline.slo.name=a}";
    let open = |stage: &Stage, what: &str| stage.metric(&format!("trueline.slo.workflows.{what}{labels}"));
    assert_eq!((open(&stage, "open"), open(&stage, "overdue")), (Some(2.0), Some(0.0)));
    stage.until(40);
    stage.spans("checkout", vec![of_trace(1, true, "all", 0, 40)]);
    stage.until(75);
    assert_eq!((open(&stage, "open"), open(&stage, "overdue")), (Some(1.0), Some(1.0)));
    assert_eq!(counts(&mut stage), (1, 1), "what runs too long is bad before it ends");
    assert_eq!(stage.truths()["AWorkflowOverdue page"], Some(false));
    stage.until(130);
    assert_eq!(stage.truths()["AWorkflowOverdue page"], Some(true));
    let overdue = stage.conditions.iter().find(|it| it.subject.name == "AWorkflowOverdue").unwrap();
    assert_eq!((overdue.value, &overdue.exemplars[..]), (130.0, &[[2; 16]][..]));
    stage.spans("checkout", vec![of_trace(2, true, "all", 0, 130), of_trace(2, false, "late", 0, 5)]);
    stage.until(150);
    assert_eq!(stage.truths()["AWorkflowOverdue page"], Some(false));
    assert_eq!(
        (open(&stage, "open"), counts(&mut stage)),
        (Some(0.0), (1, 1)),
        "it is one event all the same"
    );
}

#[test]
fn a_workflow_may_be_named_by_an_attribute_and_begin_and_end_by_conditions() {
    let objective = "target: 0.9, sli: {type: workflow, within: 1m, key: order.id, start: ['span.name == place'], end: ['span.name == ship']}";
    let mut stage = stage(objective);
    let of_order = |name: &str, second: u64, order: &str| Span {
        attributes: vec![text("order.id", order)],
        ..of_trace(9, false, name, second, second)
    };
    stage.spans(
        "checkout",
        vec![of_order("place", 1, "x"), of_order("place", 1, "y"), of_order("pack", 1, "z")],
    );
    stage.until(30);
    stage.spans("checkout", vec![of_order("ship", 29, "x")]);
    stage.until(90);
    stage.spans("checkout", vec![of_order("ship", 89, "y")]);
    stage.until(110);
    assert_eq!(counts(&mut stage), (1, 1));
}

/// A log record of an order, which names an event.
fn record(name: &str, second: u64, order: &str) -> LogRecord {
    LogRecord {
        event_name: name.to_owned(),
        time_unix_nano: at(second).0,
        trace_id: vec![7; 16],
        attributes: vec![text("order.id", order)],
        ..LogRecord::default()
    }
}

fn records(stage: &mut Stage, service: &str, log_records: Vec<LogRecord>) {
    let n_records = log_records.len() as u64;
    let resource = Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() });
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let of_service = ResourceLogs { resource, scope_logs, ..ResourceLogs::default() };
    let request = ExportLogsServiceRequest { resource_logs: vec![of_service] };
    stage.harness.push(0, Payload::Logs(request.encode_to_vec().into()), n_records);
}

#[test]
fn log_records_begin_and_end_workflows_that_have_no_spans() {
    let objective = "target: 0.9, match: {order.id: 'eu-*'}, sli: {type: workflow, within: 1m, escalate_after: 2m, key: order.id, \
                     started_event: order.placed, ended_event: order.shipped}";
    let mut stage = stage(objective);
    let placed = ["eu-1", "eu-2", "us-3"].map(|order| record("order.placed", 1, order));
    let other = [record("order.packed", 1, "eu-4"), record("", 1, "eu-5")];
    records(&mut stage, "checkout", placed.into_iter().chain(other).collect());
    records(&mut stage, "elsewhere", vec![record("order.placed", 1, "eu-6")]);
    stage.until(15);
    let open =
        "trueline.slo.workflows.open{service.name=checkout,trueline.slo.id=checkout-a,trueline.slo.name=a}";
    assert_eq!(stage.metric(open), Some(2.0));
    // Spans of the order say nothing, as nothing is said of them.
    let span = Span { attributes: vec![text("order.id", "eu-2")], ..of_trace(7, true, "place", 1, 14) };
    stage.spans("checkout", vec![span]);
    stage.until(31);
    records(&mut stage, "checkout", vec![record("order.shipped", 30, "eu-1")]);
    stage.until(75);
    assert_eq!(counts(&mut stage), (1, 1), "one was shipped in time, one is late and runs on");
    assert_eq!(stage.metric(open), Some(1.0));
    stage.until(130);
    assert_eq!(stage.truths()["AWorkflowOverdue page"], Some(true));
}

#[test]
fn a_trace_may_begin_with_a_log_record_and_end_with_its_root_span() {
    let mut stage = stage("target: 0.9, sli: {type: workflow, within: 1m, started_event: order.placed}");
    records(&mut stage, "checkout", vec![record("order.placed", 1, "x")]);
    stage.until(41);
    stage.spans("checkout", vec![of_trace(7, false, "step", 35, 40), of_trace(7, true, "all", 30, 40)]);
    stage.until(60);
    assert_eq!(counts(&mut stage), (1, 0));
    let (_, problems) = read(
        "slos: [{name: a, service: s, target: 0.9, sli: {type: workflow, within: 1m, started_event: x, started: {name: b}, completed: {name: c}}}]",
    );
    assert!(
        problems.iter().any(|it| it.starts_with("slos.0.sli.started_event: counters tell")),
        "{problems:?}"
    );
}

#[test]
fn counters_of_begun_and_ended_workflows_tell_how_many_run() {
    let objective =
        "target: 0.9, sli: {type: workflow, within: 30s, started: {name: begun}, completed: {name: done}}";
    let mut stage = stage(objective);
    let begun = |second, begun: f64, done: f64| {
        window(second, &[("begun", Statistic::Rate, begun / 10.0), ("done", Statistic::Rate, done / 10.0)])
    };
    stage.harness.judge(begun(0, 5.0, 0.0));
    stage.until(20);
    stage.harness.judge(begun(10, 0.0, 3.0));
    stage.until(60);
    let value = ask(&mut stage, "GET", &["slos", "a"], "");
    assert_eq!(value["workflows"]["open"].as_u64(), Some(2));
    assert_eq!(value["workflows"]["oldest_seconds"].as_f64(), Some(50.0));
    stage.until(75);
    let told = ["started", "completed", "failed"].map(|name| {
        let labels = "{service.name=checkout,trueline.slo.id=checkout-a,trueline.slo.name=a}";
        stage.metric(&format!("trueline.slo.workflows.{name}{labels}"))
    });
    assert_eq!(told, [Some(5.0), Some(3.0), Some(2.0)]);
    assert_eq!(counts(&mut stage), (3, 2));
}
