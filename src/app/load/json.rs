//! OTLP/JSON of the requests that we make, for `--protocol http/json`.
//!
//! It knows the fields that `encode` writes and no others.

use data_encoding::{BASE64, HEXLOWER};
use model::{KeySet, SpanTable};
use serde_json::{Map, Value, json};
use wire::Matcher;
use wire::view::{self, AnyValue, KeyValue, Metric, MetricData, Number, NumberPoint, Points};

use super::args::Signal;
use super::client::Answer;

/// Returns the JSON form of a request.
pub(crate) fn of(signal: Signal, request: &[u8]) -> Vec<u8> {
    let (list, scopes, items, item): (_, _, _, fn(&[u8]) -> Value) = match signal {
        Signal::Traces => return serde_json::to_vec(&traces(request)).expect("a Value has a JSON form"),
        Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics", metric),
        Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords", log_record),
    };
    let groups: Vec<_> = view::groups(request)
        .map(|group| {
            let scope = json!({"name": text(group.scope.name), "version": text(group.scope.version)});
            let scope = json!({"scope": scope, items: group.items().map(item).collect::<Vec<_>>()});
            json!({"resource": {"attributes": attributes(group.resource.attributes())}, scopes: [scope]})
        })
        .collect();
    serde_json::to_vec(&json!({ list: groups })).expect("a Value has a JSON form")
}

/// Reads an `Export…ServiceResponse`.
pub(crate) fn taken(response: &[u8]) -> Answer {
    let response: Value = serde_json::from_slice(response).unwrap_or_default();
    let partial = response.get("partialSuccess").and_then(Value::as_object).cloned().unwrap_or_default();
    let rejected = partial.iter().find(|(name, _)| name.starts_with("rejected")).map(|(_, count)| count);
    // 64-bit numbers are strings in protobuf's JSON, and numbers are taken too.
    let rejected =
        rejected.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or(0);
    let message = partial.get("errorMessage").and_then(Value::as_str).unwrap_or_default().to_owned();
    Answer::Taken { rejected, message }
}

fn traces(request: &[u8]) -> Value {
    let mut table = SpanTable::default();
    wire::scan_traces(request, &Matcher::new(&KeySet::default()), &mut table)
        .expect("we made the request ourselves");
    let mut groups: Vec<Value> = Vec::with_capacity(table.resources.len());
    for (index, resource) in table.resources.iter().enumerate() {
        let scopes = table.scopes.iter().enumerate().filter(|(_, scope)| scope.resource as usize == index);
        let scopes: Vec<_> = scopes
            .map(|(scope_index, scope)| {
                let head = view::Scope::of(scope.scope.of(request));
                let spans = table.spans.iter().filter(|span| span.scope as usize == scope_index);
                let spans: Vec<_> = spans.map(|span| self::span(span, request)).collect();
                json!({"scope": {"name": text(head.name), "version": text(head.version)}, "spans": spans})
            })
            .collect();
        let resource = view::resource_of(request, resource.resource);
        groups.push(
            json!({"resource": {"attributes": attributes(resource.attributes())}, "scopeSpans": scopes}),
        );
    }
    json!({"resourceSpans": groups})
}

fn span(span: &model::SpanRec, request: &[u8]) -> Value {
    let view = view::Span { body: span.body.of(request) };
    let hex = |id: Option<&[u8]>| id.map(|id| HEXLOWER.encode(id)).unwrap_or_default();
    let mut out = json!({
        "traceId": hex(span.trace_id(request).map(<[u8; 16]>::as_slice)),
        "spanId": hex(span.span_id(request).map(<[u8; 8]>::as_slice)),
        "name": text(span.name.of(request)),
        "kind": span.kind,
        "startTimeUnixNano": span.start.to_string(),
        "endTimeUnixNano": span.end.to_string(),
        "attributes": attributes(view.attributes()),
        "flags": view.flags(),
    });
    let fields = out.as_object_mut().expect("written as an object above");
    if let Some(parent_id) = span.parent_id(request) {
        put(fields, "parentSpanId", hex(Some(parent_id)).into());
    }
    let events = view.events().map(|event| {
        json!({"timeUnixNano": event.time.to_string(), "name": text(event.name),
               "attributes": attributes(event.attributes())})
    });
    put(fields, "events", events.collect());
    let links = view
        .links()
        .map(|link| json!({"traceId": hex(Some(link.trace_id)), "spanId": hex(Some(link.span_id))}));
    put(fields, "links", links.collect());
    if span.status != 0 {
        put(fields, "status", json!({"code": span.status, "message": text(view.status_message())}));
    }
    out
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.insert(name.to_owned(), value);
}

fn metric(body: &[u8]) -> Value {
    let metric = Metric::of(body);
    let mut out = json!({
        "name": text(metric.name),
        "description": text(metric.description),
        "unit": text(metric.unit),
    });
    let fields = out.as_object_mut().expect("written as an object above");
    match metric.data {
        MetricData::Gauge(points) => put(fields, "gauge", json!({"dataPoints": numbers(points)})),
        MetricData::Sum { points, is_monotonic, .. } => {
            let sum = json!({"dataPoints": numbers(points), "aggregationTemporality": 2, "isMonotonic": is_monotonic});
            put(fields, "sum", sum);
        }
        MetricData::Histogram { points, .. } => {
            let points: Vec<_> = points.iter().map(histogram_point).collect();
            put(fields, "histogram", json!({"dataPoints": points, "aggregationTemporality": 2}));
        }
        MetricData::Empty | MetricData::ExponentialHistogram { .. } | MetricData::Summary(_) => {}
    }
    out
}

fn numbers(points: Points<'_>) -> Vec<Value> {
    let points = points.iter().map(|body| {
        let point = NumberPoint::of(body);
        let (name, value) = match point.value {
            Some(Number::Int(value)) => ("asInt", value.to_string().into()),
            Some(Number::Double(value)) => ("asDouble", value.into()),
            None => ("flags", 1.into()),
        };
        let value: Value = value;
        json!({"attributes": attributes(point.attributes()), "startTimeUnixNano": point.start.to_string(),
               "timeUnixNano": point.time.to_string(), name: value})
    });
    points.collect()
}

fn histogram_point(body: &[u8]) -> Value {
    let point = view::HistogramPoint::of(body);
    json!({
        "attributes": attributes(point.attributes()),
        "startTimeUnixNano": point.start.to_string(),
        "timeUnixNano": point.time.to_string(),
        "count": point.count.to_string(),
        "sum": point.sum,
        "bucketCounts": point.bucket_counts().map(|count| count.to_string()).collect::<Vec<_>>(),
        "explicitBounds": point.explicit_bounds().collect::<Vec<_>>(),
    })
}

fn log_record(body: &[u8]) -> Value {
    let record = view::LogRecord::of(body);
    json!({
        "timeUnixNano": record.time.to_string(),
        "observedTimeUnixNano": record.observed_time.to_string(),
        "severityNumber": record.severity_number,
        "severityText": text(record.severity_text),
        "body": value(record.body),
        "attributes": attributes(record.attributes()),
        "flags": record.flags,
        "traceId": HEXLOWER.encode(record.trace_id),
        "spanId": HEXLOWER.encode(record.span_id),
    })
}

fn attributes<'a>(pairs: impl Iterator<Item = KeyValue<'a>>) -> Vec<Value> {
    pairs.map(|pair| json!({"key": text(pair.key), "value": value(pair.value())})).collect()
}

fn value(value: AnyValue<'_>) -> Value {
    match value {
        AnyValue::Empty => json!({}),
        AnyValue::Str(string) => json!({"stringValue": text(string)}),
        AnyValue::Bool(flag) => json!({"boolValue": flag}),
        AnyValue::Int(int) => json!({"intValue": int.to_string()}),
        AnyValue::Double(double) => json!({"doubleValue": double}),
        AnyValue::Bytes(bytes) => json!({"bytesValue": BASE64.encode(bytes)}),
        AnyValue::Array(items) => {
            json!({"arrayValue": {"values": items.items().map(self::value).collect::<Vec<_>>()}})
        }
        AnyValue::Map(items) => json!({"kvlistValue": {"values": attributes(items.entries())}}),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
