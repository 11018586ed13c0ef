//! Silences: what people do not want to be told of for a while.

use std::collections::BTreeMap;

use model::Timestamp;

use super::{alert::Alert, matching::Matcher};

/// What a person does not want to be told of.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Silence {
    pub(super) id: String,
    /// All must fit.
    pub(super) matchers: Vec<Matcher>,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
    pub(super) author: String,
    pub(super) comment: String,
    pub(super) updated_at: Timestamp,
}

impl Silence {
    pub(super) fn is_active(&self, at: Timestamp) -> bool {
        self.starts_at <= at && at < self.ends_at
    }

    /// Returns Alertmanager's word for its state.
    pub(super) fn state(&self, at: Timestamp) -> &'static str {
        match (at < self.starts_at, at < self.ends_at) {
            (true, true) => "pending",
            (false, true) => "active",
            (_, false) => "expired",
        }
    }

    pub(super) fn fits(&self, alert: &Alert) -> bool {
        self.matchers.iter().all(|matcher| match matcher.name.as_str() {
            "severity" => matcher.fits_text(alert.severity().name()),
            _ => matcher.fits(&alert.name, &alert.labels),
        })
    }
}

/// All silences by their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Silences {
    by_id: BTreeMap<String, Silence>,
}

impl Silences {
    /// Adds a silence, or replaces the one of its id.
    pub(super) fn insert(&mut self, silence: Silence) {
        self.by_id.insert(silence.id.clone(), silence);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Silence> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Silence> {
        self.by_id.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.by_id.values()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Forgets those that ended before then. Returns whether there were any.
    pub(super) fn forget(&mut self, before: Timestamp) -> bool {
        let n_before = self.by_id.len();
        self.by_id.retain(|_, silence| silence.ends_at >= before);
        self.by_id.len() < n_before
    }

    /// Forgets those that are over, the ones that ended first, until there is room for one more.
    pub(super) fn make_room(&mut self, most: usize, now: Timestamp) -> bool {
        while self.by_id.len() >= most {
            let over = self.by_id.values().filter(|silence| silence.ends_at <= now);
            let Some(id) = over.min_by_key(|silence| silence.ends_at).map(|silence| silence.id.clone())
            else {
                return false;
            };
            self.by_id.remove(&id);
        }
        true
    }

    /// Adds the silences of an alert that hold then.
    pub(super) fn of(&self, alert: &Alert, at: Timestamp, out: &mut Vec<String>) {
        let fitting = self.by_id.values().filter(|silence| silence.is_active(at) && silence.fits(alert));
        out.extend(fitting.map(|silence| format!("silence {}", silence.id)));
    }
}
