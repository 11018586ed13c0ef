//! Which events are one incident.

use std::{collections::BTreeMap, sync::Arc};

use model::{Severity, Timestamp};

use super::{
    config::CorrelationConfig,
    events::{Event, Kind},
    graph::{CallGraph, Name, Way},
    incident::{Incident, Member, State},
};

/// All incidents that are open, or that may be opened again.
#[derive(Clone, Debug, Default)]
pub(super) struct Incidents {
    /// By their ids, which are in the order of their beginning.
    pub(super) all: BTreeMap<String, Incident>,
    /// By what belongs to them.
    of: BTreeMap<Member, String>,
}

/// What became of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It began an incident of this id.
    Opened(String),
    /// It joined one, which took over these others.
    Joined { id: String, merged: Vec<String> },
    /// It is known, and has changed.
    Updated,
    /// It ended before anybody knew of it, or is no trouble by itself.
    Ignored,
    /// There are too many incidents.
    Refused,
}

impl Incidents {
    pub(super) fn insert(&mut self, incident: Incident) {
        for member in incident.members.keys() {
            self.of.insert(member.clone(), incident.id.clone());
        }
        self.all.insert(incident.id.clone(), incident);
    }

    /// The incident that an event belongs to.
    pub(super) fn of(&self, kind: Kind, id: &str) -> Option<&Incident> {
        self.all.get(self.of.get(&(kind, id.to_owned()))?)
    }

    /// Puts an event where it belongs. *Cost*: for a new one a walk through the graph for each open incident.
    pub(super) fn place(
        &mut self,
        event: Event,
        graph: &CallGraph,
        config: &CorrelationConfig,
        now: Timestamp,
    ) -> Fate {
        let most = config.max_members as usize;
        let key: Member = (event.kind, event.id.clone());
        if let Some(id) = self.of.get(&key)
            && let Some(incident) = self.all.get_mut(id)
        {
            incident.join(event, most);
            return Fate::Updated;
        }
        if event.end.is_some() {
            return Fate::Ignored;
        }
        let related: Vec<String> = self
            .all
            .values()
            .filter(|incident| incident.takes(&event, config, now) && incident.is_near(&event, graph, config))
            .map(|incident| incident.id.clone())
            .collect();
        match related.split_first() {
            // What is merely worth knowing is no trouble, but may explain some.
            None if event.severity == Severity::Info => Fate::Ignored,
            None if self.all.len() >= config.max_incidents as usize => Fate::Refused,
            None => {
                let incident = Incident::of(event);
                let id = incident.id.clone();
                self.insert(incident);
                Fate::Opened(id)
            }
            Some((oldest, younger)) => {
                self.merge(oldest, younger, most);
                if let Some(incident) = self.all.get_mut(oldest) {
                    incident.join(event, most);
                    self.of.insert(key, oldest.clone());
                }
                Fate::Joined { id: oldest.clone(), merged: younger.to_vec() }
            }
        }
    }

    /// Joins incidents that turned out to be one; the older name stays.
    pub(super) fn merge(&mut self, oldest: &str, younger: &[String], most: usize) {
        for id in younger {
            let Some(other) = self.all.remove(id) else { continue };
            let Some(incident) = self.all.get_mut(oldest) else { continue };
            for member in other.members.keys() {
                self.of.insert(member.clone(), oldest.to_owned());
            }
            incident.absorb(other, most);
        }
    }

    /// Takes back one that was begun for nothing.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(incident) = self.all.remove(id) else { return };
        for member in incident.members.keys() {
            self.of.remove(member);
        }
    }

    /// Forgets those that are closed and returns them.
    pub(super) fn take_closed(&mut self) -> Vec<Incident> {
        let closed = self.all.values().filter(|incident| incident.state == State::Closed);
        let ids: Vec<String> = closed.map(|incident| incident.id.clone()).collect();
        let taken: Vec<Incident> = ids.iter().filter_map(|id| self.all.remove(id)).collect();
        for incident in &taken {
            incident.members.keys().for_each(|member| {
                self.of.remove(member);
            });
        }
        taken
    }
}

impl Incident {
    /// Whether an event is near enough in time.
    fn takes(&self, event: &Event, config: &CorrelationConfig, now: Timestamp) -> bool {
        // What is over is begun again by its cause alone: elsewhere it is another trouble.
        if self.state == State::Resolved && self.root().is_some_and(|root| *root != event.service) {
            return false;
        }
        let gap = config.window.gap.get();
        let is_recent = event.start <= self.active_until(now) + gap && event.start + gap >= self.start;
        is_recent && event.start <= self.start + config.window.max_span.get()
    }

    /// Whether an event is of a service that has one already, or on a chain of calls with one that may explain it.
    fn is_near(&self, event: &Event, graph: &CallGraph, config: &CorrelationConfig) -> bool {
        let services = self.services();
        if event.service.is_empty() {
            return self
                .members
                .values()
                .any(|member| member.service.is_empty() && member.title == event.title);
        }
        if services.contains(&event.service) {
            return true;
        }
        let is_loud = |service: &str| services.contains(service);
        self.members.values().any(|member| {
            let tolerance = config.causal.order_tolerance.get();
            match graph.way(&event.service, &member.service, &config.causal, &is_loud) {
                // Trouble comes from callees, so a callee's begins first, or hardly later.
                Some(Way::Down) => member.start <= event.start + tolerance,
                Some(Way::Up) => event.start <= member.start + tolerance,
                None => false,
            }
        })
    }
}

/// Names are cheap to share.
pub(super) fn name(text: &str) -> Name {
    Arc::from(text)
}
