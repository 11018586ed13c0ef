//! One ingest thread: its sockets, its graph, its exporters, and nothing shared per span.

mod jobs;
mod receivers;
mod teller;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use component::{Socket, Stop};
use model::Timestamp;
use tokio::{
    sync::{Notify, mpsc},
    task::{LocalSet, spawn_local},
};
use tracing::{error, info};

use crate::{
    edition::Edition,
    graph::{Graph, Identity, Side},
    hop::HopMessage,
    listen::{Owner, OwnerKind},
    outlets::Outlets,
    plan::{Changes, Plan},
    service::Shared,
};
pub(crate) use jobs::Job;
use jobs::{end_jobs, serve_jobs};
use receivers::Receivers;
use teller::Teller;

/// The ways of accepted connections to the receivers of a shard.
pub(crate) type SocketSenders = BTreeMap<Owner, mpsc::UnboundedSender<Socket>>;

/// How a shard is reached from other threads.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    pub(crate) sockets: Arc<SocketSenders>,
    pub(crate) jobs: mpsc::UnboundedSender<Job>,
    pub(crate) editions: mpsc::UnboundedSender<NextEdition>,
    pub(crate) state: Arc<ShardState>,
    /// The thread waits for something to do.
    pub(crate) is_idle: Arc<AtomicBool>,
    /// A stage has panicked: its state can not be trusted, the shard is built anew.
    pub(crate) broken: Stop,
}

impl ShardHandle {
    /// Whether the shard takes sockets and requests.
    pub(crate) fn is_alive(&self) -> bool {
        !self.jobs.is_closed() && !self.broken.is_cancelled()
    }
}

/// What other threads may know of a shard, also when it has been built anew.
#[derive(Default)]
pub(crate) struct ShardState {
    /// The last second that the shard has closed, in nanoseconds.
    pub(crate) told_until: AtomicU64,
    pub(crate) open_sockets: AtomicU64,
}

/// Tells a shard to change to another configuration.
pub(crate) struct NextEdition {
    pub(crate) edition: Arc<Edition>,
    pub(crate) changes: Arc<Changes>,
    /// Of the source that the shard is from then on.
    pub(crate) generation: u64,
    /// Dropped when the shard has changed.
    pub(crate) _changing: mpsc::Sender<()>,
}

/// The ends of a shard's channels that belong to its thread.
pub(crate) struct ShardInbox {
    sockets: BTreeMap<Owner, mpsc::UnboundedReceiver<Socket>>,
    jobs: mpsc::UnboundedReceiver<Job>,
    editions: mpsc::UnboundedReceiver<NextEdition>,
}

/// Makes the channels of a shard.
pub(crate) fn channels(plan: &Plan, state: Arc<ShardState>) -> (ShardHandle, ShardInbox) {
    let (mut senders, mut sockets) = (SocketSenders::new(), BTreeMap::new());
    for receiver in &plan.receivers {
        for listen in receiver.configured.listens() {
            let owner = Owner { kind: OwnerKind::Receiver, id: receiver.id.clone(), listen: listen.name };
            let (send, receive) = mpsc::unbounded_channel();
            senders.insert(owner.clone(), send);
            sockets.insert(owner, receive);
        }
    }
    let (jobs, job_inbox) = mpsc::unbounded_channel();
    let (editions, edition_inbox) = mpsc::unbounded_channel();
    let handle = ShardHandle {
        sockets: Arc::new(senders),
        jobs,
        editions,
        state,
        is_idle: Arc::new(AtomicBool::new(false)),
        broken: Stop::new(),
    };
    (handle, ShardInbox { sockets, jobs: job_inbox, editions: edition_inbox })
}

/// What the tasks of one shard share.
pub(crate) struct Core {
    pub(crate) graph: RefCell<Graph>,
    pub(crate) shared: Arc<Shared>,
    /// The configuration that this shard works by.
    edition: RefCell<Arc<Edition>>,
    /// Wakes those who wait for something that may not be there in the next configuration.
    pub(crate) has_changed: Notify,
    /// This shard's place among all.
    pub(crate) index: usize,
    /// Requests that have arrived and wait for their turn.
    pub(crate) waiting: Cell<usize>,
    /// A stage has panicked: its state can not be trusted, the shard is built anew.
    pub(crate) broken: Stop,
    /// Nothing is folded any more: what the stages hold is being told, or can not be trusted.
    pub(crate) closed: Stop,
}

impl Core {
    pub(crate) fn edition(&self) -> Arc<Edition> {
        Arc::clone(&self.edition.borrow())
    }

    /// From now on works by another configuration.
    fn change(&self, edition: Arc<Edition>, graph: Graph) {
        *self.graph.borrow_mut() = graph;
        *self.edition.borrow_mut() = edition;
        self.has_changed.notify_waiters();
    }
}

/// Everything a shard's thread needs, made on another thread.
pub(crate) struct Shard {
    /// From when on it closes seconds. Set before the thread runs, which may begin much later.
    pub(crate) since: Timestamp,
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) edition: Arc<Edition>,
    pub(crate) handle: ShardHandle,
    pub(crate) inbox: ShardInbox,
    pub(crate) hop: mpsc::Sender<HopMessage>,
    /// Tells receivers to end.
    pub(crate) stop: Stop,
    /// Grows with every rebuild and reload, so that what then begins is a new source of partials.
    pub(crate) generation: u64,
}

/// Why a shard's thread ended.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// Everything was told and delivered.
    Drained,
    /// A stage has panicked.
    Broken,
}

/// What a shard closes at a time.
pub(crate) const SECOND: Duration = Duration::from_secs(1);

impl Shard {
    /// The name under which this shard's partials are merged. Padded, so that names sort as numbers, and
    /// with the start of the process: after a restart it counts from one again, as another source.
    pub(crate) fn source(shared: &Shared, index: usize, generation: u64) -> String {
        let started_at = shared.started_at.as_nanos();
        format!("{}/{index:04}.{started_at:020}.{generation}", shared.instance_id)
    }

    /// Runs on the shard's own thread until stopped.
    pub(crate) fn run(self) -> Ended {
        if let Some(core) = self.edition.plan.settings.pinned_core(self.index)
            && !core_affinity::set_for_current(core)
        {
            info!(shard = self.index, "could not pin the shard to a core; the scheduler places it");
        }
        let (parked, unparked) = (Arc::clone(&self.handle.is_idle), Arc::clone(&self.handle.is_idle));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || parked.store(true, Ordering::Release))
            .on_thread_unpark(move || unparked.store(false, Ordering::Release))
            .build()
            .expect("a runtime without threads needs nothing that can be missing");
        LocalSet::new().block_on(&runtime, self.work())
    }

    async fn work(self) -> Ended {
        let Self { since, index, shared, edition, handle, inbox, hop, stop, generation } = self;
        let broken = handle.broken.clone();
        let outlets = Outlets::for_shard(&shared, &edition);
        let core = Rc::new(Core {
            graph: RefCell::new(graph(&shared, &edition, &outlets)),
            shared: Arc::clone(&shared),
            edition: RefCell::new(edition),
            has_changed: Notify::new(),
            index,
            waiting: Cell::new(0),
            closed: broken.child_token(),
            broken: broken.clone(),
        });
        let receivers = Receivers::start(&core, &outlets, inbox.sockets, &handle.sockets, &stop);
        let jobs = spawn_local(serve_jobs(inbox.jobs, receivers.intakes(), broken.clone()));
        let source = Self::source(&shared, index, generation);
        let teller = Teller::new(&core, Arc::clone(&handle.state), hop, source, since);
        let mut worker = Worker { core, handle, outlets, receivers, teller };
        worker.work_until_stopped(inbox.editions).await;
        let Worker { core, handle, outlets, mut receivers, mut teller } = worker;
        // Nobody is to wait for this shard through its own handle.
        drop(handle);
        if broken.is_cancelled() {
            error!(shard = index, "a stage panicked; what is queued is delivered, the shard is built anew");
            receivers.stop.cancel();
        }
        receivers.end(&shared).await;
        if !broken.is_cancelled() {
            shared.forget_shards();
        }
        // Other shards may have handed requests over; they come first.
        end_jobs(jobs, &shared).await;
        core.closed.cancel();
        if !broken.is_cancelled() {
            teller.drain().await;
        }
        if broken.is_cancelled() {
            let lost_items = core.graph.borrow_mut().lose_untold();
            error!(shard = index, lost_items, "what the broken shard had counted and not told is lost");
        }
        drop((teller, receivers, core));
        outlets.finish().await;
        if broken.is_cancelled() { Ended::Broken } else { Ended::Drained }
    }
}

fn graph(shared: &Shared, edition: &Edition, outlets: &Outlets) -> Graph {
    let identity = Identity { instance_id: &shared.instance_id, started_at: shared.started_at };
    Graph::new(&edition.plan, Side::Ingest, outlets.inboxes.clone(), &shared.telemetry, &identity)
        .watched(&shared.taps, edition.number)
}

/// A shard at work.
struct Worker {
    core: Rc<Core>,
    handle: ShardHandle,
    outlets: Outlets,
    receivers: Receivers,
    teller: Teller,
}

impl Worker {
    /// Closes seconds, and changes from one configuration to the next at the end of one.
    async fn work_until_stopped(&mut self, mut editions: mpsc::UnboundedReceiver<NextEdition>) {
        let (stop, broken) = (self.receivers.stop.clone(), self.core.broken.clone());
        let mut next: Option<NextEdition> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = broken.cancelled() => return,
                Some(edition) = editions.recv(), if next.is_none() => {
                    // What is on its way through receivers that end still meets the stages that it was sent to.
                    self.receivers.leave(&edition.edition.plan);
                    self.publish();
                    next = Some(edition);
                }
                at = self.teller.next_second() => {
                    let Some(room) = self.teller.room() else { continue };
                    match next.take_if(|_| self.receivers.have_left()) {
                        None => self.teller.tell(room, at),
                        Some(next) => self.change(room, at, next),
                    }
                }
            }
        }
    }

    /// Tells other threads which connections this shard takes.
    fn publish(&mut self) {
        self.handle.sockets = Arc::new(self.receivers.senders.clone());
        self.core.shared.update_shard(self.core.index, self.handle.clone());
    }

    /// Changes to the next configuration. No step of another task comes between: a request meets the old stages or
    /// the new ones.
    fn change(&mut self, room: mpsc::OwnedPermit<HopMessage>, at: Timestamp, next: NextEdition) {
        let NextEdition { edition, changes, generation, _changing } = next;
        let shared = Arc::clone(&self.core.shared);
        let Some(last_words) = self.teller.last_words(at) else { return };
        let leaving = self.outlets.change(&shared, &edition, &changes, BTreeMap::new());
        self.core.change(Arc::clone(&edition), graph(&shared, &edition, &self.outlets));
        self.teller.begin(Shard::source(&shared, self.core.index, generation), at);
        self.receivers.change(&edition, &changes, &self.outlets);
        self.publish();
        self.outlets.retire(leaving);
        self.teller.send(room, last_words, at);
    }
}
