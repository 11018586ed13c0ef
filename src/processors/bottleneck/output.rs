//! Bottlenecks as log records and metrics.

use model::{Severity, Timestamp};
use wire::{
    build::{Attributes, LogRecord, LogsWriter, MetricHead, MetricsWriter, NumberPoint, Tree},
    view::{AnyValue, Number},
};

use super::{
    episodes::{Episode, Episodes, Event},
    judge::Sighting,
    minute::Minute,
    subject::{Method, Operation, Subject, Type},
};
use crate::text::significant;

const SCOPE: &str = "bottleneck";
const PREFIX: &str = "trueline.bottleneck";

/// Writes events in their order. Returns the request and its records.
pub(super) fn write_logs(events: &[Event], now: Timestamp) -> (Vec<u8>, u64) {
    let mut writer = LogsWriter::new();
    for event in events {
        let worst = &event.episode.worst;
        let severity = worst.severity(event.subject.kind);
        writer.resource(&of_service(&event.subject.service));
        writer.scope(SCOPE, "");
        writer.record(&LogRecord {
            time: now.as_nanos(),
            observed_time: now.as_nanos(),
            severity_number: if event.is_over { Severity::Info.number() } else { severity.number() },
            severity_text: text_of(if event.is_over { Severity::Info } else { severity }),
            body: AnyValue::Str(sentence(event).as_bytes()),
            attributes: &describe(event, severity),
            flags: 0,
            trace_id: worst.exemplar,
            span_id: None,
            event_name: if event.is_over {
                "trueline.bottleneck.cleared"
            } else {
                "trueline.bottleneck.detected"
            },
        });
    }
    (writer.take(), events.len() as u64)
}

const fn text_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "INFO",
        Severity::Warning => "WARN",
        Severity::Critical => "ERROR",
        Severity::Emergency => "FATAL",
    }
}

fn of_service(service: &str) -> Attributes {
    let mut resource = Attributes::new();
    resource.push_str("service.name", service);
    resource
}

fn describe(event: &Event, severity: Severity) -> Attributes {
    let Event { subject, episode, is_over } = event;
    let (worst, kind) = (&episode.worst, subject.kind);
    let mut out = Attributes::new();
    let mut text = |key: &str, value: &str| out.push_str(&format!("{PREFIX}.{key}"), value);
    text("id", &format!("{:016x}", episode.id));
    text("type", kind.name());
    text("state", if *is_over { "cleared" } else { "detected" });
    text("severity", severity.name());
    text("operation", &subject.operation);
    text("suggestion", kind.suggestion());
    let mut number = |key: &str, value: f64| {
        if value.is_finite() {
            out.push(format!("{PREFIX}.{key}"), AnyValue::Double(value));
        }
    };
    number("score", worst.score);
    number("confidence", worst.confidence);
    let is_level = kind.method() == Method::Level;
    let (current, usual) = match kind {
        _ if is_level => ("utilization", "threshold"),
        Type::CacheMisses => ("share", "usual_share"),
        Type::Throttled => ("share", "threshold"),
        Type::Backlog => ("depth", "usual_depth"),
        _ => ("duration_ms", "usual_duration_ms"),
    };
    number(current, worst.current);
    number(usual, worst.usual);
    if !is_level {
        number("impact", worst.share);
        number("improvement", worst.saving);
    }
    out.push(format!("{PREFIX}.is_risk"), AnyValue::Bool(worst.is_risk));
    let mut whole = |key: &str, value: u64| {
        out.push_int(&format!("{PREFIX}.{key}"), i64::try_from(value).unwrap_or(i64::MAX));
    };
    whole("calls", worst.n);
    whole("start", episode.start.as_nanos());
    if *is_over {
        whole("end", episode.last.as_nanos());
    }
    let causes = kind.causes().iter().map(|cause| (*cause).to_owned());
    out.push_encoded(format!("{PREFIX}.causes"), &Tree::texts(causes).encode());
    out.push_encoded(format!("{PREFIX}.affected"), &Tree::texts(worst.roots.iter().map(spelled)).encode());
    out
}

fn spelled((service, operation): &Operation) -> String {
    format!("{service} {operation}")
}

/// Says what is wrong and what to do about it.
fn sentence(event: &Event) -> String {
    let Event { subject, episode, is_over } = event;
    let Subject { kind, service, operation } = subject;
    let Sighting { current, usual, is_risk, .. } = episode.worst;
    let (millis, normal) = (short(current), short(usual));
    let what = match kind {
        Type::Root | Type::SlowStep => {
            format!("{operation} of {service} takes {millis} ms of its own, usually {normal} ms (p95)")
        }
        Type::SlowDatabase => {
            format!("{service} waits {millis} ms for its database in {operation}, usually {normal} ms (p95)")
        }
        Type::SlowPeer => format!("{service} waits {millis} ms for {operation}, usually {normal} ms (p95)"),
        Type::Network => format!(
            "{service} waits {millis} ms for {operation} beyond the work of its callee, usually {normal} ms (p95)"
        ),
        Type::CallWait => {
            format!("{millis} ms pass in {service} before it calls {operation}, usually {normal} ms (p95)")
        }
        Type::QueueWait => {
            format!("messages wait {millis} ms for {operation} of {service}, usually {normal} ms (p95)")
        }
        Type::RepeatedCalls => {
            format!("{service} calls {operation} many times, one after the other, which costs {millis} ms")
        }
        Type::SequentialCalls => {
            format!("{operation} of {service} makes calls one after the other, which costs {millis} ms")
        }
        Type::RetryStorm => format!("{service} tries {operation} again and again, which costs {millis} ms"),
        Type::ManyCalls => {
            format!("{operation} of {service} makes very many calls, which costs {millis} ms")
        }
        Type::Straggler => {
            format!("{service} waits {millis} ms for the last {operation} of those that it makes at once")
        }
        Type::CacheMisses => format!(
            "{:.0} % of what {service} reads with {operation} is not in the cache, usually {:.0} %",
            100.0 * current,
            100.0 * usual
        ),
        Type::Throttled => {
            format!("{:.0} % of {operation} of {service} is refused as too many", 100.0 * current)
        }
        Type::QueueGrowth => {
            format!(
                "messages wait longer and longer for {operation} of {service}: {millis} ms after {normal} ms"
            )
        }
        Type::Backlog => {
            format!("{operation} of {service} grows from minute to minute: {millis} after {normal}")
        }
        Type::Cpu | Type::Memory | Type::Resource => {
            let effect = if is_risk { "nothing is slow yet" } else { "its operations are slow" };
            format!("{operation} of {service} is {current:.2}, and {effect}")
        }
    };
    if *is_over {
        return format!("{what}: this is over");
    }
    // Of what is refused and of what waits in a queue the time is not the point.
    let is_of_time = !matches!(kind, Type::Throttled | Type::QueueGrowth | Type::Backlog);
    let held_up = if is_of_time { held_up(&episode.worst) } else { String::new() };
    format!("{what}{held_up}; {}", kind.suggestion())
}

fn held_up(sighting: &Sighting) -> String {
    let share = 100.0 * sighting.share;
    sighting.roots.first().map_or_else(String::new, |root| format!(": {share:.0} % of {}", spelled(root)))
}

/// Three digits are enough to read.
fn short(value: f64) -> String {
    significant(value, 3, 6)
}

/// Parts of operations that are told, the greatest of all.
const MAX_SHARES: usize = 1_000;
/// Smaller parts are not worth a series.
const MIN_SHARE: f64 = 0.01;

/// Writes what a minute showed. Returns the request and its points.
pub(super) fn write_metrics(
    minute: &Minute,
    open: &Episodes,
    over: &[Event],
    sampled: f64,
    now: Timestamp,
) -> (Vec<u8>, u64) {
    let mut metrics = Metrics { writer: MetricsWriter::new(), now, n_points: 0 };
    metrics.coverage(minute.coverage() * sampled);
    for (subject, episode) in &open.open {
        metrics.score(subject, episode, Some(episode.now.score));
    }
    for Event { subject, episode, .. } in over.iter().filter(|event| event.is_over) {
        metrics.score(subject, episode, None);
    }
    metrics.shares(minute);
    (metrics.writer.take(), metrics.n_points)
}

struct Metrics {
    writer: MetricsWriter,
    now: Timestamp,
    n_points: u64,
}

impl Metrics {
    fn coverage(&mut self, coverage: f64) {
        self.writer.resource(&Attributes::new());
        self.writer.scope(SCOPE, "");
        let head = MetricHead {
            name: "trueline.critical_path.coverage",
            description: "Share of traces that were assembled whole",
            unit: "1",
        };
        self.gauge(&head, &Attributes::new(), Some(coverage));
    }

    fn score(&mut self, subject: &Subject, episode: &Episode, score: Option<f64>) {
        self.writer.resource(&of_service(&subject.service));
        self.writer.scope(SCOPE, "");
        let mut attributes = Attributes::new();
        attributes.push_str("type", subject.kind.name());
        attributes.push_str("operation", &subject.operation);
        attributes.push_str("severity", episode.worst.severity(subject.kind).name());
        let head = MetricHead {
            name: "trueline.bottleneck.score",
            description: "How much an open bottleneck holds up, 0 to 100",
            unit: "1",
        };
        self.gauge(&head, &attributes, score);
    }

    fn shares(&mut self, minute: &Minute) {
        let is_part =
            |kind: Type| matches!(kind, Type::SlowStep | Type::SlowDatabase | Type::SlowPeer | Type::Network);
        let mut shares = Vec::new();
        for subject in
            minute.tallies.iter().map(|(subject, _)| subject).filter(|subject| is_part(subject.kind))
        {
            let of_roots = minute.shares(subject).into_iter().filter(|(_, share)| *share >= MIN_SHARE);
            shares.extend(of_roots.map(|(root, share)| (share, subject, root)));
        }
        shares.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2))));
        shares.truncate(MAX_SHARES);
        shares.sort_by(|a, b| (&a.1.service, a.1, &a.2).cmp(&(&b.1.service, b.1, &b.2)));
        for (share, subject, (service, operation)) in shares {
            self.writer.resource(&of_service(&subject.service));
            self.writer.scope(SCOPE, "");
            let mut attributes = Attributes::new();
            attributes.push_str("operation", &subject.operation);
            attributes.push_str("part", part_name(subject.kind));
            attributes.push_str("root.service", &service);
            attributes.push_str("root.operation", &operation);
            let head = MetricHead {
                name: "trueline.critical_path.share",
                description: "Share of the latency of an operation that is spent here",
                unit: "1",
            };
            self.gauge(&head, &attributes, Some(share));
        }
    }

    fn gauge(&mut self, head: &MetricHead<'_>, attributes: &Attributes, value: Option<f64>) {
        let point = NumberPoint::of_gauge(attributes, self.now.as_nanos(), value.map(Number::Double));
        self.writer.gauge(head).point(&point);
        self.n_points += 1;
    }
}

const fn part_name(kind: Type) -> &'static str {
    match kind {
        Type::Network => "network",
        Type::SlowDatabase => "database",
        Type::SlowPeer => "peer",
        _ => "own",
    }
}
