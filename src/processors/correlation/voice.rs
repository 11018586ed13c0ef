//! Through which alerts an incident speaks, so that people are told once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::{Severity, Timestamp, alert_event};
use wire::{
    build::{self, Attributes, LogsWriter, Tree},
    view::{AnyValue, Group, LogRecord, groups},
};

use super::{
    events::{Event, Heard, Kind},
    incident::Incident,
    output,
};
use crate::text;

/// What was said of the incidents, by their ids.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Voices(pub(super) BTreeMap<String, Voice>);

/// What was said of one incident.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Voice {
    /// Fingerprints of alerts that people were told of.
    pub(super) speakers: BTreeSet<String>,
    /// The highest severity that was told.
    pub(super) severity: Severity,
    /// Objectives whose pages were told.
    pub(super) objectives: BTreeSet<String>,
    /// Fingerprints of alerts that fire and were counted, and whether people were told of them.
    pub(super) counted: BTreeMap<String, bool>,
    /// Alerts of which people were told last that they fire. The end of one waits here until the incident is over.
    pub(super) held: BTreeMap<String, Held>,
    /// Fingerprints of alerts that fire behind a silence: nobody waits for their end.
    pub(super) silenced: BTreeSet<String>,
    /// When its alerts were told again for another cause.
    pub(super) retold_at: Timestamp,
}

/// An alert that people believe to fire.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Held {
    /// A request with the record that it fires, to be told again.
    pub(super) firing: Bytes,
    /// A request with the record of its end; empty while it fires.
    pub(super) resolved: Bytes,
    pub(super) told_at: Timestamp,
    /// The cause that was named to people; empty for none.
    pub(super) cause: String,
}

/// What is done with a record of an alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Telling {
    /// It goes on, with the incident's id.
    Speaks,
    /// It goes on, marked as told by another.
    Inhibited,
    /// It waits until the incident is over.
    Waits,
}

/// What a record of an alert adds to what is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counted {
    /// An alert fires that did not.
    pub(super) is_new: bool,
    /// People are told of it who were not.
    pub(super) is_news: bool,
}

/// How often a speaker is told again that has ended while its incident goes on.
const REMIND_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// How soon after the last time the alerts of an incident are told again for another cause.
const RETELL_EVERY: std::time::Duration = std::time::Duration::from_secs(30);

impl Voice {
    /// Decides on a record of a member, and remembers who speaks.
    ///
    /// The first alert speaks, and the first that fires when nothing that was told fires any more. So does one that is
    /// more severe than what was told, and the page of an objective that was not told of: these are news. A call for
    /// one destination goes to that.
    pub(super) fn hear(&mut self, heard: &Heard, others_last: bool) -> Telling {
        let event = &heard.event;
        let is_told = self.speakers.contains(&event.id);
        if event.end.is_some() {
            return match is_told {
                true if others_last && self.held.contains_key(&event.id) => Telling::Waits,
                true => Telling::Speaks,
                false => Telling::Inhibited,
            };
        }
        if heard.is_call {
            return Telling::Speaks;
        }
        let is_first = self.held.is_empty();
        if is_first {
            // What was told before is over, and weighs nothing against what begins.
            self.severity = Severity::Info;
            self.objectives.clear();
        }
        let is_page = event.kind == Kind::Burn && event.severity >= Severity::Critical;
        let is_news =
            is_first || event.severity > self.severity || is_page && !self.objectives.contains(&event.slo_id);
        if !is_told && !is_news {
            return Telling::Inhibited;
        }
        self.speakers.insert(event.id.clone());
        self.severity = self.severity.max(event.severity);
        if is_page {
            self.objectives.insert(event.slo_id.clone());
        }
        Telling::Speaks
    }

    /// Counts a firing, and that people were told of it, each once however often a record comes again.
    pub(super) fn count(&mut self, event: &Event, telling: &Telling) -> Counted {
        let is_told = *telling == Telling::Speaks;
        if event.end.is_some() {
            // Who was not told of an end is not told of a new beginning either.
            if *telling != Telling::Waits {
                self.counted.remove(&event.id);
            }
            return Counted::default();
        }
        let was_told = self.counted.get(&event.id).copied();
        self.counted.insert(event.id.clone(), is_told || was_told == Some(true));
        Counted { is_new: was_told.is_none(), is_news: is_told && was_told != Some(true) }
    }

    /// Remembers what people were told, and with which cause.
    pub(super) fn hold(&mut self, fingerprint: &str, firing: Bytes, incident: &Incident, now: Timestamp) {
        let cause = incident.root().map(ToString::to_string).unwrap_or_default();
        let known = self.held.get(fingerprint).filter(|held| transition(&held.firing) == transition(&firing));
        // Who is reminded is told nothing new.
        let cause = known.map_or(cause, |held| held.cause.clone());
        let held = Held { firing, resolved: Bytes::new(), told_at: now, cause };
        self.held.insert(fingerprint.to_owned(), held);
    }

    /// Lets others speak for what fell silent: nobody knows whether it fires.
    pub(super) fn lose(&mut self, fingerprint: &str) {
        self.held.remove(fingerprint);
        self.counted.remove(fingerprint);
        self.silenced.remove(fingerprint);
    }

    /// Returns what goes out again while the incident goes on, and the ends that waited when it is over.
    pub(super) fn go_on(&mut self, is_over: bool, now: Timestamp) -> Vec<Bytes> {
        let mut due = Vec::new();
        self.held.retain(|_, held| {
            if held.resolved.is_empty() {
                return true;
            }
            if is_over {
                due.push(held.resolved.clone());
            } else if held.told_at + REMIND_EVERY <= now {
                held.told_at = now;
                due.push(held.firing.clone());
            }
            !is_over
        });
        due
    }

    /// Returns alerts that fire and whose people know of another cause than is named now. Each is a transition of its
    /// own, or whoever has heard of the alert would take it for a reminder.
    pub(super) fn retell(&mut self, incident: &Incident, now: Timestamp) -> Vec<Bytes> {
        let Some(root) = incident.root() else { return Vec::new() };
        if self.retold_at + RETELL_EVERY > now {
            return Vec::new();
        }
        let firing = self.held.values_mut().filter(|held| held.resolved.is_empty() && *held.cause != **root);
        let again = firing.map(|held| {
            held.cause = root.to_string();
            again(&held.firing, incident)
        });
        let due: Vec<Bytes> = again.collect();
        if !due.is_empty() {
            self.retold_at = now;
        }
        due
    }

    /// Gives away what was said through these alerts.
    pub(super) fn part(&mut self, fingerprints: &BTreeSet<&str>) -> Self {
        let is_theirs = |fingerprint: &str| fingerprints.contains(fingerprint);
        Self {
            speakers: self.speakers.extract_if(.., |it| is_theirs(it)).collect(),
            severity: self.severity,
            objectives: self.objectives.clone(),
            counted: self.counted.extract_if(.., |it, _| is_theirs(it)).collect(),
            held: self.held.extract_if(.., |it, _| is_theirs(it)).collect(),
            silenced: self.silenced.extract_if(.., |it| is_theirs(it)).collect(),
            retold_at: self.retold_at,
        }
    }

    /// Takes over what was said of another incident.
    pub(super) fn absorb(&mut self, other: Self) {
        self.counted.extend(other.counted);
        self.speakers.extend(other.speakers);
        self.severity = self.severity.max(other.severity);
        self.objectives.extend(other.objectives);
        self.held.extend(other.held);
        self.silenced.extend(other.silenced);
        self.retold_at = self.retold_at.max(other.retold_at);
    }
}

/// Returns a request with the record, the incident that it belongs to and, where nobody is to be told, why.
pub(super) fn mark(group: &Group<'_>, record: &LogRecord<'_>, of: &Incident, telling: &Telling) -> Bytes {
    let mut more = Attributes::new();
    more.push_str(alert_event::INCIDENT_ID, &of.id);
    let key = alert_event::SUPPRESSED_BY;
    let is_marked = record.attributes().any(|attribute| attribute.key == key.as_bytes());
    if *telling == Telling::Inhibited && !is_marked {
        more.push_encoded(key, &Tree::texts([format!("incident {}", of.id)]).encode());
    }
    if *telling == Telling::Speaks {
        describe(of, &mut more);
    }
    let mut writer = LogsWriter::new();
    writer.copy(group, record.message, &more);
    writer.take().into()
}

/// Names the transition that the first record of a request tells.
fn transition(request: &[u8]) -> Option<String> {
    let group = groups(request).next()?;
    let record = LogRecord::of(group.items().next()?);
    let mut attributes = record.attributes();
    let id = attributes.find(|attribute| attribute.key == alert_event::ID.as_bytes())?;
    Some(id.value().to_label_string())
}

/// Returns what was told as a new transition with what is known of the incident now.
fn again(request: &[u8], incident: &Incident) -> Bytes {
    let mut writer = LogsWriter::new();
    for group in groups(request) {
        let scope = group.scope;
        writer.resource(&Attributes::of_list(group.resource.body));
        writer.scope(&String::from_utf8_lossy(scope.name), &String::from_utf8_lossy(scope.version));
        for record in group.items().map(LogRecord::of) {
            let mut attributes = Attributes::new();
            for attribute in record.attributes() {
                match std::str::from_utf8(attribute.key).unwrap_or_default() {
                    alert_event::ID => {
                        let id = attribute.value().to_label_string();
                        attributes.push_str(alert_event::ID, &format!("{id}-{}", incident.revision));
                    }
                    alert_event::IS_REMINDER => attributes.push(attribute.key, AnyValue::Bool(false)),
                    alert_event::INCIDENT_ID
                    | alert_event::INCIDENT_TITLE
                    | alert_event::INCIDENT_DESCRIPTION => {}
                    _ => attributes.push_encoded(attribute.key, attribute.value),
                }
            }
            attributes.push_str(alert_event::INCIDENT_ID, &incident.id);
            describe(incident, &mut attributes);
            writer.record(&build::LogRecord {
                time: record.time,
                observed_time: record.observed_time,
                severity_number: u8::try_from(record.severity_number).unwrap_or_default(),
                severity_text: &String::from_utf8_lossy(record.severity_text),
                body: record.body,
                attributes: &attributes,
                flags: record.flags,
                trace_id: record.trace_id.try_into().ok(),
                span_id: record.span_id.try_into().ok(),
                event_name: &String::from_utf8_lossy(record.event_name),
            });
        }
    }
    writer.take().into()
}

/// What an alert says of its incident.
fn describe(incident: &Incident, out: &mut Attributes) {
    out.push_str(alert_event::INCIDENT_TITLE, &text::cut(output::title(incident), MOST_DESCRIPTION));
    out.push_str(
        alert_event::INCIDENT_DESCRIPTION,
        &text::cut(output::description(incident), MOST_DESCRIPTION),
    );
}

/// The longest text of an incident that an alert carries.
const MOST_DESCRIPTION: usize = 4096;
