//! What analysis halves have found, on its way back to the shards.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use crate::graph::NodeId;

/// The latest verdicts of every stage. Each shard looks at whole seconds; what it missed in between has
/// been replaced by then, so nothing queues up.
#[derive(Default)]
pub(crate) struct Verdicts {
    /// By stage: when they were published, as a number that grows, and what.
    latest: Mutex<BTreeMap<NodeId, (u64, Bytes)>>,
    published: watch::Sender<u64>,
}

impl Verdicts {
    pub(crate) fn publish(&self, verdicts: Vec<(NodeId, Bytes)>) {
        if verdicts.is_empty() {
            return;
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *self.published.borrow() + 1;
        latest.extend(verdicts.into_iter().map(|(node, verdicts)| (node, (number, verdicts))));
        self.published.send_replace(number);
    }

    /// Returns what wakes with every publication.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// Returns what was published after `seen`, and moves `seen` to the present.
    pub(crate) fn since(&self, seen: &mut u64) -> Vec<(NodeId, Bytes)> {
        let published = *self.published.borrow();
        if published == *seen {
            return Vec::new();
        }
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let news = latest.iter().filter(|(_, (number, _))| *number > *seen);
        let news = news.map(|(node, (_, verdicts))| (*node, verdicts.clone())).collect();
        *seen = published;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_looks_late_sees_the_latest_of_every_stage_once() {
        let verdicts = Verdicts::default();
        let mut seen = 0;
        assert!(verdicts.since(&mut seen).is_empty());
        verdicts.publish(vec![(3, Bytes::from_static(b"old")), (5, Bytes::from_static(b"five"))]);
        verdicts.publish(vec![(3, Bytes::from_static(b"new"))]);
        let all = [(3, Bytes::from_static(b"new")), (5, Bytes::from_static(b"five"))];
        assert_eq!(verdicts.since(&mut seen), all);
        assert!(verdicts.since(&mut seen).is_empty());
        verdicts.publish(vec![(5, Bytes::from_static(b"5"))]);
        assert_eq!(verdicts.since(&mut seen), [(5, Bytes::from_static(b"5"))]);
    }
}
