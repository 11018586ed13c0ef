use component::testing::Harness;
use expect_test::{Expect, expect};
use model::Payload;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::KeyValue,
    logs::v1::ResourceLogs,
    metrics::v1::ResourceMetrics,
    resource::v1::Resource as ResourceMessage,
};
use prost::Message;

use super::{Resource, ResourceConfig};
use crate::testing::*;

fn harness(yaml: &str) -> Harness {
    Harness::new::<Resource>(&ResourceConfig { attributes: actions(yaml) }, 1, T0)
}

/// A request of each signal from one resource, or from one that is missing.
fn requests(attributes: Option<Vec<KeyValue>>, harness: &Harness) -> [Payload; 3] {
    let resource = attributes.map(|attributes| ResourceMessage { attributes, ..Default::default() });
    let of_metrics = ResourceMetrics { resource: resource.clone(), ..ResourceMetrics::default() };
    let of_logs = ResourceLogs { resource: resource.clone(), ..ResourceLogs::default() };
    let metrics = ExportMetricsServiceRequest { resource_metrics: vec![of_metrics] };
    let logs = ExportLogsServiceRequest { resource_logs: vec![of_logs] };
    let mut traces = request(vec![resource_spans(vec![], vec![span("a", 1, 0, 1, vec![])])]);
    traces.resource_spans[0].resource = resource;
    [
        scanned(&traces, harness).0,
        Payload::Metrics(metrics.encode_to_vec().into()),
        Payload::Logs(logs.encode_to_vec().into()),
    ]
}

fn told(payload: &Payload) -> String {
    let bytes = payload.bytes().expect("requests have bytes").clone();
    let resource = match payload {
        Payload::Traces(_) => {
            ExportTraceServiceRequest::decode(bytes).unwrap().resource_spans.remove(0).resource
        }
        Payload::Metrics(_) => {
            ExportMetricsServiceRequest::decode(bytes).unwrap().resource_metrics.remove(0).resource
        }
        _ => ExportLogsServiceRequest::decode(bytes).unwrap().resource_logs.remove(0).resource,
    };
    resource.map_or("no resource".to_owned(), |resource| labels(&resource.attributes))
}

/// Checks what an action leaves of a resource, in all signals alike.
fn check(yaml: &str, attributes: Option<&[(&str, &str)]>, expected: Expect) {
    let mut harness = harness(&format!("actions:\n- {yaml}"));
    let attributes = attributes.map(|all| all.iter().map(|(key, value)| text(key, value)).collect());
    let mut all = requests(attributes, &harness).map(|sent| told(&harness.push(0, sent, 1)[0])).to_vec();
    all.dedup();
    expected.assert_eq(&all.join("\n"));
}

#[test]
fn insert_adds_where_there_is_none() {
    let action = "{key: k, action: insert, value: new}";
    check(action, Some(&[("x", "1")]), expect!["{x=1,k=new}"]);
    check(action, Some(&[]), expect!["{k=new}"]);
    check(action, None, expect!["{k=new}"]);
    check(action, Some(&[("k", "old"), ("x", "1")]), expect!["{k=old,x=1}"]);
    check(action, Some(&[("k", "1"), ("k", "2")]), expect!["{k=1,k=2}"]);
    let copy = "{key: k, action: insert, from_attribute: x}";
    check(copy, Some(&[("x", "1")]), expect!["{x=1,k=1}"]);
    check(copy, Some(&[("k", "old"), ("x", "1")]), expect!["{k=old,x=1}"]);
    check(copy, Some(&[("y", "1")]), expect!["{y=1}"]);
    check(copy, None, expect!["no resource"]);
}

#[test]
fn update_changes_where_there_is_one() {
    let action = "{key: k, action: update, value: new}";
    check(action, Some(&[("x", "1")]), expect!["{x=1}"]);
    check(action, None, expect!["no resource"]);
    check(action, Some(&[("k", "old"), ("x", "1")]), expect!["{x=1,k=new}"]);
    check(action, Some(&[("k", "1"), ("k", "2")]), expect!["{k=new}"]);
    let copy = "{key: k, action: update, from_attribute: x}";
    check(copy, Some(&[("x", "1")]), expect!["{x=1}"]);
    check(copy, Some(&[("k", "old"), ("x", "1")]), expect!["{x=1,k=1}"]);
    check(copy, Some(&[("k", "old")]), expect!["{k=old}"]);
}

#[test]
fn upsert_adds_or_changes() {
    let action = "{key: k, action: upsert, value: new}";
    check(action, Some(&[("x", "1")]), expect!["{x=1,k=new}"]);
    check(action, None, expect!["{k=new}"]);
    check(action, Some(&[("k", "old"), ("x", "1")]), expect!["{x=1,k=new}"]);
    check(action, Some(&[("k", "1"), ("k", "2")]), expect!["{k=new}"]);
    let copy = "{key: k, action: upsert, from_attribute: x}";
    check(copy, Some(&[("x", "1")]), expect!["{x=1,k=1}"]);
    check(copy, Some(&[("k", "old"), ("x", "1")]), expect!["{x=1,k=1}"]);
    check(copy, Some(&[("k", "old")]), expect!["{k=old}"]);
}

#[test]
fn delete_removes_all_of_a_key() {
    let action = "{key: k, action: delete}";
    check(action, Some(&[("x", "1")]), expect!["{x=1}"]);
    check(action, None, expect!["no resource"]);
    check(action, Some(&[("k", "old"), ("x", "1")]), expect!["{x=1}"]);
    check(action, Some(&[("k", "1"), ("x", "1"), ("k", "2")]), expect!["{x=1}"]);
}

#[test]
fn actions_are_taken_in_order_each_on_what_the_one_before_left() {
    let steps = "{key: app, action: upsert, from_attribute: service.name}\n- {key: service.name, action: delete}\n\
                 - {key: none, action: update, from_attribute: service.name}";
    check(steps, Some(&[("service.name", "cart"), ("none", "old")]), expect!["{none=old,app=cart}"]);
}

#[test]
fn the_spans_of_edited_resources_stay() {
    let mut harness = harness("actions:\n- {key: app, action: upsert, from_attribute: service.name}\n");
    let sent = request(vec![
        resource_spans(vec![text("service.name", "cart")], vec![span("a", 1, 0, 1, vec![])]),
        resource_spans(vec![], vec![span("b", 1, 0, 1, vec![])]),
    ]);
    let out = push(&mut harness, 0, &sent);
    let [Payload::Traces(traces)] = &out[..] else { panic!("one request in, one out") };
    let names: Vec<&[u8]> = traces.table.spans.iter().map(|span| span.name.of(&traces.bytes)).collect();
    assert_eq!(names, [b"a", b"b"]);
    let got = ExportTraceServiceRequest::decode(traces.bytes.clone()).unwrap();
    assert_eq!(got.resource_spans[0].scope_spans, sent.resource_spans[0].scope_spans);
}

#[test]
fn values_of_resources_are_hashed_extracted_and_converted() {
    let pod: &[(&str, &str)] = &[("pod", "shop-7"), ("n", "12")];
    check(
        "{key: pod, action: extract, pattern: '(?P<app>\\w+)-(?P<index>\\d+)'}",
        Some(pod),
        expect!["{pod=shop-7,n=12,app=shop,index=7}"],
    );
    check("{pattern: '^p', action: delete}", Some(pod), expect!["{n=12}"]);
    check("{key: n, action: convert, converted_type: double}", Some(&[("n", "1.50")]), expect!["{n=1.5}"]);
    check(
        "{key: k, action: hash}",
        Some(&[("k", "abc")]),
        expect!["{k=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}"],
    );
    check("{key: k, action: hash}", None, expect!["no resource"]);
}
