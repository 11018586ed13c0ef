//! What a line says of itself: which signal it brings, and when it was recorded.

use std::time::Duration;

use model::{Signal, Timestamp};
use serde::{Deserialize, de::IgnoredAny};

/// The head of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    pub signal: Signal,
    /// The latest time within the line, which is the earliest at which it can have been sent; 0 when
    /// it has none or nobody asked.
    pub at: Timestamp,
}

/// Reads which signal a line brings.
///
/// # Errors
/// Why the line is not OTLP in JSON.
pub(super) fn signal(line: &[u8]) -> Result<Mark, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        resource_spans: Option<IgnoredAny>,
        resource_metrics: Option<IgnoredAny>,
        resource_logs: Option<IgnoredAny>,
    }
    let line: Line = parse(line)?;
    let signal =
        one_of(line.resource_spans.is_some(), line.resource_metrics.is_some(), line.resource_logs.is_some())?;
    Ok(Mark { signal, at: Timestamp(0) })
}

/// Reads which signal a line brings, and when it was recorded.
///
/// # Errors
/// Why the line is not OTLP in JSON.
pub fn signal_and_time(line: &[u8]) -> Result<Mark, String> {
    let line: Line = parse(line)?;
    let is_there = |of: &Option<Vec<Resource>>| of.is_some();
    let signal = one_of(
        is_there(&line.resource_spans),
        is_there(&line.resource_metrics),
        is_there(&line.resource_logs),
    )?;
    let resources = [line.resource_spans, line.resource_metrics, line.resource_logs];
    let scopes = resources.into_iter().flatten().flatten().flat_map(Resource::scopes);
    Ok(Mark { signal, at: Timestamp(scopes.flat_map(Scope::times).max().unwrap_or(0)) })
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|e| e.to_string())
}

fn one_of(traces: bool, metrics: bool, logs: bool) -> Result<Signal, String> {
    match (traces, metrics, logs) {
        (true, false, false) => Ok(Signal::Traces),
        (false, true, false) => Ok(Signal::Metrics),
        (false, false, true) => Ok(Signal::Logs),
        (false, false, false) => {
            Err("line has none of resourceSpans, resourceMetrics, resourceLogs".to_owned())
        }
        _ => Err("line has more than one of resourceSpans, resourceMetrics, resourceLogs".to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    resource_spans: Option<Vec<Resource>>,
    resource_metrics: Option<Vec<Resource>>,
    resource_logs: Option<Vec<Resource>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(default)]
    scope_spans: Vec<Scope>,
    #[serde(default)]
    scope_metrics: Vec<Scope>,
    #[serde(default)]
    scope_logs: Vec<Scope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope {
    #[serde(default)]
    spans: Vec<Item>,
    #[serde(default)]
    metrics: Vec<Metric>,
    #[serde(default)]
    log_records: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    gauge: Option<Points>,
    sum: Option<Points>,
    histogram: Option<Points>,
    exponential_histogram: Option<Points>,
    summary: Option<Points>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Points {
    #[serde(default)]
    data_points: Vec<Item>,
}

/// A span, data point or log record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(default)]
    end_time_unix_nano: Nanos,
    #[serde(default)]
    time_unix_nano: Nanos,
    #[serde(default)]
    observed_time_unix_nano: Nanos,
}

/// A 64-bit number, which OTLP writes as a string and takes as either.
#[derive(Default, Deserialize)]
#[serde(from = "TextOrNumber")]
struct Nanos(u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Number(u64),
    Text(String),
    /// Reported by the transcoder, which knows how to say what is wrong.
    #[allow(dead_code, reason = "matches whatever else there is")]
    Other(IgnoredAny),
}

impl From<TextOrNumber> for Nanos {
    fn from(value: TextOrNumber) -> Self {
        match value {
            TextOrNumber::Number(number) => Self(number),
            TextOrNumber::Text(text) => Self(text.parse().unwrap_or(0)),
            TextOrNumber::Other(_) => Self(0),
        }
    }
}

impl Resource {
    fn scopes(self) -> impl Iterator<Item = Scope> {
        [self.scope_spans, self.scope_metrics, self.scope_logs].into_iter().flatten()
    }
}

impl Scope {
    fn times(self) -> impl Iterator<Item = u64> {
        let points = self.metrics.into_iter().flat_map(Metric::points);
        self.spans.into_iter().chain(self.log_records).chain(points).map(|item| item.time())
    }
}

impl Metric {
    fn points(self) -> impl Iterator<Item = Item> {
        let kinds = [self.gauge, self.sum, self.histogram, self.exponential_histogram, self.summary];
        kinds.into_iter().flatten().flat_map(|points| points.data_points)
    }
}

impl Item {
    fn time(&self) -> u64 {
        let stated = self.end_time_unix_nano.0.max(self.time_unix_nano.0);
        if stated > 0 { stated } else { self.observed_time_unix_nano.0 }
    }
}

/// When lines are due: the first at once, the others as long after it as they were recorded after it,
/// divided by the speed.
pub(super) struct Schedule {
    speed: f64,
    start: Option<(Timestamp, Timestamp)>,
}

impl Schedule {
    pub(super) fn new(speed: f64) -> Self {
        Self { speed, start: None }
    }

    /// Whether lines wait for their time at all.
    pub(super) fn is_paced(&self) -> bool {
        self.speed > 0.0
    }

    /// Returns when a line is due; one without a time, or older than the first, is due now.
    pub(super) fn due(&mut self, recorded: Timestamp, now: Timestamp) -> Timestamp {
        if !self.is_paced() || recorded.0 == 0 {
            return now;
        }
        let (first, started) = *self.start.get_or_insert((recorded, now));
        let after = Duration::from_nanos(recorded.0.saturating_sub(first.0));
        let scaled = after.as_secs_f64() / self.speed;
        let nanos = Duration::try_from_secs_f64(scaled)
            .map_or(u64::MAX, |wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        Timestamp(started.0.saturating_add(nanos))
    }
}
