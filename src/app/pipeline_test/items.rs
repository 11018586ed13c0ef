//! Requests taken apart: each span, data point and log record with all that belongs to it, in short words.

use model::Signal;
use serde_json::{Map, Value};

use super::input::{CODES, KINDS, TEMPORALITIES};

/// Returns the items of an encoded request.
///
/// # Errors
/// When the request is damaged.
pub(super) fn items_of(signal: Signal, request: &[u8]) -> Result<Vec<Value>, String> {
    let mut json = Vec::new();
    wire::json::wire_to_json(signal, request, &mut json).map_err(|problem| problem.to_string())?;
    let request: Value = serde_json::from_slice(&json).map_err(|problem| problem.to_string())?;
    Ok(items_of_json(signal, &request))
}

/// Returns the items of a request as OTLP's JSON has it.
pub(crate) fn items_of_json(signal: Signal, request: &Value) -> Vec<Value> {
    let (resources, scopes, list) = match signal {
        Signal::Traces => ("resourceSpans", "scopeSpans", "spans"),
        Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
        Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
    };
    let mut found = Vec::new();
    for part in listed(request, resources) {
        let resource = attributes(&part["resource"]["attributes"]);
        for scope in listed(part, scopes) {
            let around = |mut item: Map<String, Value>| {
                item.insert("resource".to_owned(), resource.clone());
                if let Some(name) = scope["scope"]["name"].as_str().filter(|name| !name.is_empty()) {
                    item.insert("scope".to_owned(), name.into());
                }
                Value::Object(item)
            };
            for item in listed(scope, list) {
                match signal {
                    Signal::Metrics => found.extend(points(item).map(around)),
                    _ => found.push(around(plain(item))),
                }
            }
        }
    }
    found
}

fn listed<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().into_iter().flatten()
}

/// Each point of a metric, with the metric's own words.
fn points(metric: &Value) -> impl Iterator<Item = Map<String, Value>> {
    const DATA: [(&str, &str); 5] = [
        ("gauge", "gauge"),
        ("sum", "sum"),
        ("histogram", "histogram"),
        ("exponentialHistogram", "exponential_histogram"),
        ("summary", "summary"),
    ];
    let data = DATA.iter().find(|(key, _)| metric[*key].is_object());
    data.into_iter().flat_map(move |(key, kind)| {
        let data = &metric[*key];
        listed(data, "dataPoints").map(move |point| {
            let mut item = plain(point);
            for key in ["asInt", "asDouble"] {
                if let Some(value) = item.remove(key) {
                    item.insert("value".to_owned(), value);
                }
            }
            item.insert("type".to_owned(), (*kind).into());
            for key in ["name", "unit", "description"] {
                if let Some(text) = metric[key].as_str().filter(|text| !text.is_empty()) {
                    item.insert(key.to_owned(), text.into());
                }
            }
            if let Some(temporality) = named(&TEMPORALITIES, &data["aggregationTemporality"]) {
                item.insert("temporality".to_owned(), temporality);
            }
            if data["isMonotonic"] == true {
                item.insert("monotonic".to_owned(), true.into());
            }
            item
        })
    })
}

/// Writes a message in short words: attributes as maps, names for numbers, numbers for texts of digits.
fn plain(message: &Value) -> Map<String, Value> {
    let entries = message.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| {
            let value = match key.as_str() {
                "attributes" | "filteredAttributes" => attributes(value),
                "body" => any_value(value),
                "kind" => named(&KINDS, value).unwrap_or_else(|| value.clone()),
                "code" => named(&CODES, value).unwrap_or_else(|| value.clone()),
                key => nested(key, value),
            };
            (key.clone(), value)
        })
        .collect()
}

fn nested(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(_) => Value::Object(plain(value)),
        Value::Array(items) => items.iter().map(|item| nested(key, item)).collect(),
        Value::String(text) if is_number(key) => number(text).unwrap_or_else(|| value.clone()),
        _ => value.clone(),
    }
}

/// Numbers of 64 bits, which JSON of protobuf writes as text.
fn is_number(key: &str) -> bool {
    key.ends_with("UnixNano")
        || key.to_ascii_lowercase().ends_with("count")
        || key.ends_with("Counts")
        || key == "asInt"
}

fn number(text: &str) -> Option<Value> {
    text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from)).ok()
}

fn named(names: &[&str], value: &Value) -> Option<Value> {
    let number = usize::try_from(value.as_u64()?).ok()?;
    names.get(number).map(|name| (*name).into())
}

fn attributes(list: &Value) -> Value {
    let pairs = list.as_array().into_iter().flatten();
    let pairs =
        pairs.map(|pair| (pair["key"].as_str().unwrap_or_default().to_owned(), any_value(&pair["value"])));
    Value::Object(pairs.collect())
}

fn any_value(value: &Value) -> Value {
    let Some((kind, content)) = value.as_object().and_then(|map| map.iter().next()) else {
        return Value::Null;
    };
    match (kind.as_str(), content) {
        ("intValue", Value::String(text)) => number(text).unwrap_or_else(|| content.clone()),
        ("arrayValue", list) => listed(list, "values").map(any_value).collect(),
        ("kvlistValue", map) => attributes(&map["values"]),
        _ => content.clone(),
    }
}
