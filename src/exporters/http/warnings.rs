//! A log line that does not repeat itself a thousand times.

use std::{cell::Cell, time::Duration};

use model::Timestamp;

/// At most one warning of a kind in this time.
const PERIOD: Duration = Duration::from_secs(10);

/// Lets a warning through now and then, and counts what it held back.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    next: Cell<Timestamp>,
    held_back: Cell<u64>,
}

impl Warnings {
    /// Returns how many warnings were held back since the last one, when it is time for the next.
    pub(crate) fn due(&self, now: Timestamp) -> Option<u64> {
        if now < self.next.get() {
            self.held_back.set(self.held_back.get() + 1);
            return None;
        }
        self.next.set(now + PERIOD);
        Some(self.held_back.take())
    }
}
