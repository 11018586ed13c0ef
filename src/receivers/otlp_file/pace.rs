//! When what was recorded is due.

use std::time::Duration;

use model::Timestamp;

/// When lines are due: the first at once, the others as long after it as they were recorded after it,
/// divided by the speed.
pub(super) struct Schedule {
    speed: f64,
    start: Option<(Timestamp, Timestamp)>,
}

impl Schedule {
    pub(super) fn new(speed: f64) -> Self {
        Self { speed, start: None }
    }

    /// Whether lines wait for their time at all.
    pub(super) fn is_paced(&self) -> bool {
        self.speed > 0.0
    }

    /// Returns when a line is due; one without a time, or older than the first, is due now.
    pub(super) fn due(&mut self, recorded: Timestamp, now: Timestamp) -> Timestamp {
        if !self.is_paced() || recorded.0 == 0 {
            return now;
        }
        let (first, started) = *self.start.get_or_insert((recorded, now));
        let after = Duration::from_nanos(recorded.0.saturating_sub(first.0));
        let scaled = after.as_secs_f64() / self.speed;
        let nanos = Duration::try_from_secs_f64(scaled)
            .map_or(u64::MAX, |wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        Timestamp(started.0.saturating_add(nanos))
    }
}
