//! Workflows that counters tell of: how many began and how many ended.

use std::{collections::VecDeque, time::Duration};

use model::Timestamp;

use super::{Outcome, Running};
use crate::sla::plan::Workflow;

/// Workflows that began and have not ended, in the order in which they began.
///
/// Counters do not say which one ended, so the oldest is taken: the number of open ones is exact, and their
/// ages are those of a queue.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::sla) struct Queue {
    pub(in crate::sla) batches: VecDeque<Batch>,
    /// Parts of workflows that counters have told and that make no whole yet: of began and of ended.
    pub(in crate::sla) fractions: [f64; 2],
}

/// Workflows that began in one window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sla) struct Batch {
    pub(in crate::sla) start: Timestamp,
    pub(in crate::sla) n: u64,
    /// Whether they are events already.
    pub(in crate::sla) is_counted: bool,
}

/// So many windows are told apart; of more the last two are one.
const MAX_BATCHES: usize = 10_000;

impl Queue {
    /// Adds what began in the window that ends at `at`.
    pub(in crate::sla) fn begin(&mut self, at: Timestamp, n: f64) {
        let n = whole(&mut self.fractions[0], n);
        if n == 0 {
            return;
        }
        let is_full = self.batches.len() >= MAX_BATCHES;
        match self.batches.back_mut() {
            Some(last) if last.start == at || is_full => last.n = last.n.saturating_add(n),
            _ => self.batches.push_back(Batch { start: at, n, is_counted: false }),
        }
    }

    /// Takes away what ended by `at`. Those that began before anything was seen are not known and not judged.
    pub(in crate::sla) fn end(&mut self, at: Timestamp, n: f64, workflow: &Workflow) -> Vec<Outcome> {
        let mut left = whole(&mut self.fractions[1], n);
        let mut outcomes = Vec::new();
        while left > 0
            && let Some(oldest) = self.batches.front_mut()
        {
            let taken = oldest.n.min(left);
            left -= taken;
            oldest.n -= taken;
            if !oldest.is_counted {
                let took = at.since(oldest.start);
                let is_good = took <= workflow.within;
                outcomes.push(Outcome { at, is_good, weight: taken, trace: None, took });
            }
            if oldest.n == 0 {
                self.batches.pop_front();
            }
        }
        outcomes
    }

    /// Judges those that run too long.
    pub(in crate::sla) fn advance(&mut self, workflow: &Workflow, at: Timestamp) -> (Vec<Outcome>, Running) {
        let mut outcomes = Vec::new();
        let mut running = Running::default();
        self.batches.retain(|batch| at.since(batch.start) <= workflow.give_up_after);
        for batch in &mut self.batches {
            let age = at.since(batch.start);
            if age > workflow.within && !batch.is_counted {
                batch.is_counted = true;
                let failed = batch.start + workflow.within;
                outcomes.push(Outcome {
                    at: failed,
                    is_good: false,
                    weight: batch.n,
                    trace: None,
                    took: age,
                });
            }
            let when = |longer: bool| if longer { batch.n } else { 0 };
            running.n_open += batch.n;
            running.n_overdue += when(age > workflow.within);
            running.n_escalated += when(age > workflow.escalate_after);
        }
        running.oldest = self.batches.front().map_or(Duration::ZERO, |batch| at.since(batch.start));
        (outcomes, running)
    }
}

/// Adds to a fraction and takes the whole numbers out.
pub(in crate::sla) fn whole(fraction: &mut f64, more: f64) -> u64 {
    // Rates are divided by the width of their window and multiplied again.
    const ROUNDING: f64 = 1e-6;
    let sum = *fraction + if more.is_finite() { more.max(0.0) } else { 0.0 };
    let whole = (sum + ROUNDING).floor();
    *fraction = sum - whole;
    whole as u64
}
