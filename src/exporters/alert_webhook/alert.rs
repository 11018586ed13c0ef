//! One transition of an alert, as log records tell it and as the queue keeps it.

use std::collections::BTreeMap;

use model::{AlertState, Severity, Timestamp, alert_event as name};
use serde::{Deserialize, Serialize};
use wire::view::{AnyValue, LogRecord};

/// The most of an alert's labels or annotations that is kept; nobody reads more in a message.
pub(super) const MAX_ENTRIES: usize = 64;

/// The most of a label's or annotation's text that is kept.
const MAX_TEXT_BYTES: usize = 4096;

/// The annotation that names the incident of an alert.
pub(super) const INCIDENT: &str = "incident_id";

/// The annotations that say what is wrong there, and why.
const INCIDENT_TITLE: &str = "incident_title";
const INCIDENT_DESCRIPTION: &str = "incident_description";
const INCIDENT_ANNOTATIONS: [(&str, &str); 3] = [
    (name::INCIDENT_ID, INCIDENT),
    (name::INCIDENT_TITLE, INCIDENT_TITLE),
    (name::INCIDENT_DESCRIPTION, INCIDENT_DESCRIPTION),
];

/// What begins the word for the incident that keeps an alert from being notified.
pub(super) const BY_INCIDENT: &str = "incident ";

/// What a stage told of an alert.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Alert {
    /// Names this transition; the same when it is told again, also by another replica.
    pub(super) id: String,
    /// Names the alert, whatever its state.
    pub(super) fingerprint: String,
    pub(super) sequence: i64,
    #[serde(with = "state")]
    pub(super) state: AlertState,
    pub(super) severity: AlertSeverity,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) rule_type: String,
    /// With `alertname`.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    /// What was compared with the threshold.
    pub(super) value: Option<f64>,
    pub(super) threshold: Option<f64>,
    /// *Units*: nanoseconds since the epoch, as all times of the queue.
    pub(super) starts_at: u64,
    pub(super) ends_at: Option<u64>,
    /// When the stage said so.
    pub(super) told_at: u64,
    /// Silences, schedules and incidents that keep it from being notified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) suppressed_by: Vec<String>,
    /// The only destination that shall get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) slo_id: String,
    /// It is an incident, told like an alert.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_incident: bool,
}

/// [`Severity`] as it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct AlertSeverity(pub(super) Severity);

impl Serialize for AlertSeverity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for AlertSeverity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let names = || Severity::ALL.map(Severity::name).join(", ");
        let unknown =
            || serde::de::Error::custom(format!("unknown severity `{name}`\nwrite one of {}", names()));
        Severity::of_name(&name).map(Self).ok_or_else(unknown)
    }
}

/// [`AlertState`] as it is written.
pub(super) mod state {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::AlertState;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a field by reference")]
    pub(in super::super) fn serialize<S: Serializer>(
        state: &AlertState,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(state.name())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<AlertState, D::Error> {
        let name = String::deserialize(deserializer)?;
        AlertState::of_name(&name).ok_or_else(|| D::Error::custom(format!("unknown state `{name}`")))
    }
}

/// What a log record is to this exporter.
#[derive(Debug)]
pub(super) enum Record {
    Alert(Box<Alert>),
    /// An incident, and others that it took over.
    Incidents(Vec<Alert>),
    /// Tells of something else.
    Other,
    /// Says that it tells of an alert, and lacks what makes one.
    Malformed(&'static str),
}

impl Alert {
    /// Whether the alert goes on after this transition.
    pub(super) fn is_firing(&self) -> bool {
        !matches!(self.state, AlertState::Resolved)
    }

    /// Whether a silence, a schedule or its incident keeps it from being notified.
    pub(super) fn is_suppressed(&self) -> bool {
        self.state == AlertState::Suppressed || !self.suppressed_by.is_empty()
    }

    pub(super) fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }

    pub(super) fn starts_at(&self) -> Timestamp {
        Timestamp(self.starts_at)
    }

    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at.map(Timestamp)
    }

    /// What it is to those who get it.
    pub(super) const fn what(&self) -> &'static str {
        if self.is_incident { "incident" } else { "alert" }
    }

    /// The incident that it belongs to.
    pub(super) fn incident(&self) -> Option<&str> {
        self.annotations.get(INCIDENT).map(String::as_str)
    }

    /// What is said of that: a line, and some more.
    pub(super) fn of_incident(&self) -> (Option<&str>, Option<&str>) {
        let said = |name: &str| self.annotations.get(name).map(String::as_str);
        (said(INCIDENT_TITLE), said(INCIDENT_DESCRIPTION))
    }

    /// Whether it is kept from people because its incident has been told of.
    pub(super) fn is_told_by_incident(&self) -> bool {
        self.suppressed_by.iter().any(|by| by.starts_with(BY_INCIDENT))
    }

    /// Lets it be told though its incident has been; silences stay.
    pub(super) fn leave_out_incident(&mut self) {
        self.suppressed_by.retain(|by| !by.starts_with(BY_INCIDENT));
    }

    /// Tells transitions apart. A stage that has lost its state counts from one again, so the id alone could be
    /// that of last week.
    pub(super) fn occurrence(&self) -> Occurrence {
        Occurrence { id: self.id.clone(), starts_at: self.starts_at }
    }

    /// Returns one sentence for people: the annotation `summary`, or what can be said without it.
    pub(super) fn summary(&self) -> String {
        let said =
            ["summary", "title", "description", "message"].iter().find_map(|key| self.annotations.get(*key));
        said.filter(|text| !text.is_empty()).cloned().unwrap_or_else(|| {
            let subject = ["service_name", "service.name", "service", "sloth_service", "job"];
            let subject = subject.iter().find_map(|key| self.labels.get(*key));
            let subject = subject.map(|name| format!(" of {name}")).unwrap_or_default();
            format!("{}{subject} is {}", self.name(), if self.is_firing() { "firing" } else { "resolved" })
        })
    }
}

/// One transition of one episode of an alert.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(super) struct Occurrence {
    pub(super) id: String,
    pub(super) starts_at: u64,
}

/// Reads a record; untrusted, as anybody may send logs.
pub(super) fn read(record: &LogRecord<'_>) -> Record {
    let Some(state) = record.event_name.strip_prefix(name::PREFIX.as_bytes()) else { return Record::Other };
    let Some(state) = std::str::from_utf8(state).ok().and_then(AlertState::of_name) else {
        return Record::Malformed("unknown_state");
    };
    let mut alert = Alert::empty(state, record.time.max(record.observed_time.min(record.time)));
    for attribute in record.attributes() {
        alert.take(attribute.key, attribute.value());
    }
    alert.name_incident(record);
    if alert.told_at == 0 {
        alert.told_at = record.observed_time;
    }
    if alert.id.is_empty() || alert.id.len() > 128 {
        return Record::Malformed("no_id");
    }
    if alert.fingerprint.is_empty() || alert.fingerprint.len() > 128 {
        return Record::Malformed("no_fingerprint");
    }
    if alert.name().is_empty() {
        return Record::Malformed("no_name");
    }
    if alert.starts_at == 0 {
        alert.starts_at = alert.told_at;
    }
    if state == AlertState::Resolved && alert.ends_at.is_none() {
        alert.ends_at = Some(alert.told_at);
    }
    alert.labels.entry("severity".to_owned()).or_insert_with(|| alert.severity.0.name().to_owned());
    Record::Alert(Box::new(alert))
}

impl Alert {
    pub(super) fn empty(state: AlertState, told_at: u64) -> Self {
        Self {
            id: String::new(),
            fingerprint: String::new(),
            sequence: 0,
            state,
            severity: AlertSeverity(Severity::default()),
            rule_type: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            value: None,
            threshold: None,
            starts_at: 0,
            ends_at: None,
            told_at,
            suppressed_by: Vec::new(),
            destination: None,
            slo_id: String::new(),
            is_incident: false,
        }
    }

    /// The incident is told as an annotation, as labels are the alert's identity and incidents merge.
    fn name_incident(&mut self, record: &LogRecord<'_>) {
        for (key, annotation) in INCIDENT_ANNOTATIONS {
            let mut attributes = record.attributes();
            let found = attributes.find(|attribute| attribute.key == key.as_bytes());
            let said = found.map(|attribute| text(attribute.value())).filter(|said| !said.is_empty());
            if let Some(said) = said {
                self.annotations.entry(annotation.to_owned()).or_insert(said);
            }
        }
    }

    fn take(&mut self, key: &[u8], value: AnyValue<'_>) {
        let Ok(key) = std::str::from_utf8(key) else { return };
        match key {
            name::ID => self.id = text(value),
            name::FINGERPRINT => self.fingerprint = text(value),
            name::SEQUENCE => self.sequence = whole(value).unwrap_or(0),
            name::RULE_NAME => {
                self.labels.entry("alertname".to_owned()).or_insert_with(|| text(value));
            }
            name::RULE_TYPE => self.rule_type = text(value),
            name::SEVERITY => {
                self.severity = AlertSeverity(Severity::of_name(&text(value)).unwrap_or_default());
            }
            name::LABELS => self.labels.extend(texts(value)),
            name::ANNOTATIONS => self.annotations = texts(value),
            name::VALUE => self.value = number(value),
            name::THRESHOLD => self.threshold = number(value),
            name::STARTS_AT => self.starts_at = nanoseconds(value).unwrap_or(0),
            name::ENDS_AT => self.ends_at = nanoseconds(value),
            name::SUPPRESSED_BY => {
                if let AnyValue::Array(values) = value {
                    self.suppressed_by = values.items().take(MAX_ENTRIES).map(text).collect();
                }
            }
            name::DESTINATION => self.destination = Some(text(value)).filter(|name| !name.is_empty()),
            name::SLO_ID => self.slo_id = text(value),
            _ => {}
        }
    }
}

pub(super) fn text(value: AnyValue<'_>) -> String {
    let mut text = value.to_label_string();
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    }
    text
}

fn texts(value: AnyValue<'_>) -> BTreeMap<String, String> {
    let AnyValue::Map(entries) = value else { return BTreeMap::new() };
    let entries = entries.entries().take(MAX_ENTRIES);
    entries.map(|entry| (text(AnyValue::Str(entry.key)), text(entry.value()))).collect()
}

pub(super) const fn whole(value: AnyValue<'_>) -> Option<i64> {
    match value {
        AnyValue::Int(number) => Some(number),
        _ => None,
    }
}

pub(super) fn nanoseconds(value: AnyValue<'_>) -> Option<u64> {
    whole(value).and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0)
}

/// JSON knows no number that is none, so those are left out.
pub(super) fn number(value: AnyValue<'_>) -> Option<f64> {
    match value {
        AnyValue::Double(number) => Some(number).filter(|number| number.is_finite()),
        AnyValue::Int(number) => Some(number as f64),
        _ => None,
    }
}
