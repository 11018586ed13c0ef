use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::any_value::Value,
};
use prost::Message;

use super::*;

fn traces(json: &str) -> Result<ExportTraceServiceRequest, String> {
    let wire = json_to_wire(Signal::Traces, json.as_bytes()).map_err(|problem| problem.to_string())?;
    Ok(ExportTraceServiceRequest::decode(wire.as_slice()).expect("what is written can be read"))
}

fn span(fields: &str) -> Result<opentelemetry_proto::tonic::trace::v1::Span, String> {
    let request = traces(&format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#))?;
    Ok(request.resource_spans[0].scope_spans[0].spans[0].clone())
}

fn value(json: &str) -> Result<Option<Value>, String> {
    let span = span(&format!(r#""attributes":[{{"key":"k","value":{json}}}]"#))?;
    Ok(span.attributes[0].value.clone().and_then(|value| value.value))
}

#[test]
fn a_trace_of_every_field_is_read_as_sent() {
    let span = span(
        r#""traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"",
           "name":"GET /cart","kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
           "traceState":"ot=th:8","flags":257,"status":{"code":2,"message":"late"},"droppedLinksCount":3,
           "events":[{"timeUnixNano":"5","name":"e"}],"links":[{"traceId":"5b8efff798038103d269b633813fc60c"}],
           "unknown":{"deep":[1,{"x":null}]}"#,
    )
    .unwrap();
    assert_eq!(span.trace_id[..2], [0x5b, 0x8e]);
    assert_eq!((span.kind, span.start_time_unix_nano), (2, 1_544_712_660_000_000_000));
    assert_eq!((span.end_time_unix_nano, span.flags), (1_544_712_661_000_000_000, 257));
    assert_eq!(span.status.unwrap().code, 2);
    assert_eq!((span.events.len(), span.links.len(), span.dropped_links_count), (1, 1, 3));
}

#[test]
fn values_of_every_kind_are_read() {
    assert_eq!(value(r#"{"stringValue":"a\u00e9"}"#).unwrap(), Some(Value::StringValue("aé".into())));
    assert_eq!(value(r#"{"intValue":"-9223372036854775808"}"#).unwrap(), Some(Value::IntValue(i64::MIN)));
    assert_eq!(value(r#"{"intValue":7}"#).unwrap(), Some(Value::IntValue(7)));
    assert_eq!(value(r#"{"intValue":7.0}"#).unwrap(), Some(Value::IntValue(7)));
    assert_eq!(value(r#"{"doubleValue":"1.5"}"#).unwrap(), Some(Value::DoubleValue(1.5)));
    assert_eq!(value(r#"{"doubleValue":"-Infinity"}"#).unwrap(), Some(Value::DoubleValue(f64::NEG_INFINITY)));
    assert!(matches!(value(r#"{"doubleValue":"NaN"}"#).unwrap(), Some(Value::DoubleValue(d)) if d.is_nan()));
    assert_eq!(value(r#"{"boolValue":false}"#).unwrap(), Some(Value::BoolValue(false)));
    for base64 in ["+/8=", "+/8", "-_8=", "-_8"] {
        let bytes = value(&format!(r#"{{"bytesValue":"{base64}"}}"#)).unwrap();
        assert_eq!(bytes, Some(Value::BytesValue(vec![0xfb, 0xff])));
    }
    assert!(
        matches!(value(r#"{"arrayValue":{}}"#).unwrap(), Some(Value::ArrayValue(list)) if list.values.is_empty())
    );
    assert!(matches!(
        value(r#"{"kvlistValue":{"values":[{"key":"x"}]}}"#).unwrap(),
        Some(Value::KvlistValue(_))
    ));
    assert_eq!(value("{}").unwrap(), None);
    assert_eq!(value("null").unwrap(), None);
}

#[test]
fn null_is_absent_everywhere_but_in_a_list() {
    assert!(traces(r#"{"resourceSpans":null}"#).unwrap().resource_spans.is_empty());
    assert_eq!(span(r#""name":null,"status":null,"attributes":null,"kind":null"#).unwrap().name, "");
    assert!(traces(r#"{"resourceSpans":[null]}"#).unwrap_err().contains("null in the list `resourceSpans`"));
}

#[test]
fn what_is_wrong_is_said_with_field_and_place() {
    let refused = |fields: &str| span(fields).unwrap_err();
    assert!(refused(r#""kind":"SPAN_KIND_SERVER""#).contains("no names for enumerations"));
    assert!(
        refused(r#""traceId":"0x5b8efff798038103d269b633813fc60c""#)
            .contains("32 hexadecimal digits, found 34")
    );
    assert!(refused(r#""spanId":"zze19b7ec3c1b174""#).contains("bad hexadecimal"));
    assert!(refused(r#""startTimeUnixNano":"soon""#).contains("expected an integer, found \"soon\""));
    assert!(refused(r#""startTimeUnixNano":-1"#).contains("-1 is out of range"));
    assert!(refused(r#""name":5"#).contains("field `name`: expected a string"));
    assert!(refused(r#""name":"a","name":"b""#).contains("duplicate field `name`"));
    assert!(
        refused(r#""attributes":[{"key":"k","value":{"intValue":1,"boolValue":true}}]"#)
            .contains("only one may be")
    );
    assert!(refused(r#""status":[]"#).contains("line 1 column"));
    assert!(traces("[]").is_err());
    assert!(traces(r#"{"resourceSpans":[]} x"#).is_err());
}

#[test]
fn values_are_read_to_the_stated_depth_and_no_deeper() {
    let nested = |(open, close): (&str, &str), levels: usize| {
        value(&format!("{}{{\"intValue\":1}}{}", open.repeat(levels), close.repeat(levels)))
    };
    // Request, resource, scope, span and attribute leave 59 levels and one is the value's: two for each array, three
    // for each list of keys and values.
    let array = (r#"{"arrayValue":{"values":["#, "]}}");
    let list = (r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}");
    for (kind, most) in [(array, 29), (list, 19)] {
        assert!(nested(kind, most).is_ok());
        let refused = nested(kind, most + 1).unwrap_err();
        assert!(refused.starts_with("messages nested deeper than 64"), "{refused}");
        // A stack must not overflow, whatever is sent.
        assert!(nested(kind, 10_000).is_err());
    }
}

#[test]
fn metrics_and_logs_are_read() {
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","sum":"Infinity",
         "bucketCounts":["1",2],"explicitBounds":[0.5]}]}},
        {"name":"e","exponentialHistogram":{"dataPoints":[{"scale":-3,"positive":{"offset":-2,"bucketCounts":[1,"2"]}}]}},
        {"name":"s","sum":{"isMonotonic":true,"dataPoints":[{"asInt":"-5"},{"asDouble":1}]}}]}]}]}"#;
    let wire = json_to_wire(Signal::Metrics, metrics.as_bytes()).unwrap();
    assert_eq!(crate::check_metrics(&wire), Ok(4));
    let request = ExportMetricsServiceRequest::decode(wire.as_slice()).unwrap();
    assert_eq!(request.resource_metrics[0].scope_metrics[0].metrics.len(), 3);
    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9,"body":{"stringValue":"hi"},"eventName":"x"}]}]}]}"#;
    let wire = json_to_wire(Signal::Logs, logs.as_bytes()).unwrap();
    let request = ExportLogsServiceRequest::decode(wire.as_slice()).unwrap();
    assert_eq!(request.resource_logs[0].scope_logs[0].log_records[0].event_name, "x");
}

#[test]
fn a_request_that_is_longer_than_it_may_be_is_left_where_it_becomes_so() {
    let json = |counts: usize| {
        let counts = vec!["0"; counts].join(",");
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"h","histogram":{{"dataPoints":[{{"bucketCounts":[{counts}]}}]}}}}]}}]}}]}}"#
        )
    };
    let within = |json: &str, max_len| json_to_wire_within(Signal::Metrics, json.as_bytes(), max_len);
    let whole = json_to_wire(Signal::Metrics, json(1000).as_bytes()).unwrap();
    assert!(whole.len() > 8000, "eight bytes for each zero");
    assert_eq!(within(&json(1000), whole.len()).unwrap(), Some(whole.clone()));
    assert_eq!(within(&json(1000), whole.len() - 1).unwrap(), None);
    // The bad end is not reached.
    let broken = json(1000).replace("]}]}}]}]}]}", "?");
    assert!(within(&broken, whole.len()).is_err());
    assert_eq!(within(&broken, 1000).unwrap(), None);
}

#[test]
fn the_key_of_a_line_tells_its_signal() {
    let read =
        |json: &str| json_of_any_signal_to_wire(json.as_bytes()).map_err(|problem| problem.to_string());
    let body = r#"[{"scopeLogs":[{"logRecords":[{"eventName":"x"}]}]}]"#;
    let alone = json_to_wire(Signal::Logs, format!(r#"{{"resourceLogs":{body}}}"#).as_bytes()).unwrap();
    assert_eq!(
        read(&format!(r#"{{"x":[1],"resourceLogs":{body},"resourceSpans":null}}"#)),
        Ok((Signal::Logs, alone))
    );
    assert_eq!(read(r#"{"resourceMetrics":[]}"#), Ok((Signal::Metrics, Vec::new())));
    let refused = |json: &str| read(json).unwrap_err();
    assert_eq!(refused("{}"), "none of resourceSpans, resourceMetrics, resourceLogs at line 1 column 2");
    assert!(refused(r#"{"resourceSpans":[],"resourceLogs":[]}"#).starts_with("more than one of"));
    assert!(refused(r#"{"resourceSpans":[],"resourceSpans":[]}"#).starts_with("more than one of"));
    assert!(refused("{\"resourceSpans\":[\n{]}").ends_with("at line 2 column 2"));
}

#[test]
fn json_is_written_as_otlp_has_it() {
    let json = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"arrayValue":{"values":[{"intValue":"1"},{"doubleValue":"NaN"},{}]}}}]},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","name":"x\"y","kind":2,"startTimeUnixNano":"7","status":{"code":1},"flags":3}]}]}]}"#;
    let wire = json_to_wire(Signal::Traces, json.as_bytes()).unwrap();
    let mut written = Vec::new();
    wire_to_json(Signal::Traces, &wire, &mut written).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), json);
}

#[test]
fn what_was_written_is_read_back_as_it_was() {
    for seed in 0..50 {
        let request =
            ExportTraceServiceRequest::decode(crate::testing::trace_request(seed, 20).as_slice()).unwrap();
        let (wire, mut json) = (request.encode_to_vec(), Vec::new());
        wire_to_json(Signal::Traces, &wire, &mut json).unwrap();
        assert_eq!(traces(std::str::from_utf8(&json).unwrap()).unwrap(), request);
        let theirs: ExportTraceServiceRequest = serde_json::from_slice(&json).unwrap();
        assert_eq!(theirs, request);
    }
}
