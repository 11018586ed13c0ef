//! What is told of alerts, as log records.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use component::Cx;
use model::{AckFuture, AlertState, Payload, Timestamp, alert_event};
use wire::{
    build::{Attributes, LogRecord, LogsWriter, Tree},
    view::AnyValue,
};

use super::{SCOPE, alert::Alert, notice::Telling, template::short};

/// A request ends when it is longer: exporters send it in one piece.
const MOST_BYTES: usize = 1 << 20;

/// So many requests are kept until exporters have them.
const MOST_SENT: usize = 64;

/// Log records that wait for the state to be stored, and those that exporters do not have yet.
pub(super) struct Outbox {
    /// How often what fires is told again.
    resend_interval: Duration,
    /// Requests that the next tick sends: whoever asks for the state before it gets them too.
    pub(super) ready: Vec<Request>,
    /// Requests that no exporter has safely yet: a crash would take them, so they are stored until then.
    sent: VecDeque<Sent>,
    fresh: Vec<Request>,
    writer: LogsWriter,
    n_open: u64,
}

/// An encoded request and its records.
pub(super) type Request = (Bytes, u64);

/// A request that is under way.
struct Sent {
    request: Request,
    is_taken: AckFuture,
}

impl Outbox {
    pub(super) fn new(resend_interval: Duration) -> Self {
        let (ready, sent, fresh) = (Vec::new(), VecDeque::new(), Vec::new());
        Self { resend_interval, ready, sent, fresh, writer: LogsWriter::new(), n_open: 0 }
    }

    /// Adds a record of an alert.
    pub(super) fn tell(&mut self, alert: &Alert, telling: &Telling, now: Timestamp) {
        let mut resource = Attributes::new();
        if let Some(service) = alert.labels.get("service.name") {
            resource.push_str("service.name", service);
        }
        self.writer.resource(&resource);
        self.writer.scope(SCOPE, "");
        let severity = alert.severity();
        let sentence = sentence(alert, telling);
        self.writer.record(&LogRecord {
            time: time_of(alert, telling).as_nanos(),
            observed_time: now.as_nanos(),
            severity_number: severity.number(),
            severity_text: severity.name(),
            body: AnyValue::Str(sentence.as_bytes()),
            attributes: &describe(alert, telling, self.resend_interval),
            flags: 0,
            trace_id: alert.exemplars.first().copied(),
            span_id: None,
            event_name: &format!("{}{}", alert_event::PREFIX, telling.state.name()),
        });
        self.n_open += 1;
        if self.writer.len() > MOST_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        let n_records = std::mem::take(&mut self.n_open);
        if n_records > 0 {
            self.fresh.push((self.writer.take().into(), n_records));
        }
    }

    /// Makes ready for the next tick what was written since the last.
    pub(super) fn turn(&mut self) {
        self.close();
        self.ready.append(&mut self.fresh);
    }

    /// Sends what is ready.
    pub(super) fn send(&mut self, cx: &mut Cx<'_>) {
        self.sent.retain(|sent| !sent.is_taken.is_done());
        for (bytes, n_records) in self.ready.drain(..) {
            let is_taken = cx.emit_awaited(Payload::Logs(bytes.clone()), n_records);
            self.sent.push_back(Sent { request: (bytes, n_records), is_taken });
        }
        // Where a disk takes nothing for long, a crash may lose what is older.
        while self.sent.len() > MOST_SENT {
            self.sent.pop_front();
        }
    }

    /// Returns all requests that may be lost, ready or not.
    pub(super) fn requests(&self) -> Vec<Request> {
        let under_way = self.sent.iter().filter(|sent| !sent.is_taken.is_done());
        let mut all: Vec<Request> = under_way.map(|sent| sent.request.clone()).collect();
        all.extend(self.ready.iter().cloned());
        all.extend(self.fresh.iter().cloned());
        let mut open = self.writer.clone();
        if self.n_open > 0 {
            all.push((open.take().into(), self.n_open));
        }
        all
    }
}

/// The time of the change in the data.
fn time_of(alert: &Alert, telling: &Telling) -> Timestamp {
    match telling.state {
        AlertState::Pending => alert.machine.active_at,
        AlertState::Firing if !telling.is_reminder => alert.machine.evaluated_at.max(telling.starts_at),
        AlertState::Firing | AlertState::Suppressed | AlertState::Escalated => telling.starts_at,
        AlertState::Resolved => telling.ends_at.unwrap_or(telling.starts_at),
        AlertState::Acknowledged => {
            alert.notice.acknowledgement.as_ref().map_or(telling.starts_at, |it| it.at)
        }
    }
}

/// Names what is told: the same when it is told again, also by another replica.
pub(super) fn id_of(fingerprint: u64, telling: &Telling) -> String {
    let mut bytes = fingerprint.to_le_bytes().to_vec();
    bytes.extend_from_slice(&telling.sequence.to_le_bytes());
    bytes.extend_from_slice(&telling.ordinal.to_le_bytes());
    bytes.extend_from_slice(telling.state.name().as_bytes());
    format!("{:016x}", rapidhash::v3::rapidhash_v3(&bytes))
}

fn describe(alert: &Alert, telling: &Telling, resend_interval: Duration) -> Attributes {
    let mut out = Attributes::new();
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    out.push_str(alert_event::STATE, telling.state.name());
    out.push_str(alert_event::ID, &id_of(alert.fingerprint, telling));
    out.push_str(alert_event::FINGERPRINT, &format!("{:016x}", alert.fingerprint));
    out.push_int(alert_event::SEQUENCE, whole(telling.sequence));
    out.push(alert_event::IS_REMINDER, AnyValue::Bool(telling.is_reminder));
    let resend_ms = u64::try_from(resend_interval.as_millis()).unwrap_or(u64::MAX);
    out.push_int(alert_event::RESEND_INTERVAL_MS, whole(resend_ms));
    out.push_str(alert_event::RULE_NAME, &alert.name);
    out.push_str(alert_event::RULE_TYPE, &alert.rule_type);
    out.push_str(alert_event::SEVERITY, alert.severity().name());
    out.push_encoded(alert_event::LABELS, &map(&all_labels(alert)));
    let annotations = alert.annotations.iter().map(|(key, text)| (key.as_str(), Cow::from(text)));
    out.push_encoded(alert_event::ANNOTATIONS, &map(&annotations.collect()));
    for (key, number) in [(alert_event::VALUE, alert.value), (alert_event::THRESHOLD, alert.threshold)] {
        if number.is_finite() {
            out.push(key, AnyValue::Double(number));
        }
    }
    if telling.state != AlertState::Pending {
        out.push_int(alert_event::STARTS_AT, whole(telling.starts_at.as_nanos()));
    }
    if let Some(ends_at) = telling.ends_at {
        out.push_int(alert_event::ENDS_AT, whole(ends_at.as_nanos()));
    }
    if !alert.notice.suppressed_by.is_empty() && telling.state == AlertState::Suppressed {
        out.push_encoded(alert_event::SUPPRESSED_BY, &Tree::texts(&alert.notice.suppressed_by).encode());
    }
    if let Some(destination) = &telling.destination {
        out.push_str(alert_event::DESTINATION, destination);
    }
    if !alert.slo_id.is_empty() {
        out.push_str(alert_event::SLO_ID, &alert.slo_id);
    }
    out
}

/// Returns all labels with `alertname` and `severity`.
pub(super) fn all_labels(alert: &Alert) -> BTreeMap<&str, Cow<'_, str>> {
    let mut labels: BTreeMap<&str, Cow<'_, str>> =
        alert.labels.iter().map(|(key, value)| (key, Cow::from(value))).collect();
    labels.insert(super::ALERTNAME, Cow::from(&*alert.name));
    labels.entry("severity").or_insert(Cow::from(alert.notice.fired_severity.name()));
    labels
}

fn sentence(alert: &Alert, telling: &Telling) -> String {
    if let Some(summary) = alert.annotations.get("summary") {
        return summary.clone();
    }
    let mut out = format!("{} is {}", alert.name, telling.state.name());
    if alert.value.is_finite() && alert.threshold.is_finite() {
        out.push_str(&format!(": {}, threshold {}", short(alert.value), short(alert.threshold)));
    }
    out
}

/// A map of texts.
fn map(entries: &BTreeMap<&str, Cow<'_, str>>) -> Vec<u8> {
    let entry = |(key, text): (&&str, &Cow<'_, str>)| ((*key).to_owned(), Tree::text(&**text));
    Tree::Map(entries.iter().map(entry).collect()).encode()
}
