use component::testing::Harness;
use expect_test::expect;
use model::Payload;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::any_value::Value,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use prost::Message;

use super::{Attributes, AttributesConfig};
use crate::{actions::ActionConfig, testing::*};

fn action(verb: &str, key: &str, from: &str) -> ActionConfig {
    let from_attribute = from.to_owned();
    ActionConfig { key: key.to_owned(), action: verb.to_owned(), from_attribute, ..ActionConfig::default() }
}

fn config() -> AttributesConfig {
    let actions = vec![
        action("insert", "copy", "user"),
        action("delete", "user", ""),
        action("update", "none", "copy"),
    ];
    AttributesConfig { actions }
}

#[test]
fn spans_are_edited_step_by_step_and_the_table_stays_right() {
    let mut harness = Harness::new::<Attributes>(&config(), 1, T0);
    let spans = vec![
        span("a", 1, 0, 1, vec![text("user", "ann"), text("x", "1")]),
        span("b", 1, 0, 1, vec![text("none", "old")]),
    ];
    let out = push(&mut harness, 0, &of_service("s", spans));
    let [Payload::Traces(traces)] = &out[..] else { panic!("one request in, one out") };
    let request = ExportTraceServiceRequest::decode(traces.bytes.clone()).unwrap();
    let told: Vec<String> =
        request.resource_spans[0].scope_spans[0].spans.iter().map(|s| labels(&s.attributes)).collect();
    expect![[r#"
        {x=1,copy=ann}
        {none=old}"#]]
    .assert_eq(&told.join("\n"));
    let mut scanned = model::SpanTable::default();
    wire::scan_traces(&traces.bytes, &wire::Matcher::new(&harness.keys), &mut scanned).unwrap();
    assert_eq!(format!("{:?}", scanned.spans), format!("{:?}", traces.table.spans));
}

#[test]
fn log_records_are_edited_and_untouched_requests_stay_the_same_bytes() {
    let mut harness = Harness::new::<Attributes>(&config(), 1, T0);
    let record =
        LogRecord { attributes: vec![attribute("user", Value::IntValue(3))], ..LogRecord::default() };
    let logs = |record| ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    };
    let out = harness.push(0, Payload::Logs(logs(record).encode_to_vec().into()), 1);
    let edited = ExportLogsServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
    expect!["{copy=3}"].assert_eq(&labels(&edited.resource_logs[0].scope_logs[0].log_records[0].attributes));
    let untouched = bytes::Bytes::from(logs(LogRecord::default()).encode_to_vec());
    let out = harness.push(0, Payload::Logs(untouched.clone()), 1);
    assert_eq!(out[0].bytes().unwrap().as_ptr(), untouched.as_ptr());
}
