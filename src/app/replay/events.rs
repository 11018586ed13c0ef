//! What was found: log records whose event name is ours.

use data_encoding::{BASE64, HEXLOWER};
use model::{Export, Signal, Timestamp};
use serde_json::{Map, Number, Value};
use wire::view::{AnyValue, Group, KeyValue, LogRecord, groups};

/// What the names of events begin with.
pub(crate) const PREFIX: &str = "trueline.";

/// An event, with everything that is told of it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) severity: String,
    pub(crate) body: String,
    /// In hexadecimal; none when it names no trace.
    pub(crate) trace_id: Option<String>,
    pub(crate) attributes: Map<String, Value>,
}

/// Returns the events among what left pipelines, in their order.
pub(crate) fn of(exports: &[Export]) -> Vec<Event> {
    let logs = exports.iter().filter(|export| export.signal == Signal::Logs);
    let mut found = Vec::new();
    for export in logs {
        for group in groups(&export.bytes.whole()) {
            let records = group.items().map(LogRecord::of);
            let ours = records.filter(|record| record.event_name.starts_with(PREFIX.as_bytes()));
            found.extend(ours.map(|record| Event::of(&group, &record)));
        }
    }
    found
}

impl Event {
    fn of(group: &Group<'_>, record: &LogRecord<'_>) -> Self {
        let service = group.resource.attribute("service.name");
        let time = if record.time > 0 { record.time } else { record.observed_time };
        Self {
            at: Timestamp(time),
            name: text(record.event_name),
            service: service.map(|name| name.to_label_string()).unwrap_or_default(),
            severity: text(record.severity_text),
            body: record.body.to_label_string(),
            trace_id: (!record.trace_id.is_empty()).then(|| HEXLOWER.encode(record.trace_id)),
            attributes: map(record.attributes()),
        }
    }

    /// Returns one of its own attributes: `id` of `trueline.anomaly.id`.
    pub(crate) fn own(&self, key: &str) -> Option<&Value> {
        self.attributes.get(&format!("{}.{key}", self.name))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn map<'a>(entries: impl Iterator<Item = KeyValue<'a>>) -> Map<String, Value> {
    entries.map(|entry| (text(entry.key), value(entry.value()))).collect()
}

/// A value in the type it has. Doubles that JSON does not know are spelled as Prometheus does.
fn value(of: AnyValue<'_>) -> Value {
    match of {
        AnyValue::Empty => Value::Null,
        AnyValue::Str(bytes) => Value::String(text(bytes)),
        AnyValue::Bool(flag) => Value::Bool(flag),
        AnyValue::Int(number) => Value::Number(number.into()),
        AnyValue::Double(number) => {
            Number::from_f64(number).map_or_else(|| Value::String(of.to_label_string()), Value::Number)
        }
        AnyValue::Bytes(bytes) => Value::String(BASE64.encode(bytes)),
        // Pipelines pass on checked requests only, whose depth is bounded.
        AnyValue::Array(values) => Value::Array(values.items().map(value).collect()),
        AnyValue::Map(values) => Value::Object(map(values.entries())),
    }
}
