//! A range of instants.

use std::time::Duration;

use model::Timestamp;

/// Points of a series that are asked for at once. Prometheus refuses more than 11,000; a day and a half of
/// minutes keeps the answer for a thousand series below 60 MB.
const POINTS_PER_REQUEST: u64 = 2_000;

/// The instants of a range, from the first to the last that is not after the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) step: Duration,
}

impl Range {
    /// Points that a series can have.
    pub(crate) fn n_points(&self) -> u64 {
        (self.end.since(self.start).as_nanos() / self.step.as_nanos()) as u64 + 1
    }

    /// Cuts off the first stretch; none when nothing is left.
    pub(crate) fn split_first(&mut self) -> Option<Self> {
        if self.start > self.end {
            return None;
        }
        let n_points = self.n_points().min(POINTS_PER_REQUEST);
        let step = u64::try_from(self.step.as_nanos()).unwrap_or(u64::MAX);
        let last = Timestamp(self.start.as_nanos().saturating_add(step.saturating_mul(n_points - 1)));
        let first = Self { end: last, ..*self };
        self.start = last + self.step;
        Some(first)
    }
}
