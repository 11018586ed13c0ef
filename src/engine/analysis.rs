//! The analysis thread: merges partials in one order, owns the state, and holds what exists once.

mod half;
mod rim;

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use component::Stop;
use store::SnapshotStore;
use tokio::{
    sync::{mpsc, oneshot},
    task::LocalSet,
};

use crate::{
    graph::{Graph, Identity, Side},
    hop::{HopMessage, Merger},
    link::{Confirmation, Event, Gate, Link, Told},
    listen::Door,
    plan::HopRole,
    questions::Asked,
    reload::Swap,
    service::Shared,
};
use half::AnalysisHalf;
use rim::Rim;

/// Everything the analysis thread needs, made on another thread.
pub(crate) struct Analysis {
    pub(crate) shared: Arc<Shared>,
    pub(crate) doors: Vec<Door>,
    pub(crate) swaps: mpsc::UnboundedReceiver<Swap>,
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
        let Self { shared, doors, swaps, mut hop, sources, store, stop, ready } = self;
        let edition = shared.edition();
        let (mut rim, hop_listener) = Rim::start(&shared, &edition, doors, &stop);
        let settings = &edition.plan.settings;
        match settings.hop.role {
            HopRole::Ingest => {
                announce(ready);
                let mut link = Link::new(&shared, sources);
                if relay(&mut link, &mut hop, swaps, &mut rim, late(&stop, settings.delivery_grace())).await {
                    link.give_up(&mut hop);
                }
            }
            HopRole::All | HopRole::Analysis => {
                let identity = Identity { instance_id: &shared.instance_id, started_at: shared.started_at };
                let inboxes = rim.outlets.inboxes.clone();
                let graph = Graph::new(&edition.plan, Side::Both, inboxes, &shared.telemetry, &identity)
                    .watched(&shared.taps, edition.number);
                announce(ready);
                let mut half = AnalysisHalf::new(Arc::clone(&shared), Arc::clone(&edition), graph, store);
                half.restore();
                let mut merger = Merger::default();
                sources.iter().for_each(|source| merger.expect(source));
                let work = Work {
                    half,
                    merger,
                    pending: None,
                    rim: &mut rim,
                    remote: hop_listener.map(|listener| Gate::open(listener, &shared, &stop)),
                    peers: Peers::default(),
                };
                work.merge(hop, shared.questions.inbox(), swaps, &stop).await;
            }
        }
        shared.edition().close_queues();
        rim.finish().await;
    }
}

fn announce(ready: oneshot::Sender<()>) {
    // A service that is not waited for has ended already.
    let _gone = ready.send(());
}

/// Passes on what shards tell until all have ended. Whether that took too long.
async fn relay(
    link: &mut Link,
    hop: &mut mpsc::Receiver<HopMessage>,
    mut swaps: mpsc::UnboundedReceiver<Swap>,
    rim: &mut Rim,
    late: impl Future<Output = ()>,
) -> bool {
    let shared = Arc::clone(&rim.shared);
    let (mut relaying, mut late) = (pin!(link.relay(hop, &shared)), pin!(late));
    let mut pending: Option<Swap> = None;
    loop {
        tokio::select! {
            () = &mut relaying => return false,
            () = &mut late => return true,
            Some(swap) = swaps.recv(), if pending.is_none() => pending = Some(swap),
            () = shards_changed(&mut pending) => {
                if let Some(swap) = pending.take() {
                    let (leaving, ways) = rim.begin(&swap);
                    rim.end(swap, leaving, ways);
                }
            }
        }
    }
}

/// Resolves when all shards work by the next configuration; never when there is none.
async fn shards_changed(pending: &mut Option<Swap>) {
    match pending {
        Some(swap) => while swap.changed.recv().await.is_some() {},
        None => std::future::pending().await,
    }
}

/// The analysis thread at work.
struct Work<'a> {
    half: AnalysisHalf,
    merger: Merger,
    /// A configuration that waits for the last words of those that tell by the one before.
    pending: Option<Pending>,
    rim: &'a mut Rim,
    remote: Option<Gate>,
    peers: Peers,
}

struct Pending {
    swap: Swap,
    /// Of those that tell by it already.
    merger: Merger,
}

impl Work<'_> {
    /// Merges what shards tell, in this process or others, until all have ended.
    async fn merge(
        mut self,
        mut hop: mpsc::Receiver<HopMessage>,
        mut questions: Option<mpsc::Receiver<Asked>>,
        mut swaps: mpsc::UnboundedReceiver<Swap>,
        stop: &Stop,
    ) {
        let mut has_shards = true;
        while has_shards || self.remote.is_some() {
            tokio::select! {
                Some(swap) = swaps.recv(), if self.pending.is_none() => self.expect(swap),
                () = stop.cancelled(), if self.remote.is_some() => break,
                asked = next(&mut questions) => {
                    self.half.answer(asked).await;
                    continue;
                }
                message = hop.recv(), if has_shards => match message {
                    Some(message) => {
                        // Who tells by a configuration tells later than it comes.
                        if self.pending.is_none() && let Ok(swap) = swaps.try_recv() {
                            self.expect(swap);
                        }
                        self.told(message);
                    }
                    // All shards have ended; other processes may still tell.
                    None => has_shards = false,
                },
                event = Gate::next(&mut self.remote) => self.happened(event),
            }
            self.half.advance(self.merger.complete()).await;
            if self.remote.is_some() {
                self.half.store_if_due(self.peers.wait_to_end(&self.merger)).await;
                self.peers.confirm(&self.merger, &self.half);
            }
            self.change_if_due().await;
        }
        // Nobody is waited for any more: what has been told is merged and stored before the end.
        self.merger.forget_all();
        self.half.advance(self.merger.complete()).await;
        self.change_if_due().await;
        self.merger.forget_all();
        self.half.advance(self.merger.complete()).await;
        self.half.end().await;
        self.peers.confirm(&self.merger, &self.half);
    }

    fn told(&mut self, message: HopMessage) {
        self.half.heard(&message);
        let merger = match &mut self.pending {
            Some(Pending { swap, merger }) if !swap.old_sources.contains(&message.source) => merger,
            _ => &mut self.merger,
        };
        self.half.take(merger, message);
    }

    fn happened(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Told(Told { message, confirm, claim })) => {
                self.peers.heard(&message, confirm);
                self.half.take(&mut self.merger, message);
                drop(claim);
            }
            Some(Event::Lost { source, confirm }) => {
                if self.peers.has_lost(&source, &confirm) {
                    self.merger.forget(&source);
                }
            }
            None => self.remote = None,
        }
    }

    fn expect(&mut self, swap: Swap) {
        let mut merger = Merger::default();
        swap.new_sources.iter().for_each(|source| merger.expect(source));
        self.pending = Some(Pending { swap, merger });
    }

    /// Changes to the next configuration once all that was told by the one before is merged.
    async fn change_if_due(&mut self) {
        let merger = &self.merger;
        let due = self.pending.take_if(|pending| merger.have_ended(&pending.swap.old_sources));
        let Some(Pending { swap, merger }) = due else { return };
        // Other processes go on as the sources that they are.
        if !swap.new_sources.is_empty() {
            self.merger = merger;
        }
        let (leaving, ways) = self.rim.begin(&swap);
        self.half.change(&swap, self.rim.outlets.inboxes.clone()).await;
        self.rim.end(swap, leaving, ways);
        self.half.advance(self.merger.complete()).await;
    }
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
