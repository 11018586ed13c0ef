//! Decisions that are remembered when their traces are forgotten.

use std::collections::{BTreeSet, HashMap};

use model::Timestamp;

/// The traces that were asked for last. What is forgotten does not depend on the order within an instant.
#[derive(Default)]
pub(super) struct Remembered {
    most: usize,
    last: HashMap<u128, Timestamp>,
    order: BTreeSet<(Timestamp, u128)>,
}

impl Remembered {
    /// Remembers at most so many; none for 0.
    pub(super) fn new(most: u64) -> Self {
        Self { most: most as usize, ..Self::default() }
    }

    pub(super) fn is_off(&self) -> bool {
        self.most == 0
    }

    /// Whether a trace is remembered; if so, it is for longer.
    pub(super) fn has(&mut self, trace: u128, now: Timestamp) -> bool {
        let Some(last) = self.last.get_mut(&trace) else { return false };
        self.order.remove(&(*last, trace));
        *last = now;
        self.order.insert((now, trace));
        true
    }

    pub(super) fn insert(&mut self, trace: u128, now: Timestamp) {
        if self.is_off() || self.has(trace, now) {
            return;
        }
        self.last.insert(trace, now);
        self.order.insert((now, trace));
    }

    /// Forgets those that were not asked for the longest.
    pub(super) fn make_room(&mut self) {
        while self.last.len() > self.most
            && let Some((_, trace)) = self.order.pop_first()
        {
            self.last.remove(&trace);
        }
    }
}
