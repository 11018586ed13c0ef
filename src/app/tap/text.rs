//! What a tap shows, for people: a line for each span, point and record.

use model::{Signal, Timestamp};
use serde_json::{Map, Value};

use crate::{
    pipeline_test::items_of_json,
    terminal::{printable, short},
};

/// Longer values are cut.
const MOST_CHARACTERS: usize = 200;

/// Writes a request of any signal.
pub(super) fn lines(request: &Value) -> String {
    let signals = [
        (Signal::Traces, "resourceSpans"),
        (Signal::Metrics, "resourceMetrics"),
        (Signal::Logs, "resourceLogs"),
    ];
    let of_signal = signals.into_iter().filter(|(_, key)| request.get(*key).is_some());
    of_signal
        .flat_map(|(signal, _)| items_of_json(signal, request).into_iter().map(move |item| (signal, item)))
        .map(|(signal, item)| line(signal, &item) + "\n")
        .collect()
}

fn line(signal: Signal, item: &Value) -> String {
    let (time, mut words) = match signal {
        Signal::Traces => (nanos(&item["endTimeUnixNano"]), span(item)),
        Signal::Metrics => (nanos(&item["timeUnixNano"]), point(item)),
        Signal::Logs => {
            let at = [&item["timeUnixNano"], &item["observedTimeUnixNano"]].into_iter().map(nanos);
            (at.max().unwrap_or(0), record(item))
        }
    };
    words.extend(pairs(&item["attributes"], ""));
    let resource = pairs(&item["resource"], "service.name");
    if !resource.is_empty() {
        words.push(format!("[{}]", resource.join(" ")));
    }
    let service = word(&item["resource"]["service.name"]);
    let service = if service.is_empty() { "-".to_owned() } else { service };
    format!("{} {service} {}", clock(time), words.join(" "))
}

fn span(item: &Value) -> Vec<String> {
    let took = nanos(&item["endTimeUnixNano"]).saturating_sub(nanos(&item["startTimeUnixNano"]));
    let mut words = vec![
        "span".to_owned(),
        quoted(&item["name"]),
        word(&item["kind"]),
        format!("{}ms", short(took as f64 / 1e6)),
    ];
    let (code, message) = (word(&item["status"]["code"]), word(&item["status"]["message"]));
    words.extend([code, message].into_iter().filter(|word| !word.is_empty() && word != "unset"));
    words.push(format!("trace={}", word(&item["traceId"])));
    for event in item["events"].as_array().into_iter().flatten() {
        words.push(format!("event={}", quoted(&event["name"])));
    }
    words.retain(|word| !word.is_empty());
    words
}

fn point(item: &Value) -> Vec<String> {
    let mut words = vec![word(&item["type"]), word(&item["name"])];
    let known = ["value", "count", "sum", "min", "max"];
    let told = known.iter().filter(|key| !item[**key].is_null());
    words.extend(told.map(|key| format!("{key}={}{}", word(&item[*key]), unit(item, key))));
    words.extend([word(&item["temporality"])].into_iter().filter(|word| !word.is_empty()));
    words
}

fn unit(item: &Value, key: &str) -> String {
    if key == "count" { String::new() } else { word(&item["unit"]) }
}

fn record(item: &Value) -> Vec<String> {
    let severity = match word(&item["severityText"]) {
        text if text.is_empty() => word(&item["severityNumber"]),
        text => text,
    };
    let words = ["log".to_owned(), severity, word(&item["eventName"]), quoted(&item["body"])];
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// Attributes but one, sorted by their keys.
fn pairs(attributes: &Value, without: &str) -> Vec<String> {
    let none = Map::new();
    let attributes = attributes.as_object().unwrap_or(&none);
    let mut pairs: Vec<_> = attributes
        .iter()
        .filter(|(key, _)| *key != without)
        .map(|(key, value)| format!("{}={}", cut(key), quoted(value)))
        .collect();
    pairs.sort_unstable();
    pairs
}

fn nanos(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// The time of day, in UTC, to the millisecond.
fn clock(nanoseconds: u64) -> String {
    let text = Timestamp(nanoseconds).rfc3339();
    let time = text.split_once('T').map_or("", |(_, time)| time);
    let seconds = time.get(..8).unwrap_or("00:00:00");
    format!("{seconds}.{:03}", nanoseconds / 1_000_000 % 1000)
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    }
}

/// A text in quotes where it has a space, or is empty.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == '"') => {
            format!("\"{}\"", cut(text).replace('"', "\\\""))
        }
        other => word(other),
    }
}

fn cut(text: &str) -> String {
    let mut shown: String = printable(text).chars().take(MOST_CHARACTERS).collect();
    if shown.len() < text.len() && text.chars().nth(MOST_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

/// Says how a tap ended, and what was not shown.
pub(super) fn end(end: &Value) -> String {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let why = match end["ended"].as_str() {
        Some("limit") => "all that was asked for",
        Some("time") => "the time is over",
        Some("config") => "another configuration is in force",
        _ => "it ended",
    };
    let mut text = format!("{why}: {} passed, {} shown", number(&end["passed"]), number(&end["shown"]));
    if end["matched"] != end["passed"] {
        text += &format!(", {} chosen of what was looked at", number(&end["matched"]));
    }
    if number(&end["hidden_values"]) > 0 {
        text += &format!(", {} values hidden", number(&end["hidden_values"]));
    }
    let missed = [
        ("over_rate", "above --rate"),
        ("not_looked_at", "too many to look at"),
        ("slow_reader", "not read in time"),
        ("too_large", "too large for a line"),
    ];
    for (reason, said) in missed {
        let n_missed = number(&end["missed"][reason]);
        if n_missed > 0 {
            text += &format!(", {n_missed} not shown: {said}");
        }
    }
    text
}
