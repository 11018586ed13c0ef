//! Who calls whom, as far as calls of the last hour tell.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use model::{Calls, Timestamp};

use super::config::{CausalConfig, GraphConfig};

pub(super) type Name = Arc<str>;

/// The live service graph.
#[derive(Clone, Debug, Default)]
pub(super) struct CallGraph {
    edges: BTreeMap<(Name, Name), Seen>,
    callees: BTreeMap<Name, BTreeSet<Name>>,
    callers: BTreeMap<Name, BTreeSet<Name>>,
    ttl: Duration,
    min_calls: u64,
    max_edges: usize,
    /// Edges that found no room.
    pub(super) dropped: u64,
    /// Walks so far: what a storm of alarms costs.
    #[cfg(test)]
    pub(super) n_walks: std::cell::Cell<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    calls: u64,
    last: Timestamp,
}

/// Which way a chain of calls leads from one service to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// To a callee, directly or through others.
    Down,
    /// To a caller.
    Up,
}

impl CallGraph {
    pub(super) fn new(config: &GraphConfig) -> Self {
        let mut graph = Self {
            ttl: config.ttl.get(),
            min_calls: config.min_calls,
            max_edges: config.max_edges as usize,
            ..Self::default()
        };
        for edge in &config.static_edges {
            let (client, server) = (Name::from(&*edge.client), Name::from(&*edge.server));
            graph.edges.insert(
                (client.clone(), server.clone()),
                Seen { calls: u64::MAX, last: Timestamp(u64::MAX) },
            );
            graph.connect(client, server);
        }
        graph
    }

    /// Takes the calls of a window and forgets edges without calls for too long.
    pub(super) fn take(&mut self, calls: &Calls, now: Timestamp) {
        for edge in &calls.edges {
            self.see(&edge.client, &edge.server, edge.calls, now);
        }
        let (ttl, before) = (self.ttl, self.edges.len());
        self.edges.retain(|_, seen| seen.last + ttl >= now);
        if self.edges.len() < before {
            self.reconnect();
        }
    }

    /// Counts calls from one service to another.
    pub(super) fn see(&mut self, client: &Name, server: &Name, calls: u64, now: Timestamp) {
        if client == server {
            return;
        }
        let key = (Name::clone(client), Name::clone(server));
        if !self.edges.contains_key(&key) && self.edges.len() >= self.max_edges {
            self.dropped += 1;
            return;
        }
        let seen = self.edges.entry(key).or_insert(Seen { calls: 0, last: now });
        let was_known = seen.calls >= self.min_calls;
        seen.calls = seen.calls.saturating_add(calls);
        seen.last = seen.last.max(now);
        if !was_known && seen.calls >= self.min_calls {
            self.connect(Name::clone(client), Name::clone(server));
        }
    }

    pub(super) fn callees(&self, of: &str) -> impl Iterator<Item = &Name> {
        self.callees.get(of).into_iter().flatten()
    }

    pub(super) fn callers(&self, of: &str) -> impl Iterator<Item = &Name> {
        self.callers.get(of).into_iter().flatten()
    }

    /// Edges with their calls and when the last one came, for storing; those of the configuration are left out.
    pub(super) fn edges(&self) -> impl Iterator<Item = (&Name, &Name, u64, Timestamp)> {
        let seen = self.edges.iter().filter(|(_, seen)| seen.last.as_nanos() < u64::MAX);
        seen.map(|((client, server), seen)| (client, server, seen.calls, seen.last))
    }

    /// Returns all services to which a chain of calls leads from one: of at most `max_hops` calls, and of the services
    /// between at most `silent_hops` in a row that `is_loud` does not know. *Cost*: a walk over what is in reach.
    pub(super) fn reached(
        &self,
        from: &str,
        way: Way,
        limits: &CausalConfig,
        is_loud: &dyn Fn(&str) -> bool,
    ) -> BTreeSet<&str> {
        self.count_walk();
        let next = match way {
            Way::Down => &self.callees,
            Way::Up => &self.callers,
        };
        reached(next, from, limits, is_loud)
    }

    /// Returns all services that may have to do with one: on a chain of so many calls with it, or called by who calls
    /// it.
    pub(super) fn around(&self, of: &Name, hops: u32) -> BTreeSet<Name> {
        let mut found = self.above(of, hops);
        found.extend(self.below(of, hops));
        found.extend(self.callers(of).flat_map(|caller| self.callees(caller)).cloned());
        found
    }

    /// Whether one service calls both.
    pub(super) fn are_siblings(&self, one: &str, other: &str) -> bool {
        match (self.callers.get(one), self.callers.get(other)) {
            (Some(one), Some(other)) => !one.is_disjoint(other),
            _ => false,
        }
    }

    /// Returns all services from which so many calls lead to one, with that.
    pub(super) fn above(&self, of: &Name, hops: u32) -> BTreeSet<Name> {
        self.count_walk();
        reach([of], hops, |name| self.callers(name))
    }

    /// Returns all services to which so many calls lead from one, with that.
    pub(super) fn below(&self, of: &Name, hops: u32) -> BTreeSet<Name> {
        self.count_walk();
        reach([of], hops, |name| self.callees(name))
    }

    /// Returns all services within so many calls, in either direction, of any of these; with these.
    pub(super) fn within(&self, of: &BTreeSet<Name>, hops: u32) -> BTreeSet<Name> {
        reach(of, hops, |name| self.callees(name).chain(self.callers(name)))
    }

    #[cfg(test)]
    fn count_walk(&self) {
        self.n_walks.set(self.n_walks.get() + 1);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests count")]
    const fn count_walk(&self) {}

    fn connect(&mut self, client: Name, server: Name) {
        self.callers.entry(server.clone()).or_default().insert(client.clone());
        self.callees.entry(client).or_default().insert(server);
    }

    fn reconnect(&mut self) {
        self.callers.clear();
        self.callees.clear();
        let known = self.edges.iter().filter(|(_, seen)| seen.calls >= self.min_calls);
        for (client, server) in known.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.connect(client, server);
        }
    }
}

/// Returns these, and what is near to them in so many steps.
fn reach<'a, Near: Iterator<Item = &'a Name>>(
    of: impl IntoIterator<Item = &'a Name>,
    hops: u32,
    near: impl Fn(&'a Name) -> Near,
) -> BTreeSet<Name> {
    let mut front: Vec<&Name> = of.into_iter().collect();
    let mut found: BTreeSet<Name> = front.iter().copied().cloned().collect();
    for _ in 0..hops {
        front = front.into_iter().flat_map(&near).filter(|near| found.insert(Name::clone(near))).collect();
    }
    found
}

/// Walks in one direction, nearest first. A place is better the fewer silent services lie directly before it, so
/// it may be visited once for each number of them.
fn reached<'a>(
    next: &'a BTreeMap<Name, BTreeSet<Name>>,
    from: &str,
    limits: &CausalConfig,
    is_loud: &dyn Fn(&str) -> bool,
) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut front = VecDeque::from([(from, 0, 0)]);
    while let Some((at, hops, silent)) = front.pop_front() {
        for near in next.get(at).into_iter().flatten() {
            found.insert(&**near);
            let silent = if is_loud(near) { 0 } else { silent + 1 };
            let is_better = seen.get(&**near).is_none_or(|before| silent < *before);
            if silent <= limits.silent_hops && hops + 2 <= limits.max_hops && is_better {
                seen.insert(near, silent);
                front.push_back((near, hops + 1, silent));
            }
        }
    }
    found
}
