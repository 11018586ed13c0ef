//! One incident: what belongs to it, how it goes, what is behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{Severity, Timestamp, TraceId};

use super::{
    cause::Finding,
    events::{Event, Kind},
    feedback::Feedback,
    graph::Name,
    impact::{self, Impact},
};

/// Names an event among all.
pub(super) type Member = (Kind, String);

/// What is known of an incident.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Incident {
    /// A ULID that stays whatever joins.
    pub(super) id: String,
    pub(super) state: State,
    pub(super) start: Timestamp,
    /// When the last of its events ended; none while one lasts.
    pub(super) end: Option<Timestamp>,
    /// The highest that any of its events had.
    pub(super) severity: Severity,
    pub(super) members: BTreeMap<Member, Event>,
    /// When a stage told last of those that last.
    pub(super) heard: BTreeMap<Member, Timestamp>,
    /// Events that found no room, each counted once, and those of them that are known: as many as members.
    pub(super) n_left_out: u64,
    pub(super) left_out: BTreeSet<Member>,
    pub(super) finding: Finding,
    /// Services named as the cause or on its chain, by when they were first seen in trouble.
    pub(super) chain: Vec<Link>,
    /// Raised with whatever changes that people would want to know.
    pub(super) revision: u32,
    /// Incidents that turned out to be this one.
    pub(super) merged: Vec<String>,
    /// Events that came, again ones included; notifications that went out.
    pub(super) n_raw: u64,
    pub(super) n_notified: u64,
    pub(super) impact: Impact,
    /// What a person says of it.
    pub(super) feedback: Option<Feedback>,
}

/// A service of an incident.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Link {
    pub(super) service: Name,
    pub(super) role: Role,
    pub(super) first_seen: Timestamp,
}

/// What part a service has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Role {
    Root,
    /// Called by the root in some way, or suffering from it.
    Propagated,
    /// No way to the root is known.
    Suspected,
}

impl Role {
    const ALL: [Self; 3] = [Self::Root, Self::Propagated, Self::Suspected];

    /// Returns the role of that name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Propagated => "propagated",
            Self::Suspected => "suspected",
        }
    }
}

/// How far an incident has come; later is nearer to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum State {
    Open,
    /// Less is wrong than was: what concerned the cause has ended, the rest lasts.
    Mitigating,
    /// Nothing is wrong any more; it is opened again if that does not last.
    Resolved,
    Closed,
}

impl State {
    pub(super) const ALL: [Self; 4] = [Self::Open, Self::Mitigating, Self::Resolved, Self::Closed];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mitigating => "mitigating",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    /// Returns the state of that name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Incident {
    /// Begins with an event.
    pub(super) fn of(event: Event) -> Self {
        let mut incident = Self {
            id: Self::id_of(&event),
            state: State::Open,
            start: event.start,
            end: None,
            severity: event.severity,
            members: BTreeMap::new(),
            heard: BTreeMap::new(),
            n_left_out: 0,
            left_out: BTreeSet::new(),
            finding: Finding::default(),
            chain: Vec::new(),
            revision: 1,
            merged: Vec::new(),
            n_raw: 0,
            n_notified: 0,
            impact: Impact::new(),
            feedback: None,
        };
        incident.join(event, 1);
        incident
    }

    /// The id of the incident that begins with an event.
    pub(super) fn id_of(event: &Event) -> String {
        let key = format!("{}/{}/{}", event.kind.name(), event.id, event.start.as_nanos());
        super::ulid::ulid(event.start, key.as_bytes())
    }

    /// Begins with several events, of which the first gives it its name.
    pub(super) fn of_all(mut events: Vec<Event>, most: usize) -> Option<Self> {
        events.sort_by(|a, b| (a.start, a.kind, &a.id).cmp(&(b.start, b.kind, &b.id)));
        let mut events = events.into_iter();
        let mut incident = Self::of(events.next()?);
        events.for_each(|event| {
            incident.join(event, most);
        });
        Some(incident)
    }

    /// Gives events away.
    pub(super) fn take(&mut self, is_wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let taken: BTreeMap<_, _> = self.members.extract_if(.., |_, event| is_wanted(event)).collect();
        self.heard.retain(|key, _| !taken.contains_key(key));
        taken.into_values().collect()
    }

    /// Takes an event, new or told again. Returns whether it is known from now on.
    pub(super) fn join(&mut self, event: Event, most: usize) -> bool {
        self.n_raw += 1;
        let key = (event.kind, event.id.clone());
        self.heard.remove(&key);
        if let Some(known) = self.members.get_mut(&key) {
            known.severity = known.severity.max(event.severity);
            self.severity = self.severity.max(event.severity);
            (known.end, known.is_lost) = (event.end, event.is_lost);
            known.resend = event.resend.or(known.resend);
            known.title = event.title;
            known.trace = known.trace.or(event.trace);
            return true;
        }
        // What finds no room is as bad as what does.
        self.severity = self.severity.max(event.severity);
        if self.members.len() >= most {
            self.leave_out(&key, most);
            return self.knows(&key);
        }
        self.n_left_out -= u64::from(self.left_out.remove(&key));
        self.start = self.start.min(event.start);
        self.members.insert(key, event);
        true
    }

    /// Counts what finds no room: once, as long as it is known.
    fn leave_out(&mut self, key: &Member, most: usize) {
        let is_known = self.left_out.contains(key);
        self.n_left_out += u64::from(!is_known);
        if !is_known && self.left_out.len() < most {
            self.left_out.insert(key.clone());
        }
    }

    /// Whether an event is of it, with or without room.
    pub(super) fn knows(&self, key: &Member) -> bool {
        self.members.contains_key(key) || self.left_out.contains(key)
    }

    /// All events that it knows.
    pub(super) fn known(&self) -> impl Iterator<Item = &Member> {
        self.members.keys().chain(&self.left_out)
    }

    /// Takes over another incident that turned out to be this one.
    pub(super) fn absorb(&mut self, other: Self, most: usize) {
        for (key, event) in other.members {
            if self.members.len() < most || self.members.contains_key(&key) {
                self.members.entry(key).or_insert(event);
            } else {
                self.leave_out(&key, most);
            }
        }
        let room = most.saturating_sub(self.left_out.len());
        self.left_out.extend(other.left_out.into_iter().take(room));
        // What is known of either is known of both.
        if other.finding.peak > self.finding.peak {
            self.finding = other.finding;
        }
        self.start = self.start.min(other.start);
        self.severity = self.severity.max(other.severity);
        self.state = self.state.min(other.state);
        self.n_raw += other.n_raw;
        self.n_notified += other.n_notified;
        self.n_left_out += other.n_left_out;
        impact::join(&mut self.impact, other.impact);
        self.feedback = self.feedback.take().or(other.feedback);
        self.merged.push(other.id);
        self.merged.extend(other.merged);
        self.revision += 1;
    }

    /// Services with an event of their own.
    pub(super) fn services(&self) -> BTreeSet<Name> {
        let named = self.members.values().filter(|event| !event.service.is_empty());
        named.map(|event| Name::clone(&event.service)).collect()
    }

    /// Services in trouble, now or before.
    pub(super) fn troubled(&self) -> BTreeSet<Name> {
        let named = self.troubles().filter(|event| !event.service.is_empty());
        named.map(|event| Name::clone(&event.service)).collect()
    }

    /// The service that most speaks for, if it is in trouble itself and chance is no explanation.
    pub(super) fn lead(&self) -> Option<&Name> {
        let lead = &self.finding.lead()?.service;
        self.is_in_trouble(lead).then_some(lead)
    }

    pub(super) fn is_in_trouble(&self, service: &str) -> bool {
        self.troubles().any(|event| *event.service == *service)
    }

    /// Trouble that lasts; what is merely worth knowing may last for months.
    pub(super) fn active(&self) -> impl Iterator<Item = &Event> {
        self.troubles().filter(|event| event.end.is_none())
    }

    /// Fingerprints of alerts that fire.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &str> {
        self.active().filter(|event| event.kind.is_alert()).map(|event| &*event.id)
    }

    fn troubles(&self) -> impl Iterator<Item = &Event> {
        self.members.values().filter(|event| event.severity > Severity::Info)
    }

    /// When something of it was last active.
    pub(super) fn active_until(&self, now: Timestamp) -> Timestamp {
        let ends = self.troubles().map(|event| event.end.unwrap_or(now));
        ends.max().unwrap_or(self.start)
    }

    /// The service that is called its cause; none while that is open.
    pub(super) fn root(&self) -> Option<&Name> {
        self.finding.root().map(|candidate| &candidate.service)
    }

    /// Departures that last.
    pub(super) fn departures(&self) -> impl Iterator<Item = &Event> {
        let members = self.members.values();
        members.filter(|event| event.kind == Kind::Departure && event.end.is_none())
    }

    /// Ends what lasts and was not told of for longer than anything lasts, or an alert for many times as long as it is told
    /// again: its stage has gone, or lost its state. What is silenced is not told again. Returns what ended.
    pub(super) fn end_forgotten(
        &mut self,
        now: Timestamp,
        is_silenced: impl Fn(&str) -> bool,
    ) -> Vec<Member> {
        let mut lost = Vec::new();
        for (key, event) in self.members.iter_mut().filter(|(_, event)| event.end.is_none()) {
            let patience = match event.kind.is_alert() && !is_silenced(&event.id) {
                true => event.resend.unwrap_or(USUAL_RESEND).saturating_mul(RESENDS).min(FORGOTTEN_AFTER),
                false => FORGOTTEN_AFTER,
            };
            match self.heard.get(key) {
                None => {
                    self.heard.insert(key.clone(), now);
                }
                Some(heard) if *heard + patience <= now => {
                    (event.end, event.is_lost) = (Some(now), true);
                    self.heard.remove(key);
                    lost.push(key.clone());
                }
                Some(_) => {}
            }
        }
        lost
    }

    /// Moves on to the state that its members' states ask for. Returns whether that is another.
    pub(super) fn settle(&mut self, now: Timestamp, resolve_after: Duration, close_after: Duration) -> bool {
        let before = self.state;
        if self.active().next().is_some() {
            self.end = None;
            self.state = if self.is_mitigated() { State::Mitigating } else { State::Open };
        } else {
            let end = self.active_until(now);
            self.end = Some(end);
            self.state = match now.since(end) {
                quiet if quiet >= resolve_after + close_after => State::Closed,
                quiet if quiet >= resolve_after => State::Resolved,
                _ => State::Mitigating,
            };
        }
        self.state != before
    }

    /// Whether all that concerned the cause has ended while something lasts elsewhere.
    fn is_mitigated(&self) -> bool {
        let Some(root) = self.root() else { return false };
        let mut of_root = self.troubles().filter(|event| event.service == *root).peekable();
        of_root.peek().is_some() && of_root.all(|event| event.end.is_some())
    }

    /// Objectives that burn or burned.
    pub(super) fn objectives(&self) -> BTreeSet<&str> {
        let named = self.members.values().filter(|event| !event.slo_id.is_empty());
        named.map(|event| &*event.slo_id).collect()
    }

    /// Traces that show it: those of the evidence first.
    pub(super) fn exemplars(&self) -> Vec<TraceId> {
        let evidence = self.finding.candidates.first().into_iter().flat_map(|first| &first.evidence);
        let shown = evidence.filter_map(|one| one.exemplar);
        let mut all: Vec<TraceId> = Vec::new();
        for trace in shown.chain(self.members.values().filter_map(|event| event.trace)) {
            if all.len() < MOST_EXEMPLARS && !all.contains(&trace) {
                all.push(trace);
            }
        }
        all
    }

    /// How much it matters, 0 to 100: 40 for what it does to objectives and how severe it is, 20 for how many
    /// services it concerns, 20 for how long it lasts (all of them from an hour on), 20 for how sure its cause is.
    pub(super) fn score(&self, now: Timestamp) -> f64 {
        let burns = self.members.keys().any(|(kind, _)| *kind == Kind::Burn);
        let severity = match self.severity {
            Severity::Info => 0.25,
            Severity::Warning => 0.5,
            Severity::Critical => 0.85,
            Severity::Emergency => 1.0,
        };
        let impact = if burns { f64::max(severity, 0.85) } else { severity };
        let breadth = (self.services().len() as f64 / 5.0).min(1.0);
        let lasted = self.end.unwrap_or(now).since(self.start);
        let duration = (lasted.as_secs_f64() / 3600.0).min(1.0);
        40.0 * impact + 20.0 * breadth + 20.0 * duration + 20.0 * self.finding.confidence
    }

    /// The part of what was raised that nobody was told of, 0 to 1.
    pub(super) fn noise_reduction(&self) -> f64 {
        let distinct = self.members.len() as f64 + self.n_left_out as f64;
        if distinct > 0.0 { 1.0 - (self.n_notified.max(1) as f64 / distinct).min(1.0) } else { 0.0 }
    }
}

/// An alert that was not told again so often has lost its stage: by then `alert_webhook` tells it no more either.
const RESENDS: u32 = 15;
/// How often an alert is told again by who does not say.
const USUAL_RESEND: Duration = Duration::from_mins(1);
/// An episode lasts 48 hours at most.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(49);
/// Exemplar traces of an incident; more are not looked at.
const MOST_EXEMPLARS: usize = 5;
