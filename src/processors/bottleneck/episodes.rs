//! Bottlenecks from when they appear until they are gone.

use std::{collections::BTreeMap, time::Duration};

use model::{Severity, Timestamp};

use super::{
    judge::Sighting,
    subject::{Method, Subject, Type},
    usual::MINUTE,
};
use crate::aggregation::hashing::{mix, mix_bytes};

/// Minutes without it after which a bottleneck is gone.
const QUIET: Duration = Duration::from_secs(180);

/// What is open.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Episodes {
    pub(super) open: BTreeMap<Subject, Episode>,
}

/// One bottleneck.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Episode {
    pub(super) id: u64,
    /// When the first minute began in which it was seen.
    pub(super) start: Timestamp,
    /// When the last minute ended in which it was seen.
    pub(super) last: Timestamp,
    /// How it was when it was worst.
    pub(super) worst: Sighting,
    /// How it was last.
    pub(super) now: Sighting,
}

/// What is told of an episode.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Event {
    pub(super) subject: Subject,
    pub(super) episode: Episode,
    pub(super) is_over: bool,
}

impl Episodes {
    /// How long a subject's episode has been open.
    pub(super) fn age(&self, subject: &Subject, now: Timestamp) -> Option<Duration> {
        self.open.get(subject).map(|episode| now.since(episode.start))
    }

    /// Takes what was seen in a minute that ended at `at`, each with when it began.
    pub(super) fn update(&mut self, seen: Vec<(Subject, Sighting, Timestamp)>, at: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        for (subject, sighting, began) in seen {
            if let Some(episode) = self.open.get_mut(&subject) {
                episode.last = at;
                if sighting.score > episode.worst.score {
                    episode.worst = sighting.clone();
                }
                episode.now = sighting;
                continue;
            }
            let id = id_of(&subject, began);
            let episode = Episode { id, start: began, last: at, worst: sighting.clone(), now: sighting };
            events.push(Event { subject: subject.clone(), episode: episode.clone(), is_over: false });
            self.open.insert(subject, episode);
        }
        let is_gone = |_: &Subject, episode: &mut Episode| episode.last + QUIET <= at;
        let gone: Vec<_> = self.open.extract_if(.., is_gone).collect();
        events.extend(gone.into_iter().map(|(subject, episode)| Event { subject, episode, is_over: true }));
        events
    }
}

fn id_of(subject: &Subject, start: Timestamp) -> u64 {
    let names =
        mix_bytes(mix_bytes(subject.kind as u64, subject.service.as_bytes()), subject.operation.as_bytes());
    mix(names, start.as_nanos() / MINUTE.as_nanos() as u64)
}

impl Sighting {
    /// How much it matters.
    pub(super) fn severity(&self, kind: Type) -> Severity {
        match kind {
            // Perhaps it must be so.
            Type::SequentialCalls => Severity::Info,
            _ if self.is_risk && self.is_gross(kind) => Severity::Warning,
            _ if self.is_risk => Severity::Info,
            _ if self.score >= CRITICAL || self.is_gross(kind) => Severity::Critical,
            _ if self.score >= WARNING => Severity::Warning,
            _ => Severity::Info,
        }
    }

    /// Whether it is ten times as long as usual, or a resource is all but used up.
    pub(super) fn is_gross(&self, kind: Type) -> bool {
        match kind.method() {
            Method::Level => self.current >= USED_UP,
            Method::Timing => self.current >= TENFOLD * self.usual,
            Method::Shape | Method::Share | Method::Growth => false,
        }
    }
}

const CRITICAL: f64 = 70.0;
const WARNING: f64 = 20.0;
const USED_UP: f64 = 0.95;
const TENFOLD: f64 = 10.0;
