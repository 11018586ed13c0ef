//! What came out, made comparable: only the order of attributes, which OTLP does not define, and what
//! is unset or has its default, which it can not tell apart, are made alike. Everything else stands.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Sections of a request in which attributes stand.
const UNORDERED: [&str; 4] = ["attributes", "filteredAttributes", "metadata", "values"];

/// Values that say something also where they are 0, empty or false.
const ALWAYS_SAID: [&str; 12] = [
    "stringValue",
    "boolValue",
    "intValue",
    "doubleValue",
    "bytesValue",
    "arrayValue",
    "kvlistValue",
    "asInt",
    "asDouble",
    "sum",
    "min",
    "max",
];

/// Brings a request into its comparable form.
pub(super) fn canonical(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.into_iter().map(|(key, value)| {
                let value = canonical(value);
                let value = if UNORDERED.contains(&key.as_str()) { sorted(value) } else { value };
                (key, value)
            });
            let said = entries.filter(|(key, value)| !is_default(value) || says_always(key, value));
            Value::Object(said.collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(canonical).collect()),
        other => other,
    }
}

fn says_always(key: &str, value: &Value) -> bool {
    ALWAYS_SAID.contains(&key) && !value.is_null()
}

/// Sorts a list of attributes by key; a list of values has no keys and stays.
fn sorted(value: Value) -> Value {
    let Value::Array(mut entries) = value else { return value };
    let is_keyed = entries.iter().all(|entry| entry.get("key").is_some());
    if is_keyed {
        entries.sort_by_key(|entry| entry.get("key").and_then(Value::as_str).unwrap_or_default().to_owned());
    }
    Value::Array(entries)
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// The names of a signal's levels in a request, from the outside in.
const LEVELS: [(&str, &str, &str); 3] = [
    ("resourceSpans", "scopeSpans", "spans"),
    ("resourceMetrics", "scopeMetrics", "metrics"),
    ("resourceLogs", "scopeLogs", "logRecords"),
];

/// Whether the order in which things come out is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// As they were sent: the lines of resources and scopes stand above their items.
    Sent,
    /// None: an item is a line with its resource and scope, and lines are sorted.
    Any,
}

/// Writes requests in lines.
pub(super) fn lines(requests: &[Value], order: Order) -> Vec<String> {
    let mut lines = Vec::new();
    for request in requests {
        for (resources, scopes, items) in LEVELS {
            for mut resource in list(request, resources) {
                let of_scopes = take(&mut resource, scopes);
                let mut above = vec![format!("resource {resource}")];
                heading(&mut lines, &above, order);
                for mut scope in of_scopes {
                    let of_items = take(&mut scope, items);
                    above.truncate(1);
                    above.push(format!("scope {scope}"));
                    heading(&mut lines, &above, order);
                    for item in of_items {
                        add_item(&mut lines, &above, item, order);
                    }
                }
            }
        }
    }
    if order == Order::Any {
        lines.sort();
    }
    lines
}

fn heading(lines: &mut Vec<String>, above: &[String], order: Order) {
    if order == Order::Sent {
        lines.push(format!("{}{}", "  ".repeat(above.len() - 1), above.last().expect("a heading")));
    }
}

/// Adds a line for a span or a record, and of a metric one for itself and one for each of its points.
fn add_item(lines: &mut Vec<String>, above: &[String], mut item: Value, order: Order) {
    let mut points = Vec::new();
    for kind in ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] {
        if let Some(data) = item.get_mut(kind) {
            points = take(data, "dataPoints");
        }
    }
    let own = item.to_string();
    let with = |inner: String| match order {
        Order::Sent => format!("    {inner}"),
        Order::Any => format!("{} | {inner}", above.join(" | ")),
    };
    if order == Order::Sent || points.is_empty() {
        lines.push(with(own.clone()));
    }
    for point in points {
        lines.push(match order {
            Order::Sent => with(format!("  point {point}")),
            Order::Any => with(format!("{own} | point {point}")),
        });
    }
}

fn list(value: &Value, key: &str) -> Vec<Value> {
    value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn take(value: &mut Value, key: &str) -> Vec<Value> {
    match value.as_object_mut().and_then(|map| map.remove(key)) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    }
}

/// Counts spans, points and records.
pub(super) fn count(requests: &[Value]) -> usize {
    lines(requests, Order::Any).len()
}

/// Says what one side has and the other has not; nothing when both are the same.
pub(super) fn differences(ours: &[String], theirs: &[String]) -> Vec<String> {
    if ours == theirs {
        return Vec::new();
    }
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in ours {
        *balance.entry(line).or_default() += 1;
    }
    for line in theirs {
        *balance.entry(line).or_default() -= 1;
    }
    let odd = balance.iter().filter(|(_, n)| **n != 0);
    let side = |n: i64| if n > 0 { "only ours:  " } else { "only theirs:" };
    let mut told: Vec<String> = odd.map(|(line, n)| format!("{} {line}", side(*n))).collect();
    if told.is_empty() {
        told.push(format!("another order\nours:\n{}\ntheirs:\n{}", ours.join("\n"), theirs.join("\n")));
    }
    told
}

#[test]
fn only_what_otlp_can_not_tell_apart_is_made_alike() {
    let alike = [
        serde_json::json!({"attributes": [{"key": "b", "value": {"intValue": "0"}}, {"key": "a"}], "flags": 0}),
        serde_json::json!({"attributes": [{"key": "a", "value": null}, {"key": "b", "value": {"intValue": "0"}}]}),
    ];
    let [one, other] = alike.map(canonical);
    assert_eq!(one, other);
    for said in [
        serde_json::json!({"value": {"doubleValue": 0.0}}),
        serde_json::json!({"value": {"stringValue": ""}}),
        serde_json::json!({"value": {"boolValue": false}}),
        serde_json::json!({"value": {"arrayValue": {}}}),
        serde_json::json!({"sum": 0.0}),
        serde_json::json!({"values": [{"intValue": "2"}, {"intValue": "1"}]}),
    ] {
        assert_eq!(canonical(said.clone()), said);
    }
}

#[test]
fn a_field_and_an_order_that_differ_are_told() {
    let of = |names: [&str; 2]| {
        let spans = names.map(|name| serde_json::json!({"name": name}));
        [serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})]
    };
    let told = |one, other, order| differences(&lines(&of(one), order), &lines(&of(other), order)).len();
    assert_eq!(told(["a", "b"], ["a", "b"], Order::Sent), 0);
    assert_eq!(told(["a", "b"], ["b", "a"], Order::Sent), 1);
    assert_eq!(told(["a", "b"], ["b", "a"], Order::Any), 0);
    assert_eq!(told(["a", "b"], ["a", "c"], Order::Any), 2);
    assert_eq!(told(["a", "a"], ["a", "b"], Order::Any), 2);
    assert_eq!(count(&of(["a", "b"])), 2);
}
