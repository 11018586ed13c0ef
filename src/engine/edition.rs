//! One configuration in force, and what all threads share because of it.
//!
//! Every thread holds the edition that it works by and changes to the next at a moment of its own, see `reload`.

use std::sync::{Arc, Mutex, PoisonError};

use component::{Placement, Telemetry};
use model::Timestamp;
use tokio::sync::mpsc;

use crate::{
    plan::{Changes, Fate, Plan, PlannedExporter},
    pressure::Pressure,
    queue,
};

/// A plan and what is shared of it. Nothing here is touched per span.
pub(crate) struct Edition {
    /// Grows by one with each reload.
    pub(crate) number: u64,
    /// When it came in force.
    pub(crate) since: Timestamp,
    pub(crate) plan: Plan,
    pub(crate) pressure: Arc<Pressure>,
    outlets: Vec<Arc<Outlet>>,
}

/// What all threads share of one exporter.
pub(crate) struct Outlet {
    pub(crate) bound: Arc<queue::Bound>,
    pub(crate) meters: Arc<queue::Meters>,
    queue: Mutex<SharedQueue>,
}

/// The queue of an exporter that exists once.
#[derive(Default)]
struct SharedQueue {
    sender: Option<mpsc::UnboundedSender<queue::Item>>,
    receiver: Option<mpsc::UnboundedReceiver<queue::Item>>,
}

impl Edition {
    /// Makes the first one.
    pub(crate) fn first(plan: Plan, since: Timestamp, telemetry: &Telemetry) -> Self {
        let outlets =
            plan.exporters.iter().map(|planned| Arc::new(Outlet::new(planned, telemetry))).collect();
        let pressure = Arc::new(Pressure::new(&plan.memory_limits, telemetry));
        Self { number: 0, since, plan, pressure, outlets }
    }

    /// Makes the next one: exporters that are kept have the queue that they had.
    pub(crate) fn next(
        &self,
        plan: Plan,
        changes: &Changes,
        since: Timestamp,
        telemetry: &Telemetry,
    ) -> Self {
        let outlet = |(planned, fate): (&PlannedExporter, &Fate)| match fate.kept() {
            Some(old) => Arc::clone(&self.outlets[old]),
            None => Arc::new(Outlet::new(planned, telemetry)),
        };
        let outlets = plan.exporters.iter().zip(&changes.exporters).map(outlet).collect();
        let pressure = Arc::new(Pressure::new(&plan.memory_limits, telemetry));
        pressure.look();
        Self { number: self.number + 1, since, plan, pressure, outlets }
    }

    pub(crate) fn outlet(&self, exporter: usize) -> &Outlet {
        &self.outlets[exporter]
    }

    pub(crate) fn outlets(&self) -> impl Iterator<Item = &Outlet> {
        self.outlets.iter().map(|outlet| &**outlet)
    }

    /// Lets queues of exporters that exist once end when their last sender is gone.
    pub(crate) fn close_queues(&self) {
        self.outlets.iter().for_each(|outlet| outlet.close_queue());
    }
}

impl Outlet {
    fn new(planned: &PlannedExporter, telemetry: &Telemetry) -> Self {
        let delivery = planned.configured.delivery();
        let telemetry = telemetry.with("exporter", &planned.id);
        let capacity = delivery.queue.enabled.then_some(delivery.queue.queue_size);
        let queue = match planned.configured.placement() {
            Placement::EveryShard => SharedQueue::default(),
            Placement::Once => {
                let (sender, receiver) = mpsc::unbounded_channel();
                SharedQueue { sender: Some(sender), receiver: Some(receiver) }
            }
        };
        Self {
            bound: queue::Bound::new(&delivery),
            meters: Arc::new(queue::Meters::new(&telemetry, capacity)),
            queue: Mutex::new(queue),
        }
    }

    /// Returns the way to an exporter that exists once; none after the stop.
    pub(crate) fn queue(&self) -> Option<mpsc::UnboundedSender<queue::Item>> {
        self.lock().sender.clone()
    }

    /// Takes the queue of an exporter that exists once; its thread asks for it, once.
    pub(crate) fn take_queue(
        &self,
    ) -> (mpsc::UnboundedSender<queue::Item>, mpsc::UnboundedReceiver<queue::Item>) {
        let mut queue = self.lock();
        match (queue.sender.clone(), queue.receiver.take()) {
            (Some(sender), Some(receiver)) => (sender, receiver),
            _ => mpsc::unbounded_channel(),
        }
    }

    /// Lets the queue end when its last sender is gone.
    fn close_queue(&self) {
        self.lock().sender = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SharedQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
