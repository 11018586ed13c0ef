//! How an incident goes on, as log records of `correlation` tell it, for destinations that are told of incidents.
//!
//! It becomes what an alert is here: one thing that begins, changes and ends, with an id of its own. So queues, groups,
//! formats and dead letters serve both.

use std::collections::BTreeMap;

use model::{AlertState, Severity, incident_event as name};
use wire::view::{AnyValue, LogRecord};

use super::alert::{
    Alert, AlertSeverity, BY_INCIDENT, INCIDENT, MAX_ENTRIES, Record, nanoseconds, number, text, whole,
};

/// What stands where an alert has the name of its rule.
const INCIDENT_NAME: &str = "Incident";

/// The annotation with the incident's own state, of which an alert knows but two.
const INCIDENT_STATE: &str = "incident_state";

/// What a record says of an incident.
#[derive(Default)]
struct Said {
    id: String,
    state: String,
    severity: Severity,
    title: String,
    description: String,
    services: Vec<String>,
    merged: Vec<String>,
    revision: i64,
    score: Option<f64>,
    start: u64,
    end: Option<u64>,
}

/// Reads a record; untrusted, as anybody may send logs. One that tells of no change of the incident is none.
pub(super) fn read(record: &LogRecord<'_>) -> Record {
    let Some(news) = record.event_name.strip_prefix(name::PREFIX.as_bytes()) else { return Record::Other };
    let Ok(news) = std::str::from_utf8(news) else { return Record::Malformed("unknown_state") };
    let mut said = Said::default();
    for attribute in record.attributes() {
        said.take(attribute.key, attribute.value());
    }
    if said.id.is_empty() || said.id.len() > 128 {
        return Record::Malformed("no_id");
    }
    let state = match (news, said.state.as_str()) {
        // It has been told that it is resolved, and nobody is woken for an opinion.
        (name::FEEDBACK, _) | (_, name::CLOSED) => return Record::Other,
        (_, name::OPEN | name::MITIGATING) => AlertState::Firing,
        (_, name::RESOLVED) => AlertState::Resolved,
        _ => return Record::Malformed("unknown_state"),
    };
    let told_at = if record.time == 0 { record.observed_time } else { record.time };
    let mut all = vec![said.alert(state, news, told_at)];
    if news == name::MERGED {
        all.extend(said.merged.iter().map(|id| said.end_of(id, told_at)));
    }
    Record::Incidents(all)
}

impl Said {
    fn take(&mut self, key: &[u8], value: AnyValue<'_>) {
        let Ok(key) = std::str::from_utf8(key) else { return };
        match key {
            name::ID => self.id = text(value),
            name::STATE => self.state = text(value),
            name::SEVERITY => self.severity = Severity::of_name(&text(value)).unwrap_or_default(),
            name::TITLE => self.title = text(value),
            name::DESCRIPTION => self.description = text(value),
            name::SERVICES => self.services = texts(value),
            name::MERGED_IDS => self.merged = texts(value),
            name::REVISION => self.revision = whole(value).unwrap_or(0),
            name::SCORE => self.score = number(value),
            name::START => self.start = nanoseconds(value).unwrap_or(0),
            name::END => self.end = nanoseconds(value),
            _ => {}
        }
    }

    fn alert(&self, state: AlertState, news: &str, told_at: u64) -> Alert {
        let starts_at = if self.start == 0 { told_at } else { self.start };
        let mut alert = Alert::empty(state, told_at);
        alert.is_incident = true;
        alert.id = format!("{}-{}-{news}", self.id, self.revision);
        alert.fingerprint.clone_from(&self.id);
        alert.sequence = self.revision;
        alert.severity = AlertSeverity(self.severity);
        alert.labels = BTreeMap::from([
            ("alertname".to_owned(), INCIDENT_NAME.to_owned()),
            ("severity".to_owned(), self.severity.name().to_owned()),
        ]);
        // The cause, or who suffers first.
        alert.labels.extend(self.services.first().map(|first| ("service.name".to_owned(), first.clone())));
        let annotations = [
            ("summary", self.title.clone()),
            ("description", self.description.clone()),
            ("services", self.services.join(", ")),
            (INCIDENT, self.id.clone()),
            (INCIDENT_STATE, self.state.clone()),
        ];
        let annotations = annotations.into_iter().filter(|(_, text)| !text.is_empty());
        alert.annotations = annotations.map(|(name, text)| (name.to_owned(), text)).collect();
        alert.value = self.score;
        alert.starts_at = starts_at;
        alert.ends_at = (state == AlertState::Resolved).then(|| self.end.unwrap_or(told_at));
        alert
    }

    /// The end of an incident that turned out to be a part of this one, for whoever was told of it.
    fn end_of(&self, id: &str, told_at: u64) -> Alert {
        let mut alert = self.alert(AlertState::Resolved, name::MERGED, told_at);
        alert.id = format!("{id}-merged");
        id.clone_into(&mut alert.fingerprint);
        alert.ends_at = Some(told_at);
        alert.suppressed_by = vec![format!("{BY_INCIDENT}{}", self.id)];
        let summary = format!("a part of incident {}: {}", self.id, self.title);
        alert.annotations.insert("summary".to_owned(), summary);
        alert.annotations.insert(INCIDENT.to_owned(), id.to_owned());
        alert.annotations.insert(INCIDENT_STATE.to_owned(), name::MERGED.to_owned());
        alert
    }
}

fn texts(value: AnyValue<'_>) -> Vec<String> {
    let AnyValue::Array(values) = value else { return Vec::new() };
    values.items().take(MAX_ENTRIES).map(text).collect()
}
