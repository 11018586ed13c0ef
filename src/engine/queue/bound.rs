//! The bound of a queue: how full it is, over all threads that feed it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use component::{Delivery, Sizer};
use tokio::sync::Notify;

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

    pub(super) fn times(self, n: u64) -> Self {
        Self { units: self.units.saturating_mul(n), bytes: self.bytes.saturating_mul(n) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { units: self.units + other.units, bytes: self.bytes + other.bytes }
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

    /// Takes room, or none of it. An empty queue takes one request of any size, with all its
    /// deliveries, as else it could never be sent.
    pub(super) fn try_take(&self, cost: Cost) -> bool {
        if !take(&self.used_units, cost.units, self.capacity.units) {
            return false;
        }
        if !take(&self.used_bytes, cost.bytes, self.capacity.bytes) {
            self.used_units.fetch_sub(cost.units, Ordering::AcqRel);
            // Whoever was refused because of these units, and after the last request had left, would
            // wait for ever. While the queue holds anything, its leaving wakes.
            if self.used_bytes.load(Ordering::Acquire) == 0 {
                self.room.notify_one();
            }
            return false;
        }
        true
    }

    pub(super) fn take_anyway(&self, cost: Cost) {
        self.used_units.fetch_add(cost.units, Ordering::AcqRel);
        self.used_bytes.fetch_add(cost.bytes, Ordering::AcqRel);
    }

    pub(crate) fn give_back(&self, cost: Cost) {
        if cost == Cost::default() {
            return;
        }
        self.used_units.fetch_sub(cost.units, Ordering::AcqRel);
        self.used_bytes.fetch_sub(cost.bytes, Ordering::AcqRel);
        // One at a time: who gets room and leaves some wakes the next.
        self.room.notify_one();
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
