//! Through which alerts an incident speaks, so that people are told once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::{Severity, Timestamp, alert_event};
use wire::{
    build::{Attributes, LogsWriter, Tree},
    view::{Group, LogRecord},
};

use super::{
    events::{Event, Kind},
    incident::Incident,
};

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
    /// Ends of speakers' alerts that wait until the incident is over, with the last that was told of them.
    pub(super) held: BTreeMap<String, Held>,
}

/// An alert that has ended while its incident goes on.
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

/// How often a speaker is told again that has ended while its incident goes on.
pub(super) const REMIND_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

impl Voice {
    /// Decides on a record of a member, and remembers who speaks.
    ///
    /// The first alert speaks. So does one that is more severe than what was told, and the page of an objective that
    /// was not told of: these are news.
    pub(super) fn hear(&mut self, event: &Event, others_last: bool) -> Telling {
        if self.speakers.contains(&event.id) {
            return if event.end.is_some() && others_last { Telling::Waits } else { Telling::Speaks };
        }
        let is_page = event.kind == Kind::Burn && event.severity >= Severity::Critical;
        let is_news = self.speakers.is_empty()
            || event.severity > self.severity
            || is_page && !self.objectives.contains(&event.slo_id);
        if event.end.is_some() || !is_news {
            return Telling::Inhibited;
        }
        self.speakers.insert(event.id.clone());
        self.severity = self.severity.max(event.severity);
        if is_page {
            self.objectives.insert(event.slo_id.clone());
        }
        Telling::Speaks
    }

    /// Takes over what was said of another incident.
    pub(super) fn absorb(&mut self, other: Self) {
        self.speakers.extend(other.speakers);
        self.severity = self.severity.max(other.severity);
        self.objectives.extend(other.objectives);
        self.held.extend(other.held);
    }
}

/// Copies a record, with the incident that it belongs to and, where nobody is to be told, why.
pub(super) fn mark(
    writer: &mut LogsWriter,
    group: &Group<'_>,
    record: &LogRecord<'_>,
    of: &Incident,
    telling: &Telling,
) {
    let mut more = Attributes::new();
    more.push_str("trueline.incident.id", &of.id);
    let key = alert_event::SUPPRESSED_BY;
    let is_marked = record.attributes().any(|attribute| attribute.key == key.as_bytes());
    if *telling == Telling::Inhibited && !is_marked {
        more.push_encoded(key, &Tree::texts([format!("incident {}", of.id)]).encode());
    }
    writer.copy(group, record.message, &more);
}
