//! The analysis thread: merges partials in one order, owns the state, and holds what exists once.

use std::{sync::Arc, time::Duration};

use component::{Extension, ExtensionCx, Sockets, Stop};
use model::Timestamp;
use store::SnapshotStore;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, LocalSet, spawn_local},
};
use tracing::{error, info, warn};

use crate::{
    graph::{Beat, Graph, Identity, Side},
    hop::{self, Complete, HopMessage, Merger, StagePartial},
    link,
    listen::{self, Bound, Owner, Target},
    outlets::Outlets,
    plan::HopRole,
    service::Shared,
};

/// Everything the analysis thread needs, made on another thread.
pub(crate) struct Analysis {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bound: Vec<Bound>,
    pub(crate) hop: mpsc::Receiver<HopMessage>,
    /// The sources that exist from the start.
    pub(crate) sources: Vec<String>,
    /// Where state is kept, when it is.
    pub(crate) store: Option<SnapshotStore>,
    /// Tells acceptors to end.
    pub(crate) stop: Stop,
    /// Told when everything has been built.
    pub(crate) ready: oneshot::Sender<()>,
}

impl Analysis {
    /// Runs on the thread of its own until every shard has told its last.
    pub(crate) fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime without threads needs nothing that can be missing");
        LocalSet::new().block_on(&runtime, self.work());
    }

    async fn work(self) {
        let Self { shared, bound, hop, sources, store, stop, ready } = self;
        let beside = Stop::new();
        let mut exporter_sockets: Vec<_> = shared.plan.exporters.iter().map(|_| Vec::new()).collect();
        let mut extension_sockets: Vec<_> = shared.plan.extensions.iter().map(|_| Vec::new()).collect();
        for socket in bound {
            let (target, until) = match socket.owner {
                Owner::Receiver { index, listen } => {
                    (Target::Shards { receiver: index, listen }, stop.clone())
                }
                Owner::Exporter { index, .. } => (one(&mut exporter_sockets[index]), beside.clone()),
                Owner::Extension { index, .. } => (one(&mut extension_sockets[index]), beside.clone()),
            };
            spawn_local(listen::accept(socket.listener, target, Arc::clone(&shared), until));
        }
        let extensions = start_extensions(&shared, extension_sockets, &beside);
        let outlets = Outlets::for_analysis(&shared, exporter_sockets);
        match shared.plan.settings.hop.role {
            HopRole::Ingest => {
                announce(ready);
                let patience = shared.plan.settings.delivery_grace();
                tokio::select! {
                    () = relay(&shared, hop, sources) => {}
                    () = late(&stop, patience) => {
                        error!("the analysis process did not take the last partials in time; they are lost");
                    }
                }
            }
            HopRole::All | HopRole::Analysis => {
                let identity = Identity { instance_id: &shared.instance_id, started_at: shared.started_at };
                let inboxes = outlets.inboxes.clone();
                let graph = Graph::new(&shared.plan, Side::Both, inboxes, &shared.telemetry, &identity);
                announce(ready);
                let half = AnalysisHalf::new(Arc::clone(&shared), graph, store);
                merge(&shared, half, hop, sources, &stop).await;
            }
        }
        shared.close_queues();
        outlets.finish().await;
        beside.cancel();
        for extension in extensions {
            // A failure has been reported by the task itself.
            let _ended = tokio::time::timeout(Duration::from_secs(1), extension).await;
        }
    }
}

fn announce(ready: oneshot::Sender<()>) {
    // A service that is not waited for has ended already.
    let _gone = ready.send(());
}

fn one(sockets: &mut Vec<Sockets>) -> Target {
    let (sender, accepted) = mpsc::unbounded_channel();
    sockets.push(Sockets { name: "", accepted });
    Target::One(sender)
}

fn start_extensions(shared: &Arc<Shared>, sockets: Vec<Vec<Sockets>>, stop: &Stop) -> Vec<JoinHandle<()>> {
    let mut running = Vec::new();
    for (planned, sockets) in shared.plan.extensions.iter().zip(sockets) {
        let cx = ExtensionCx {
            id: planned.id.clone(),
            sockets: sockets.into(),
            clock: Arc::clone(&shared.clock),
            telemetry: shared.telemetry.with("extension", &planned.id),
            state: Arc::clone(&shared.health) as Arc<dyn component::ServiceState>,
        };
        let extension: Box<dyn Extension> = planned.configured.build(cx);
        let (id, stop, shared) = (planned.id.clone(), stop.clone(), Arc::clone(shared));
        running.push(spawn_local(async move {
            if let Err(problem) = extension.run(stop).await {
                error!(extension = id, error = %problem, "extension ended");
                shared.health.fail(format!("extension {id} ended: {problem}"));
            }
        }));
    }
    running
}

/// Merges what shards tell, in this process or others, until all have ended.
async fn merge(
    shared: &Arc<Shared>,
    mut half: AnalysisHalf,
    mut hop: mpsc::Receiver<HopMessage>,
    sources: Vec<String>,
    stop: &Stop,
) {
    half.restore();
    let mut merger = Merger::default();
    sources.iter().for_each(|source| merger.expect(source));
    let mut remote = match &shared.plan.settings.hop.role {
        HopRole::Analysis => Some(link::Gate::open(shared, stop)),
        HopRole::All | HopRole::Ingest => None,
    };
    let mut has_shards = true;
    while has_shards || remote.is_some() {
        tokio::select! {
            message = hop.recv(), if has_shards => match message {
                Some(message) => take(&mut merger, message),
                // All shards have ended; other processes may still tell.
                None => has_shards = false,
            },
            event = link::Gate::next(&mut remote) => match event {
                Some(link::Event::Told(message, receipt)) => {
                    let source = message.source.clone();
                    take(&mut merger, message);
                    half.advance(merger.complete());
                    receipt.confirm(merger.sequence_of(&source));
                }
                Some(link::Event::Lost(source)) => merger.forget(&source),
                None => remote = None,
            },
            () = stop.cancelled(), if remote.is_some() => break,
        }
        half.advance(merger.complete());
    }
    half.advance(merger.complete());
    half.end();
}

fn take(merger: &mut Merger, message: HopMessage) {
    if message.version == hop::VERSION {
        merger.take(message);
    } else {
        error!(version = message.version, readable = hop::VERSION, "partials of another release are refused");
    }
}

/// The stages that own state, and where their snapshots are kept.
struct AnalysisHalf {
    shared: Arc<Shared>,
    graph: Graph,
    store: Option<SnapshotStore>,
    reached: Timestamp,
    is_dirty: bool,
}

impl AnalysisHalf {
    fn new(shared: Arc<Shared>, graph: Graph, store: Option<SnapshotStore>) -> Self {
        Self { shared, graph, store, reached: Timestamp::default(), is_dirty: false }
    }

    fn restore(&mut self) {
        let Some(store) = &self.store else { return };
        for (node, half) in self.graph.analysis_halves() {
            let key = self.shared.plan.stage_key(node);
            let restored = match store.load(key) {
                Ok(None) => continue,
                Ok(Some(snapshot)) => half.restore(snapshot).map_err(|problem| problem.to_string()),
                Err(problem) => Err(problem.to_string()),
            };
            match restored {
                Ok(()) => info!(stage = key, "state restored"),
                Err(problem) => error!(
                    stage = key,
                    error = problem,
                    "state could not be restored, the stage starts empty"
                ),
            }
        }
    }

    /// Merges what is complete and lets every stage close what has ended.
    fn advance(&mut self, complete: Complete) {
        for (at, StagePartial { stage, partial }) in complete.partials {
            match self.shared.plan.stage_by_key(&stage) {
                Some(node) => {
                    self.graph.merge(node, model::Partial { bytes: partial, at }, at);
                    self.is_dirty = true;
                }
                None => warn!(stage, "a partial came for a stage that is not configured here and is dropped"),
            }
        }
        if complete.until <= self.reached {
            return;
        }
        self.reached = complete.until;
        let closes = self.graph.analysis_halves().any(|(_, half)| half.closes_at(complete.until));
        if closes && self.is_dirty {
            self.save();
        }
        self.graph.beat(Beat::Tick, &self.shared.plan.order, self.reached);
        self.shared.verdicts.publish(self.graph.take_verdicts());
        self.shared.reached(self.reached);
    }

    /// Ends every stage and stores what must survive.
    fn end(&mut self) {
        let now = self.shared.clock.now().max(self.reached);
        self.save();
        self.graph.beat(Beat::Drain, &self.shared.plan.order, now);
        self.save();
        self.shared.reached(now);
    }

    fn save(&mut self) {
        let Some(store) = &self.store else { return };
        for (node, half) in self.graph.analysis_halves() {
            let key = self.shared.plan.stage_key(node);
            if let Some(snapshot) = half.snapshot()
                && let Err(problem) = store.save(key, &snapshot)
            {
                error!(stage = key, error = %problem, "state could not be stored; a restart would lose it");
                self.shared.snapshot_failures.add(1);
            }
        }
        self.is_dirty = false;
    }
}

/// Resolves when a stop has waited long enough.
async fn late(stop: &Stop, patience: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(2 * patience).await;
}

/// Passes on what this process's shards tell to the process that merges.
async fn relay(shared: &Arc<Shared>, mut told: mpsc::Receiver<HopMessage>, sources: Vec<String>) {
    let mut link = link::Link::new(shared);
    for source in sources {
        // Number 0 tells nothing, but from then on every second waits for this source.
        link.send(HopMessage { version: hop::VERSION, source, ..HopMessage::default() }).await;
    }
    while let Some(message) = told.recv().await {
        let at = message.at();
        link.send(message).await;
        shared.reached(at);
    }
}
