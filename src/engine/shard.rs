//! One ingest thread: its sockets, its graph, its exporters, and nothing shared per span.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use component::{Inlet, Placement, Receipt, Receiver, ReceiverCx, Refusal, Socket, Sockets, Stop};
use model::{Signal, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet, LocalSet, spawn_local},
};
use tracing::{error, info};

use crate::{
    graph::{Beat, Graph, Identity, Side},
    hop::{self, HopMessage, StagePartial},
    intake::ShardIntake,
    outlets::Outlets,
    plan::Plan,
    service::Shared,
};

/// How a shard is reached from other threads.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    /// By receiver, by listening address.
    pub(crate) sockets: Vec<Vec<mpsc::UnboundedSender<Socket>>>,
    pub(crate) jobs: mpsc::UnboundedSender<Job>,
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

/// A whole request that a busy shard hands to an idle one.
pub(crate) struct Job {
    pub(crate) receiver: usize,
    pub(crate) signal: Signal,
    pub(crate) bytes: Bytes,
    pub(crate) transport: &'static str,
    pub(crate) reply: oneshot::Sender<Result<Receipt, Refusal>>,
}

/// The ends of a shard's channels that belong to its thread.
pub(crate) struct ShardInbox {
    pub(crate) sockets: Vec<Vec<mpsc::UnboundedReceiver<Socket>>>,
    pub(crate) jobs: mpsc::UnboundedReceiver<Job>,
    pub(crate) is_idle: Arc<AtomicBool>,
    pub(crate) broken: Stop,
}

/// Makes the channels of a shard.
pub(crate) fn channels(plan: &Plan, state: Arc<ShardState>) -> (ShardHandle, ShardInbox) {
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for receiver in &plan.receivers {
        let pairs = receiver.configured.listens().into_iter().map(|_| mpsc::unbounded_channel());
        let (send, receive): (Vec<_>, Vec<_>) = pairs.unzip();
        senders.push(send);
        receivers.push(receive);
    }
    let (jobs, job_inbox) = mpsc::unbounded_channel();
    let (is_idle, broken) = (Arc::new(AtomicBool::new(false)), Stop::new());
    let inbox = ShardInbox {
        sockets: receivers,
        jobs: job_inbox,
        is_idle: Arc::clone(&is_idle),
        broken: broken.clone(),
    };
    (ShardHandle { sockets: senders, jobs, state, is_idle, broken }, inbox)
}

/// What the tasks of one shard share.
pub(crate) struct Core {
    pub(crate) graph: RefCell<Graph>,
    pub(crate) shared: Arc<Shared>,
    /// This shard's place among all.
    pub(crate) index: usize,
    /// Requests that have arrived and wait for their turn.
    pub(crate) waiting: Cell<usize>,
    /// A stage has panicked: its state can not be trusted, the shard is built anew.
    pub(crate) broken: Stop,
    /// Nothing is folded any more: what the stages hold is being told, or can not be trusted.
    pub(crate) closed: Stop,
}

/// Everything a shard's thread needs, made on another thread.
pub(crate) struct Shard {
    /// From when on it closes seconds. Set before the thread runs, which may begin much later.
    pub(crate) since: Timestamp,
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: ShardInbox,
    pub(crate) state: Arc<ShardState>,
    pub(crate) hop: mpsc::Sender<HopMessage>,
    /// Tells receivers to end.
    pub(crate) stop: Stop,
    /// Grows with every rebuild, so that a rebuilt shard is a new source of partials.
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

impl Shard {
    /// The name under which this shard's partials are merged. Padded, so that names sort as numbers, and
    /// with the start of the process: after a restart it counts from one again, as another source.
    pub(crate) fn source(shared: &Shared, index: usize, generation: u64) -> String {
        let started_at = shared.started_at.as_nanos();
        format!("{}/{index:04}.{started_at:020}.{generation}", shared.instance_id)
    }

    /// Runs on the shard's own thread until stopped.
    pub(crate) fn run(self) -> Ended {
        if let Some(core) = self.shared.plan.settings.pinned_core(self.index)
            && !core_affinity::set_for_current(core)
        {
            info!(shard = self.index, "could not pin the shard to a core; the scheduler places it");
        }
        let (parked, unparked) = (Arc::clone(&self.inbox.is_idle), Arc::clone(&self.inbox.is_idle));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || parked.store(true, Ordering::Release))
            .on_thread_unpark(move || unparked.store(false, Ordering::Release))
            .build()
            .expect("a runtime without threads needs nothing that can be missing");
        LocalSet::new().block_on(&runtime, self.work())
    }

    async fn work(self) -> Ended {
        let Self { since, index, shared, inbox, state, hop, stop, generation } = self;
        let outlets = Outlets::for_shard(&shared);
        let identity = Identity { instance_id: &shared.instance_id, started_at: shared.started_at };
        let graph =
            Graph::new(&shared.plan, Side::Ingest, outlets.inboxes.clone(), &shared.telemetry, &identity);
        let broken = inbox.broken;
        let core = Rc::new(Core {
            graph: RefCell::new(graph),
            shared: Arc::clone(&shared),
            index,
            waiting: Cell::new(0),
            closed: broken.child_token(),
            broken: broken.clone(),
        });
        let intakes: Vec<_> = (0..shared.plan.receivers.len())
            .map(|receiver| ShardIntake::new(&core, receiver, &outlets))
            .collect();
        let mut receivers = Receivers::start(&shared, index, inbox.sockets, &intakes, &stop);
        let jobs = spawn_local(serve_jobs(inbox.jobs, intakes, broken.clone()));
        let source = Self::source(&shared, index, generation);
        let mut teller = Teller { core: Rc::clone(&core), state, hop, source, sequence: 0, verdicts_seen: 0 };
        tokio::select! {
            () = teller.tick(since) => {}
            () = receivers.end(&shared) => {}
            () = broken.cancelled() => {}
        }
        if broken.is_cancelled() {
            error!(shard = index, "a stage panicked; what is queued is delivered, the shard is built anew");
            receivers.stop.cancel();
            receivers.end(&shared).await;
        } else {
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
        drop((teller, core));
        outlets.finish().await;
        if broken.is_cancelled() { Ended::Broken } else { Ended::Drained }
    }
}

/// This shard's receivers; those that exist once live on the first shard.
struct Receivers {
    running: JoinSet<()>,
    /// Cancelled with the service, or when the shard is broken.
    stop: Stop,
}

impl Receivers {
    fn start(
        shared: &Arc<Shared>,
        index: usize,
        sockets: Vec<Vec<mpsc::UnboundedReceiver<Socket>>>,
        intakes: &[Rc<ShardIntake>],
        service: &Stop,
    ) -> Self {
        let mut receivers = Self { running: JoinSet::new(), stop: service.child_token() };
        for ((planned, sockets), intake) in shared.plan.receivers.iter().zip(sockets).zip(intakes) {
            if planned.configured.placement() == Placement::Once && index != 0 {
                continue;
            }
            let listens = planned.configured.listens();
            let sockets =
                listens.iter().zip(sockets).map(|(listen, accepted)| Sockets { name: listen.name, accepted });
            let cx = ReceiverCx {
                id: planned.id.clone(),
                inlet: Inlet(Rc::clone(intake) as Rc<dyn component::Intake>),
                sockets: RefCell::new(sockets.collect()),
                signals: planned.signals,
                clock: Arc::clone(&shared.clock),
                authenticators: shared.plan.authenticators.clone(),
                telemetry: shared.telemetry.with("receiver", &planned.id),
            };
            let receiver: Box<dyn Receiver> = planned.configured.build(&cx);
            let (id, shared) = (planned.id.clone(), Arc::clone(shared));
            let (stop, service) = (receivers.stop.clone(), service.clone());
            receivers.running.spawn_local(async move {
                if let Err(problem) = receiver.run(stop).await {
                    error!(receiver = id, error = %problem, "receiver ended; the service stops");
                    shared.health.fail(format!("receiver {id} ended: {problem}"));
                    // Seeming alive without a way in is worse than ending.
                    service.cancel();
                }
            });
        }
        receivers
    }

    /// Waits for the stop, and then for receivers to finish what they have accepted.
    async fn end(&mut self, shared: &Shared) {
        self.stop.cancelled().await;
        let all = async {
            while let Some(ended) = self.running.join_next().await {
                if let Err(problem) = ended {
                    error!(error = %problem, "a receiver did not end cleanly");
                }
            }
        };
        let patience = shared.plan.settings.receiver_grace();
        if tokio::time::timeout(patience, all).await.is_err() {
            info!(?patience, "some connections did not end in time and are closed");
            self.running.abort_all();
        }
    }
}

/// Serves requests that other shards hand over, and ends when all of them have been answered.
async fn serve_jobs(mut jobs: mpsc::UnboundedReceiver<Job>, intakes: Vec<Rc<ShardIntake>>, broken: Stop) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv() => {
                let Some(job) = job else { break };
                let Some(intake) = intakes.get(job.receiver).map(Rc::clone) else { continue };
                under_way.spawn_local(serve_job(intake, job));
            }
            Some(_ended) = under_way.join_next() => {}
            () = broken.cancelled(), if !jobs.is_closed() => jobs.close(),
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Waits until requests of other shards are answered; what is not in time, is refused there.
async fn end_jobs(mut jobs: JoinHandle<()>, shared: &Shared) {
    match tokio::time::timeout(shared.plan.settings.receiver_grace(), &mut jobs).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => error!(error = %problem, "the task that serves other shards failed"),
        Err(_elapsed) => jobs.abort(),
    }
}

async fn serve_job(intake: Rc<ShardIntake>, job: Job) {
    let Job { signal, bytes, transport, mut reply, .. } = job;
    tokio::select! {
        // A client that left takes its request back, unless it has been folded.
        () = reply.closed() => {}
        result = intake.take(signal, bytes, transport) => {
            // The client may have left in this very moment.
            let _gone = reply.send(result);
        }
    }
}

/// Closes each second and tells the analysis half.
struct Teller {
    core: Rc<Core>,
    state: Arc<ShardState>,
    hop: mpsc::Sender<HopMessage>,
    source: String,
    sequence: u64,
    /// The last verdicts that this shard has taken over.
    verdicts_seen: u64,
}

/// What a shard closes at a time.
pub(crate) const SECOND: Duration = Duration::from_secs(1);

impl Teller {
    async fn tick(&mut self, since: Timestamp) {
        let clock = Arc::clone(&self.core.shared.clock);
        let mut last = since;
        loop {
            clock.sleep_until(last + SECOND).await;
            last = clock.now().window_start(SECOND).max(last);
            // When the analysis half can not follow, deltas stay here and are told later.
            if self.core.shared.told_bytes.load(Ordering::Relaxed) > hop::MAX_TOLD_BYTES {
                continue;
            }
            let Ok(room) = self.hop.clone().try_reserve_owned() else { continue };
            let Some(message) = self.close(Beat::Tick, last) else { return std::future::pending().await };
            self.core.shared.told_bytes.fetch_add(message.size(), Ordering::Relaxed);
            room.send(message);
            self.state.told_until.store(last.as_nanos(), Ordering::Release);
        }
    }

    async fn drain(&mut self) {
        let now = self.core.shared.clock.now();
        let Some(mut message) = self.close(Beat::Drain, now) else { return };
        message.last = true;
        self.core.shared.told_bytes.fetch_add(message.size(), Ordering::Relaxed);
        if self.hop.send(message).await.is_err() {
            error!("the analysis half ended before the shards; the last interval is lost");
        }
    }

    /// Closes what has ended, or marks the shard as broken when a stage panics.
    fn close(&mut self, beat: Beat, now: Timestamp) -> Option<HopMessage> {
        let (core, plan) = (&self.core, &self.core.shared.plan);
        let verdicts = core.shared.verdicts.since(&mut self.verdicts_seen);
        let work = AssertUnwindSafe(|| {
            let mut graph = core.graph.borrow_mut();
            for (node, verdicts) in verdicts {
                graph.tell(node, verdicts, now);
            }
            graph.beat(beat, &plan.order, now);
            graph.take_partials()
        });
        let Ok(partials) = catch_unwind(work) else {
            core.broken.cancel();
            return None;
        };
        let partials = partials.into_iter().map(|(node, partial)| StagePartial {
            stage: plan.stage_key(node).to_owned(),
            partial: partial.bytes,
        });
        self.sequence += 1;
        Some(HopMessage {
            version: hop::VERSION,
            source: self.source.clone(),
            sequence: self.sequence,
            at_unix_nano: now.as_nanos(),
            last: false,
            partials: partials.collect(),
        })
    }
}
