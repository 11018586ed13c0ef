//! When counters are told.

use std::time::Duration;

use model::Timestamp;

/// Cuts time into intervals that are aligned to the epoch, so that every shard and every process ends
/// them at the same instants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlushClock {
    interval: Duration,
    last: Timestamp,
}

impl FlushClock {
    /// `now` belongs to the first interval. An interval of zero ends at every tick.
    pub(crate) fn new(interval: Duration, now: Timestamp) -> Self {
        Self { interval, last: now.window_start(interval) }
    }

    /// Whether an interval has ended by `now`.
    pub(crate) fn ends_by(&self, now: Timestamp) -> bool {
        now.window_start(self.interval) > self.last || self.interval.is_zero()
    }

    /// Whether an interval has ended by `now`; it is then over.
    pub(crate) fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.ends_by(now);
        self.last = self.last.max(now.window_start(self.interval));
        due
    }
}
