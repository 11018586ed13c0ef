//! Which resources began anew, as their counters tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::Timestamp;

/// Resources by the window in which a counter of theirs began anew, as long as later stages are told of it.
#[derive(Default)]
pub(super) struct Restarts {
    by_window: BTreeMap<Timestamp, BTreeSet<Arc<[u8]>>>,
    limit: usize,
}

impl Restarts {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Notes that a counter of a resource began anew in the window that begins at a time. What finds no room is not told.
    pub(super) fn note(&mut self, resource: &[u8], start: Timestamp) {
        let n_known: usize = self.by_window.values().map(BTreeSet::len).sum();
        let resources = self.by_window.entry(start).or_default();
        if !resources.contains(resource) && n_known < self.limit {
            resources.insert(resource.into());
        }
    }

    /// Returns the resources that began anew from one instant until before another, in their order.
    pub(super) fn within(&self, from: Timestamp, until: Timestamp) -> Vec<Arc<[u8]>> {
        let all: BTreeSet<_> = self.by_window.range(from..until).flat_map(|(_, them)| them).collect();
        all.into_iter().cloned().collect()
    }

    /// Forgets what was before an instant.
    pub(super) fn forget(&mut self, before: Timestamp) {
        self.by_window = self.by_window.split_off(&before);
    }
}
