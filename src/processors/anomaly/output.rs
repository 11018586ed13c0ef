//! Episodes as log records and metrics.

use std::sync::Arc;

use model::Timestamp;
use wire::{
    build::{Attributes, LogRecord, LogsWriter, MetricHead, MetricsWriter, NumberPoint, Tree},
    view::{AnyValue, Number},
};

use super::{
    detectors::Detector,
    episodes::{Episode, Severity, Transition},
    sentence::sentence,
};

const SCOPE: &str = "anomaly";
const EVENT: &str = "trueline.anomaly";

/// Writes events in their order. Returns the request and its records.
pub(super) fn write_logs(events: &[(Transition, Episode)], now: Timestamp) -> (Vec<u8>, u64) {
    let mut writer = LogsWriter::new();
    for (transition, episode) in events {
        writer.resource(&Attributes::of_list(&episode.series.resource));
        writer.scope(SCOPE, "");
        let attributes = describe(*transition, episode, now);
        let (severity_number, severity_text) = log_severity(episode.severity);
        writer.record(&LogRecord {
            time: now.as_nanos(),
            observed_time: now.as_nanos(),
            severity_number,
            severity_text,
            body: AnyValue::Str(sentence(*transition, episode).as_bytes()),
            attributes: &attributes,
            flags: 0,
            trace_id: episode.exemplars.first().copied(),
            span_id: None,
            event_name: EVENT,
        });
    }
    (writer.take(), events.len() as u64)
}

/// OTLP's number and text.
const fn log_severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Info => (9, "INFO"),
        Severity::Warning => (13, "WARN"),
        Severity::Critical => (17, "ERROR"),
    }
}

fn describe(transition: Transition, episode: &Episode, now: Timestamp) -> Attributes {
    let mut out = Attributes::of_list(&episode.series.attributes);
    let row = &episode.peak.row;
    let mut text = |key: &str, value: &str| out.push_str(&format!("{EVENT}.{key}"), value);
    text("id", &format!("{:016x}", episode.id));
    text("series", &format!("{:016x}", episode.series.fingerprint));
    text("state", transition.name());
    text("severity", episode.severity.name());
    text("direction", episode.direction().name());
    text("metric", &episode.series.metric);
    text("unit", &episode.series.unit);
    text("stat", episode.series.statistic.name());
    let mut number = |key: &str, value: f64| {
        if value.is_finite() {
            out.push(format!("{EVENT}.{key}"), AnyValue::Double(value));
        }
    };
    number("score", f64::from(episode.peak.score));
    number("confidence", episode.confidence);
    number("value", row.value);
    number("expected", row.expected);
    number("lower", row.lower);
    number("upper", row.upper);
    number("z", episode.peak.z);
    number("maturity", row.maturity.ratio());
    for detector in said(episode) {
        let score = f64::from(episode.evidence.of(detector));
        out.push(format!("{EVENT}.evidence.{}", detector.name()), AnyValue::Double(score));
    }
    let mut whole = |key: &str, value: u64| {
        out.push_int(&format!("{EVENT}.{key}"), i64::try_from(value).unwrap_or(i64::MAX));
    };
    whole("support", row.support);
    whole("start", episode.start.as_nanos());
    whole("peak", episode.peak.at.as_nanos());
    if matches!(transition, Transition::Closed | Transition::Expired) {
        whole("end", episode.active.as_nanos());
    }
    whole("duration", now.since(episode.start).as_nanos() as u64);
    let detectors = said(episode).map(|detector| detector.name().to_owned());
    out.push_encoded(format!("{EVENT}.detectors"), &Tree::texts(detectors).encode());
    out.push_encoded(format!("{EVENT}.exemplars"), &Tree::texts(episode.exemplars_in_hex()).encode());
    out
}

/// The detectors that said anything, those that said the most first.
fn said(episode: &Episode) -> impl Iterator<Item = Detector> {
    let mut said: Vec<_> = Detector::ALL.into_iter().filter(|one| episode.evidence.of(*one) > 0.0).collect();
    said.sort_by(|a, b| episode.evidence.of(*b).total_cmp(&episode.evidence.of(*a)));
    said.into_iter()
}

/// What there is to measure at the end of a window.
pub(super) struct Measured<'a> {
    /// Open episodes, in the order of their series.
    pub(super) open: Vec<&'a Episode>,
    /// By severity the number of open episodes of each service that has or just had some.
    pub(super) services: Vec<(Arc<str>, [u64; Severity::ALL.len()])>,
    /// False alarms per series and day.
    pub(super) budget: f64,
    /// Incidents told per service and day; none while too little was watched.
    pub(super) incidents: Option<f64>,
    pub(super) incident_budget: f64,
    pub(super) accounting: Vec<Accounting>,
}

/// How the budget of false alarms is kept by one class of series.
pub(super) struct Accounting {
    pub(super) class: &'static str,
    /// Episodes without company, per series and day.
    pub(super) realised: f64,
    /// By how many tenths the level of each detector was raised to keep the budget; below 0 lowered.
    pub(super) decades: Vec<(&'static str, f64)>,
}

/// Writes metrics. Returns the request and its points.
pub(super) fn write_metrics(measured: &Measured<'_>, now: Timestamp) -> (Vec<u8>, u64) {
    let mut metrics = Metrics { writer: MetricsWriter::new(), now, n_points: 0 };
    for episode in &measured.open {
        metrics.score(episode);
    }
    for (service, counts) in &measured.services {
        metrics.open(service, counts);
    }
    if !measured.accounting.is_empty() {
        metrics.accounting(measured);
    }
    if let Some(realised) = measured.incidents {
        metrics.incidents(realised, measured.incident_budget);
    }
    (metrics.writer.take(), metrics.n_points)
}

struct Metrics {
    writer: MetricsWriter,
    now: Timestamp,
    n_points: u64,
}

impl Metrics {
    fn score(&mut self, episode: &Episode) {
        let series = &episode.series;
        self.writer.resource(&Attributes::of_list(&series.resource));
        self.writer.scope(SCOPE, "");
        let mut attributes = Attributes::of_list(&series.attributes);
        attributes.push_str("metric", &series.metric);
        attributes.push_str("stat", series.statistic.name());
        let head = MetricHead {
            name: "trueline.anomaly.score",
            description: "How unusual a series with an open episode is; from 3 on it opens one",
            unit: "1",
        };
        self.gauge(&head, &[(attributes, Number::Double(f64::from(episode.score)))]);
    }

    fn open(&mut self, service: &str, counts: &[u64]) {
        let mut resource = Attributes::new();
        resource.push_str("service.name", service);
        self.writer.resource(&resource);
        self.writer.scope(SCOPE, "");
        let points = Severity::ALL.into_iter().zip(counts).map(|(severity, count)| {
            let mut attributes = Attributes::new();
            attributes.push_str("severity", severity.name());
            (attributes, Number::Int(i64::try_from(*count).unwrap_or(i64::MAX)))
        });
        let head =
            MetricHead { name: "trueline.anomalies.open", description: "Open episodes", unit: "{episode}" };
        self.gauge(&head, &points.collect::<Vec<_>>());
    }

    fn accounting(&mut self, measured: &Measured<'_>) {
        self.writer.resource(&Attributes::new());
        self.writer.scope(SCOPE, "");
        let mut rates = Vec::new();
        let mut tunings = Vec::new();
        for Accounting { class, realised, decades } in &measured.accounting {
            let of_class = |kind: Option<&str>| {
                let mut attributes = Attributes::new();
                attributes.push_str("series", class);
                if let Some(kind) = kind {
                    attributes.push_str("kind", kind);
                }
                attributes
            };
            rates.push((of_class(Some("realised")), Number::Double(*realised)));
            rates.push((of_class(Some("budget")), Number::Double(measured.budget)));
            for (detector, decades) in decades {
                let mut attributes = of_class(None);
                attributes.push_str("detector", detector);
                tunings.push((attributes, Number::Double(*decades)));
            }
        }
        let head = MetricHead {
            name: "trueline.anomaly.false_alarms_per_series_day",
            description: "Episodes that stand alone in their service, per series and day, and their budget",
            unit: "1",
        };
        self.gauge(&head, &rates);
        let head = MetricHead {
            name: "trueline.anomaly.level_raised",
            description: "By how many powers of ten opening levels were raised to keep the budget",
            unit: "1",
        };
        self.gauge(&head, &tunings);
    }

    fn incidents(&mut self, realised: f64, budget: f64) {
        self.writer.resource(&Attributes::new());
        self.writer.scope(SCOPE, "");
        let points = [("realised", realised), ("budget", budget)].map(|(kind, value)| {
            let mut attributes = Attributes::new();
            attributes.push_str("kind", kind);
            (attributes, Number::Double(value))
        });
        let head = MetricHead {
            name: "trueline.anomaly.incidents_per_service_day",
            description: "Incidents that were told, per service and day, and the most that are",
            unit: "1",
        };
        self.gauge(&head, &points);
    }

    fn gauge(&mut self, head: &MetricHead<'_>, points: &[(Attributes, Number)]) {
        let mut gauge = self.writer.gauge(head);
        for (attributes, value) in points {
            gauge.point(&NumberPoint::of_gauge(attributes, self.now.as_nanos(), Some(*value)));
        }
        self.n_points += points.len() as u64;
    }
}
