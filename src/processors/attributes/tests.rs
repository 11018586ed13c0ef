mod actions;
mod matching;

use component::testing::Harness;
use expect_test::{Expect, expect};
use model::{Payload, SpanTable};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, metric::Data,
    },
};
use prost::Message;

use super::{Attributes, AttributesConfig};
use crate::testing::*;

fn harness(yaml: &str) -> Harness {
    Harness::new::<Attributes>(&settings::<AttributesConfig>(yaml), 1, T0)
}

fn log_request(attributes: Vec<KeyValue>) -> ExportLogsServiceRequest {
    let log_records = vec![LogRecord { attributes, ..LogRecord::default() }];
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

/// A point of every kind, each with the attributes.
fn metric_request(attributes: &[KeyValue]) -> ExportMetricsServiceRequest {
    let attributes = attributes.to_vec();
    let number = vec![NumberDataPoint { attributes: attributes.clone(), ..Default::default() }];
    let buckets = vec![HistogramDataPoint { attributes: attributes.clone(), ..Default::default() }];
    let exponential =
        vec![ExponentialHistogramDataPoint { attributes: attributes.clone(), ..Default::default() }];
    let summary = vec![SummaryDataPoint { attributes, ..Default::default() }];
    let all = [
        Data::Gauge(Gauge { data_points: number.clone() }),
        Data::Sum(Sum { data_points: number, ..Default::default() }),
        Data::Histogram(Histogram { data_points: buckets, ..Default::default() }),
        Data::ExponentialHistogram(ExponentialHistogram { data_points: exponential, ..Default::default() }),
        Data::Summary(Summary { data_points: summary }),
    ];
    let metrics = all.map(|data| Metric { data: Some(data), ..Metric::default() }).to_vec();
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

/// The attributes of each point, one line for each.
fn of_points(request: &ExportMetricsServiceRequest) -> Vec<String> {
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let of_metric = |metric: &Metric| match metric.data.as_ref().expect("a metric has data") {
        Data::Gauge(data) => labels(&data.data_points[0].attributes),
        Data::Sum(data) => labels(&data.data_points[0].attributes),
        Data::Histogram(data) => labels(&data.data_points[0].attributes),
        Data::ExponentialHistogram(data) => labels(&data.data_points[0].attributes),
        Data::Summary(data) => labels(&data.data_points[0].attributes),
    };
    metrics.iter().map(of_metric).collect()
}

/// What actions leave of the attributes of a span, of a point of every kind and of a log record.
fn edited(yaml: &str, attributes: &[KeyValue]) -> Vec<String> {
    let mut harness = harness(yaml);
    let mut one = |payload: Payload| {
        let out = harness.push(0, payload, 1);
        assert_eq!(out.len(), 1, "one request in, one out");
        out[0].bytes().expect("requests have bytes").clone()
    };
    let metrics = one(Payload::Metrics(metric_request(attributes).encode_to_vec().into()));
    let logs = one(Payload::Logs(log_request(attributes.to_vec()).encode_to_vec().into()));
    let spans = of_service("s", vec![span("a", 1, 0, 1, attributes.to_vec())]);
    let traces = push(&mut harness, 0, &spans)[0].bytes().expect("requests have bytes").clone();
    let traces = ExportTraceServiceRequest::decode(traces).expect("the request is sound");
    let logs = ExportLogsServiceRequest::decode(logs).expect("the request is sound");
    let mut all = of_points(&ExportMetricsServiceRequest::decode(metrics).expect("the request is sound"));
    all.push(labels(&logs.resource_logs[0].scope_logs[0].log_records[0].attributes));
    all.push(labels(&traces.resource_spans[0].scope_spans[0].spans[0].attributes));
    all
}

fn check(yaml: &str, attributes: &[(&str, &str)], expected: Expect) {
    let attributes: Vec<KeyValue> = attributes.iter().map(|(key, value)| text(key, value)).collect();
    let mut told = edited(&format!("actions:\n- {yaml}"), &attributes);
    assert_eq!(told.len(), 7);
    told.dedup();
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn insert_adds_where_there_is_none() {
    check("{key: k, action: insert, value: new}", &[("x", "1")], expect!["{x=1,k=new}"]);
    check("{key: k, action: insert, value: new}", &[], expect!["{k=new}"]);
    check("{key: k, action: insert, value: new}", &[("k", "old"), ("x", "1")], expect!["{k=old,x=1}"]);
    check("{key: k, action: insert, value: new}", &[("k", "1"), ("k", "2")], expect!["{k=1,k=2}"]);
    check("{key: k, action: insert, from_attribute: x}", &[("x", "1")], expect!["{x=1,k=1}"]);
    check("{key: k, action: insert, from_attribute: x}", &[("k", "old"), ("x", "1")], expect!["{k=old,x=1}"]);
    check("{key: k, action: insert, from_attribute: x}", &[("y", "1")], expect!["{y=1}"]);
    check("{key: k, action: insert, from_attribute: x}", &[("x", "1"), ("x", "2")], expect!["{x=1,x=2,k=1}"]);
}

#[test]
fn update_changes_where_there_is_one() {
    check("{key: k, action: update, value: new}", &[("x", "1")], expect!["{x=1}"]);
    check("{key: k, action: update, value: new}", &[], expect!["{}"]);
    check("{key: k, action: update, value: new}", &[("k", "old"), ("x", "1")], expect!["{x=1,k=new}"]);
    check("{key: k, action: update, value: new}", &[("k", "1"), ("k", "2")], expect!["{k=new}"]);
    check("{key: k, action: update, from_attribute: x}", &[("x", "1")], expect!["{x=1}"]);
    check("{key: k, action: update, from_attribute: x}", &[("k", "old"), ("x", "1")], expect!["{x=1,k=1}"]);
    check("{key: k, action: update, from_attribute: x}", &[("k", "old")], expect!["{k=old}"]);
    check("{key: k, action: update, from_attribute: k}", &[("k", "old")], expect!["{k=old}"]);
}

#[test]
fn upsert_adds_or_changes() {
    check("{key: k, action: upsert, value: new}", &[("x", "1")], expect!["{x=1,k=new}"]);
    check("{key: k, action: upsert, value: new}", &[], expect!["{k=new}"]);
    check("{key: k, action: upsert, value: new}", &[("k", "old"), ("x", "1")], expect!["{x=1,k=new}"]);
    check("{key: k, action: upsert, value: new}", &[("k", "1"), ("k", "2")], expect!["{k=new}"]);
    check("{key: k, action: upsert, from_attribute: x}", &[("x", "1")], expect!["{x=1,k=1}"]);
    check("{key: k, action: upsert, from_attribute: x}", &[("k", "old"), ("x", "1")], expect!["{x=1,k=1}"]);
    check("{key: k, action: upsert, from_attribute: x}", &[("k", "old")], expect!["{k=old}"]);
}

#[test]
fn delete_removes_all_of_a_key() {
    check("{key: k, action: delete}", &[("x", "1")], expect!["{x=1}"]);
    check("{key: k, action: delete}", &[], expect!["{}"]);
    check("{key: k, action: delete}", &[("k", "old"), ("x", "1")], expect!["{x=1}"]);
    check("{key: k, action: delete}", &[("k", "1"), ("x", "1"), ("k", "2")], expect!["{x=1}"]);
    check("{key: k, action: delete}", &[("k", "only")], expect!["{}"]);
}

#[test]
fn actions_are_taken_in_order_each_on_what_the_one_before_left() {
    let steps = "{key: copy, action: insert, from_attribute: user}\n- {key: user, action: delete}\n\
                 - {key: none, action: update, from_attribute: user}";
    check(steps, &[("user", "ann"), ("x", "1"), ("none", "old")], expect!["{x=1,none=old,copy=ann}"]);
    let swapped = "{key: a, action: delete}\n- {key: a, action: insert, value: again}";
    check(swapped, &[("a", "1"), ("b", "2")], expect!["{b=2,a=again}"]);
}

#[test]
fn values_keep_their_type() {
    let mut harness = harness(
        "actions:\n- {key: copy, action: upsert, from_attribute: n}\n- {key: f, action: insert, value: 1.5}\n\
         - {key: b, action: insert, value: true}\n- {key: i, action: insert, value: 7}\n",
    );
    let sent = log_request(vec![attribute("n", Value::IntValue(3))]);
    let out = harness.push(0, Payload::Logs(sent.encode_to_vec().into()), 1);
    let expected = [
        ("n", Value::IntValue(3)),
        ("copy", Value::IntValue(3)),
        ("f", Value::DoubleValue(1.5)),
        ("b", Value::BoolValue(true)),
        ("i", Value::IntValue(7)),
    ];
    let expected = log_request(expected.map(|(key, value)| attribute(key, value)).to_vec());
    assert_eq!(ExportLogsServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap(), expected);
}

#[test]
fn the_table_of_spans_is_right_after_an_edit() {
    let mut harness =
        harness("actions:\n- {key: k, action: upsert, value: new}\n- {key: gone, action: delete}\n");
    let spans = vec![
        span("a", 1, 0, 1, vec![text("gone", "1"), text("x", "1")]),
        span("b", 1, 0, 1, vec![text("k", "a longer value than the new one")]),
    ];
    let out = push(&mut harness, 0, &of_service("s", spans));
    let [Payload::Traces(traces)] = &out[..] else { panic!("one request in, one out") };
    let mut scanned = SpanTable::default();
    wire::scan_traces(&traces.bytes, &wire::Matcher::new(&harness.keys), &mut scanned).unwrap();
    assert_eq!(format!("{:?}", scanned.spans), format!("{:?}", traces.table.spans));
}

#[test]
fn requests_that_do_not_change_stay_the_same_bytes() {
    let mut harness =
        harness("actions:\n- {key: k, action: update, value: new}\n- {key: gone, action: delete}\n");
    let attributes = vec![text("x", "1")];
    let requests = [
        Payload::Metrics(metric_request(&attributes).encode_to_vec().into()),
        Payload::Logs(log_request(attributes.clone()).encode_to_vec().into()),
        scanned(&of_service("s", vec![span("a", 1, 0, 1, attributes)]), &harness).0,
    ];
    for request in requests {
        let at = request.bytes().unwrap().as_ptr();
        let out = harness.push(0, request, 1);
        assert_eq!(out[0].bytes().unwrap().as_ptr(), at);
    }
}
