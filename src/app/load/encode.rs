//! Drafts to OTLP requests.

use wire::build::{
    Attributes, Event, HistogramPoint, Link, LogRecord, LogsWriter, MetricHead, MetricsWriter, NumberPoint,
    Span, SpansWriter,
};
use wire::view::{AnyValue, Number, Temporality};

use super::shop::SERVICES;
use super::trace::{CONSUMER, Draft, SERVER, STATUS_ERROR};

const SCOPE: (&str, &str) = ("trueline.load", env!("CARGO_PKG_VERSION"));
/// *Units*: seconds; the bounds that the semantic conventions advise for durations.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// One in so many successful requests of customers leaves a log record.
const LOGGED_PART: u8 = 16;
const SEVERITY_INFO: u8 = 9;
const SEVERITY_ERROR: u8 = 17;

/// The resources of the shop, by service.
pub(crate) fn resources() -> Vec<Attributes> {
    SERVICES
        .iter()
        .map(|(service, language)| {
            let mut resource = Attributes::new();
            resource.push_str("service.name", service);
            resource.push_str("service.namespace", "shop");
            resource.push_str("service.version", "2.4.0");
            resource.push_str("service.instance.id", &format!("{service}-0"));
            resource.push_str("deployment.environment.name", "load");
            resource.push_str("telemetry.sdk.language", language);
            resource
        })
        .collect()
}

/// Encodes spans as one request, grouped by service; each is padded to `span_bytes`.
pub(crate) fn traces(spans: &[Draft], resources: &[Attributes], span_bytes: usize) -> Vec<u8> {
    let mut writer = SpansWriter::new();
    for (service, resource) in resources.iter().enumerate() {
        let mut of_service = spans.iter().filter(|span| span.service == service).peekable();
        if of_service.peek().is_none() {
            continue;
        }
        writer.resource(resource);
        writer.scope(SCOPE.0, SCOPE.1);
        for draft in of_service {
            write_span(&mut writer, draft, span_bytes);
        }
    }
    writer.take()
}

fn write_span(writer: &mut SpansWriter, draft: &Draft, span_bytes: usize) {
    let size = if span_bytes > 0 { encoded_bytes(draft) } else { 0 };
    if size >= span_bytes {
        return with_span(draft, &draft.attributes, |span| writer.span(span));
    }
    // Key, value and their framing are 19 bytes beside the text.
    let mut attributes = draft.attributes.clone();
    attributes.push_str("shop.padding", &"p".repeat((span_bytes - size).saturating_sub(19)));
    with_span(draft, &attributes, |span| writer.span(span));
}

fn encoded_bytes(draft: &Draft) -> usize {
    let mut scratch = SpansWriter::new();
    with_span(draft, &draft.attributes, |span| scratch.span(span));
    scratch.len()
}

/// Lends the span to a writer together with what it borrows.
fn with_span(draft: &Draft, attributes: &Attributes, write: impl FnOnce(&Span<'_>)) {
    let nothing = Attributes::new();
    let mut exception = Attributes::new();
    let mut message = "";
    if let Some((kind, text)) = &draft.exception {
        message = text;
        exception.push_str("exception.type", kind);
        exception.push_str("exception.message", text);
        exception.push_str("exception.stacktrace", &format!("{kind}: {text}\n\tat {}", draft.name));
    }
    let event = Event { time: draft.end, name: "exception", attributes: &exception };
    let link = draft.link.map(|span_id| Link { trace_id: draft.trace_id, span_id, attributes: &nothing });
    write(&Span {
        trace_id: draft.trace_id,
        span_id: draft.span_id,
        trace_state: "",
        parent_id: draft.parent_id,
        name: &draft.name,
        kind: draft.kind,
        start: draft.start,
        end: draft.end,
        attributes,
        events: if draft.is_failed() { std::slice::from_ref(&event) } else { &[] },
        links: link.as_slice(),
        status: if draft.is_failed() { STATUS_ERROR } else { 0 },
        status_message: message,
        flags: 1,
    });
}

/// Encodes the log records of these spans: every failure where it was served, and some of the
/// customers' successful requests. Returns how many there are.
pub(crate) fn logs(spans: &[Draft], resources: &[Attributes]) -> (Vec<u8>, u64) {
    let mut writer = LogsWriter::new();
    let mut n_records = 0;
    for (service, resource) in resources.iter().enumerate() {
        let mut records = spans.iter().filter(|span| span.service == service).filter_map(log_text).peekable();
        if records.peek().is_none() {
            continue;
        }
        writer.resource(resource);
        writer.scope(SCOPE.0, SCOPE.1);
        for (span, text) in records {
            let (severity_number, severity_text) =
                if span.is_failed() { (SEVERITY_ERROR, "ERROR") } else { (SEVERITY_INFO, "INFO") };
            writer.record(&LogRecord {
                time: span.end,
                observed_time: span.end,
                severity_number,
                severity_text,
                body: AnyValue::Str(text.as_bytes()),
                attributes: &Attributes::new(),
                flags: 1,
                trace_id: Some(span.trace_id),
                span_id: Some(span.span_id),
                event_name: "",
            });
            n_records += 1;
        }
    }
    (writer.take(), n_records)
}

fn log_text(span: &Draft) -> Option<(&Draft, String)> {
    match &span.exception {
        Some((kind, message)) if is_served(span) => {
            Some((span, format!("{} failed: {kind}: {message}", span.name)))
        }
        None if span.parent_id.is_none() && span.trace_id[0].is_multiple_of(LOGGED_PART) => {
            Some((span, format!("{} took {} ms", span.name, (span.end - span.start) / 1_000_000)))
        }
        _ => None,
    }
}

/// What the services count about themselves.
pub(crate) struct Meters {
    services: Vec<Meter>,
    start: u64,
}

#[derive(Clone, Default)]
struct Meter {
    /// The name of the histogram, by what the service serves; none before its first request.
    duration_name: Option<&'static str>,
    failed: u64,
    succeeded: u64,
    sum_seconds: f64,
    buckets: [u64; BOUNDS.len() + 1],
}

impl Meters {
    pub(crate) fn new(start: u64) -> Self {
        Self { services: vec![Meter::default(); SERVICES.len()], start }
    }

    pub(crate) fn count(&mut self, spans: &[Draft]) {
        for span in spans.iter().filter(|span| is_served(span)) {
            let meter = &mut self.services[span.service];
            let seconds = (span.end - span.start) as f64 / 1e9;
            meter.duration_name = Some(duration_name(span));
            meter.sum_seconds += seconds;
            meter.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
            *if span.is_failed() { &mut meter.failed } else { &mut meter.succeeded } += 1;
        }
    }

    /// Encodes all metrics as cumulative values at `time`, and returns the number of points.
    pub(crate) fn encode(&self, resources: &[Attributes], time: u64) -> (Vec<u8>, u64) {
        let mut writer = MetricsWriter::new();
        let mut n_points = 0;
        for (resource, meter) in resources.iter().zip(&self.services) {
            let Some(duration_name) = meter.duration_name else { continue };
            writer.resource(resource);
            writer.scope(SCOPE.0, SCOPE.1);
            self.write_durations(&mut writer, meter, duration_name, time);
            self.write_requests(&mut writer, meter, time);
            self.write_memory(&mut writer, meter, time);
            n_points += 4;
        }
        (writer.take(), n_points)
    }

    fn write_durations(&self, writer: &mut MetricsWriter, meter: &Meter, name: &str, time: u64) {
        let head = MetricHead { name, description: "Duration of the requests served.", unit: "s" };
        writer.histogram(&head, Temporality::Cumulative).point(&HistogramPoint {
            attributes: &Attributes::new(),
            start: self.start,
            time,
            count: meter.buckets.iter().sum(),
            sum: Some(meter.sum_seconds),
            min: None,
            max: None,
            bucket_counts: &meter.buckets,
            explicit_bounds: &BOUNDS,
            exemplars: &[],
            flags: 0,
        });
    }

    fn write_requests(&self, writer: &mut MetricsWriter, meter: &Meter, time: u64) {
        let head = MetricHead { name: "shop.requests", description: "Requests served.", unit: "{request}" };
        let mut sum = writer.sum(&head, Temporality::Cumulative, true);
        for (outcome, count) in [("failed", meter.failed), ("succeeded", meter.succeeded)] {
            let mut attributes = Attributes::new();
            attributes.push_str("outcome", outcome);
            sum.point(&number(&attributes, self.start, time, Number::Int(count as i64)));
        }
    }

    /// Memory grows with the requests served and is collected every 10,000.
    fn write_memory(&self, writer: &mut MetricsWriter, meter: &Meter, time: u64) {
        let head = MetricHead { name: "process.memory.usage", description: "Resident memory.", unit: "By" };
        let served = (meter.failed + meter.succeeded) % 10_000;
        let bytes = Number::Int(80_000_000 + served as i64 * 4_096);
        let attributes = Attributes::new();
        writer.gauge(&head).point(&number(&attributes, 0, time, bytes));
    }
}

fn number(attributes: &Attributes, start: u64, time: u64, value: Number) -> NumberPoint<'_> {
    NumberPoint { attributes, start, time, value: Some(value), exemplars: &[], flags: 0 }
}

fn is_served(span: &Draft) -> bool {
    matches!(span.kind, SERVER | CONSUMER)
}

fn duration_name(span: &Draft) -> &'static str {
    if span.kind == CONSUMER {
        "messaging.process.duration"
    } else if span.name.starts_with("shop.") {
        "rpc.server.call.duration"
    } else {
        "http.server.request.duration"
    }
}
