//! The analysis thread: merges partials in one order, owns the state, and holds what exists once.

mod half;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::{Extension, ExtensionCx, Sockets, Stop};
use store::SnapshotStore;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, LocalSet, spawn_local},
};
use tracing::error;

use crate::{
    graph::{Graph, Identity, Side},
    hop::{HopMessage, Merger},
    link::{Confirmation, Event, Gate, Link, Told},
    listen::{self, Bound, Owner, Target},
    outlets::Outlets,
    plan::HopRole,
    questions::Asked,
    service::Shared,
};
use half::AnalysisHalf;

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
        let Self { shared, bound, mut hop, sources, store, stop, ready } = self;
        let beside = Stop::new();
        let mut exporter_sockets: Vec<_> = shared.plan.exporters.iter().map(|_| Vec::new()).collect();
        let mut extension_sockets: Vec<_> = shared.plan.extensions.iter().map(|_| Vec::new()).collect();
        let mut hop_listener = None;
        for socket in bound {
            let (target, until) = match socket.owner {
                Owner::Hop => {
                    hop_listener = Some(socket.listener);
                    continue;
                }
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
                let mut link = Link::new(&shared, sources);
                let is_late = tokio::select! {
                    () = link.relay(&mut hop, &shared) => false,
                    () = late(&stop, patience) => true,
                };
                if is_late {
                    link.give_up(&mut hop);
                }
            }
            HopRole::All | HopRole::Analysis => {
                let identity = Identity { instance_id: &shared.instance_id, started_at: shared.started_at };
                let inboxes = outlets.inboxes.clone();
                let graph = Graph::new(&shared.plan, Side::Both, inboxes, &shared.telemetry, &identity);
                announce(ready);
                let half = AnalysisHalf::new(Arc::clone(&shared), graph, store);
                let gate = hop_listener.map(|listener| Gate::open(listener, &shared, &stop));
                let questions = shared.questions.inbox();
                merge(half, hop, sources, gate, questions, &stop).await;
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
            stages: Arc::clone(&shared.questions) as Arc<dyn component::Asks>,
            authenticators: shared.plan.authenticators.clone(),
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
    mut half: AnalysisHalf,
    mut hop: mpsc::Receiver<HopMessage>,
    sources: Vec<String>,
    mut remote: Option<Gate>,
    mut questions: Option<mpsc::Receiver<Asked>>,
    stop: &Stop,
) {
    half.restore();
    let (mut merger, mut peers) = (Merger::default(), Peers::default());
    sources.iter().for_each(|source| merger.expect(source));
    let mut has_shards = true;
    while has_shards || remote.is_some() {
        tokio::select! {
            message = hop.recv(), if has_shards => match message {
                Some(message) => {
                    half.heard(&message);
                    half.take(&mut merger, message);
                }
                // All shards have ended; other processes may still tell.
                None => has_shards = false,
            },
            event = Gate::next(&mut remote) => match event {
                Some(Event::Told(Told { message, confirm, claim })) => {
                    peers.heard(&message, confirm);
                    half.take(&mut merger, message);
                    drop(claim);
                }
                Some(Event::Lost { source, confirm }) => {
                    if peers.has_lost(&source, &confirm) {
                        merger.forget(&source);
                    }
                }
                None => remote = None,
            },
            asked = next(&mut questions) => {
                half.answer(asked).await;
                continue;
            }
            () = stop.cancelled(), if remote.is_some() => break,
        }
        half.advance(merger.complete()).await;
        if remote.is_some() {
            half.store_if_due(peers.wait_to_end(&merger)).await;
            peers.confirm(&merger, &half);
        }
    }
    // Nobody is waited for any more: what has been told is merged and stored before the end.
    merger.forget_all();
    half.advance(merger.complete()).await;
    half.end().await;
    peers.confirm(&merger, &half);
}

/// Returns the next question; never resolves when nobody can ask.
async fn next(questions: &mut Option<mpsc::Receiver<Asked>>) -> Asked {
    if let Some(inbox) = questions
        && let Some(asked) = inbox.recv().await
    {
        return asked;
    }
    std::future::pending().await
}

/// The sources of other processes, and where to confirm what they told.
#[derive(Default)]
struct Peers(BTreeMap<String, Peer>);

struct Peer {
    confirm: mpsc::UnboundedSender<Confirmation>,
    confirmed: u64,
    /// The number of its last message, once that has come.
    last: Option<u64>,
}

impl Peers {
    fn heard(&mut self, message: &HopMessage, confirm: mpsc::UnboundedSender<Confirmation>) {
        let last = message.last.then_some(message.sequence);
        match self.0.get_mut(&message.source) {
            Some(peer) if peer.confirm.same_channel(&confirm) => peer.last = last,
            // A new connection has not seen what was confirmed on the one before.
            _ => {
                self.0.insert(message.source.clone(), Peer { confirm, confirmed: 0, last });
            }
        }
    }

    /// Forgets a source whose connection has ended, unless it has come back over another before.
    fn has_lost(&mut self, source: &str, confirm: &mpsc::UnboundedSender<Confirmation>) -> bool {
        let is_gone = self.0.get(source).is_none_or(|peer| peer.confirm.same_channel(confirm));
        if is_gone {
            self.0.remove(source);
        }
        is_gone
    }

    /// Whether a process waits for the confirmation of its last words.
    fn wait_to_end(&self, merger: &Merger) -> bool {
        self.0.iter().any(|(source, peer)| peer.last.is_some_and(|last| merger.merged_of(source) >= last))
    }

    /// Confirms what has been merged, once it is stored.
    fn confirm(&mut self, merger: &Merger, half: &AnalysisHalf) {
        if !half.is_stored() {
            return;
        }
        self.0.retain(|source, peer| {
            let merged = merger.merged_of(source);
            if merged > peer.confirmed {
                peer.confirmed = merged;
                // A connection that has ended gets its confirmation when the message comes again.
                let _gone = peer.confirm.send(Confirmation { source: source.clone(), sequence: merged });
            }
            peer.last.is_none_or(|last| merged < last)
        });
    }
}

/// Resolves when a stop has waited long enough.
async fn late(stop: &Stop, patience: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(2 * patience).await;
}
