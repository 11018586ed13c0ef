//! Events as lines, and times and spans as people read them.

use std::{
    io::{self, Write},
    time::Duration,
};

use jiff::Timestamp as Instant;
use model::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{args::Format, events::Event};

/// One line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    name: &'a str,
    service: &'a str,
    severity: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    attributes: &'a Map<String, Value>,
    /// What is told of an incident stands at the top, with times that people and programs read.
    #[serde(flatten)]
    incident: Map<String, Value>,
}

/// What events about incidents are called, with what they tell: `trueline.incident.opened`.
const INCIDENT: &str = "trueline.incident.";
/// Nanoseconds since 1970 in log records.
const TIMES: [&str; 2] = ["start", "end"];
/// Names of the line itself.
const TAKEN: [&str; 1] = ["severity"];

fn incident(event: &Event) -> Map<String, Value> {
    if !event.name.starts_with(INCIDENT) {
        return Map::new();
    }
    let own = event.attributes.iter().filter_map(|(key, value)| Some((key.strip_prefix(INCIDENT)?, value)));
    let own = own.filter(|(key, _)| !TAKEN.contains(key)).map(|(key, value)| {
        let time = value.as_u64().filter(|_| TIMES.contains(&key));
        let value = time.map_or_else(|| value.clone(), |nanos| rfc3339(Timestamp(nanos)).into());
        (key.to_owned(), value)
    });
    own.collect()
}

/// Writes an event on a line.
///
/// # Errors
/// When nobody takes the line.
pub(super) fn write(event: &Event, format: Format, out: &mut impl Write) -> io::Result<()> {
    let time = rfc3339(event.at);
    match format {
        Format::Text => writeln!(out, "{time}  {:5}  {}", event.severity, one_line(&event.body)),
        Format::Jsonl => {
            let Event { name, service, severity, body, trace_id, attributes, .. } = event;
            let trace_id = trace_id.as_deref();
            let (incident, nothing) = (incident(event), Map::new());
            // Once is enough.
            let attributes = if incident.is_empty() { attributes } else { &nothing };
            let line = Line { time, name, service, severity, body, trace_id, attributes, incident };
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")
        }
    }
}

/// Names of services and metrics are foreign text, and what they hold must not move a terminal's cursor.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A time in UTC.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let nanos = i128::from(at.as_nanos());
    // 64 bits of nanoseconds end in the year 2554, which every calendar has.
    Instant::from_nanosecond(nanos).map_or_else(|_| nanos.to_string(), |at| at.to_string())
}

/// A time in UTC, without the part of a second.
pub(crate) fn rfc3339_seconds(at: Timestamp) -> String {
    rfc3339(at.window_start(Duration::from_secs(1)))
}

/// A span of time in its two largest units: `3h 20m`.
pub(crate) fn short_span(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, _) => format!("{:.1}s", span.as_secs_f64()),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, ..) => format!("{days}d {hours}h"),
    }
}
