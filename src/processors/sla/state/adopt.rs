//! Stored counts under settings that may have changed since.

use model::Timestamp;

use super::{PeriodCount, Record};
use crate::sla::{
    calendar::Window,
    plan::Objective,
    ring::{Count, RETENTION},
};

impl Record {
    /// Makes stored counts those of the objective as it is set now.
    ///
    /// Counts of a period of the calendar are kept beside the ring, as they are exact and may reach back further. When unit
    /// or zone are no longer those, or the window was a rolling one, they are made again of the ring. What is older than
    /// the ring is then gone, and no longer counts as observed.
    pub(in crate::sla) fn adopt(&mut self, objective: &Objective) {
        let Window::Calendar(..) = objective.window else {
            // Not kept up to date, so it would be wrong when the calendar comes back.
            self.period = None;
            self.past.clear();
            return;
        };
        let is_current = |it: &PeriodCount| objective.window.at(it.period.from) == it.period;
        self.past.retain(is_current);
        if self.period.as_ref().is_some_and(is_current) {
            return;
        }
        let seen = self.coverage.spans.last().map(|(_, until)| *until);
        self.period = seen.map(|seen| self.period_of_ring(objective, seen));
        if let Some(seen) = seen {
            self.coverage.forget_before(seen - RETENTION);
        }
    }

    fn period_of_ring(&self, objective: &Objective, seen: Timestamp) -> PeriodCount {
        let period = objective.window.at(seen);
        let end = self.ring.end().max(seen);
        let count = self.ring.between(period.from, end.min(period.until));
        let is_over = end > period.until;
        let next = if is_over { self.ring.between(period.until, end) } else { Count::NONE };
        PeriodCount { period, count, next }
    }
}
