//! Whether the destination answers, told to the person who waits when it changes.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A destination that comes and goes is not spoken of more often.
const PAUSE: Duration = Duration::from_secs(10);

/// What is known of the destination.
pub(crate) struct Reach {
    address: String,
    /// Since when attempts fail, after it was said.
    silent_since: Cell<Option<Instant>>,
    told_at: Cell<Option<Instant>>,
    has_refused: Cell<bool>,
}

impl Reach {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            silent_since: Cell::new(None),
            told_at: Cell::new(None),
            has_refused: Cell::new(false),
        }
    }

    /// Notes an attempt without an answer. Returns what is to be said, the first time.
    pub(crate) fn failed(&self, now: Instant, error: &str) -> Option<String> {
        if self.silent_since.get().is_some() || self.told_at.get().is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        self.silent_since.set(Some(now));
        self.told_at.set(Some(now));
        Some(format!(
            "warning: {} does not answer: {error}\n  trying again; start a collector that listens there \
             (trueline --config=FILE), or name another by --endpoint and --protocol",
            self.address
        ))
    }

    /// Notes an answer, of whatever kind. Returns what is to be said, after it was silent.
    pub(crate) fn answered(&self, now: Instant) -> Option<String> {
        let since = self.silent_since.take()?;
        Some(format!("{} answers, after {:.1} s without", self.address, (now - since).as_secs_f64()))
    }

    /// Notes that something is lost for good. Returns what is to be said, the first time.
    pub(crate) fn refused(&self, reason: &str) -> Option<String> {
        let is_first = !self.has_refused.replace(true);
        is_first.then(|| format!("warning: {} did not take what was sent: {reason}", self.address))
    }
}
