//! Which events are one incident.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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
        for member in incident.known() {
            self.of.insert(member.clone(), incident.id.clone());
        }
        self.all.insert(incident.id.clone(), incident);
    }

    /// The incident that an event belongs to.
    pub(super) fn of(&self, kind: Kind, id: &str) -> Option<&Incident> {
        self.all.get(self.of.get(&(kind, id.to_owned()))?)
    }

    /// How many events are known.
    #[cfg(test)]
    pub(super) fn n_known(&self) -> usize {
        self.of.len()
    }

    /// Puts an event where it belongs. *Cost*: for a new one three walks through the graph, and six for each incident
    /// that is near in time and calls.
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
        let around = graph.around(&event.service, config.causal.max_hops);
        let is_related = |incident: &&Incident| {
            incident.takes(&event, config, now) && incident.is_near(&event, &around, graph, config)
        };
        let related: Vec<String> =
            self.all.values().filter(is_related).map(|incident| incident.id.clone()).collect();
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
            Some((oldest, _)) => {
                let home = self.home(&event.service, &related, graph, config).unwrap_or(oldest).clone();
                let is_same = |id: &String| *id == home || !self.are_apart(id, &home, graph, config);
                let mut younger: Vec<String> = related.iter().filter(|id| is_same(id)).cloned().collect();
                // The oldest of them; `home` is one of them.
                let home = younger.remove(0);
                self.merge(&home, &younger, most);
                if let Some(incident) = self.all.get_mut(&home)
                    && incident.join(event, most)
                {
                    self.of.insert(key, home.clone());
                }
                Fate::Joined { id: home, merged: younger }
            }
        }
    }

    /// Joins incidents that turned out to be one; the older name stays.
    pub(super) fn merge(&mut self, oldest: &str, younger: &[String], most: usize) {
        for id in younger {
            let Some(other) = self.all.remove(id) else { continue };
            let Some(incident) = self.all.get_mut(oldest) else { continue };
            let theirs: Vec<Member> = other.known().cloned().collect();
            incident.absorb(other, most);
            for member in theirs {
                match incident.knows(&member) {
                    true => self.of.insert(member, oldest.to_owned()),
                    false => self.of.remove(&member),
                };
            }
        }
    }

    /// Of incidents that an event may belong to, the first whose cause it suffers from.
    fn home<'a>(
        &self,
        service: &Name,
        related: &'a [String],
        graph: &CallGraph,
        config: &CorrelationConfig,
    ) -> Option<&'a String> {
        let suffers = |id: &&String| {
            let lead = self.all.get(*id).and_then(Incident::lead);
            lead.is_some_and(|lead| graph.above(lead, config.causal.max_hops).contains(service))
        };
        related.iter().find(suffers)
    }

    /// Whether two incidents have causes of their own, neither of which explains the other.
    fn are_apart(&self, one: &str, other: &str, graph: &CallGraph, config: &CorrelationConfig) -> bool {
        let lead = |id: &str| self.all.get(id).and_then(Incident::lead);
        match (lead(one), lead(other)) {
            (Some(one), Some(other)) => are_independent(one, other, graph, config),
            _ => false,
        }
    }

    /// Divides an incident that has two causes, neither of which explains the other. The one that more speaks for keeps
    /// it; the other takes what suffers from it alone.
    ///
    /// *Returns*: the id of the new one.
    pub(super) fn split(
        &mut self,
        id: &str,
        graph: &CallGraph,
        config: &CorrelationConfig,
    ) -> Option<String> {
        let incident = self.all.get_mut(id).filter(|incident| incident.state < State::Resolved)?;
        let first = Name::clone(incident.lead()?);
        let other = incident.finding.candidates.iter().skip(1).find(|one| {
            one.is_sure
                && incident.is_in_trouble(&one.service)
                && are_independent(&first, &one.service, graph, config)
        });
        let other = Name::clone(&other?.service);
        let hops = config.causal.max_hops;
        let (of_first, of_other) = (graph.above(&first, hops), graph.above(&other, hops));
        let is_others =
            |event: &Event| of_other.contains(&event.service) && !of_first.contains(&event.service);
        // Who has the event by which the incident is named keeps the name.
        let founder = incident.members.values().find(|event| Incident::id_of(event) == id);
        let is_inverted = founder.is_some_and(is_others);
        let taken = incident.take(|event| is_others(event) != is_inverted);
        let mut new = Incident::of_all(taken, config.max_members as usize)?;
        let (mine, theirs) = if is_inverted { (&first, &other) } else { (&other, &first) };
        new.finding = incident.finding.clone().without(theirs, config.rca.abstain_below);
        incident.finding = incident.finding.clone().without(mine, config.rca.abstain_below);
        let theirs: Vec<String> = new.objectives().into_iter().map(str::to_owned).collect();
        let is_theirs = |objective: &str| theirs.iter().any(|it| it == objective);
        new.impact = incident.impact.extract_if(.., |objective, _| is_theirs(objective)).collect();
        let id = new.id.clone();
        // It may have been one before.
        incident.merged.retain(|merged| *merged != id);
        self.insert(new);
        Some(id)
    }

    /// Forgets one and returns it.
    pub(super) fn remove(&mut self, id: &str) -> Option<Incident> {
        let incident = self.all.remove(id)?;
        for member in incident.known() {
            self.of.remove(member);
        }
        Some(incident)
    }

    /// Forgets those that are closed and returns them.
    pub(super) fn take_closed(&mut self) -> Vec<Incident> {
        let closed = self.all.values().filter(|incident| incident.state == State::Closed);
        let ids: Vec<String> = closed.map(|incident| incident.id.clone()).collect();
        ids.iter().filter_map(|id| self.remove(id)).collect()
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
    /// `around` is all that may have to do with its service.
    fn is_near(
        &self,
        event: &Event,
        around: &BTreeSet<Name>,
        graph: &CallGraph,
        config: &CorrelationConfig,
    ) -> bool {
        if event.service.is_empty() {
            return self
                .members
                .values()
                .any(|member| member.service.is_empty() && member.title == event.title);
        }
        let courses = self.courses();
        if courses.contains_key(&*event.service) {
            return true;
        }
        if !courses.keys().any(|service| around.contains(*service)) {
            return false;
        }
        let is_loud = |service: &str| courses.contains_key(service);
        let reached = |way| graph.reached(&event.service, way, &config.causal, &is_loud);
        let (down, up) = (reached(Way::Down), reached(Way::Up));
        let tolerance = config.causal.order_tolerance.get();
        courses.iter().any(|(service, begins)| {
            // Trouble comes from callees, so a callee's begins first, or hardly later.
            if down.contains(service) {
                return begins.first().is_some_and(|first| *first <= event.start + tolerance);
            }
            if up.contains(service) {
                return begins.last().is_some_and(|last| event.start <= *last + tolerance);
            }
            // What one caller calls may fail together.
            let is_with =
                |begin: &Timestamp| *begin <= event.start + tolerance && event.start <= *begin + tolerance;
            begins.iter().any(is_with) && graph.are_siblings(&event.service, service)
        })
    }

    /// By service, when its events began.
    fn courses(&self) -> BTreeMap<&str, BTreeSet<Timestamp>> {
        let mut courses: BTreeMap<&str, BTreeSet<Timestamp>> = BTreeMap::new();
        for event in self.members.values().filter(|event| !event.service.is_empty()) {
            courses.entry(&*event.service).or_default().insert(event.start);
        }
        courses
    }
}

fn are_independent(one: &Name, other: &Name, graph: &CallGraph, config: &CorrelationConfig) -> bool {
    let leads = |from: &Name, to: &Name| graph.above(to, config.causal.max_hops).contains(from);
    one != other && !leads(one, other) && !leads(other, one)
}

/// Names are cheap to share.
pub(super) fn name(text: &str) -> Name {
    Arc::from(text)
}
