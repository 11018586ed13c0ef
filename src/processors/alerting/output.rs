//! What is told of alerts, as log records.

use std::{borrow::Cow, collections::BTreeMap};

use model::{AlertState, Timestamp, alert_event};
use prost::Message;
use wire::{
    build::{Attributes, LogRecord, LogsWriter},
    view::AnyValue,
};

use super::{SCOPE, alert::Alert, notice::Telling, template::short};

/// A request ends when it is longer: exporters send it in one piece.
const MOST_BYTES: usize = 1 << 20;

/// Log records that wait for the state to be stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// Requests that the next tick sends: whoever asks for the state before it gets them too.
    pub(super) ready: Vec<Request>,
    fresh: Vec<Request>,
    writer: LogsWriter,
    n_open: u64,
}

/// An encoded request and its records.
pub(super) type Request = (Vec<u8>, u64);

impl Outbox {
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
            attributes: &describe(alert, telling),
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
            self.fresh.push((self.writer.take(), n_records));
        }
    }

    /// Makes ready for the next tick what was written since the last.
    pub(super) fn turn(&mut self) {
        self.close();
        self.ready.append(&mut self.fresh);
    }

    /// Returns all requests, ready or not.
    pub(super) fn requests(&self) -> Vec<Request> {
        let mut all = self.ready.clone();
        all.extend(self.fresh.iter().cloned());
        let mut open = self.writer.clone();
        if self.n_open > 0 {
            all.push((open.take(), self.n_open));
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

fn describe(alert: &Alert, telling: &Telling) -> Attributes {
    let mut out = Attributes::new();
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    out.push_str(alert_event::STATE, telling.state.name());
    out.push_str(alert_event::ID, &id_of(alert.fingerprint, telling));
    out.push_str(alert_event::FINGERPRINT, &format!("{:016x}", alert.fingerprint));
    out.push_int(alert_event::SEQUENCE, whole(telling.sequence));
    out.push(alert_event::IS_REMINDER, AnyValue::Bool(telling.is_reminder));
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
        out.push_encoded(alert_event::SUPPRESSED_BY, &list(&alert.notice.suppressed_by));
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

/// An `AnyValue` of the kinds that are written here.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(message, optional, tag = "5")]
    array: Option<Array>,
    #[prost(message, optional, tag = "6")]
    map: Option<Map>,
}

#[derive(Clone, PartialEq, Message)]
struct Array {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Map {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
}

impl Value {
    fn of(text: &str) -> Self {
        Self { text: Some(text.to_owned()), array: None, map: None }
    }
}

/// The body of an `AnyValue` that holds a map of texts.
fn map(entries: &BTreeMap<&str, Cow<'_, str>>) -> Vec<u8> {
    let entry =
        |(key, text): (&&str, &Cow<'_, str>)| Entry { key: (*key).to_owned(), value: Some(Value::of(text)) };
    let map = Map { entries: entries.iter().map(entry).collect() };
    Value { map: Some(map), ..Value::default() }.encode_to_vec()
}

/// The body of an `AnyValue` that holds a list of texts.
fn list(items: &[String]) -> Vec<u8> {
    let array = Array { values: items.iter().map(|text| Value::of(text)).collect() };
    Value { array: Some(array), ..Value::default() }.encode_to_vec()
}
