//! The exporters of one thread and the ways into all of them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use component::{Exporter, ExporterCx, Placement, Sockets, Stop};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_local},
};
use tracing::{error, warn};

use crate::{
    edition::Edition,
    plan::{Changes, Fate},
    queue::{Before, Consumer, Handover, Inbox, Item},
    service::Shared,
};

/// One thread's exporters.
pub(crate) struct Outlets {
    /// By exporter of the plan; none where nothing of this process reaches it.
    pub(crate) inboxes: Vec<Option<Rc<Inbox>>>,
    /// Those that run here, by id.
    here: BTreeMap<String, Running>,
    /// What still ends of configurations before.
    ending: Vec<JoinHandle<()>>,
    /// Those that exist once run on the analysis thread.
    holds_all: bool,
    patience: Duration,
}

/// An exporter at work on this thread.
struct Running {
    id: String,
    consumer: JoinHandle<()>,
    sideline: JoinHandle<()>,
    /// Closes the queue.
    closing: Stop,
    hurry: Stop,
    /// Ends what it does beside exporting.
    stop: Stop,
    handover: Rc<Handover>,
}

/// Exporters that a configuration does not have any more, or has otherwise.
pub(crate) struct Leaving {
    replaced: Vec<Running>,
    removed: Vec<Running>,
}

/// How long what an exporter does beside exporting may take to end.
const SIDELINE_PATIENCE: Duration = Duration::from_secs(1);

impl Outlets {
    /// Builds the exporters that run on every thread; the others are reached over channels.
    pub(crate) fn for_shard(shared: &Arc<Shared>, edition: &Arc<Edition>) -> Self {
        Self::build(shared, edition, false, BTreeMap::new())
    }

    /// Builds all exporters: the analysis thread emits to each, and holds those that exist once.
    ///
    /// `sockets` are those of exporters that listen, by id.
    pub(crate) fn for_analysis(
        shared: &Arc<Shared>,
        edition: &Arc<Edition>,
        sockets: BTreeMap<String, Vec<Sockets>>,
    ) -> Self {
        Self::build(shared, edition, true, sockets)
    }

    fn build(
        shared: &Arc<Shared>,
        edition: &Arc<Edition>,
        holds_all: bool,
        sockets: BTreeMap<String, Vec<Sockets>>,
    ) -> Self {
        let patience = edition.plan.settings.delivery_grace();
        let (here, ending) = (BTreeMap::new(), Vec::new());
        let mut outlets = Self { inboxes: Vec::new(), here, ending, holds_all, patience };
        let fates = vec![Fate::Added; edition.plan.exporters.len()];
        outlets.change_to(shared, edition, &fates, sockets);
        outlets
    }

    /// Changes to another configuration: exporters that are kept go on with their queues, others are started. Those
    /// that leave still take what stages of the old configuration emit, until they are [retired](Self::retire).
    pub(crate) fn change(
        &mut self,
        shared: &Arc<Shared>,
        edition: &Arc<Edition>,
        changes: &Changes,
        sockets: BTreeMap<String, Vec<Sockets>>,
    ) -> Leaving {
        self.patience = edition.plan.settings.delivery_grace();
        self.change_to(shared, edition, &changes.exporters, sockets)
    }

    fn change_to(
        &mut self,
        shared: &Arc<Shared>,
        edition: &Arc<Edition>,
        fates: &[Fate],
        mut sockets: BTreeMap<String, Vec<Sockets>>,
    ) -> Leaving {
        let mut leaving = Leaving { replaced: Vec::new(), removed: Vec::new() };
        let before = std::mem::take(&mut self.inboxes);
        for (index, (planned, fate)) in edition.plan.exporters.iter().zip(fates).enumerate() {
            if let Fate::Kept(old) = *fate {
                self.inboxes.push(before.get(old).cloned().flatten());
                continue;
            }
            let outlet = edition.outlet(index);
            let sender = if self.holds_all || planned.configured.placement() == Placement::EveryShard {
                let predecessor = self.here.remove(&planned.id);
                let sockets = sockets.remove(&planned.id).unwrap_or_default();
                let sender = self.start(shared, edition, index, sockets, predecessor.as_ref());
                leaving.replaced.extend(predecessor);
                Some(sender)
            } else {
                outlet.queue()
            };
            let inbox = sender.map(|sender| {
                let (bound, meters) = (Arc::clone(&outlet.bound), Arc::clone(&outlet.meters));
                Rc::new(Inbox::new(&planned.id, &planned.configured.delivery(), bound, meters, sender))
            });
            self.inboxes.push(inbox);
        }
        let planned: BTreeSet<_> = edition.plan.exporters.iter().map(|planned| &planned.id).collect();
        leaving.removed.extend(self.here.extract_if(.., |id, _| !planned.contains(id)).map(|(_, it)| it));
        leaving
    }

    fn start(
        &mut self,
        shared: &Arc<Shared>,
        edition: &Arc<Edition>,
        index: usize,
        sockets: Vec<Sockets>,
        predecessor: Option<&Running>,
    ) -> mpsc::UnboundedSender<Item> {
        let (planned, outlet) = (&edition.plan.exporters[index], edition.outlet(index));
        let cx = ExporterCx {
            id: planned.id.clone(),
            sockets: RefCell::new(sockets),
            clock: Arc::clone(&shared.clock),
            started_at: edition.since,
            telemetry: shared.telemetry.with("exporter", &planned.id),
            instance_id: shared.instance_id.clone(),
            desk: shared.questions.desk.clone(),
            authenticators: edition.plan.authenticators.clone(),
        };
        let exporter = planned.configured.build(&cx);
        let (sender, items) = match planned.configured.placement() {
            Placement::Once => outlet.take_queue(),
            Placement::EveryShard => mpsc::unbounded_channel(),
        };
        let (closing, hurry, stop) = (Stop::new(), Stop::new(), Stop::new());
        let handover = Rc::new(Handover::default());
        let before = predecessor.map(|predecessor| Rc::clone(&predecessor.handover));
        let consumer = Consumer {
            id: planned.id.clone(),
            exporter: Rc::clone(&exporter),
            delivery: planned.configured.delivery(),
            meters: Arc::clone(&outlet.meters),
            clock: Arc::clone(&shared.clock),
            closing: closing.clone(),
            hurry: hurry.clone(),
            handover: Rc::clone(&handover),
            before: before.clone().map(|handover| Before { handover, bound: Arc::clone(&outlet.bound) }),
        };
        let running = Running {
            id: planned.id.clone(),
            consumer: spawn_local(consumer.run(items)),
            sideline: spawn_local(run_beside(
                exporter,
                planned.id.clone(),
                before,
                stop.clone(),
                Arc::clone(shared),
                Arc::clone(edition),
            )),
            closing,
            hurry,
            stop,
            handover,
        };
        self.here.insert(planned.id.clone(), running);
        sender
    }

    pub(crate) fn inbox(&self, exporter: usize) -> Option<Rc<Inbox>> {
        self.inboxes.get(exporter).cloned().flatten()
    }

    /// Ends exporters that left, once nothing is emitted to them any more: one that is replaced hands over what it has
    /// not delivered, one that was removed delivers it as at a stop.
    pub(crate) fn retire(&mut self, leaving: Leaving) {
        self.ending.retain(|ending| !ending.is_finished());
        let patience = self.patience;
        for running in leaving.replaced {
            self.ending.push(spawn_local(running.hand_over(patience)));
        }
        for running in leaving.removed {
            self.ending.push(spawn_local(running.finish(patience)));
        }
    }

    /// Closes the queues and waits until what is in them is delivered; what is not delivered in time
    /// gets one more attempt and is then dropped and counted. What comes later is refused and counted.
    pub(crate) async fn finish(self) {
        let Self { inboxes, here, ending, patience, .. } = self;
        drop(inboxes);
        let here = here.into_values().map(|running| spawn_local(running.finish(patience)));
        let all: Vec<_> = here.chain(ending).collect();
        for one in all {
            if let Err(problem) = one.await {
                error!(error = %problem, "an exporter did not end cleanly");
            }
        }
    }
}

impl Running {
    async fn finish(self, patience: Duration) {
        self.closing.cancel();
        let mut consumer = self.consumer;
        if tokio::time::timeout(patience, &mut consumer).await.is_err() {
            warn!(
                exporter = self.id,
                "the exporter still holds data at the end of the grace period; each request gets one last attempt"
            );
            self.hurry.cancel();
            match tokio::time::timeout(patience, &mut consumer).await {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => {
                    error!(exporter = self.id, error = %problem, "the exporter did not end cleanly")
                }
                Err(_elapsed) => {
                    consumer.abort();
                    error!(
                        exporter = self.id,
                        "the exporter did not end in time; what it holds is lost and counted as dropped"
                    );
                }
            }
        }
        self.stop.cancel();
        // A failure has been reported by the task itself.
        let _ended = tokio::time::timeout(SIDELINE_PATIENCE, self.sideline).await;
        self.handover.ended.cancel();
    }

    async fn hand_over(self, patience: Duration) {
        self.handover.begun.cancel();
        let mut consumer = self.consumer;
        if tokio::time::timeout(patience, &mut consumer).await.is_err() {
            // Attempts that take so long are broken off and made again, where they may arrive twice.
            self.handover.overdue.cancel();
            if tokio::time::timeout(patience, &mut consumer).await.is_err() {
                consumer.abort();
                error!(exporter = self.id, "the exporter did not end in time to be replaced");
            }
        }
        self.stop.cancel();
        // A failure has been reported by the task itself.
        let _ended = tokio::time::timeout(SIDELINE_PATIENCE, self.sideline).await;
        self.handover.ended.cancel();
    }
}

/// What the exporter before has open is its own until it has ended.
async fn run_beside(
    exporter: Rc<dyn Exporter>,
    id: String,
    before: Option<Rc<Handover>>,
    stop: Stop,
    shared: Arc<Shared>,
    edition: Arc<Edition>,
) {
    if let Some(before) = before {
        before.ended.cancelled().await;
    }
    if let Err(problem) = exporter.run(stop).await {
        error!(exporter = id, error = %problem, "exporter ended");
        shared.health.end(&edition, format!("exporter {id} ended: {problem}"));
    }
}
