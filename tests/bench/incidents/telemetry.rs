//! Telemetry as it would have come over OTLP: made from tables, moved in time, written as a file of lines.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use rand::Rng;
use rand_pcg::Pcg64;
use wire::build::{
    Attributes, LogRecord, LogsWriter, MetricHead, MetricsWriter, NumberPoint, Span as SpanMessage,
    SpansWriter,
};
use wire::view::{AnyValue, Number, Temporality};

pub(super) const SECOND: u64 = 1_000_000_000;

const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// What one service sent, in no order.
#[derive(Clone, Debug, Default)]
pub(super) struct Telemetry {
    pub(super) spans: Vec<Span>,
    pub(super) records: Vec<Record>,
    pub(super) points: Vec<Point>,
}

/// Who sends.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Origin {
    pub(super) service: String,
    /// The pod, where there is one.
    pub(super) instance: String,
}

/// A span without its kind, which follows from its neighbours.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) origin: Rc<Origin>,
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) parent_id: Option<[u8; 8]>,
    pub(super) name: Rc<str>,
    /// *Units*: nanoseconds since the epoch, as all times here.
    pub(super) start: u64,
    pub(super) end: u64,
}

/// A log record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) origin: Rc<Origin>,
    pub(super) time: u64,
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    /// The word of the line and its number, where it has one.
    pub(super) severity: Option<(u8, &'static str)>,
    pub(super) body: Rc<str>,
}

/// A data point of a gauge, or of a sum that tells what came since the last point.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) origin: Rc<Origin>,
    pub(super) metric: &'static Metric,
    pub(super) time: u64,
    pub(super) value: f64,
}

#[derive(PartialEq, Eq, Hash, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) is_count: bool,
}

impl Telemetry {
    /// Returns the same, later, in other traces: what is sent twice must not make one trace.
    pub(super) fn moved(&self, by_nanos: i64, copy: u8) -> Self {
        let at = |time: u64| time.saturating_add_signed(by_nanos);
        let other = |mut trace_id: [u8; 16]| {
            trace_id[0] ^= copy;
            trace_id
        };
        let mut moved = self.clone();
        for span in &mut moved.spans {
            (span.start, span.end, span.trace_id) = (at(span.start), at(span.end), other(span.trace_id));
        }
        for record in &mut moved.records {
            (record.time, record.trace_id) = (at(record.time), other(record.trace_id));
        }
        moved.points.iter_mut().for_each(|point| point.time = at(point.time));
        moved
    }

    /// Returns as many traces as there are, drawn with replacement, with their log records and without metrics.
    ///
    /// Of one minute that is what can be told of how minutes differ (*Source*: Efron 1979): the same minute again
    /// would pass for a system in which nothing ever varies, and so would a metric of which there is one point.
    pub(super) fn resampled(&self, random: &mut Pcg64) -> Self {
        let mut traces: BTreeMap<[u8; 16], (Vec<&Span>, Vec<&Record>)> = BTreeMap::new();
        for span in &self.spans {
            traces.entry(span.trace_id).or_default().0.push(span);
        }
        for record in &self.records {
            traces.entry(record.trace_id).or_default().1.push(record);
        }
        let traces: Vec<_> = traces.into_values().collect();
        let mut drawn = Self::default();
        for draw in 0..traces.len() {
            let (spans, records) = &traces[random.random_range(0..traces.len())];
            // One that is drawn twice is two traces; the first byte tells copies apart.
            let other = |mut trace_id: [u8; 16]| {
                trace_id[1..9].iter_mut().zip((draw as u64).to_be_bytes()).for_each(|(id, by)| *id ^= by);
                trace_id
            };
            drawn
                .spans
                .extend(spans.iter().map(|span| Span { trace_id: other(span.trace_id), ..(*span).clone() }));
            let records = records.iter();
            drawn.records.extend(records.map(|it| Record { trace_id: other(it.trace_id), ..(*it).clone() }));
        }
        drawn
    }

    /// Returns what was complete in a range of time.
    pub(super) fn within(&self, from: u64, to: u64) -> Self {
        let within = from..to;
        let mut part = self.clone();
        part.spans.retain(|span| within.contains(&span.end));
        part.records.retain(|record| within.contains(&record.time));
        part.points.retain(|point| within.contains(&point.time));
        part
    }

    pub(super) fn append(&mut self, other: Self) {
        self.spans.extend(other.spans);
        self.records.extend(other.records);
        self.points.extend(other.points);
    }

    /// Tells the names of all services.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        let spans = self.spans.iter().map(|span| &span.origin);
        let records = self.records.iter().map(|record| &record.origin);
        let points = self.points.iter().map(|point| &point.origin);
        spans.chain(records).chain(points).map(|origin| &*origin.service)
    }

    /// Writes a file that `otlp_file` and `replay` read: of each signal a request for each second, dated by
    /// when its items were complete.
    ///
    /// *Errors*: what the file system says.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let context = || format!("writing {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(context)?);
        let mut line = Vec::new();
        for (signal, request) in self.requests() {
            line.clear();
            wire::json::wire_to_json(signal, &request, &mut line)
                .with_context(|| format!("{signal:?} for {}", path.display()))?;
            line.push(b'\n');
            file.write_all(&line).with_context(context)?;
        }
        file.flush().with_context(context)
    }

    /// Returns the requests in the order in which they would have come.
    fn requests(&self) -> Vec<(model::Signal, Vec<u8>)> {
        let kinds = Kinds::of(&self.spans);
        let mut seconds: BTreeMap<u64, Second<'_>> = BTreeMap::new();
        for span in &self.spans {
            let second = seconds.entry(span.end / SECOND).or_default();
            second.spans.entry(&span.origin).or_default().push(span);
        }
        for record in &self.records {
            let second = seconds.entry(record.time / SECOND).or_default();
            second.records.entry(&record.origin).or_default().push(record);
        }
        for point in &self.points {
            let second = seconds.entry(point.time / SECOND).or_default();
            second.points.entry(&point.origin).or_default().push(point);
        }
        let mut requests = Vec::new();
        for second in seconds.values() {
            requests.extend(second.traces(&kinds).map(|request| (model::Signal::Traces, request)));
            requests.extend(second.logs().map(|request| (model::Signal::Logs, request)));
            requests.extend(second.metrics().map(|request| (model::Signal::Metrics, request)));
        }
        requests
    }
}

/// What was complete in one second, by sender.
#[derive(Default)]
struct Second<'a> {
    spans: BTreeMap<&'a Origin, Vec<&'a Span>>,
    records: BTreeMap<&'a Origin, Vec<&'a Record>>,
    points: BTreeMap<&'a Origin, Vec<&'a Point>>,
}

impl Second<'_> {
    fn traces(&self, kinds: &Kinds) -> Option<Vec<u8>> {
        let nothing = Attributes::new();
        let mut writer = SpansWriter::new();
        for (origin, spans) in &self.spans {
            writer.resource(&resource(origin));
            writer.scope("", "");
            for span in spans {
                writer.span(&SpanMessage {
                    trace_id: span.trace_id,
                    span_id: span.span_id,
                    trace_state: "",
                    parent_id: span.parent_id,
                    name: &span.name,
                    kind: kinds.kind(span),
                    start: span.start,
                    end: span.end,
                    attributes: &nothing,
                    events: &[],
                    links: &[],
                    status: 0,
                    status_message: "",
                    flags: 0,
                });
            }
        }
        (!self.spans.is_empty()).then(|| writer.take())
    }

    fn logs(&self) -> Option<Vec<u8>> {
        let nothing = Attributes::new();
        let mut writer = LogsWriter::new();
        for (origin, records) in &self.records {
            writer.resource(&resource(origin));
            writer.scope("", "");
            for record in records {
                let (severity_number, severity_text) = record.severity.unwrap_or((0, ""));
                writer.record(&LogRecord {
                    time: record.time,
                    observed_time: record.time,
                    severity_number,
                    severity_text,
                    body: AnyValue::Str(record.body.as_bytes()),
                    attributes: &nothing,
                    flags: 0,
                    trace_id: Some(record.trace_id),
                    span_id: Some(record.span_id),
                    event_name: "",
                });
            }
        }
        (!self.records.is_empty()).then(|| writer.take())
    }

    fn metrics(&self) -> Option<Vec<u8>> {
        let nothing = Attributes::new();
        let mut writer = MetricsWriter::new();
        for (origin, points) in &self.points {
            writer.resource(&resource(origin));
            writer.scope("", "");
            for point in points {
                let metric = point.metric;
                let head = MetricHead { name: metric.name, description: "", unit: metric.unit };
                let mut out = match metric.is_count {
                    true => writer.sum(&head, Temporality::Delta, true),
                    false => writer.gauge(&head),
                };
                let value = Some(Number::Double(point.value));
                out.point(&NumberPoint::of_gauge(&nothing, point.time, value));
            }
        }
        (!self.points.is_empty()).then(|| writer.take())
    }
}

fn resource(origin: &Origin) -> Attributes {
    let mut resource = Attributes::new();
    resource.push_str("service.name", &origin.service);
    if !origin.instance.is_empty() {
        resource.push_str("service.instance.id", &origin.instance);
        resource.push_str("k8s.pod.name", &origin.instance);
    }
    resource
}

/// Which side of a call a span is on, where the source does not say: a span that begins a trace or has its
/// parent in another service serves a call, and that parent makes one. More is not guessed.
struct Kinds {
    of: HashMap<([u8; 16], [u8; 8]), Rc<Origin>>,
    callers: HashSet<([u8; 16], [u8; 8])>,
}

impl Kinds {
    fn of(spans: &[Span]) -> Self {
        let of: HashMap<_, _> =
            spans.iter().map(|span| ((span.trace_id, span.span_id), Rc::clone(&span.origin))).collect();
        let callers = spans.iter().filter_map(|span| {
            let parent = (span.trace_id, span.parent_id?);
            (of.get(&parent)?.service != span.origin.service).then_some(parent)
        });
        let callers = callers.collect();
        Self { of, callers }
    }

    fn kind(&self, span: &Span) -> u8 {
        let parent = span.parent_id.map(|parent_id| self.of.get(&(span.trace_id, parent_id)));
        match parent {
            None => SERVER,
            Some(Some(parent)) if parent.service != span.origin.service => SERVER,
            _ if self.callers.contains(&(span.trace_id, span.span_id)) => CLIENT,
            _ => INTERNAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn span(service: &str, id: u8, parent: Option<u8>) -> Span {
        let origin = Origin { service: service.to_owned(), instance: format!("{service}-0") };
        Span {
            origin: Rc::new(origin),
            trace_id: [1; 16],
            span_id: [id; 8],
            parent_id: parent.map(|id| [id; 8]),
            name: "work".into(),
            start: 5 * SECOND,
            end: 6 * SECOND,
        }
    }

    #[test]
    fn a_span_serves_when_its_parent_is_elsewhere_and_that_parent_calls() {
        let spans = [
            span("web", 1, None),
            span("web", 2, Some(1)),
            span("cart", 3, Some(2)),
            span("cart", 4, Some(3)),
            span("cart", 5, Some(99)),
        ];
        let kinds = Kinds::of(&spans);
        let told: Vec<_> = spans.iter().map(|span| kinds.kind(span)).collect();
        assert_eq!(told, [SERVER, CLIENT, SERVER, INTERNAL, INTERNAL]);
    }

    #[test]
    fn what_is_moved_is_later_and_of_another_trace() {
        let telemetry = Telemetry { spans: vec![span("web", 1, None)], ..Telemetry::default() };
        let moved = telemetry.moved(-(2 * SECOND as i64), 3);
        assert_eq!((moved.spans[0].start, moved.spans[0].end), (3 * SECOND, 4 * SECOND));
        assert_ne!(moved.spans[0].trace_id, telemetry.spans[0].trace_id);
    }

    #[test]
    fn what_is_drawn_are_whole_traces_each_with_an_id_of_its_own() {
        let mut telemetry = Telemetry::default();
        for trace in 0..50 {
            let of_trace = |span: Span| Span { trace_id: [trace; 16], ..span };
            telemetry.spans.extend([span("web", 1, None), span("cart", 2, Some(1))].map(of_trace));
        }
        let drawn = telemetry.resampled(&mut Pcg64::seed_from_u64(1));
        let mut sizes: BTreeMap<[u8; 16], usize> = BTreeMap::new();
        drawn.spans.iter().for_each(|span| *sizes.entry(span.trace_id).or_default() += 1);
        assert_eq!((drawn.spans.len(), sizes.len()), (100, 50));
        let known: HashSet<u8> = drawn.spans.iter().map(|span| span.trace_id[15]).collect();
        assert!(known.len() < 45, "nearly all were drawn once: {}", known.len());
    }

    #[test]
    fn a_file_holds_a_line_for_each_signal_and_second() {
        static LOAD: Metric = Metric { name: "load", unit: "1", is_count: false };
        let one = span("web", 1, None);
        let point = |time| Point { origin: Rc::clone(&one.origin), metric: &LOAD, time, value: 0.25 };
        let record = Record {
            origin: Rc::clone(&one.origin),
            time: 6 * SECOND,
            trace_id: [1; 16],
            span_id: [1; 8],
            severity: Some((9, "INFO")),
            body: "order 7 taken".into(),
        };
        let points = vec![point(6 * SECOND), point(7 * SECOND)];
        let telemetry = Telemetry { spans: vec![one.clone()], records: vec![record], points };
        let file = tempfile::NamedTempFile::new().expect("a file");
        telemetry.write(file.path()).expect("it is written");
        let text = std::fs::read_to_string(file.path()).expect("it is there");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let heads = lines.iter().map(|line| line.as_object().expect("an object").keys().next().cloned());
        let heads: Vec<_> = heads.flatten().collect();
        assert_eq!(heads, ["resourceSpans", "resourceLogs", "resourceMetrics", "resourceMetrics"]);
        let record = &lines[1]["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(record["body"]["stringValue"], "order 7 taken");
        assert_eq!(record["traceId"], "01".repeat(16));
    }
}
