//! The sending queue of one exporter: bounded in the collector's units and in bytes, with retry and
//! timeout around each attempt.
//!
//! The bound is shared by all threads that feed the exporter; the queue itself is local to the
//! thread that exports. Bytes under way count until they are delivered or dropped.

mod batcher;
mod bound;
mod deliver;
mod meters;
mod owed;
#[cfg(test)]
mod tests;

use std::{cell::Cell, sync::Arc};

use component::{Delivery, Sizer};
use model::{Ack, Export, Outcome};
use tokio::sync::mpsc;

pub(crate) use bound::{Bound, Cost};
pub(crate) use deliver::Consumer;
pub(crate) use meters::Meters;
use owed::Owed;

/// One request on its way to an exporter.
pub(crate) struct Item {
    export: Export,
    owed: Owed,
}

/// One thread's way into an exporter's queue.
pub(crate) struct Inbox {
    pub(crate) bound: Arc<Bound>,
    pub(crate) meters: Arc<Meters>,
    sender: mpsc::UnboundedSender<Item>,
    sizer: Sizer,
    keeps_ack: bool,
    exporter: String,
    /// Whether a sender waits for room rather than being refused.
    pub(crate) blocks: bool,
    /// Room that was reserved for the request under way.
    reserved: Cell<Cost>,
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
            keeps_ack: !queue.enabled || queue.wait_for_result,
            exporter: exporter.to_owned(),
            blocks: queue.enabled && queue.block_on_overflow,
            reserved: Cell::new(Cost::default()),
        }
    }

    /// Reserves room for a request before any stage has seen it.
    pub(crate) fn try_reserve(&self, items: u64, bytes: usize) -> bool {
        let cost = Cost::of(self.sizer, items, bytes);
        let taken = self.bound.try_take(cost);
        if taken {
            self.reserved.set(cost);
        }
        taken
    }

    /// Whether a request's answer waits until it is delivered.
    pub(crate) fn keeps_ack(&self) -> bool {
        self.keeps_ack
    }

    /// Waits until something has left the queue.
    pub(crate) async fn wait_for_room(&self) {
        // Room may have come between the refusal and this call; a short sleep bounds that race.
        let pause = tokio::time::sleep(std::time::Duration::from_millis(20));
        tokio::select! {
            () = self.bound.room.notified() => {}
            () = pause => {}
        }
    }

    /// What a sender is told when there is no room.
    pub(crate) fn refusal(&self, retry_after: std::time::Duration) -> component::Refusal {
        component::Refusal::Busy { retry_after, message: self.is_full() }
    }

    fn is_full(&self) -> String {
        format!("the sending queue of exporter {} is full", self.exporter)
    }

    /// Gives back what the request did not need.
    pub(crate) fn release(&self) {
        self.bound.give_back(self.reserved.take());
    }

    /// Queues a request. Room comes from the reservation; what stages added to the request may
    /// exceed it. Without a reservation (what analysis emits) a full queue drops and counts.
    pub(crate) fn send(&self, export: Export, ack: Ack) {
        let cost = Cost::of(self.sizer, export.items, export.bytes.len());
        let reserved = self.reserved.take();
        if reserved != Cost::default() {
            self.settle(reserved, cost);
        } else if !self.bound.try_take(cost) {
            self.meters.enqueue_failed(export.signal, export.items);
            ack.report(Outcome::Retryable { after: None, message: self.is_full() });
            return;
        }
        let ack = if self.keeps_ack { ack } else { Ack::none() };
        let owed = Owed::new(&self.bound, &self.meters, &export, cost, ack);
        if let Err(unsent) = self.sender.send(Item { export, owed }) {
            unsent.0.owed.refuse();
        }
    }

    /// Charges the actual cost against a reservation and keeps what is left of it.
    fn settle(&self, reserved: Cost, cost: Cost) {
        self.bound.take_anyway(Cost {
            units: cost.units.saturating_sub(reserved.units),
            bytes: cost.bytes.saturating_sub(reserved.bytes),
        });
        self.reserved.set(Cost {
            units: reserved.units.saturating_sub(cost.units),
            bytes: reserved.bytes.saturating_sub(cost.bytes),
        });
    }
}
