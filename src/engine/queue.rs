//! The sending queue of one exporter: bounded in the collector's units and in bytes, with retry and
//! timeout around each attempt.
//!
//! The bound is shared by all threads that feed the exporter; the queue itself is local to the
//! thread that exports. Bytes under way count until they are delivered or dropped.

mod batcher;
mod batching;
mod bound;
mod deliver;
mod handover;
mod meters;
mod owed;
#[cfg(test)]
mod tests;

use std::{cell::Cell, rc::Rc, sync::Arc};

use component::{Delivery, Sizer};
use model::{Ack, Export, Outcome};
use tokio::sync::mpsc;

pub(crate) use batching::Batching;
pub(crate) use bound::{Bound, Cost};
pub(crate) use deliver::Consumer;
pub(crate) use handover::{Before, Handover};
pub(crate) use meters::Meters;
use owed::Owed;

/// One request on its way to an exporter.
pub(crate) struct Item {
    export: Export,
    owed: Owed,
    /// How the pipeline wants it joined with others.
    batching: Option<Arc<Batching>>,
}

/// One thread's way into an exporter's queue.
pub(crate) struct Inbox {
    pub(crate) bound: Arc<Bound>,
    pub(crate) meters: Arc<Meters>,
    sender: mpsc::UnboundedSender<Item>,
    sizer: Sizer,
    answers: Answers,
    exporter: String,
    /// Whether a sender waits for room rather than being refused.
    pub(crate) blocks: bool,
    /// Whether what finds no room is dropped, so that the other exporters get it nevertheless.
    drops: bool,
    /// While a request is under way for which room was reserved: what is left of that room.
    reserved: Cell<Option<Cost>>,
}

/// What a request waits for before it is answered.
#[derive(Clone, Copy)]
enum Answers {
    Delivered,
    /// There is no queue. A sender that waited for a batch to fill would send again what is in it already.
    DeliveredUnlessBatched,
    Taken,
}

impl Inbox {
    pub(crate) fn new(
        exporter: &str,
        delivery: &Delivery,
        bound: Arc<Bound>,
        meters: Arc<Meters>,
        sender: mpsc::UnboundedSender<Item>,
    ) -> Self {
        let queue = &delivery.queue;
        Self {
            bound,
            meters,
            sender,
            sizer: queue.sizer,
            answers: match (queue.enabled, queue.wait_for_result) {
                (_, true) => Answers::Delivered,
                (true, false) => Answers::Taken,
                (false, false) => Answers::DeliveredUnlessBatched,
            },
            exporter: exporter.to_owned(),
            blocks: queue.enabled && queue.block_on_overflow,
            drops: queue.enabled && queue.drop_on_overflow,
            reserved: Cell::new(None),
        }
    }

    /// Reserves room for a request that comes so often, before any stage has seen it.
    fn try_reserve(&self, items: u64, bytes: usize, deliveries: u64) -> bool {
        let cost = Cost::of(self.sizer, items, bytes).times(deliveries);
        let taken = self.bound.try_take(cost);
        if taken {
            self.reserved.set(Some(cost));
        }
        taken
    }

    /// Whether a request's answer may wait until it is delivered.
    pub(crate) fn keeps_ack(&self) -> bool {
        !matches!(self.answers, Answers::Taken)
    }

    /// Waits until something has left the queue.
    pub(crate) async fn wait_for_room(&self) {
        self.bound.room.notified().await;
    }

    /// Lets the next of those who wait for room look whether there is some left.
    pub(crate) fn pass_on_room(&self) {
        self.bound.room.notify_one();
    }

    /// What a sender is told when there is no room.
    pub(crate) fn refusal(&self, retry_after: std::time::Duration) -> component::Refusal {
        component::Refusal::Busy { retry_after, message: self.is_full() }
    }

    fn is_full(&self) -> String {
        format!("the sending queue of exporter {} is full", self.exporter)
    }

    /// Gives back what the request did not need.
    fn release(&self) {
        if let Some(left) = self.reserved.take() {
            self.bound.give_back(left);
        }
    }

    /// Queues a request. Room comes from the reservation; what stages added to the request may
    /// exceed it. Without a reservation (what analysis emits, and what came while a queue was full that may drop)
    /// a full queue drops and counts.
    pub(crate) fn send(&self, export: Export, ack: Ack, batching: Option<&Arc<Batching>>) {
        let cost = Cost::of(self.sizer, export.items, export.bytes.len());
        if let Some(reserved) = self.reserved.get() {
            self.charge(reserved, cost);
        } else if !self.bound.try_take(cost) {
            self.meters.enqueue_failed(export.signal, export.items);
            if !self.drops {
                ack.report(Outcome::Retryable { after: None, message: self.is_full() });
            }
            return;
        }
        let keeps_ack = match self.answers {
            Answers::Delivered => true,
            Answers::Taken => false,
            Answers::DeliveredUnlessBatched => batching.is_none(),
        };
        let ack = if keeps_ack { ack } else { Ack::none() };
        let owed = Owed::new(&self.bound, &self.meters, &export, cost, ack);
        if let Err(unsent) = self.sender.send(Item { export, owed, batching: batching.cloned() }) {
            unsent.0.owed.refuse();
        }
    }

    /// Charges the actual cost against a reservation and keeps what is left of it.
    fn charge(&self, reserved: Cost, cost: Cost) {
        self.bound.take_anyway(Cost {
            units: cost.units.saturating_sub(reserved.units),
            bytes: cost.bytes.saturating_sub(reserved.bytes),
        });
        self.reserved.set(Some(Cost {
            units: reserved.units.saturating_sub(cost.units),
            bytes: reserved.bytes.saturating_sub(cost.bytes),
        }));
    }
}

/// A queue that a request reaches, and how often.
pub(crate) struct Reached {
    pub(crate) inbox: Rc<Inbox>,
    pub(crate) deliveries: u64,
}

/// Room in every queue that a request reaches; what the request did not need is given back in the end.
pub(crate) struct Reservation<'a>(&'a [Reached]);

impl<'a> Reservation<'a> {
    /// Reserves room everywhere, but for queues that may drop.
    ///
    /// # Errors
    /// The first queue that is full; no room is taken then.
    pub(crate) fn make(reach: &'a [Reached], items: u64, bytes: usize) -> Result<Self, &'a Rc<Inbox>> {
        for (index, Reached { inbox, deliveries }) in reach.iter().enumerate() {
            if !inbox.try_reserve(items, bytes, *deliveries) && !inbox.drops {
                drop(Self(reach.get(..index).unwrap_or_default()));
                return Err(inbox);
            }
        }
        Ok(Self(reach))
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|reached| reached.inbox.release());
    }
}
