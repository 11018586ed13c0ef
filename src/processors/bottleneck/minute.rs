//! What a minute of traces and windows tells, before it is judged.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    calls::{Example, Millis},
    names::ByName,
    subject::{Operation, Subject, Type},
};

/// Counts of one minute.
pub(super) struct Minute {
    max: usize,
    pub(super) tallies: ByName<Subject, Tally>,
    pub(super) roots: ByName<Operation, RootTally>,
    pub(super) levels: BTreeMap<Subject, Level>,
    /// What is in queues.
    pub(super) depths: BTreeMap<Subject, Level>,
    pub(super) whole: u64,
    pub(super) assembled: u64,
    /// Whether a part of it was excluded: nothing is learned from it, and nothing told of it.
    pub(super) is_excluded: bool,
}

/// One subject.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) n: u64,
    /// Of these those that took any time: what is judged by its share takes none where it did not happen.
    pub(super) n_hits: u64,
    /// How long it took each time.
    pub(super) values: Millis,
    pub(super) exemplar: Option<Example>,
    /// By root: what of it was on critical paths.
    pub(super) parts: Vec<(Operation, Part)>,
}

/// Time of one subject on the critical paths of one root.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Part {
    /// *Units*: nanoseconds, of all traces and of those that took longer than is usual for 95 % of them.
    pub(super) nanos: u64,
    pub(super) slow_nanos: u64,
}

/// One operation for which somebody waits.
#[derive(Default)]
pub(super) struct RootTally {
    pub(super) n: u64,
    pub(super) n_slow: u64,
    pub(super) nanos: u64,
    pub(super) slow_nanos: u64,
}

/// One resource: the windows of the minute, each with its most used instance.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Level {
    pub(super) n: u64,
    pub(super) sum: f64,
}

impl Level {
    pub(super) fn mean(self) -> f64 {
        self.sum / self.n.max(1) as f64
    }
}

/// Something that was seen of a subject.
pub(super) struct Observation<'a> {
    /// What it took. *Units*: nanoseconds.
    pub(super) nanos: u64,
    /// What of that was on the critical path.
    pub(super) on_path: u64,
    pub(super) root: &'a Operation,
    pub(super) is_slow: bool,
    pub(super) example: Example,
}

/// Roots of one subject that are told apart; an operation with more callers is affected all the same.
const MAX_PARTS: usize = 16;
/// A twentieth of the traces should be slow: with fewer, all speak.
const SLOW_OF: u64 = 20;

impl Minute {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            tallies: ByName::new(),
            roots: ByName::new(),
            levels: BTreeMap::new(),
            depths: BTreeMap::new(),
            whole: 0,
            assembled: 0,
            is_excluded: false,
        }
    }

    /// Returns whether there was room.
    pub(super) fn add_root(&mut self, root: &Operation, nanos: u64, is_slow: bool) -> bool {
        let Some(tally) = self.roots.of(root.clone(), self.max) else { return false };
        tally.n += 1;
        tally.nanos = tally.nanos.saturating_add(nanos);
        if is_slow {
            tally.n_slow += 1;
            tally.slow_nanos = tally.slow_nanos.saturating_add(nanos);
        }
        true
    }

    /// Returns whether there was room.
    pub(super) fn add(&mut self, subject: Subject, seen: &Observation<'_>) -> bool {
        let Some(tally) = self.tallies.of(subject, self.max) else { return false };
        tally.n += 1;
        tally.n_hits += u64::from(seen.nanos > 0);
        tally.values.add(seen.nanos);
        tally.exemplar = tally.exemplar.max(Some(seen.example));
        let is_same =
            |root: &Operation| Arc::ptr_eq(&root.0, &seen.root.0) && Arc::ptr_eq(&root.1, &seen.root.1);
        // Handles of one text are nearly always the same: letters are compared when none of them is.
        let known = tally.parts.iter().position(|(root, _)| is_same(root));
        let known = known.or_else(|| tally.parts.iter().position(|(root, _)| root == seen.root));
        if known.is_none() && tally.parts.len() >= MAX_PARTS {
            return true;
        }
        let place = known.unwrap_or_else(|| {
            tally.parts.push((seen.root.clone(), Part::default()));
            tally.parts.len() - 1
        });
        let (_, part) = &mut tally.parts[place];
        part.nanos = part.nanos.saturating_add(seen.on_path);
        if seen.is_slow {
            part.slow_nanos = part.slow_nanos.saturating_add(seen.on_path);
        }
        true
    }

    /// Returns whether there was room.
    pub(super) fn add_level(&mut self, subject: Subject, value: f64) -> bool {
        if !self.levels.contains_key(&subject) && self.levels.len() >= self.max {
            return false;
        }
        let level = self.levels.entry(subject).or_default();
        level.n += 1;
        level.sum += value;
        true
    }

    /// Returns whether there was room.
    pub(super) fn add_depth(&mut self, subject: Subject, value: f64) -> bool {
        if !self.depths.contains_key(&subject) && self.depths.len() >= self.max {
            return false;
        }
        let depth = self.depths.entry(subject).or_default();
        depth.n += 1;
        depth.sum += value;
        true
    }

    /// Returns how often an operation was done, by what is told of every time.
    pub(super) fn calls(&self, subject: &Subject) -> u64 {
        let calls = |kind| self.tallies.get(&Subject { kind, ..subject.clone() }).map_or(0, |tally| tally.n);
        [Type::Network, Type::SlowPeer, Type::SlowDatabase, Type::SlowStep].into_iter().map(calls).sum()
    }

    /// Returns the share of traces of which nothing is known to be missing.
    pub(super) fn coverage(&self) -> f64 {
        self.whole as f64 / self.assembled.max(1) as f64
    }

    /// Returns what a subject has of the latency of each root, the greatest share first.
    pub(super) fn shares(&self, subject: &Subject) -> Vec<(Operation, f64)> {
        let parts = self.tallies.get(subject).map_or(&[][..], |tally| &tally.parts);
        let share = |(root, part): &(Operation, Part)| {
            let of_root = self.roots.get(root)?;
            let (part, whole) = match of_root.n_slow * SLOW_OF >= of_root.n {
                true => (part.slow_nanos, of_root.slow_nanos),
                false => (part.nanos, of_root.nanos),
            };
            // A message waits before the operation that takes it begins.
            let before = if subject.kind == Type::QueueWait { part } else { 0 };
            let share = part as f64 / (whole.saturating_add(before) as f64).max(1.0);
            (share > 0.0).then(|| (root.clone(), share.min(1.0)))
        };
        let mut shares: Vec<_> = parts.iter().filter_map(share).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        shares
    }
}
