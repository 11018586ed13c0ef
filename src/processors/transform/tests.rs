use component::{Checks, Config, testing::Harness};
use model::{Payload, SpanTable};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        AggregationTemporality, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
        number_data_point,
    },
    resource::v1::Resource,
};
use prost::Message;

use super::{Transform, TransformConfig};
use crate::testing::*;

fn config(yaml: &str) -> TransformConfig {
    let source = config::Source::new("test.yaml", yaml);
    let mut problems = config::Problems::default();
    let node = config::parse(&source).expect("the text is YAML");
    let config = config::decode::<TransformConfig>(&node, "", &mut problems).expect("the settings are read");
    assert_eq!(problems.error_count(), 0);
    config
}

fn findings(yaml: &str) -> Vec<String> {
    let mut checks = Checks::default();
    config(yaml).validate(&mut checks);
    checks
        .into_findings()
        .into_iter()
        .map(|finding| format!("{}: {}", finding.path, finding.message))
        .collect()
}

fn harness(yaml: &str) -> Harness {
    assert_eq!(findings(yaml), Vec::<String>::new(), "{yaml}");
    Harness::new::<Transform>(&config(yaml), 1, T0)
}

fn traces() -> ExportTraceServiceRequest {
    let mut failed =
        span("GET /orders/17", 3, 2, 10, vec![text("http.route", "/orders/{id}"), text("user", "ann")]);
    failed.events = vec![event("exception", vec![text("exception.message", "secret")])];
    let ok = span("GET /", 2, 1, 20, vec![attribute("http.response.status_code", Value::IntValue(200))]);
    request(vec![
        resource_spans(vec![text("service.name", "cart")], vec![failed, ok]),
        resource_spans(vec![text("service.name", "payment")], vec![span("pay", 2, 1, 5, vec![])]),
    ])
}

/// What statements make of the traces; the table must describe it, with the attributes that other stages want.
fn changed(yaml: &str) -> ExportTraceServiceRequest {
    let mut harness = harness(yaml);
    let out = push(&mut harness, 0, &traces());
    let [Payload::Traces(traces)] = &out[..] else { panic!("one request in, one out") };
    let mut fresh = SpanTable::default();
    wire::scan_traces(&traces.bytes, &wire::Matcher::new(&harness.keys), &mut fresh).unwrap();
    assert_eq!(format!("{:?}", fresh), format!("{:?}", *traces.table));
    assert!(harness.bench.rejected.is_empty());
    ExportTraceServiceRequest::decode(traces.bytes.clone()).unwrap()
}

/// The same as lines, one for each span.
fn lines(yaml: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for of_resource in changed(yaml).resource_spans {
        let resource = labels(&of_resource.resource.unwrap().attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let status = span.status.unwrap_or_default();
            lines.push(format!(
                "{resource} {} kind={} status={}{} {}",
                span.name,
                span.kind,
                status.code,
                status.message,
                labels(&span.attributes)
            ));
        }
    }
    lines
}

#[test]
fn spans_are_changed_where_a_condition_holds() {
    let told = lines(
        "trace_statements:\n\
         - set(span.name, Concat([\"GET\", span.attributes[\"http.route\"]], \" \")) where span.attributes[\"http.route\"] != nil\n\
         - set(span.status.code, STATUS_CODE_UNSET) where span.kind == SPAN_KIND_SERVER\n\
         - set(span.status.message, \"!\") where span.status.code == STATUS_CODE_ERROR\n\
         - delete_key(span.attributes, \"user\")\n\
         - set(span.kind, SPAN_KIND_INTERNAL) where span.attributes[\"http.response.status_code\"] >= 200\n",
    );
    assert_eq!(
        told,
        [
            "{service.name=cart} GET /orders/{id} kind=3 status=2! {http.route=/orders/{id}}",
            "{service.name=cart} GET / kind=1 status=0 {http.response.status_code=200}",
            "{service.name=payment} pay kind=2 status=0 {}",
        ]
    );
}

#[test]
fn a_resource_that_spans_write_to_is_shared_by_them() {
    let told = lines(
        "trace_statements:\n- set(resource.attributes[\"user\"], span.attributes[\"user\"])\n\
         - set(span.attributes[\"seen\"], resource.attributes[\"user\"])\n",
    );
    assert_eq!(
        told,
        [
            "{service.name=cart,user=ann} GET /orders/17 kind=3 status=2 {http.route=/orders/{id},user=ann,seen=ann}",
            "{service.name=cart,user=ann} GET / kind=2 status=1 {http.response.status_code=200,seen=ann}",
            "{service.name=payment} pay kind=2 status=1 {}",
        ]
    );
}

#[test]
fn groups_are_run_one_after_the_other() {
    let yaml = "trace_statements:\n\
                - context: resource\n  statements: ['set(attributes[\"env\"], \"test\") where attributes[\"service.name\"] == \"cart\"']\n\
                - conditions: ['resource.attributes[\"env\"] == \"test\"', 'span.name == \"none\"']\n  \
                  statements: ['set(span.name, \"x\")', 'set(spanevent.name, \"y\")']\n";
    let changed = changed(yaml);
    let names: Vec<_> = changed
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans[0].spans)
        .map(|span| (span.name.as_str(), span.events.first().map(|event| event.name.as_str())))
        .collect();
    // The group is meant for events of spans, and the second span has none.
    assert_eq!(names, [("x", Some("y")), ("GET /", None), ("pay", None)]);
    let event = &changed.resource_spans[0].scope_spans[0].spans[0].events[0];
    assert_eq!(labels(&event.attributes), "{exception.message=secret}");
}

#[test]
fn a_request_that_does_not_change_is_not_copied() {
    let mut harness = harness(
        "trace_statements: ['set(span.name, \"x\") where span.name == \"none\"', 'set(span.kind, span.kind)']\n\
         log_statements: ['delete_key(log.attributes, \"none\")']\n",
    );
    let payload = scanned(&traces(), &harness).0;
    let at = payload.bytes().unwrap().as_ptr();
    let out = harness.push(0, payload, 3);
    assert_eq!(out[0].bytes().unwrap().as_ptr(), at);
}

fn metrics() -> ExportMetricsServiceRequest {
    let point = |zone: &str, value: i64| NumberDataPoint {
        attributes: vec![text("zone", zone)],
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    };
    let sum = Sum {
        data_points: vec![point("a", 1), point("b", 2)],
        aggregation_temporality: AggregationTemporality::Delta as i32,
        is_monotonic: true,
    };
    let metric = Metric { name: "requests".to_owned(), data: Some(Data::Sum(sum)), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
    }
}

#[test]
fn points_and_the_metric_around_them_are_changed() {
    let mut harness = harness(
        "metric_statements:\n\
         - set(metric.name, \"calls\") where datapoint.attributes[\"zone\"] == \"b\"\n\
         - set(metric.unit, \"{call}\")\n\
         - set(metric.is_monotonic, false)\n\
         - set(metric.aggregation_temporality, AGGREGATION_TEMPORALITY_CUMULATIVE)\n\
         - set(datapoint.value_double, Double(datapoint.value_int) * 0.5) where datapoint.value_int == 1\n\
         - set(datapoint.attributes[\"zone\"], ToUpperCase(datapoint.attributes[\"zone\"]))\n\
         - set(datapoint.flags, FLAG_NO_RECORDED_VALUE) where datapoint.value_int == 2\n\
         - set(resource.attributes[\"made\"], true)\n",
    );
    let out = harness.push(0, Payload::Metrics(metrics().encode_to_vec().into()), 2);
    let bytes = out[0].bytes().unwrap().clone();
    assert_eq!(wire::check_metrics(&bytes), Ok(2));
    let request = ExportMetricsServiceRequest::decode(bytes).unwrap();
    let resource = request.resource_metrics[0].resource.as_ref().expect("it was made");
    assert_eq!(labels(&resource.attributes), "{made=true}");
    let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
    assert_eq!((metric.name.as_str(), metric.unit.as_str()), ("calls", "{call}"));
    let Some(Data::Sum(sum)) = &metric.data else { panic!("it stays a sum") };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (2, false));
    let points: Vec<_> =
        sum.data_points.iter().map(|point| (labels(&point.attributes), point.value, point.flags)).collect();
    assert_eq!(
        points,
        [
            ("{zone=A}".to_owned(), Some(number_data_point::Value::AsDouble(0.5)), 0),
            ("{zone=B}".to_owned(), Some(number_data_point::Value::AsInt(2)), 1),
        ]
    );
}

#[test]
fn a_statement_that_fails_is_left_out_or_ends_the_request() {
    let statements =
        "trace_statements:\n- set(span.name, span.attributes[\"http.route\"][\"x\"])\n- set(span.kind, 5)\n";
    for (mode, reasons) in
        [("ignore", vec![]), ("silent", vec![]), ("propagate", vec![(3, "statement_failed")])]
    {
        let mut harness = harness(&format!("error_mode: {mode}\n{statements}"));
        let out = push(&mut harness, 0, &traces());
        assert_eq!(harness.bench.rejected, reasons, "{mode}");
        assert_eq!(out.len(), usize::from(reasons.is_empty()), "{mode}");
        if let Some(payload) = out.first() {
            let request = ExportTraceServiceRequest::decode(payload.bytes().unwrap().clone()).unwrap();
            let span = &request.resource_spans[0].scope_spans[0].spans[0];
            assert_eq!((span.name.as_str(), span.kind), ("GET /orders/17", 5));
        }
        let failures = harness.telemetry.read();
        let failures =
            failures.iter().find(|row| row.name == "otelcol_processor_transform_statement_failures");
        assert_eq!(failures.map(|row| row.value), Some(1), "{mode}");
    }
}

/// The body of each record is a text, so that what asks for a key of it fails.
#[test]
fn items_are_looked_at_only_where_their_resource_leaves_it_open_what_is_done() {
    let log_records = vec![LogRecord::default(), LogRecord::default()];
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![text("service.name", "cart")],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: log_records
                    .into_iter()
                    .map(|record| LogRecord {
                        body: Some(AnyValue { value: Some(Value::StringValue("text".to_owned())) }),
                        ..record
                    })
                    .collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let (cart, pay) = (
        r#"resource.attributes["service.name"] == "cart""#,
        r#"resource.attributes["service.name"] == "pay""#,
    );
    let fails = r#"log.body["a"] == 1"#;
    for (condition, failures, changed) in [
        (format!("{pay} and {fails}"), 0, 0),
        (format!("{cart} and {fails}"), 2, 0),
        (format!("{fails} and {pay}"), 2, 0),
        (format!("not {cart}"), 0, 0),
        (format!("not {pay}"), 0, 2),
        (format!("{pay} or {cart}"), 0, 2),
        (format!("{cart} or {fails}"), 0, 2),
        (format!("{pay} or {fails}"), 2, 0),
        (format!("not ({pay} or {cart})"), 0, 0),
        (format!("{pay} and {cart} or log.severity_number == 0"), 0, 2),
    ] {
        let statement = format!("set(log.severity_text, \"seen\") where {condition}");
        let mut harness = harness(&format!("error_mode: ignore\nlog_statements: ['{statement}']"));
        let out = harness.push(0, Payload::Logs(request.encode_to_vec().into()), 2);
        let out = ExportLogsServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
        let records = &out.resource_logs[0].scope_logs[0].log_records;
        let seen = records.iter().filter(|record| record.severity_text == "seen").count();
        let told = harness.telemetry.read();
        let told = told.iter().find(|row| row.name == "otelcol_processor_transform_statement_failures");
        assert_eq!((told.map_or(0, |row| row.value), seen), (failures, changed), "{condition}");
    }
}

#[test]
fn a_request_that_nests_too_deep_does_not_pass() {
    // Each round puts the attribute into itself, one map deeper.
    let nest = "    - 'set(attributes[\"a\"], {\"x\": attributes[\"a\"]})'\n".repeat(70);
    let mut harness = harness(&format!(
        "trace_statements:\n- context: span\n  statements:\n    - 'set(attributes[\"a\"], 1)'\n{nest}"
    ));
    assert!(push(&mut harness, 0, &traces()).is_empty(), "it may hold what was to be removed");
    let reasons: Vec<_> = harness.bench.rejected.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, ["nests_too_deep"]);
    let told = harness.telemetry.read();
    let unsound = told.iter().find(|row| row.name == "otelcol_processor_transform_unsound_requests");
    assert_eq!(unsound.map(|row| row.value), Some(1));
}

#[test]
fn settings_that_can_not_be_are_told_all_at_once() {
    let told = findings(
        "error_mode: quiet\n\
         trace_statements:\n- set(span.name, 1)\n- set(nam, \"x\")\n\
         metric_statements:\n- {context: log, statements: ['set(name, \"x\")']}\n\
         - {context: metric, conditions: ['nam == 1'], statements: ['set(name, \"x\")', 'sett(name, \"x\")']}\n\
         log_statements:\n- set(log.body, 1)\n- {statements: []}\n",
    );
    let paths: Vec<&str> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "error_mode",
            "trace_statements.0",
            "trace_statements.1",
            "metric_statements.0.context",
            "metric_statements.1.conditions.0",
            "metric_statements.1.statements.1",
            "log_statements.1",
            "log_statements",
        ],
        "{told:#?}"
    );
    assert_eq!(findings("{}"), [": there is no statement, so that nothing is changed"]);
}

/// A body may have as many keys as a sender likes. Looking through all of them for each would take minutes.
#[test]
#[expect(clippy::disallowed_methods, reason = "what is tested is how long it takes")]
fn maps_of_many_keys_cost_no_more_for_each() {
    const MANY: usize = 60_000;
    let keys: Vec<String> = (0..MANY).map(|at| format!("\"k{at}\":1")).collect();
    let body = format!("{{{}}}", keys.join(","));
    let record =
        LogRecord { body: Some(AnyValue { value: Some(Value::StringValue(body)) }), ..LogRecord::default() };
    let sent = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    };
    let mut harness = harness(
        "log_statements:\n- 'merge_maps(log.attributes, ParseJSON(log.body), \"upsert\")'\n\
         - 'replace_all_patterns(log.attributes, \"key\", \"^k\", \"n\")'\n\
         - 'flatten(log.attributes)'\n",
    );
    let begin = std::time::Instant::now();
    let out = harness.push(0, Payload::Logs(sent.encode_to_vec().into()), 1);
    let took = begin.elapsed();
    let told = ExportLogsServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
    let attributes = &told.resource_logs[0].scope_logs[0].log_records[0].attributes;
    assert_eq!(attributes.iter().filter(|attribute| attribute.key.starts_with('n')).count(), MANY);
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
}
