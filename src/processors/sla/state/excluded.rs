//! What exclusions left out, by time, so that it can be told beside the figures of a period.

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;

use crate::sla::{calendar::Period, ring::Count};

/// Events by exclusion and hour.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::sla) struct Excluded {
    pub(in crate::sla) by_name: BTreeMap<String, BTreeMap<Timestamp, Count>>,
}

/// A period is told apart no finer.
pub(in crate::sla) const HOUR: Duration = Duration::from_secs(3600);
/// So many hours of each are told apart, six weeks without end; of more the oldest two are one.
const MAX_HOURS: usize = 1000;

impl Excluded {
    pub(in crate::sla) fn note(&mut self, name: &str, at: Timestamp, count: Count) {
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name.to_owned(), BTreeMap::new());
        }
        let Some(hours) = self.by_name.get_mut(name) else { return };
        let hour = hours.entry(at.window_start(HOUR)).or_default();
        *hour = hour.plus(count);
        if hours.len() > MAX_HOURS
            && let Some((_, oldest)) = hours.pop_first()
            && let Some(mut next) = hours.first_entry()
        {
            let sum = next.get().plus(oldest);
            next.insert(sum);
        }
    }

    /// Returns what an exclusion left out of a period, of whole hours.
    pub(in crate::sla) fn within(&self, name: &str, period: Period) -> Count {
        let hours = self.by_name.get(name).into_iter().flatten();
        let counted = hours.filter(|(hour, _)| **hour + HOUR > period.from && **hour < period.until);
        counted.fold(Count::NONE, |sum, (_, count)| sum.plus(*count))
    }

    pub(in crate::sla) fn forget_before(&mut self, at: Timestamp) {
        self.by_name.retain(|_, hours| {
            while let Some(first) = hours.first_entry().filter(|first| *first.key() + HOUR <= at) {
                first.remove();
            }
            !hours.is_empty()
        });
    }
}
