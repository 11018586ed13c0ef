//! The sending queue of one exporter: bounded in the collector's units and in bytes, with retry and
//! timeout around each attempt.
//!
//! The bound is shared by all threads that feed the exporter; the queue itself is local to the
//! thread that exports. Bytes under way count until they are delivered or dropped.

mod batcher;
mod deliver;
mod meters;
#[cfg(test)]
mod tests;

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use component::{Delivery, Sizer};
use model::{Ack, Export};
use tokio::sync::{Notify, mpsc};

pub(crate) use deliver::Consumer;
pub(crate) use meters::Meters;

/// What a queue holds, in all the units that bound it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Cost {
    /// In the units of the configured sizer.
    pub(crate) units: u64,
    pub(crate) bytes: u64,
}

impl Cost {
    pub(crate) fn of(sizer: Sizer, items: u64, bytes: usize) -> Self {
        let bytes = bytes as u64;
        let units = match sizer {
            Sizer::Requests => 1,
            Sizer::Items => items,
            Sizer::Bytes => bytes,
        };
        Self { units, bytes }
    }
}

/// How full an exporter's queues are, over all threads.
pub(crate) struct Bound {
    capacity: Cost,
    used_units: AtomicU64,
    used_bytes: AtomicU64,
    /// Wakes those who wait for room.
    pub(crate) room: Notify,
}

impl Bound {
    pub(crate) fn new(delivery: &Delivery) -> Arc<Self> {
        let queue = &delivery.queue;
        // Without a queue only the bytes under way are bounded.
        let units = if queue.enabled { queue.queue_size } else { u64::MAX };
        let capacity = Cost { units, bytes: queue.max_bytes.0 };
        Arc::new(Self {
            capacity,
            used_units: AtomicU64::new(0),
            used_bytes: AtomicU64::new(0),
            room: Notify::new(),
        })
    }

    /// Takes room, or none of it. An empty queue takes one request of any size, as else it could
    /// never be sent.
    fn try_take(&self, cost: Cost) -> bool {
        if !take(&self.used_units, cost.units, self.capacity.units) {
            return false;
        }
        if !take(&self.used_bytes, cost.bytes, self.capacity.bytes) {
            self.used_units.fetch_sub(cost.units, Ordering::AcqRel);
            return false;
        }
        true
    }

    fn take_anyway(&self, cost: Cost) {
        self.used_units.fetch_add(cost.units, Ordering::AcqRel);
        self.used_bytes.fetch_add(cost.bytes, Ordering::AcqRel);
    }

    pub(crate) fn give_back(&self, cost: Cost) {
        if cost == Cost::default() {
            return;
        }
        self.used_units.fetch_sub(cost.units, Ordering::AcqRel);
        self.used_bytes.fetch_sub(cost.bytes, Ordering::AcqRel);
        self.room.notify_waiters();
    }

    pub(crate) fn used(&self) -> u64 {
        self.used_units.load(Ordering::Relaxed)
    }
}

fn take(used: &AtomicU64, cost: u64, capacity: u64) -> bool {
    let fits = |used: u64| {
        let after = used.checked_add(cost)?;
        (after <= capacity || used == 0).then_some(after)
    };
    used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok()
}

/// One request on its way to an exporter.
pub(crate) struct Item {
    pub(crate) export: Export,
    pub(crate) ack: Ack,
    pub(crate) cost: Cost,
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
        let message = format!("the sending queue of exporter {} is full", self.exporter);
        component::Refusal::Busy { retry_after, message }
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
            return;
        }
        let ack = if self.keeps_ack { ack } else { Ack::none() };
        if let Err(unsent) = self.sender.send(Item { export, ack, cost }) {
            let Item { export, ack, cost } = unsent.0;
            self.bound.give_back(cost);
            self.meters.enqueue_failed(export.signal, export.items);
            ack.report(stopped());
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

/// What a sender is told whose request came when the exporter had already stopped.
fn stopped() -> model::Outcome {
    model::Outcome::Retryable { after: None, message: "the exporter has stopped".to_owned() }
}
