//! Which time was observed.

use std::time::Duration;

use model::Timestamp;

use crate::sla::calendar::Period;

/// Times that were observed, apart and ascending.
///
/// What was not observed is not made up: counts of the gap are missing, and the share that was observed is
/// told beside every figure of a period.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::sla) struct Coverage {
    pub(in crate::sla) spans: Vec<(Timestamp, Timestamp)>,
    /// Whether the last span goes on.
    is_open: bool,
}

/// Of more the first two are taken as one.
const MAX_SPANS: usize = 128;
/// So short a gap is none: evaluations are that far apart, and a restart takes as long.
const SMALLEST_GAP: Duration = Duration::from_secs(20);

impl Coverage {
    /// Observes up to an instant.
    pub(in crate::sla) fn extend(&mut self, at: Timestamp) {
        if !self.is_open {
            self.is_open = true;
            match self.spans.last_mut() {
                Some((_, until)) if at.since(*until) <= SMALLEST_GAP => *until = (*until).max(at),
                _ => self.spans.push((at, at)),
            }
            self.limit();
        }
        if let Some((_, until)) = self.spans.last_mut() {
            *until = (*until).max(at);
        }
    }

    /// Adds a time that was observed by others.
    pub(in crate::sla) fn add(&mut self, from: Timestamp, until: Timestamp) {
        self.spans.push((from, until));
        self.spans.sort_unstable();
        let mut merged = Vec::<(Timestamp, Timestamp)>::with_capacity(self.spans.len());
        for (from, until) in self.spans.drain(..) {
            match merged.last_mut() {
                Some((_, last)) if from <= *last => *last = (*last).max(until),
                _ => merged.push((from, until)),
            }
        }
        self.spans = merged;
        self.limit();
    }

    fn limit(&mut self) {
        if self.spans.len() > MAX_SPANS {
            let (from, _) = self.spans.remove(0);
            if let Some(first) = self.spans.first_mut() {
                first.0 = from;
            }
        }
    }

    /// Takes what is older as not observed.
    pub(in crate::sla) fn forget_before(&mut self, at: Timestamp) {
        self.spans.retain(|(_, until)| *until > at);
        if let Some((from, _)) = self.spans.first_mut() {
            *from = (*from).max(at);
        }
    }

    /// When the present observation began.
    pub(in crate::sla) fn last_start(&self) -> Option<Timestamp> {
        self.spans.last().map(|(from, _)| *from)
    }

    /// Returns the share of a period, up to an instant, that was observed.
    pub(in crate::sla) fn ratio(&self, period: Period, at: Timestamp) -> f64 {
        let until = period.until.min(at);
        let whole = until.since(period.from).as_secs_f64();
        let within = |(from, end): &(Timestamp, Timestamp)| (*end).min(until).since((*from).max(period.from));
        let seen: f64 = self.spans.iter().map(|span| within(span).as_secs_f64()).sum();
        if whole > 0.0 { (seen / whole).min(1.0) } else { 0.0 }
    }
}
