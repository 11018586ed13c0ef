//! How long to wait before the next attempt.

use std::{cell::Cell, time::Duration};

use model::Timestamp;

use crate::alert_webhook::config::{AlertRetryConfig, BreakerConfig};

/// Nobody is believed who asks for more patience than this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Waits of random length, so that what failed together does not come back together.
///
/// *Source*: "full jitter" of AWS' "Exponential Backoff And Jitter".
pub(in super::super) struct Jitter {
    initial: Duration,
    longest: Duration,
    /// Need not be unpredictable.
    seed: Cell<u64>,
}

impl Jitter {
    pub(in super::super) fn new(config: &AlertRetryConfig, seed: u64) -> Self {
        Self {
            initial: config.initial_interval.get(),
            longest: config.max_interval.get(),
            seed: Cell::new(seed),
        }
    }

    /// Returns the wait after so many failed attempts, and not less than the destination asks for.
    pub(in super::super) fn wait(&self, failed: u32, after: Option<Duration>) -> Duration {
        let doublings = failed.saturating_sub(1).min(30);
        let most = self.initial.saturating_mul(1 << doublings).min(self.longest);
        self.seed.set(rapidhash::v3::rapidhash_v3(&self.seed.get().to_le_bytes()));
        let share = (self.seed.get() >> 11) as f64 / (1_u64 << 53) as f64;
        // Something must be waited, or a destination that fails at once would be asked in a loop.
        let least = self.initial / 10;
        most.mul_f64(share).max(least).max(after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
    }
}

/// Leaves a destination alone for a while that fails again and again, and then tries with one message.
pub(in super::super) struct Breaker {
    failures_allowed: u32,
    open_for: Duration,
    failures: Cell<u32>,
    /// Nothing is sent before.
    closed_at: Cell<Timestamp>,
}

impl Breaker {
    pub(in super::super) fn new(config: &BreakerConfig) -> Self {
        Self {
            failures_allowed: config.failures,
            open_for: config.open_for.get(),
            failures: Cell::new(0),
            closed_at: Cell::default(),
        }
    }

    /// Returns when something may be sent, and how much at once.
    pub(in super::super) fn allows(&self, under_way: usize) -> (Timestamp, usize) {
        let most = if self.is_tripped() { 1 } else { usize::MAX };
        (self.closed_at.get(), most.saturating_sub(under_way))
    }

    pub(in super::super) fn is_open(&self, now: Timestamp) -> bool {
        self.is_tripped() && now < self.closed_at.get()
    }

    const fn is_tripped(&self) -> bool {
        self.failures_allowed > 0 && self.failures.get() >= self.failures_allowed
    }

    /// Learns that the destination answered, whatever it said of the message.
    pub(in super::super) fn succeeded(&self) {
        self.failures.set(0);
    }

    /// Learns that the destination is not well; `after` is how long it wants to be left alone.
    pub(in super::super) fn failed(&self, now: Timestamp, after: Option<Duration>) {
        self.failures.set(self.failures.get().saturating_add(1));
        let rest = if self.is_tripped() { self.open_for } else { Duration::ZERO };
        let rest = rest.max(after.unwrap_or_default().min(LONGEST_RETRY_AFTER));
        self.closed_at.set(self.closed_at.get().max(now + rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_stay_below_the_longest_and_differ() {
        let jitter = Jitter::new(&AlertRetryConfig::default(), 1);
        let waits: Vec<Duration> = (1..200).map(|failed| jitter.wait(failed, None)).collect();
        assert!(
            waits.iter().all(|wait| *wait <= Duration::from_secs(60) && *wait >= Duration::from_millis(100))
        );
        assert!(waits[0] <= Duration::from_secs(1) && waits[1] <= Duration::from_secs(2));
        let mean = waits[10..].iter().sum::<Duration>() / 189;
        assert!(
            (20..40).contains(&mean.as_secs()),
            "the mean of full jitter is half the longest, not {mean:?}"
        );
    }

    #[test]
    fn a_destination_that_asks_for_patience_gets_it_up_to_an_hour() {
        let jitter = Jitter::new(&AlertRetryConfig::default(), 1);
        assert!(jitter.wait(1, Some(Duration::from_secs(90))) >= Duration::from_secs(90));
        assert_eq!(jitter.wait(1, Some(Duration::from_secs(1 << 40))), LONGEST_RETRY_AFTER);
    }

    #[test]
    fn the_breaker_opens_after_failures_in_a_row_and_closes_on_success() {
        let breaker = Breaker::new(&BreakerConfig { failures: 2, open_for: config::Duration::from_secs(30) });
        let now = Timestamp::from_secs(100);
        breaker.failed(now, None);
        assert!(!breaker.is_open(now));
        breaker.failed(now, None);
        assert!(breaker.is_open(now) && breaker.allows(0) == (now + Duration::from_secs(30), 1));
        assert_eq!(breaker.allows(1).1, 0, "one message tries, the others wait");
        breaker.succeeded();
        assert_eq!(breaker.allows(0).1, usize::MAX);
    }
}
