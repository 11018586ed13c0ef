//! Slices of time that are being filled.

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;

use crate::sla::ring::Count;

/// Events by the start of their slice.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::sla) struct Slices {
    pub(in crate::sla) open: BTreeMap<Timestamp, Count>,
    /// The first slice that is not judged.
    pub(in crate::sla) next: Timestamp,
}

const LONGEST_STEP: Duration = Duration::from_secs(86_400);

impl Slices {
    /// Counts events of a slice. Returns whether it is still open.
    pub(in crate::sla) fn take(&mut self, start: Timestamp, count: Count) -> bool {
        if start < self.next {
            return false;
        }
        let slice = self.open.entry(start).or_default();
        *slice = slice.plus(count);
        true
    }

    /// Returns the slices that ended by an instant, also those without events, from the first whole one after
    /// `first` on.
    pub(in crate::sla) fn close(
        &mut self,
        width: Duration,
        first: Timestamp,
        ready: Timestamp,
    ) -> Vec<(Timestamp, Count)> {
        let whole = (first + (width - Duration::from_nanos(1))).window_start(width);
        // A clock that jumps ahead does not make a year of slices.
        let mut start = self.next.max(whole).max((ready - LONGEST_STEP).window_start(width));
        let mut closed = Vec::new();
        while start + width <= ready {
            closed.push((start, self.open.remove(&start).unwrap_or_default()));
            start = start + width;
        }
        self.next = start;
        // What began before the observation is known in part only.
        self.open.retain(|open, _| *open >= start);
        closed
    }
}
