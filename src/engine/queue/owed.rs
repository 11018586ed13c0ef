//! What is owed for queued requests until it is known what became of them.

use std::sync::Arc;

use model::{Ack, Export, Outcome, Signal};

use super::{Bound, Cost, Meters};

/// The room that requests take, the count of their items, and the answer to those who wait.
///
/// Dropped without an outcome, because the exporter's thread broke or did not end in time, it gives
/// the room back, counts the items as lost and says so to those who wait.
pub(super) struct Owed {
    bound: Arc<Bound>,
    meters: Arc<Meters>,
    signal: Signal,
    /// Items without an outcome.
    items: u64,
    cost: Cost,
    acks: Vec<Ack>,
}

impl Owed {
    /// `cost` has been taken from the bound before.
    pub(super) fn new(
        bound: &Arc<Bound>,
        meters: &Arc<Meters>,
        export: &Export,
        cost: Cost,
        ack: Ack,
    ) -> Self {
        Self {
            bound: Arc::clone(bound),
            meters: Arc::clone(meters),
            signal: export.signal,
            items: export.items,
            cost,
            acks: vec![ack],
        }
    }

    /// From now on owes to another queue, in which it takes this room.
    pub(super) fn move_to(&mut self, bound: &Arc<Bound>, meters: &Arc<Meters>, cost: Cost) {
        bound.take_anyway(cost);
        self.bound.give_back(std::mem::replace(&mut self.cost, cost));
        (self.bound, self.meters) = (Arc::clone(bound), Arc::clone(meters));
    }

    /// Ends with an outcome whose items have been counted.
    pub(super) fn settle(mut self, outcome: &Outcome) {
        self.items = 0;
        for ack in self.acks.drain(..) {
            ack.report(outcome.clone());
        }
    }

    /// Ends because the queue is closed.
    pub(super) fn refuse(self) {
        self.meters.enqueue_failed(self.signal, self.items);
        self.settle(&Outcome::Retryable { after: None, message: "the exporter has stopped".to_owned() });
    }

    /// Takes over what is owed for another request that is sent with this one.
    pub(super) fn join(&mut self, mut other: Self) {
        self.items += std::mem::take(&mut other.items);
        self.cost = self.cost.plus(std::mem::take(&mut other.cost));
        self.acks.append(&mut other.acks);
    }

    /// Takes one part of a request that is sent in several, with its items. Every part answers to all
    /// who wait; the room stays with what is left, so it is given back when all is done.
    pub(super) fn part(&mut self, items: u64) -> Self {
        let items = items.min(self.items);
        self.items -= items;
        Self {
            bound: Arc::clone(&self.bound),
            meters: Arc::clone(&self.meters),
            signal: self.signal,
            items,
            cost: Cost::default(),
            acks: self.acks.clone(),
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.bound.give_back(self.cost);
        if self.items > 0 {
            self.meters.lost(self.signal, self.items);
        }
        for ack in self.acks.drain(..) {
            let message = "the exporter ended before the data was delivered".to_owned();
            ack.report(Outcome::Retryable { after: None, message });
        }
    }
}
