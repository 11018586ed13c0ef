//! What comes from outside and is not as it should be: refused with a reason and not counted, or
//! counted by a rule; the connection lives on.

use std::time::Duration;

use anyhow::Result;
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;

use crate::rig::{Folder, Rig, lines, total};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const CALLS: &str = "traces.span.metrics.calls";

fn rig(folder: &Folder, clock: &ManualClock) -> Result<Rig> {
    let out = folder.file("out.json").display().to_string();
    let yaml = format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0', max_request_body_size: 100000}}}}}}
connectors:
  span_metrics: {{metrics_flush_interval: 1s, dimensions: [{{name: color}}]}}
exporters:
  file: {{path: {out:?}}}
  nop:
service:
  trueline: {{shards: 1}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics]}}
    metrics: {{receivers: [span_metrics], exporters: [file]}}
"
    );
    Rig::start(&yaml, clock)
}

fn span(start: u64, end: u64, colors: &[&str]) -> Span {
    let color = |value: &&str| KeyValue {
        key: "color".to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue((*value).to_owned())) }),
        ..Default::default()
    };
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "work".to_owned(),
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes: colors.iter().map(color).collect(),
        ..Default::default()
    }
}

fn request(service: Option<&str>, spans: Vec<Span>) -> Vec<u8> {
    let attribute = |name: &str| KeyValue {
        key: "service.name".to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(name.to_owned())) }),
        ..Default::default()
    };
    let attributes = service.iter().map(|name| attribute(name)).collect();
    let resource = Some(Resource { attributes, ..Default::default() });
    let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..Default::default() }],
    }
    .encode_to_vec()
}

#[test]
fn malformed_requests_are_refused_and_leave_no_trace() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let rig = rig(&folder, &clock)?;
    let mut client = rig.connect()?;
    let good = request(Some("shop"), vec![span(1, 2, &[])]);
    for cut in 1..good.len() {
        let status = client.send(Signal::Traces, &good[..cut])?;
        // A cut between two fields is a shorter message, and a legal one only at the very start.
        assert_eq!(status, 400, "cut at {cut}");
    }
    assert_eq!(client.send(Signal::Traces, &vec![0; 200_000])?, 413);
    // The connection lives on.
    assert_eq!(client.send(Signal::Traces, &good)?, 200);
    rig.advance_to(START + Duration::from_secs(1))?;
    assert_eq!(rig.metric("otelcol_receiver_accepted_spans"), 1);
    rig.stop();
    assert_eq!(total(&folder.file("out.json"), CALLS)?, 1);
    Ok(())
}

#[test]
fn odd_spans_are_counted_by_rule() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let rig = rig(&folder, &clock)?;
    let mut client = rig.connect()?;
    let second = 1_000_000_000;
    let spans = vec![
        span(5 * second, 3 * second, &[]), // ends before it starts: duration 0
        span(0, 0, &[]),                   // no times at all
        span(u64::MAX - 1, u64::MAX, &[]), // in a far future
        span(0, START.as_nanos(), &[]),    // no start: more than a year is no duration
        span(1, u64::MAX, &[]),            // all of time
        span(second, 2 * second, &["red", "blue"]), // an attribute twice: the first counts
    ];
    assert_eq!(client.send(Signal::Traces, &request(None, spans))?, 200);
    assert_eq!(client.send(Signal::Traces, &[])?, 200);
    rig.advance_to(START + Duration::from_secs(1))?;
    assert_eq!(rig.metric("otelcol_receiver_implausible_durations"), 2);
    rig.stop();
    let out = folder.file("out.json");
    assert_eq!(total(&out, CALLS)?, 6);
    let last = lines(&out)?.pop().unwrap_or_default();
    let text = last.to_string();
    assert!(text.contains("unknown_service"), "{text}");
    assert!(text.contains(r#""stringValue":"red""#) && !text.contains("blue"), "{text}");
    // In milliseconds: the red one of a second, one of 1 ns, and four of none.
    let metrics = last["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().into_iter().flatten();
    let points =
        metrics.flat_map(|metric| metric["histogram"]["dataPoints"].as_array().into_iter().flatten());
    let mut found: Vec<_> =
        points.map(|point| (point["count"].as_str().unwrap_or_default(), point["sum"].as_f64())).collect();
    found.sort_by(|a, b| a.0.cmp(b.0));
    assert_eq!(found, [("1", Some(1000.0)), ("5", Some(0.000_001))], "{text}");
    Ok(())
}
