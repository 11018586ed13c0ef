//! Alerts that nothing evaluates any more, or not yet since the start: what was compared of them is still asked about.

use std::collections::{BTreeMap, HashMap};

use model::Timestamp;

use super::{
    alert::{Alert, Owner},
    tape::Tape,
};

/// Alerts with their values, those that ended first at the front.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    by_end: BTreeMap<(Timestamp, u64), Box<Alert>>,
    ends: HashMap<u64, Timestamp>,
}

impl Shelf {
    /// Keeps an alert for as long as its values are of the last 24 hours. One without values is let go.
    pub(super) fn put(&mut self, alert: Box<Alert>) {
        let Some(end) = alert.tape.as_ref().map(|tape| tape.end()) else { return };
        self.take(alert.fingerprint);
        self.ends.insert(alert.fingerprint, end);
        self.by_end.insert((end, alert.fingerprint), alert);
    }

    /// Gives back what is known of an alert.
    pub(super) fn take(&mut self, fingerprint: u64) -> Option<Box<Alert>> {
        let end = self.ends.remove(&fingerprint)?;
        self.by_end.remove(&(end, fingerprint))
    }

    /// Makes room: lets the one go that ended first.
    pub(super) fn let_go(&mut self) -> Option<Box<Alert>> {
        let ((_, fingerprint), alert) = self.by_end.pop_first()?;
        self.ends.remove(&fingerprint);
        Some(alert)
    }

    /// Lets those go of which nothing is of the last 24 hours, and returns how many.
    pub(super) fn forget(&mut self, now: Timestamp) -> u64 {
        let is_over = |end: Timestamp| now.since(end) > Tape::LENGTH;
        let mut n_over = 0;
        while self.by_end.first_key_value().is_some_and(|((end, _), _)| is_over(*end)) {
            self.let_go();
            n_over += 1;
        }
        n_over
    }

    /// Lets no rule have the alerts of one that is gone, as another may take its place.
    pub(super) fn disown(&mut self, rule: u32) {
        for alert in self.by_end.values_mut().filter(|alert| alert.owner == Owner::Rule(rule)) {
            alert.owner = Owner::Nobody;
        }
    }

    pub(super) fn tape_of(&self, fingerprint: u64) -> Option<&Tape> {
        let end = self.ends.get(&fingerprint)?;
        self.by_end.get(&(*end, fingerprint))?.tape.as_deref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.by_end.values().map(|alert| &**alert)
    }

    pub(super) fn len(&self) -> usize {
        self.by_end.len()
    }
}
