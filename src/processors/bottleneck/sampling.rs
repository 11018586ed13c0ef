//! Which traces are kept when there are too many: those whose hash is small, all spans of each. Of others the spans that
//! failed, while these are few.

use std::time::Duration;

use model::Timestamp;

use super::partial::{BottleneckPartial, SpanRow};
use crate::aggregation::hashing;

/// The threshold that keeps every trace.
pub(super) const EVERY_TRACE: u64 = u64::MAX;

/// Hashes a trace id; the same in every process, and even where ids are not random.
pub(super) fn hash_of(trace: &[u8; 16]) -> u64 {
    hashing::rank(trace, &[])
}

impl SpanRow {
    pub(super) fn trace(&self) -> u128 {
        u128::from(self.trace_high) << 64 | u128::from(self.trace_low)
    }

    pub(super) fn hash(&self) -> u64 {
        hash_of(&self.trace().to_be_bytes())
    }
}

/// Hashes up to which something is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Thresholds {
    /// Traces, with all their spans.
    pub(super) whole: u64,
    /// Spans that failed. Below the other it changes nothing.
    pub(super) failed: u64,
}

impl Thresholds {
    pub(super) const EVERYTHING: Self = Self { whole: EVERY_TRACE, failed: EVERY_TRACE };

    pub(super) const fn keeps(self, hash: u64, failed: bool) -> bool {
        hash <= self.whole || failed && hash <= self.failed
    }

    pub(super) fn or_lower(self, other: Self) -> Self {
        Self { whole: self.whole.min(other.whole), failed: self.failed.min(other.failed) }
    }
}

/// What part of all is kept. Both are above 0.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Shares {
    /// Of traces.
    pub(super) whole: f64,
    /// Of spans that failed, those of whole traces among them.
    pub(super) failed: f64,
}

/// Decides of traces, and of spans that failed, by the rate of each. The two know nothing of each other: so few failures
/// are all kept, and when everything fails whole traces tell of it.
#[derive(Clone, Debug)]
pub(super) struct Sampling {
    whole: Sampler,
    failed: Sampler,
}

impl Sampling {
    /// `failed_share` of as many spans are kept that failed.
    pub(super) fn new(
        max_spans_per_second: u64,
        failed_share: f64,
        max_wait: Duration,
        now: Timestamp,
    ) -> Self {
        let of_failed = (max_spans_per_second as f64 * failed_share) as u64;
        let sampler = |limit| Sampler::new(limit, max_wait, now);
        Self { whole: sampler(max_spans_per_second), failed: sampler(of_failed) }
    }

    /// Takes what a shard tells of a second.
    pub(super) fn hear(&mut self, told: &BottleneckPartial) {
        self.whole.hear(told.threshold, told.seen);
        self.failed.hear(told.failed_threshold, told.seen_failed);
    }

    /// Whether all spans of a trace are kept.
    pub(super) fn is_whole(&self, hash: u64) -> bool {
        self.whole.admits(hash)
    }

    pub(super) fn keeps(&self, hash: u64, failed: bool) -> bool {
        self.whole.admits(hash) || failed && self.failed.admits(hash)
    }

    pub(super) const fn admitted(&self) -> Thresholds {
        Thresholds { whole: self.whole.admitted, failed: self.failed.admitted }
    }

    /// Takes back what [`Self::admitted`] returned before a restart.
    pub(super) fn restore(&mut self, admitted: Thresholds) {
        self.whole.restore(admitted.whole);
        self.failed.restore(admitted.failed);
    }

    pub(super) fn shares(&self) -> Shares {
        let whole = self.whole.share();
        Shares { whole, failed: self.failed.share().max(whole) }
    }

    /// Decides anew. Returns the thresholds when the shards must be told.
    pub(super) fn tick(&mut self, now: Timestamp) -> Option<Thresholds> {
        let told = [self.whole.tick(now), self.failed.tick(now)];
        let published = |sampler: &Sampler| sampler.published.unwrap_or(sampler.admitted);
        let is_news = told.iter().any(Option::is_some);
        is_news.then(|| Thresholds { whole: published(&self.whole), failed: published(&self.failed) })
    }
}

/// Follows how much comes, and decides what is kept.
///
/// A lower threshold holds at once. A higher one holds when every trace of which something was left out has
/// ended, so that no trace is taken for whole that is not.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    /// *Units*: spans per second.
    limit: f64,
    max_wait: Duration,
    /// What the shards were told; none before the first tick.
    published: Option<u64>,
    /// Traces up to this hash are assembled.
    admitted: u64,
    /// From when on what was published holds.
    raised_from: Timestamp,
    /// The greatest of late. *Units*: spans per second.
    rate: f64,
    /// Since the last tick.
    seen: u64,
    least_told: u64,
    ticked: Timestamp,
}

/// What the rate of the second before counts in the next: a burst is forgotten in half a minute.
const KEPT_OF_RATE: f64 = 0.95;
/// A threshold that differs by less is not worth telling.
const LOWER_BY: f64 = 0.9;
const HIGHER_BY: f64 = 1.25;

impl Sampler {
    pub(super) fn new(max_spans_per_second: u64, max_wait: Duration, now: Timestamp) -> Self {
        Self {
            limit: max_spans_per_second as f64,
            max_wait,
            published: None,
            admitted: EVERY_TRACE,
            raised_from: now,
            rate: 0.0,
            seen: 0,
            least_told: EVERY_TRACE,
            ticked: now,
        }
    }

    /// Takes what a shard tells of a second.
    pub(super) fn hear(&mut self, threshold: u64, seen: u64) {
        self.seen = self.seen.saturating_add(seen);
        self.least_told = self.least_told.min(threshold);
    }

    pub(super) fn admits(&self, hash: u64) -> bool {
        hash <= self.admitted.min(self.least_told)
    }

    /// Takes back what was admitted before a restart.
    fn restore(&mut self, admitted: u64) {
        self.admitted = admitted;
        self.published = None;
    }

    /// Returns the share of traces that are assembled.
    pub(super) fn share(&self) -> f64 {
        (self.admitted as f64 + 1.0) / (EVERY_TRACE as f64 + 1.0)
    }

    /// Decides anew. Returns the threshold when the shards must be told.
    pub(super) fn tick(&mut self, now: Timestamp) -> Option<u64> {
        let seconds = now.since(self.ticked).as_secs_f64().max(1.0);
        self.rate = (std::mem::take(&mut self.seen) as f64 / seconds).max(self.rate * KEPT_OF_RATE);
        self.ticked = now;
        let told = std::mem::replace(&mut self.least_told, EVERY_TRACE);
        let published = self.published.unwrap_or(self.admitted);
        if told < self.admitted {
            self.admitted = told;
            self.raised_from = now + self.max_wait;
        } else if now >= self.raised_from && told >= published {
            self.admitted = published;
        }
        let share = (self.limit / self.rate.max(1.0)).min(1.0);
        let wanted = if share >= 1.0 { EVERY_TRACE } else { (share * EVERY_TRACE as f64) as u64 };
        let ratio = wanted as f64 / (published as f64).max(1.0);
        let is_lower = ratio < LOWER_BY;
        let is_higher =
            now >= self.raised_from && wanted > published && { ratio > HIGHER_BY || wanted == EVERY_TRACE };
        if !is_lower && !is_higher && self.published.is_some() {
            return None;
        }
        let next = if is_lower || is_higher { wanted } else { published };
        // Also of a lower one, or it would be raised sooner where many shards share a burst than where one has it alone.
        if is_lower || is_higher {
            self.raised_from = now + self.max_wait;
        }
        self.admitted = self.admitted.min(next);
        self.published = Some(next);
        Some(next)
    }
}
