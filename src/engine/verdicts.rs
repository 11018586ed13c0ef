//! What analysis halves have found, on its way back to the shards.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

/// The latest verdicts of every stage. Each shard looks at whole seconds; what it missed in between has
/// been replaced by then, so nothing queues up.
#[derive(Default)]
pub(crate) struct Verdicts {
    /// By stage key: when they were published, as a number that grows, and what.
    latest: Mutex<BTreeMap<String, (u64, Bytes)>>,
    published: watch::Sender<u64>,
}

impl Verdicts {
    pub(crate) fn publish(&self, verdicts: Vec<(String, Bytes)>) {
        if verdicts.is_empty() {
            return;
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *self.published.borrow() + 1;
        latest.extend(verdicts.into_iter().map(|(stage, verdicts)| (stage, (number, verdicts))));
        self.published.send_replace(number);
    }

    /// Forgets stages that are no more.
    pub(crate) fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|stage, _| is_kept(stage));
    }

    /// Returns what wakes with every publication.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// Returns what was published after `seen`, and moves `seen` to the present.
    pub(crate) fn since(&self, seen: &mut u64) -> Vec<(String, Bytes)> {
        let published = *self.published.borrow();
        if published == *seen {
            return Vec::new();
        }
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let news = latest.iter().filter(|(_, (number, _))| *number > *seen);
        let news = news.map(|(stage, (_, verdicts))| (stage.clone(), verdicts.clone())).collect();
        *seen = published;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: &[(&str, &'static [u8])]) -> Vec<(String, Bytes)> {
        all.iter().map(|(stage, bytes)| ((*stage).to_owned(), Bytes::from_static(bytes))).collect()
    }

    #[test]
    fn a_shard_that_looks_late_sees_the_latest_of_every_stage_once() {
        let verdicts = Verdicts::default();
        let mut seen = 0;
        assert!(verdicts.since(&mut seen).is_empty());
        verdicts.publish(told(&[("3", b"old"), ("5", b"five")]));
        verdicts.publish(told(&[("3", b"new")]));
        assert_eq!(verdicts.since(&mut seen), told(&[("3", b"new"), ("5", b"five")]));
        assert!(verdicts.since(&mut seen).is_empty());
        verdicts.publish(told(&[("5", b"5")]));
        assert_eq!(verdicts.since(&mut seen), told(&[("5", b"5")]));
        verdicts.keep(|stage| stage == "5");
        assert_eq!(verdicts.since(&mut 0), told(&[("5", b"5")]));
    }
}
