//! What one trace shows.

use std::sync::Arc;

use super::{
    calls::Example,
    config::BottleneckConfig,
    critical_path::critical_path,
    minute::{Minute, Observation},
    patterns,
    span::{Kind, Peer},
    subject::{Operation, Subject, Type},
    trace::Trace,
};

/// A trace with what its critical paths are made of.
pub(super) struct Observed<'a> {
    pub(super) trace: &'a Trace,
    own: &'a [u64],
    roots: Vec<Root>,
    /// By span its place in `roots`.
    root_of: Vec<u32>,
    /// By span what of its own time is on a critical path.
    on_path: Vec<u64>,
    /// By span the same with everything below it.
    below: Vec<u64>,
    /// By span and the end of a section its length: what passes before something else begins.
    sections: Vec<((u32, u64), u64)>,
}

struct Root {
    operation: Operation,
    nanos: u64,
    is_slow: bool,
}

impl<'a> Observed<'a> {
    /// `is_slow` says whether a root took longer than 95 % of them usually do.
    pub(super) fn new(trace: &'a Trace, own: &'a [u64], is_slow: impl Fn(&Operation, u64) -> bool) -> Self {
        let n = trace.spans.len();
        let (mut on_path, mut sections) = (vec![0; n], Vec::with_capacity(2 * n));
        let (mut roots, mut root_of) = (Vec::with_capacity(trace.roots.len()), vec![0; n]);
        for (place, at) in (0..).zip(&trace.roots) {
            for section in critical_path(trace, *at) {
                on_path[section.span as usize] += section.nanos();
                sections.push(((section.span, section.end), section.nanos()));
            }
            let span = trace.span(*at);
            let operation = (Arc::clone(&span.service), Arc::clone(&span.name));
            let (is_slow, nanos) = (is_slow(&operation, span.duration()), span.duration());
            roots.push(Root { operation, nanos, is_slow });
            root_of[*at as usize] = place;
        }
        sections.sort_unstable();
        for at in &trace.order {
            if let Some(parent) = trace.waits[*at as usize] {
                root_of[*at as usize] = root_of[parent as usize];
            }
        }
        let mut below = on_path.clone();
        for at in trace.order.iter().rev() {
            if let Some(parent) = trace.waits[*at as usize] {
                below[parent as usize] += below[*at as usize];
            }
        }
        Self { trace, own, roots, root_of, on_path, below, sections }
    }

    /// Adds all that the trace shows. Returns what found no room.
    pub(super) fn tell(&self, minute: &mut Minute, config: &BottleneckConfig) -> u64 {
        let mut without_room = 0;
        for (root, at) in self.roots.iter().zip(&self.trace.roots) {
            without_room += u64::from(!minute.add_root(&root.operation, root.nanos, root.is_slow));
            let (service, operation) = root.operation.clone();
            let subject = Subject { kind: Type::Root, service, operation };
            without_room += self.add(minute, *at, subject, root.nanos, root.nanos);
        }
        without_room += self.tell_many_calls(minute, config.patterns.calls_of_trace);
        for at in 0..self.trace.spans.len() as u32 {
            without_room += self.tell_span(minute, at);
            without_room += patterns::tell_siblings(self, minute, at, config);
        }
        without_room
    }

    /// Tells of roots below which there are too many calls what those above the limit cost.
    fn tell_many_calls(&self, minute: &mut Minute, limit: u64) -> u64 {
        // Calls, and what of them is on the critical path without what is below them.
        let mut calls = vec![(0_u64, 0_u64); self.roots.len()];
        for (at, span) in self.trace.spans.iter().enumerate() {
            if span.kind == Kind::Client
                && let Some((n, nanos)) = calls.get_mut(self.root_of[at] as usize)
            {
                *n += 1;
                *nanos += self.on_path[at];
            }
        }
        let mut without_room = 0;
        for (at, (n, nanos)) in self.trace.roots.iter().zip(calls).filter(|(_, (n, _))| *n >= limit) {
            let spared = (nanos as f64 * (1.0 - limit as f64 / (n + 1) as f64)) as u64;
            without_room += self.add(minute, *at, self.subject(Type::ManyCalls, *at), spared, spared);
        }
        without_room
    }

    fn tell_span(&self, minute: &mut Minute, at: u32) -> u64 {
        let span = self.trace.span(at);
        let is_answered = self.trace.answered[at as usize];
        let kind = match (span.kind, &span.peer) {
            (Kind::Client, _) if is_answered => Type::Network,
            (Kind::Client, Some(Peer::Database(_))) => Type::SlowDatabase,
            (Kind::Client, _) => Type::SlowPeer,
            _ => Type::SlowStep,
        };
        let (own, on_path) = (self.own[at as usize], self.on_path[at as usize]);
        let mut without_room = self.add(minute, at, self.subject(kind, at), own, on_path);
        let caller = self.trace.callers[at as usize].map(|caller| self.trace.span(caller));
        if let Some(producer) = caller.filter(|it| it.kind == Kind::Producer && span.kind == Kind::Consumer) {
            let waited = span.start.saturating_sub(producer.end);
            without_room += self.add(minute, at, self.subject(Type::QueueWait, at), waited, waited);
        }
        // Where both sides tell of it the caller does, who can do something about it.
        let is_told_by_caller = caller.is_some_and(|caller| caller.throttled) && span.kind == Kind::Server;
        if span.throttled && !is_told_by_caller {
            let subject = self.subject(Type::Throttled, at);
            without_room += self.add(minute, at, subject, span.duration().max(1), self.below(at));
        }
        without_room
    }

    pub(super) fn subject(&self, kind: Type, at: u32) -> Subject {
        let span = self.trace.span(at);
        Subject { kind, service: Arc::clone(&span.service), operation: Arc::clone(&span.name) }
    }

    /// Adds an observation. Returns 1 when there was no room.
    pub(super) fn add(
        &self,
        minute: &mut Minute,
        at: u32,
        subject: Subject,
        nanos: u64,
        on_path: u64,
    ) -> u64 {
        let Some(root) = self.roots.get(self.root_of[at as usize] as usize) else { return 0 };
        let example = Example::new(self.trace, false, nanos);
        let seen = Observation { nanos, on_path, root: &root.operation, is_slow: root.is_slow, example };
        u64::from(!minute.add(subject, &seen))
    }

    /// What of a span and of everything below it is on the critical path.
    pub(super) fn below(&self, at: u32) -> u64 {
        self.below[at as usize]
    }

    /// How long a span had been on the critical path when something below it began.
    pub(super) fn before(&self, span: u32, begins: u64) -> u64 {
        let found = self.sections.binary_search_by_key(&(span, begins), |(key, _)| *key);
        found.ok().and_then(|at| self.sections.get(at)).map_or(0, |(_, nanos)| *nanos)
    }
}
