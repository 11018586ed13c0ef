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
    is_left_out: bool,
}

/// A trace whose wait is over.
pub(super) struct Gathered {
    pub(super) id: u128,
    pub(super) spans: Vec<Span>,
    /// Whether spans of it had no room.
    pub(super) is_cut: bool,
    /// Whether the trace is left out, and these are those of its spans that failed.
    pub(super) is_left_out: bool,
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
    /// Of traces that are left out, and did not fail.
    pub(super) left_out: u64,
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

    /// Takes the spans of a tick, in any order. Of traces that are not whole those that failed count.
    pub(super) fn take(
        &mut self,
        spans: Vec<(u128, Span)>,
        is_whole: impl Fn(u128) -> bool,
        now: Timestamp,
    ) -> Losses {
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
                continue;
            }
            let is_left_out = self.pending.get(&trace).map_or(!is_whole(trace), |known| known.is_left_out);
            if is_left_out {
                let before = group.len();
                group.retain(|span| span.failed);
                losses.left_out += (before - group.len()) as u64;
            }
            if !group.is_empty() {
                losses.over_trace += self.add(trace, group, is_left_out, now);
            }
        }
        self.make_room(&mut losses);
        losses
    }

    /// Returns how many spans had no room in their trace.
    fn add(&mut self, trace: u128, mut group: Vec<Span>, is_left_out: bool, now: Timestamp) -> u64 {
        let came = end_of_step(now, self.step);
        let fresh = || Pending { first: came, is_left_out, ..Pending::default() };
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
        // The root of a trace that is left out need not come.
        let until = if pending.has_root || is_left_out {
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
            let Some(Pending { spans, is_cut, is_left_out, .. }) = self.remove(id) else { continue };
            self.remember(id, now);
            complete.push(Gathered { id, spans, is_cut, is_left_out });
        }
        complete
    }

    /// Gives up traces that are no longer sampled, but for spans that failed where those are. Returns the others.
    pub(super) fn give_up(
        &mut self,
        is_whole: impl Fn(u128) -> bool,
        keeps_failed: impl Fn(u128) -> bool,
    ) -> u64 {
        let is_less = |id: &u128, known: &Pending| match known.is_left_out {
            true => !keeps_failed(*id),
            false => !is_whole(*id),
        };
        let less = self.pending.iter().filter(|(id, known)| is_less(id, known)).map(|(id, _)| *id);
        // In any order: what becomes of a trace does not depend on the others.
        let less: Vec<u128> = less.collect();
        let mut n_gone = 0;
        for id in less {
            let Some(mut pending) = self.remove(id) else { continue };
            let before = pending.spans.len();
            pending.spans.retain(|span| span.failed && keeps_failed(id));
            n_gone += (before - pending.spans.len()) as u64;
            if pending.spans.is_empty() {
                continue;
            }
            let until = (pending.first + self.grace).min(pending.due);
            (pending.due, pending.is_left_out) = (end_of_step(until, self.step), true);
            self.n_spans += pending.spans.len();
            self.due.insert((pending.due, id));
            self.pending.insert(id, pending);
        }
        n_gone
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

    /// Gives up traces until a tenth is free: what is kept of those that are left out first, then those without errors, of
    /// these those whose root has not come, as it may never come, of these those that came first.
    fn make_room(&mut self, losses: &mut Losses) {
        if self.pending.len() <= self.max_traces && self.n_spans <= self.max_pending {
            return;
        }
        let rank = |it: &Pending| (!it.is_left_out, it.has_failed, it.has_root, it.first);
        let mut order: Vec<_> = self.pending.iter().map(|(id, pending)| (rank(pending), *id)).collect();
        order.sort_unstable();
        for ((is_whole, _, _, first), id) in order {
            if self.pending.len() <= self.max_traces / 10 * 9 && self.n_spans <= self.max_pending / 10 * 9 {
                break;
            }
            let Some(gone) = self.remove(id) else { continue };
            self.remember(id, first + self.max_wait);
            losses.given_up += u64::from(is_whole);
            losses.over_room += gone.spans.len() as u64;
        }
    }
}

/// Returns the first end of a step that is not before an instant.
fn end_of_step(at: Timestamp, step: Duration) -> Timestamp {
    let start = at.window_start(step);
    if start == at { at } else { start + step }
}
