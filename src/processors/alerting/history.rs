//! What happened to an alert, the last times.

use std::collections::VecDeque;

use model::{Severity, Timestamp};

use super::machine::Change;

/// Events that are remembered of an alert.
const MOST: usize = 64;

/// Something that happened to an alert or to what is told of it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) what: What,
    /// What was compared, exactly; NaN for nothing.
    pub(super) value: f64,
    pub(super) severity: Severity,
    /// Who did it, which silences, where to.
    pub(super) detail: String,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Pending,
    Dropped,
    Firing,
    FiringSilently,
    NoLongerSilent,
    SeverityRose,
    Recovering,
    Relapsed,
    Held,
    Resolved,
    /// Somebody was told that it fires, or that it is resolved.
    Told,
    Suppressed,
    Unsuppressed,
    Acknowledged,
    Unacknowledged,
    Escalated,
    Feedback,
    NoData,
    Data,
    /// The rule was tuned; the value is the threshold until then.
    Tuned,
}

impl What {
    pub(super) const ALL: [Self; 20] = [
        Self::Pending,
        Self::Dropped,
        Self::Firing,
        Self::FiringSilently,
        Self::NoLongerSilent,
        Self::SeverityRose,
        Self::Recovering,
        Self::Relapsed,
        Self::Held,
        Self::Resolved,
        Self::Told,
        Self::Suppressed,
        Self::Unsuppressed,
        Self::Acknowledged,
        Self::Unacknowledged,
        Self::Escalated,
        Self::Feedback,
        Self::NoData,
        Self::Data,
        Self::Tuned,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Dropped => "inactive",
            Self::Firing => "firing",
            Self::FiringSilently => "firing_silently",
            Self::NoLongerSilent => "no_longer_silent",
            Self::SeverityRose => "severity_rose",
            Self::Recovering => "recovering",
            Self::Relapsed => "firing_again",
            Self::Held => "held",
            Self::Resolved => "resolved",
            Self::Told => "told",
            Self::Suppressed => "suppressed",
            Self::Unsuppressed => "unsuppressed",
            Self::Acknowledged => "acknowledged",
            Self::Unacknowledged => "unacknowledged",
            Self::Escalated => "escalated",
            Self::Feedback => "feedback",
            Self::NoData => "no_data",
            Self::Data => "data",
            Self::Tuned => "threshold_changed",
        }
    }

    /// Returns the state that it leaves, when it changes that.
    pub(super) const fn state(self) -> Option<&'static str> {
        match self {
            Self::Pending => Some("pending"),
            Self::Dropped | Self::Resolved => Some("inactive"),
            Self::Firing | Self::FiringSilently | Self::Relapsed => Some("firing"),
            Self::Recovering => Some("recovering"),
            _ => None,
        }
    }
}

impl From<Change> for What {
    fn from(change: Change) -> Self {
        match change {
            Change::Pending => Self::Pending,
            Change::Dropped => Self::Dropped,
            Change::Firing => Self::Firing,
            Change::FiringSilently => Self::FiringSilently,
            Change::NoLongerSilent => Self::NoLongerSilent,
            Change::SeverityRose => Self::SeverityRose,
            Change::Recovering => Self::Recovering,
            Change::Relapsed => Self::Relapsed,
            Change::Held => Self::Held,
            Change::Resolved => Self::Resolved,
        }
    }
}

/// The last events of an alert.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct History {
    events: VecDeque<Event>,
    /// Events that found no room, all older than those that are there.
    pub(super) forgotten: u64,
}

impl History {
    pub(super) fn note(&mut self, event: Event) {
        if self.events.len() == MOST {
            self.events.pop_front();
            self.forgotten += 1;
        }
        self.events.push_back(event);
    }

    /// Puts what was before in front.
    pub(super) fn follow(&mut self, mut before: Self) {
        before.forgotten += self.forgotten;
        for event in std::mem::take(&mut self.events) {
            before.note(event);
        }
        *self = before;
    }

    pub(super) fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_are_forgotten_and_counted() {
        let mut history = History::default();
        for second in 0..70 {
            let severity = Severity::Info;
            let at = Timestamp::from_secs(second);
            history.note(Event { at, what: What::Pending, value: 0.0, severity, detail: String::new() });
        }
        assert_eq!((history.events().count(), history.forgotten), (64, 6));
        assert_eq!(history.events().next().map(|it| it.at), Some(Timestamp::from_secs(6)));
    }

    #[test]
    fn what_was_before_stands_in_front() {
        let noted = |seconds: std::ops::Range<u64>| {
            let mut history = History::default();
            for second in seconds {
                let at = Timestamp::from_secs(second);
                let (value, severity) = (0.0, Severity::Info);
                history.note(Event { at, what: What::Pending, value, severity, detail: String::new() });
            }
            history
        };
        let mut history = noted(40..80);
        history.follow(noted(0..40));
        assert_eq!(history, noted(0..80));
    }

    #[test]
    fn every_event_has_a_name_of_its_own() {
        let mut names: Vec<_> = What::ALL.map(What::name).into();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), What::ALL.len());
    }
}
