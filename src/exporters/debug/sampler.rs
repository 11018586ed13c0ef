//! Which requests are shown.

use std::cell::Cell;

use model::{Signal, Timestamp};

/// Shows the first few of each second, and every so many after them, for each signal on its own.
#[derive(Debug)]
pub(super) struct Sampler {
    initial: u64,
    thereafter: u64,
    /// The second, and the requests in it so far, in the order of [`Signal::ALL`].
    seen: [Cell<(u64, u64)>; 3],
}

impl Sampler {
    pub(super) fn new(initial: u64, thereafter: u64) -> Self {
        Self { initial, thereafter, seen: Default::default() }
    }

    /// Counts a request and tells whether it is shown.
    pub(super) fn shows(&self, signal: Signal, now: Timestamp) -> bool {
        let second = now.as_nanos() / 1_000_000_000;
        let [traces, metrics, logs] = &self.seen;
        let seen = match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        };
        let count = match seen.get() {
            (last, count) if last == second => count + 1,
            _ => 1,
        };
        seen.set((second, count));
        let beyond = count.saturating_sub(self.initial);
        beyond == 0 || beyond.checked_rem(self.thereafter) == Some(0)
    }
}
