//! Where spans wait for the rest of their trace.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};

use model::Timestamp;

use super::{config::BottleneckConfig, span::Span};

/// Traces that are not complete yet.
///
/// What happens depends on the time and on ids, never on the order in which spans come within a step: whatever comes
/// in one counts as come at its end, and traces are taken at ends of steps only. So the same traces are told of in the
/// same minute however senders and the way here delay them, as long as they come in the step in which they came.
pub(super) struct Assembly {
    step: Duration,
    grace: Duration,
    max_wait: Duration,
    max_spans: usize,
    max_traces: usize,
    max_pending: usize,
    pending: HashMap<u128, Pending>,
    /// By the time at which they are taken as they are.
    due: BTreeSet<(Timestamp, u128)>,
    n_spans: usize,
    /// Traces that were taken lately, in the order of the times until which that is remembered.
    taken: HashSet<u128>,
    forget: VecDeque<(Timestamp, u128)>,
}

#[derive(Default)]
struct Pending {
    spans: Vec<Span>,
    first: Timestamp,
    due: Timestamp,
    has_root: bool,
    has_failed: bool,
    is_cut: bool,
}

/// A trace whose wait is over.
pub(super) struct Gathered {
    pub(super) id: u128,
    pub(super) spans: Vec<Span>,
    /// Whether spans of it had no room.
    pub(super) is_cut: bool,
}

/// What found no place, in spans and for the last in traces.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Losses {
    /// Came after their trace had been taken.
    pub(super) late: u64,
    /// Of traces with too many spans.
    pub(super) over_trace: u64,
    /// Of traces that were given up, as too much waited.
    pub(super) over_room: u64,
    pub(super) given_up: u64,
}

/// With windows longer than this traces would wait, and take room, for longer than they need to.
const LONGEST_STEP: Duration = Duration::from_secs(10);

impl Assembly {
    pub(super) fn new(config: &BottleneckConfig) -> Self {
        let trace = &config.trace;
        Self {
            step: config.window.get().min(LONGEST_STEP),
            grace: trace.grace.get(),
            max_wait: trace.max_wait.get(),
            max_spans: trace.max_spans as usize,
            max_traces: trace.max_traces as usize,
            max_pending: trace.max_pending_spans as usize,
            pending: HashMap::new(),
            due: BTreeSet::new(),
            n_spans: 0,
            taken: HashSet::new(),
            forget: VecDeque::new(),
        }
    }

    pub(super) fn n_traces(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn n_spans(&self) -> usize {
        self.n_spans
    }

    /// Takes the spans of a tick, in any order.
    pub(super) fn take(&mut self, spans: Vec<(u128, Span)>, now: Timestamp) -> Losses {
        let mut losses = Losses::default();
        let mut groups: HashMap<u128, Vec<Span>> = HashMap::new();
        for (trace, span) in spans {
            groups.entry(trace).or_default().push(span);
        }
        // In any order: what becomes of a trace does not depend on the others, and losses are only counted.
        for (trace, mut group) in groups {
            group.sort_unstable();
            group.dedup();
            if self.taken.contains(&trace) {
                losses.late += group.len() as u64;
            } else {
                losses.over_trace += self.add(trace, group, now);
            }
        }
        self.make_room(&mut losses);
        losses
    }

    /// Returns how many spans had no room in their trace.
    fn add(&mut self, trace: u128, mut group: Vec<Span>, now: Timestamp) -> u64 {
        let came = end_of_step(now, self.step);
        let fresh = || Pending { first: came, ..Pending::default() };
        let pending = self.pending.entry(trace).or_insert_with(fresh);
        self.due.remove(&(pending.due, trace));
        pending.has_root |= group.iter().any(|span| span.parent == 0);
        pending.has_failed |= group.iter().any(|span| span.failed);
        let room = self.max_spans.saturating_sub(pending.spans.len());
        let lost = group.len().saturating_sub(room);
        pending.is_cut |= lost > 0;
        group.truncate(room);
        self.n_spans += group.len();
        pending.spans.append(&mut group);
        let until = if pending.has_root {
            (came + self.grace).min(pending.first + self.max_wait)
        } else {
            pending.first + self.max_wait
        };
        pending.due = end_of_step(until, self.step);
        self.due.insert((pending.due, trace));
        lost as u64
    }

    /// Returns the traces whose wait has ended, in the order in which it did.
    pub(super) fn complete(&mut self, now: Timestamp) -> Vec<Gathered> {
        while let Some((until, trace)) = self.forget.front().copied().filter(|(until, _)| *until <= now) {
            self.forget.pop_front();
            self.taken.remove(&trace);
            debug_assert!(until <= now);
        }
        let mut complete = Vec::new();
        while let Some((_, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            let Some(Pending { spans, is_cut, .. }) = self.remove(id) else { continue };
            self.remember(id, now);
            complete.push(Gathered { id, spans, is_cut });
        }
        complete
    }

    /// Gives up traces that are no longer sampled. Returns their spans.
    pub(super) fn give_up(&mut self, is_wanted: impl Fn(u128) -> bool) -> u64 {
        let gone: Vec<u128> = self.pending.keys().copied().filter(|id| !is_wanted(*id)).collect();
        gone.into_iter().filter_map(|id| self.remove(id)).map(|pending| pending.spans.len() as u64).sum()
    }

    fn remove(&mut self, id: u128) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.due.remove(&(pending.due, id));
        self.n_spans -= pending.spans.len();
        Some(pending)
    }

    /// A trace that was taken does not begin anew when more of it comes.
    fn remember(&mut self, id: u128, now: Timestamp) {
        if self.taken.len() < 4 * self.max_traces && self.taken.insert(id) {
            self.forget.push_back((now + self.max_wait, id));
        }
    }

    /// Gives up traces until a tenth is free: those without errors first, of these those whose root has not come, as
    /// it may never come, of these those that came first.
    fn make_room(&mut self, losses: &mut Losses) {
        if self.pending.len() <= self.max_traces && self.n_spans <= self.max_pending {
            return;
        }
        let rank = |pending: &Pending| (pending.has_failed, pending.has_root, pending.first);
        let mut order: Vec<_> = self.pending.iter().map(|(id, pending)| (rank(pending), *id)).collect();
        order.sort_unstable();
        for ((_, _, first), id) in order {
            if self.pending.len() <= self.max_traces / 10 * 9 && self.n_spans <= self.max_pending / 10 * 9 {
                break;
            }
            let Some(gone) = self.remove(id) else { continue };
            self.remember(id, first + self.max_wait);
            losses.given_up += 1;
            losses.over_room += gone.spans.len() as u64;
        }
    }
}

/// Returns the first end of a step that is not before an instant.
fn end_of_step(at: Timestamp, step: Duration) -> Timestamp {
    let start = at.window_start(step);
    if start == at { at } else { start + step }
}
