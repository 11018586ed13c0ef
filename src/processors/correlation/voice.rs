//! Through which alerts an incident speaks, so that people are told once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::{Severity, Timestamp, alert_event};
use wire::{
    build::{Attributes, LogsWriter, Tree},
    view::{Group, LogRecord},
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
}

/// An alert that people believe to fire.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Held {
    /// A request with the record that it fires, to be told again.
    pub(super) firing: Bytes,
    /// A request with the record of its end; empty while it fires.
    pub(super) resolved: Bytes,
    pub(super) told_at: Timestamp,
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
pub(super) const REMIND_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

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
