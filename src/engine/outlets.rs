//! The exporters of one thread and the ways into all of them.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use component::{Exporter, ExporterCx, Placement, Sockets, Stop};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_local},
};
use tracing::{error, warn};

use crate::{
    queue::{Consumer, Inbox, Item},
    service::Shared,
};

/// One thread's exporters.
pub(crate) struct Outlets {
    /// By exporter of the plan; none where nothing of this process reaches it.
    pub(crate) inboxes: Vec<Option<Rc<Inbox>>>,
    consumers: Vec<JoinHandle<()>>,
    sidelines: Vec<JoinHandle<()>>,
    /// Ends what exporters do beside exporting.
    stop: Stop,
    /// Closes the queues of the exporters that run here.
    closing: Stop,
    hurry: Stop,
    patience: std::time::Duration,
}

impl Outlets {
    /// Builds the exporters that run on every thread; the others are reached over channels.
    pub(crate) fn for_shard(shared: &Arc<Shared>) -> Self {
        Self::build(shared, |exporter| match exporter.placement {
            Placement::EveryShard => Start::Here(Vec::new()),
            Placement::Once => Start::Elsewhere,
        })
    }

    /// Builds all exporters: the analysis thread emits to each, and holds those that exist once.
    ///
    /// `sockets` are those of exporters that listen, by exporter.
    pub(crate) fn for_analysis(shared: &Arc<Shared>, mut sockets: Vec<Vec<Sockets>>) -> Self {
        Self::build(shared, |exporter| {
            Start::Here(sockets.get_mut(exporter.index).map(std::mem::take).unwrap_or_default())
        })
    }

    fn build(shared: &Arc<Shared>, mut start: impl FnMut(Place) -> Start) -> Self {
        let patience = shared.plan.settings.delivery_grace();
        let mut outlets = Self {
            inboxes: Vec::new(),
            consumers: Vec::new(),
            sidelines: Vec::new(),
            stop: Stop::new(),
            closing: Stop::new(),
            hurry: Stop::new(),
            patience,
        };
        for (index, planned) in shared.plan.exporters.iter().enumerate() {
            let placement = planned.configured.placement();
            let sender = match start(Place { index, placement }) {
                Start::Elsewhere => shared.queue_of(index),
                Start::Here(sockets) => Some(outlets.start(shared, index, placement, sockets)),
            };
            let inbox = sender.map(|sender| {
                let delivery = planned.configured.delivery();
                let meters = Arc::clone(&shared.outlet(index).meters);
                Rc::new(Inbox::new(
                    &planned.id,
                    &delivery,
                    Arc::clone(&shared.outlet(index).bound),
                    meters,
                    sender,
                ))
            });
            outlets.inboxes.push(inbox);
        }
        outlets
    }

    fn start(
        &mut self,
        shared: &Arc<Shared>,
        index: usize,
        placement: Placement,
        sockets: Vec<Sockets>,
    ) -> mpsc::UnboundedSender<Item> {
        let planned = &shared.plan.exporters[index];
        let cx = ExporterCx {
            id: planned.id.clone(),
            sockets: RefCell::new(sockets),
            clock: Arc::clone(&shared.clock),
            started_at: shared.started_at,
            telemetry: shared.telemetry.with("exporter", &planned.id),
            instance_id: shared.instance_id.clone(),
            desk: shared.questions.desk.clone(),
            authenticators: shared.plan.authenticators.clone(),
        };
        let exporter = planned.configured.build(&cx);
        let (sender, items) = match placement {
            Placement::Once => shared.take_queue(index),
            Placement::EveryShard => mpsc::unbounded_channel(),
        };
        let consumer = Consumer {
            id: planned.id.clone(),
            exporter: Rc::clone(&exporter),
            delivery: planned.configured.delivery(),
            meters: Arc::clone(&shared.outlet(index).meters),
            clock: Arc::clone(&shared.clock),
            closing: self.closing.clone(),
            hurry: self.hurry.clone(),
        };
        self.consumers.push(spawn_local(consumer.run(items)));
        self.sidelines.push(spawn_local(run_beside(
            exporter,
            planned.id.clone(),
            self.stop.clone(),
            Arc::clone(shared),
        )));
        sender
    }

    pub(crate) fn inbox(&self, exporter: usize) -> Option<Rc<Inbox>> {
        self.inboxes.get(exporter).cloned().flatten()
    }

    /// Closes the queues and waits until what is in them is delivered; what is not delivered in time
    /// gets one more attempt and is then dropped and counted. What comes later is refused and counted.
    pub(crate) async fn finish(mut self) {
        self.inboxes.clear();
        self.closing.cancel();
        let hurry = self.hurry.clone();
        let mut consumers = std::mem::take(&mut self.consumers);
        let all = async {
            for consumer in &mut consumers {
                if let Err(problem) = consumer.await {
                    error!(error = %problem, "an exporter did not end cleanly");
                }
            }
        };
        tokio::pin!(all);
        if tokio::time::timeout(self.patience, &mut all).await.is_err() {
            warn!(
                "exporters still hold data at the end of the grace period; each request gets one last attempt"
            );
            hurry.cancel();
            if tokio::time::timeout(self.patience, all).await.is_err() {
                error!("exporters did not end in time; what they hold is lost and counted as dropped");
            }
        }
        self.stop.cancel();
        for sideline in self.sidelines {
            // A failure has been reported by the task itself.
            let _ended = tokio::time::timeout(std::time::Duration::from_secs(1), sideline).await;
        }
    }
}

/// Which exporter, and where it wants to be.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    placement: Placement,
}

enum Start {
    Here(Vec<Sockets>),
    Elsewhere,
}

async fn run_beside(exporter: Rc<dyn Exporter>, id: String, stop: Stop, shared: Arc<Shared>) {
    if let Err(problem) = exporter.run(stop).await {
        error!(exporter = id, error = %problem, "exporter ended");
        shared.health.fail(format!("exporter {id} ended: {problem}"));
    }
}
