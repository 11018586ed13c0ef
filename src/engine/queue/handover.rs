//! How an exporter that is replaced leaves what it has not delivered to the one that takes its place.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, sync::Arc};

use component::{Sizer, Stop};

use super::{Bound, Cost, Meters, batcher::Job};

/// Between two exporters of one thread.
#[derive(Default)]
pub(crate) struct Handover {
    /// Nothing more is begun: an attempt under way may still succeed.
    pub(crate) begun: Stop,
    /// Attempts under way are broken off.
    pub(crate) overdue: Stop,
    /// What the exporter had open is closed; the next one may begin.
    pub(crate) ended: Stop,
    left: RefCell<VecDeque<Job>>,
}

/// The exporter before, for the one that takes its place.
pub(crate) struct Before {
    pub(crate) handover: Rc<Handover>,
    /// In which what it leaves takes its room.
    pub(crate) bound: Arc<Bound>,
}

impl Handover {
    /// Leaves a request to the next exporter.
    pub(super) fn leave(&self, job: Job) {
        self.left.borrow_mut().push_back(job);
    }
}

impl Before {
    /// Waits for the end of the exporter before and takes what it leaves. It takes its room even where there is none:
    /// it was accepted.
    pub(super) async fn take(&self, sizer: Sizer, meters: &Arc<Meters>) -> VecDeque<Job> {
        self.handover.ended.cancelled().await;
        let mut jobs = self.handover.left.take();
        for job in &mut jobs {
            let cost = Cost::of(sizer, job.export.items, job.export.bytes.len());
            job.owed.move_to(&self.bound, meters, cost);
        }
        jobs
    }
}
