//! Requests of OTLP's JSON as people write it: attributes as maps, names for numbers, and what does not matter left out.

use model::{Signal, Timestamp};
use serde_json::{Map, Value, json};

/// Fills in what a request needs and nobody wrote.
pub(super) struct Filler {
    pub(super) now: Timestamp,
    /// How many ids have been made.
    pub(super) n_ids: u64,
}

impl Filler {
    /// Returns an encoded request.
    ///
    /// # Errors
    /// When it is no request of the signal.
    pub(super) fn request(&mut self, signal: Signal, written: &Value) -> Result<Vec<u8>, String> {
        let mut unknown = Vec::new();
        find_unknown(written, "", "", &mut unknown);
        if !unknown.is_empty() {
            return Err(format!("no request of {signal}: {}", unknown.join("; ")));
        }
        let mut request = written.clone();
        self.fill(&mut request, "");
        let text = request.to_string();
        wire::json::json_to_wire(signal, text.as_bytes())
            .map_err(|problem| format!("no request of {signal}: {problem}"))
    }

    /// Walks down; `within` is the key of the list or map.
    fn fill(&mut self, value: &mut Value, within: &str) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill(item, within)),
            Value::Object(map) => {
                self.complete(map, within);
                for (key, value) in map {
                    match (key.as_str(), &*value) {
                        ("attributes" | "filteredAttributes", Value::Object(_)) => *value = list_of(value),
                        ("body", _) if !is_any_value(value) => *value = any_value(value),
                        ("kind", Value::String(name)) => *value = number_of(&KINDS, name, value),
                        ("code", Value::String(name)) => *value = number_of(&CODES, name, value),
                        ("aggregationTemporality", Value::String(name)) => {
                            *value = number_of(&TEMPORALITIES, name, value)
                        }
                        ("attributes" | "filteredAttributes" | "body", _) => {}
                        (key, _) => self.fill(value, key),
                    }
                }
            }
            _ => {}
        }
    }

    fn complete(&mut self, map: &mut Map<String, Value>, within: &str) {
        let now = Value::String(self.now.as_nanos().to_string());
        let default = |map: &mut Map<String, Value>, key: &str, value: Value| {
            map.entry(key.to_owned()).or_insert(value);
        };
        match within {
            "spans" => {
                self.n_ids += 1;
                default(map, "traceId", format!("{:032x}", self.n_ids).into());
                default(map, "spanId", format!("{:016x}", self.n_ids).into());
                default(map, "startTimeUnixNano", now);
                let start = map.get("startTimeUnixNano").cloned().unwrap_or_default();
                default(map, "endTimeUnixNano", start);
            }
            "dataPoints" | "logRecords" | "events" => default(map, "timeUnixNano", now),
            _ => {}
        }
    }
}

/// The keys of OTLP's messages, by the key under which each stands; what is not here is not looked into.
const KEYS: [(&str, &[&str]); 24] = [
    ("", &["resourceSpans", "resourceMetrics", "resourceLogs"]),
    ("resourceSpans", &["resource", "scopeSpans", "schemaUrl"]),
    ("resourceMetrics", &["resource", "scopeMetrics", "schemaUrl"]),
    ("resourceLogs", &["resource", "scopeLogs", "schemaUrl"]),
    ("resource", &["attributes", "droppedAttributesCount", "entityRefs"]),
    ("scopeSpans", &["scope", "spans", "schemaUrl"]),
    ("scopeMetrics", &["scope", "metrics", "schemaUrl"]),
    ("scopeLogs", &["scope", "logRecords", "schemaUrl"]),
    ("scope", &["name", "version", "attributes", "droppedAttributesCount"]),
    (
        "spans",
        &[
            "traceId",
            "spanId",
            "traceState",
            "parentSpanId",
            "flags",
            "name",
            "kind",
            "startTimeUnixNano",
            "endTimeUnixNano",
            "attributes",
            "droppedAttributesCount",
            "events",
            "droppedEventsCount",
            "links",
            "droppedLinksCount",
            "status",
        ],
    ),
    ("events", &["timeUnixNano", "name", "attributes", "droppedAttributesCount"]),
    ("links", &["traceId", "spanId", "traceState", "attributes", "droppedAttributesCount", "flags"]),
    ("status", &["message", "code"]),
    (
        "metrics",
        &[
            "name",
            "description",
            "unit",
            "metadata",
            "gauge",
            "sum",
            "histogram",
            "exponentialHistogram",
            "summary",
        ],
    ),
    ("gauge", &["dataPoints"]),
    ("sum", &["dataPoints", "aggregationTemporality", "isMonotonic"]),
    ("histogram", &["dataPoints", "aggregationTemporality"]),
    ("exponentialHistogram", &["dataPoints", "aggregationTemporality"]),
    ("summary", &["dataPoints"]),
    (
        "dataPoints",
        &[
            "attributes",
            "startTimeUnixNano",
            "timeUnixNano",
            "asDouble",
            "asInt",
            "count",
            "sum",
            "bucketCounts",
            "explicitBounds",
            "exemplars",
            "flags",
            "min",
            "max",
            "scale",
            "zeroCount",
            "zeroThreshold",
            "positive",
            "negative",
            "quantileValues",
        ],
    ),
    ("positive", &["offset", "bucketCounts"]),
    ("negative", &["offset", "bucketCounts"]),
    ("exemplars", &["filteredAttributes", "timeUnixNano", "asDouble", "asInt", "spanId", "traceId"]),
    (
        "logRecords",
        &[
            "timeUnixNano",
            "observedTimeUnixNano",
            "severityNumber",
            "severityText",
            "body",
            "attributes",
            "droppedAttributesCount",
            "flags",
            "traceId",
            "spanId",
            "eventName",
        ],
    ),
];

/// Finds keys that a message does not have, which protobuf's JSON would pass over: `nam` of a span.
fn find_unknown(value: &Value, within: &str, path: &str, unknown: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_unknown(item, within, &below(&index.to_string()), unknown);
            }
        }
        Value::Object(map) => {
            let Some((_, known)) = KEYS.iter().find(|(key, _)| *key == within) else { return };
            for (key, value) in map {
                if known.contains(&key.as_str()) {
                    find_unknown(value, key, &below(key), unknown);
                } else {
                    let near = config::did_you_mean(key, known.iter().copied());
                    let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                    unknown.push(format!("{} is an unknown key{near}", below(key)));
                }
            }
        }
        _ => {}
    }
}

/// OTLP's numbers by their places.
pub(super) const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
pub(super) const CODES: [&str; 3] = ["unset", "ok", "error"];
pub(super) const TEMPORALITIES: [&str; 3] = ["unspecified", "delta", "cumulative"];

/// Returns the number of a name; what is none stays, to be refused with the rest.
fn number_of(names: &[&str], name: &str, written: &Value) -> Value {
    names
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name))
        .map_or_else(|| written.clone(), Value::from)
}

fn list_of(map: &Value) -> Value {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(key, value)| json!({ "key": key, "value": any_value(value) })).collect()
}

fn is_any_value(value: &Value) -> bool {
    let keys = value.as_object().filter(|map| map.len() == 1);
    keys.is_some_and(|map| map.keys().all(|key| ANY_VALUES.contains(&key.as_str())))
}

const ANY_VALUES: [&str; 7] =
    ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"];

fn any_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Array(items) => {
            let values: Vec<Value> = items.iter().map(any_value).collect();
            json!({ "arrayValue": { "values": values } })
        }
        map if is_any_value(map) => map.clone(),
        map => json!({ "kvlistValue": { "values": list_of(map) } }),
    }
}
