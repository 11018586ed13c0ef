use component::{Checks, Config, testing::Harness};
use model::{Payload, SpanTable};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::any_value::Value,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
    },
    resource::v1::Resource,
    trace::v1::Span,
};
use prost::Message;

use super::{Filter, FilterConfig};
use crate::testing::*;

fn config(yaml: &str) -> FilterConfig {
    let source = config::Source::new("test.yaml", yaml);
    let mut problems = config::Problems::default();
    let node = config::parse(&source).expect("the text is YAML");
    let config = config::decode::<FilterConfig>(&node, "", &mut problems).expect("the settings are read");
    assert_eq!(problems.error_count(), 0);
    config
}

/// What validation says, errors before warnings.
fn findings(yaml: &str) -> Vec<String> {
    let mut checks = Checks::default();
    config(yaml).validate(&mut checks);
    let mut findings = checks.into_findings();
    findings.sort_by_key(|finding| finding.is_warning);
    findings.into_iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

fn harness(yaml: &str) -> Harness {
    assert_eq!(findings(yaml), Vec::<String>::new(), "{yaml}");
    Harness::new::<Filter>(&config(yaml), 1, T0)
}

/// Two services with two spans each; kinds are server and client, the second span failed and has events.
fn traces() -> ExportTraceServiceRequest {
    let spans = |service: &str| {
        let mut failed = span(
            "GET /orders",
            3,
            2,
            2_500_000,
            vec![text("http.route", "/orders"), attribute("http.response.status_code", Value::IntValue(503))],
        );
        failed.parent_span_id = vec![1; 8];
        failed.events =
            vec![event("exception", vec![text("exception.type", "Timeout")]), event("retry", vec![])];
        let health =
            span("GET /healthz", 2, 1, 10, vec![text("http.route", "/healthz"), text("service", service)]);
        vec![health, failed]
    };
    request(vec![
        resource_spans(vec![text("service.name", "cart"), text("env", "test")], spans("cart")),
        resource_spans(vec![text("service.name", "payment")], spans("payment")),
    ])
}

/// What is left of spans, as `service/span`, with events in brackets; none when nothing came out.
fn left(yaml: &str) -> Vec<String> {
    let mut harness = harness(yaml);
    let sent = traces();
    let out = push(&mut harness, 0, &sent);
    let dropped: u64 = harness.bench.rejected.iter().map(|(items, _)| items).sum();
    let [Payload::Traces(traces)] = &out[..] else {
        assert_eq!((out.len(), dropped), (0, 4));
        return Vec::new();
    };
    let mut fresh = SpanTable::default();
    wire::scan_traces(&traces.bytes, &wire::Matcher::new(&harness.keys), &mut fresh).unwrap();
    assert_eq!(format!("{:?}", fresh), format!("{:?}", *traces.table), "the table describes the bytes");
    assert_eq!(fresh.spans.len() as u64 + dropped, 4, "what went is counted");
    let request = ExportTraceServiceRequest::decode(traces.bytes.clone()).unwrap();
    let mut left = Vec::new();
    for of_resource in request.resource_spans {
        let service = value_text(&of_resource.resource.unwrap().attributes[0]);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let events: Vec<_> = span.events.into_iter().map(|event| event.name).collect();
            left.push(format!("{service}/{} {}", span.name, events.join(",")).trim_end().to_owned());
        }
    }
    left
}

const HEALTH: [&str; 2] = ["cart/GET /healthz", "payment/GET /healthz"];
const ORDERS: [&str; 2] = ["cart/GET /orders exception,retry", "payment/GET /orders exception,retry"];

#[test]
fn spans_go_for_which_a_condition_holds() {
    for condition in [
        r#"name == "GET /healthz""#,
        r#"IsMatch(attributes["http.route"], "^/health")"#,
        r#"attributes["http.route"] == "/healthz" and kind == SPAN_KIND_SERVER"#,
        "IsRootSpan()",
        "status.code == STATUS_CODE_OK",
        "end_time - start_time < Duration(\"1ms\")",
        "span.end_time_unix_nano - span.start_time_unix_nano < 1000000",
        r#"kind.string == "Server""#,
        r#"not IsMatch(name, "orders")"#,
        r#"attributes["http.response.status_code"] == nil"#,
        "parent_span_id == SpanID(0x0000000000000000)",
    ] {
        let yaml = format!("traces:\n  span:\n    - '{condition}'\n");
        assert_eq!(left(&yaml), ORDERS, "{condition}");
    }
    for condition in [
        r#"attributes["http.response.status_code"] >= 500"#,
        "status.code == STATUS_CODE_ERROR",
        r#"parent_span_id.string == "0101010101010101""#,
        r#"span.kind.deprecated_string == "SPAN_KIND_CLIENT""#,
    ] {
        let yaml = format!("traces:\n  span:\n    - '{condition}'\n");
        assert_eq!(left(&yaml), HEALTH, "{condition}");
    }
    let both =
        "traces: {span: ['resource.attributes[\"service.name\"] == \"cart\"', 'name == \"GET /healthz\"']}";
    assert_eq!(left(both), [ORDERS[1]]);
    assert_eq!(left("traces: {span: ['true']}"), Vec::<String>::new());
}

#[test]
fn resources_scopes_and_events_go_too() {
    assert_eq!(left("traces: {resource: ['attributes[\"env\"] == \"test\"']}"), [HEALTH[1], ORDERS[1]]);
    let events = left("traces: {spanevent: ['attributes[\"exception.type\"] != nil']}");
    assert_eq!(events, [HEALTH[0], "cart/GET /orders retry", HEALTH[1], "payment/GET /orders retry"]);
    let all = "traces: {resource: ['attributes[\"env\"] == \"test\"'], span: ['kind == 2'], spanevent: ['name == \"retry\"']}";
    assert_eq!(left(all), ["payment/GET /orders exception"]);
    assert_eq!(left("trace_conditions: ['scope.name == \"lib\"']"), Vec::<String>::new());
}

#[test]
fn conditions_find_their_contexts() {
    let yaml = "trace_conditions:\n  - resource.attributes[\"env\"] == \"test\"\n  - IsRootSpan() and resource.attributes[\"x\"] == nil\n";
    assert_eq!(left(yaml), [ORDERS[1]]);
    let yaml = "trace_conditions:\n  - context: span\n    conditions: ['attributes[\"http.route\"] == \"/healthz\"']\n  \
                - conditions: ['spanevent.name == \"retry\"']\n    error_mode: silent\n";
    assert_eq!(left(yaml), ["cart/GET /orders exception", "payment/GET /orders exception"]);
}

#[test]
fn a_request_that_loses_nothing_is_not_copied() {
    let yaml = "traces: {span: ['name == \"x\"'], spanevent: ['name == \"x\"']}\nmetrics: {metric: ['name == \"x\"']}\n\
                logs: {log_record: ['body == \"x\"']}\n";
    let mut harness = harness(yaml);
    let requests = [
        scanned(&traces(), &harness).0,
        Payload::Metrics(metrics().encode_to_vec().into()),
        Payload::Logs(logs().encode_to_vec().into()),
    ];
    for request in requests {
        let at = request.bytes().unwrap().as_ptr();
        let out = harness.push(0, request, 4);
        assert_eq!(out[0].bytes().unwrap().as_ptr(), at);
    }
    assert!(harness.bench.rejected.is_empty());
}

#[test]
fn what_is_not_concerned_passes_by() {
    use component::ProcessorDef;
    use model::SignalSet;
    let consumed = |yaml: &str| Filter::consumes(&config(yaml));
    assert_eq!(consumed("metrics: {metric: ['name == \"x\"']}"), SignalSet::METRICS);
    assert_eq!(consumed("log_conditions: ['log.body == \"x\"']"), SignalSet::LOGS);
    assert_eq!(consumed("traces: {resource: ['true']}"), SignalSet::TRACES);
    assert_eq!(consumed("{}"), SignalSet::NONE);
}

/// A gauge and a sum with two points each, and a histogram with one.
fn metrics() -> ExportMetricsServiceRequest {
    let number = |zone: &str, value: number_data_point::Value| NumberDataPoint {
        attributes: vec![text("zone", zone)],
        time_unix_nano: 5,
        value: Some(value),
        ..NumberDataPoint::default()
    };
    let gauge = Gauge {
        data_points: vec![
            number("a", number_data_point::Value::AsDouble(0.5)),
            number("b", number_data_point::Value::AsDouble(1.5)),
        ],
    };
    let sum = Sum {
        data_points: vec![
            number("a", number_data_point::Value::AsInt(7)),
            number("c", number_data_point::Value::AsInt(9)),
        ],
        aggregation_temporality: AggregationTemporality::Cumulative as i32,
        is_monotonic: true,
    };
    let point = HistogramDataPoint {
        attributes: vec![text("zone", "a")],
        count: 3,
        sum: Some(4.5),
        ..HistogramDataPoint::default()
    };
    let histogram =
        Histogram { data_points: vec![point], aggregation_temporality: AggregationTemporality::Delta as i32 };
    let metric = |name: &str, unit: &str, data: Data| Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    };
    let metrics = vec![
        metric("load", "1", Data::Gauge(gauge)),
        metric("requests", "{request}", Data::Sum(sum)),
        metric("latency", "ms", Data::Histogram(histogram)),
    ];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource = Resource { attributes: vec![text("host.name", "one")], ..Resource::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics,
            ..ResourceMetrics::default()
        }],
    }
}

/// What is left of metrics, as `name zone,zone`.
fn left_of_metrics(yaml: &str) -> Vec<String> {
    let mut harness = harness(yaml);
    let out = harness.push(0, Payload::Metrics(metrics().encode_to_vec().into()), 5);
    let dropped: u64 = harness.bench.rejected.iter().map(|(items, _)| items).sum();
    let [Payload::Metrics(bytes)] = &out[..] else {
        assert_eq!((out.len(), dropped), (0, 5));
        return Vec::new();
    };
    assert_eq!(wire::check_metrics(bytes), Ok(5 - dropped), "what went is counted");
    let request = ExportMetricsServiceRequest::decode(bytes.clone()).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let line = |metric: &Metric| {
        let of = |attributes: &Vec<_>| value_text(&attributes[0]);
        let zones: Vec<String> = match metric.data.as_ref().unwrap() {
            Data::Gauge(data) => data.data_points.iter().map(|point| of(&point.attributes)).collect(),
            Data::Sum(data) => data.data_points.iter().map(|point| of(&point.attributes)).collect(),
            Data::Histogram(data) => data.data_points.iter().map(|point| of(&point.attributes)).collect(),
            _ => Vec::new(),
        };
        format!("{} {}", metric.name, zones.join(","))
    };
    metrics.iter().map(line).collect()
}

#[test]
fn metrics_and_points_go_for_which_a_condition_holds() {
    let left = |key: &str, condition: &str| left_of_metrics(&format!("metrics: {{{key}: ['{condition}']}}"));
    let (load, requests, latency) = ("load a,b", "requests a,c", "latency a");
    for (condition, expected) in [
        (r#"name == "load""#, &[requests, latency][..]),
        ("type == METRIC_DATA_TYPE_HISTOGRAM", &[load, requests]),
        ("is_monotonic == true", &[load, latency]),
        ("aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA", &[load, requests]),
        ("aggregation_temporality == nil", &[requests, latency]),
        (r#"HasAttrKeyOnDatapoint("zone")"#, &[]),
        (r#"HasAttrKeyOnDatapoint("none")"#, &[load, requests, latency]),
        // The first point that has the attribute decides.
        (r#"HasAttrOnDatapoint("zone", "b")"#, &[load, requests, latency]),
        (r#"HasAttrOnDatapoint("zone", "a")"#, &[]),
        (r#"unit == "ms" or resource.attributes["host.name"] == "two""#, &[load, requests]),
    ] {
        assert_eq!(left("metric", condition), expected, "{condition}");
    }
    for (condition, expected) in [
        (r#"attributes["zone"] == "a""#, &["load b", "requests c"][..]),
        (r#"metric.name == "load" and value_double > 1.0"#, &["load a", requests, latency]),
        ("value_int >= 9", &[load, "requests a", latency]),
        ("count == 3", &[load, requests]),
        ("sum > 4", &[load, requests]),
        ("time_unix_nano == 5", &[latency]),
        ("flags == FLAG_NONE", &[]),
        ("metric.type == METRIC_DATA_TYPE_GAUGE", &[requests, latency]),
    ] {
        assert_eq!(left("datapoint", condition), expected, "{condition}");
    }
    assert_eq!(left("resource", r#"attributes["host.name"] == "one""#), Vec::<String>::new());
    let inferred =
        "metric_conditions:\n  - metric.name == \"load\"\n  - datapoint.attributes[\"zone\"] == \"c\"\n";
    assert_eq!(left_of_metrics(inferred), ["requests a", "latency a"]);
}

fn logs() -> ExportLogsServiceRequest {
    let record = |severity_number: i32, body: &str| LogRecord {
        severity_number,
        body: Some(opentelemetry_proto::tonic::common::v1::AnyValue {
            value: Some(Value::StringValue(body.to_owned())),
        }),
        ..LogRecord::default()
    };
    let log_records = vec![record(5, "debugging"), record(9, "all is well"), record(17, "it broke")];
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

#[test]
fn records_go_for_which_a_condition_holds() {
    let left = |yaml: &str| {
        let mut harness = harness(yaml);
        let out = harness.push(0, Payload::Logs(logs().encode_to_vec().into()), 3);
        let dropped: u64 = harness.bench.rejected.iter().map(|(items, _)| items).sum();
        let filtered = harness.telemetry.read();
        let filtered = filtered.iter().find(|row| row.name == "otelcol_processor_filter_logs_filtered");
        assert_eq!(filtered.map(|row| row.value), Some(dropped));
        let left = out.first().map_or(0, |payload| wire::check_logs(payload.bytes().unwrap()).unwrap());
        assert_eq!(left + dropped, 3);
        left
    };
    assert_eq!(left("logs: {log_record: ['severity_number < SEVERITY_NUMBER_INFO']}"), 2);
    assert_eq!(left("logs: {log_record: ['IsMatch(body, \"well|broke\")']}"), 1);
    assert_eq!(left("logs: {log_record: ['body == \"it broke\"', 'severity_number == 5']}"), 1);
    assert_eq!(left("log_conditions: ['log.severity_number > 0']"), 0);
    assert_eq!(left("log_conditions: ['scope.name == \"\"']"), 0);
}

#[test]
fn a_condition_that_fails_is_left_out_or_ends_the_request() {
    // The body is a text and has no keys.
    let conditions = "logs: {log_record: ['body[\"a\"] == 1', 'severity_number == 17']}";
    for (mode, left, reasons) in [
        ("ignore", 2, vec![(1, "filtered")]),
        ("silent", 2, vec![(1, "filtered")]),
        ("Propagate", 0, vec![(3, "condition_failed")]),
    ] {
        let mut harness = harness(&format!("error_mode: {mode}\n{conditions}"));
        let out = harness.push(0, Payload::Logs(logs().encode_to_vec().into()), 3);
        let items = out.first().map_or(0, |payload| wire::check_logs(payload.bytes().unwrap()).unwrap());
        assert_eq!((items, &harness.bench.rejected), (left, &reasons), "{mode}");
        let failures = harness.telemetry.read();
        let failures = failures.iter().find(|row| row.name == "otelcol_processor_filter_condition_failures");
        assert!(failures.is_some_and(|row| row.value >= 1), "{mode}");
    }
}

#[test]
fn settings_that_can_not_be_are_told_all_at_once() {
    let told = findings(
        "error_mode: ignored\ntraces:\n  span: ['name = 1', 'nam == \"x\"', 'true']\nlogs:\n  log_record: ['IsRootSpan()']\n\
         trace_conditions: ['name == 1', 'span.kind == \"SPAN_KIND_SERVER\"']\n\
         metric_conditions:\n  - 'metric.name == \"a\"'\n  - {context: span, conditions: ['true']}\n",
    );
    let starts: Vec<&str> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            "error_mode",
            "traces.span.0",
            "traces.span.1",
            "trace_conditions.0",
            "metric_conditions.1.context",
            "logs.log_record.0",
            "trace_conditions",
            "metric_conditions",
            "trace_conditions.1",
        ],
        "{told:#?}"
    );
    assert_eq!(findings("{}"), [": there is no condition, so that nothing is dropped"]);
}

/// A table of spans is bounded by the length of the request that it is of; what is left of one may be shorter.
#[test]
fn however_little_is_left_of_spans_what_was_to_go_goes() {
    let mut harness = harness("traces: {spanevent: ['IsMatch(name, \"x\")']}");
    let padded = Span { events: vec![event(&"x".repeat(100), vec![])], ..Span::default() };
    let sent = request(vec![resource_spans(vec![], vec![padded; 5000])]);
    let out = push(&mut harness, 0, &sent);
    let left = ExportTraceServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
    assert_eq!(left, request(vec![resource_spans(vec![], vec![Span::default(); 5000])]));
    let [Payload::Traces(traces)] = &out[..] else { panic!("one request in, one out") };
    assert_eq!(traces.table.spans.len(), 5000);
}
