//! The service: starts the threads of a plan, watches them, and stops them in order.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use component::{Clock, Counter, Listen, Placement, ServiceState, Stop, Telemetry};
use model::Timestamp;
use rapidhash::v3::rapidhash_v3 as rapidhash;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::{error, info};

use crate::{
    analysis::Analysis,
    health::Health,
    listen::{self, BindError, Bound, Owner},
    plan::{HopRole, Plan, Settings},
    pressure::Pressure,
    questions::Questions,
    queue,
    shard::{Shard, ShardHandle, ShardState},
    supervise::{self, Supervised},
    verdicts::Verdicts,
};

/// What all threads of a service share. Nothing here is touched per span.
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) telemetry: Telemetry,
    pub(crate) instance_id: String,
    pub(crate) started_at: Timestamp,
    pub(crate) health: Arc<Health>,
    /// Room for bytes in flight, in KiB.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) room_kib: u32,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) pressure: Pressure,
    pub(crate) snapshot_failures: Counter,
    pub(crate) verdicts: Verdicts,
    /// Bytes of partials that shards have told and nobody has taken from the channel yet.
    pub(crate) told_bytes: AtomicU64,
    /// What is asked of stages.
    pub(crate) questions: Arc<Questions>,
    outlets: Vec<Outlet>,
    shards: RwLock<Vec<ShardHandle>>,
    reached: AtomicU64,
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

impl Shared {
    pub(crate) fn outlet(&self, exporter: usize) -> &Outlet {
        &self.outlets[exporter]
    }

    /// Returns the way to an exporter that exists once; none after the stop.
    pub(crate) fn queue_of(&self, exporter: usize) -> Option<mpsc::UnboundedSender<queue::Item>> {
        let queue = self.outlets[exporter].queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.sender.clone()
    }

    /// Takes the queue of an exporter that exists once; its thread asks for it, once.
    pub(crate) fn take_queue(
        &self,
        exporter: usize,
    ) -> (mpsc::UnboundedSender<queue::Item>, mpsc::UnboundedReceiver<queue::Item>) {
        let mut queue = self.outlets[exporter].queue.lock().unwrap_or_else(PoisonError::into_inner);
        match (queue.sender.clone(), queue.receiver.take()) {
            (Some(sender), Some(receiver)) => (sender, receiver),
            _ => mpsc::unbounded_channel(),
        }
    }

    /// Lets queues of exporters that exist once end when their last sender is gone.
    pub(crate) fn close_queues(&self) {
        for outlet in &self.outlets {
            outlet.queue.lock().unwrap_or_else(PoisonError::into_inner).sender = None;
        }
    }

    /// Returns a shard that waits for something to do, other than the one that asks.
    pub(crate) fn idle_shard(&self, asking: usize) -> Option<ShardHandle> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let mut others = shards.iter().enumerate().filter(|(index, _)| *index != asking);
        let is_free = |shard: &ShardHandle| shard.is_idle.load(Ordering::Acquire) && shard.is_alive();
        others.find(|(_, shard)| is_free(shard)).map(|(_, shard)| shard.clone())
    }

    /// Returns the shard with the fewest open sockets, of those that take any.
    pub(crate) fn calmest_shard(&self) -> Option<ShardHandle> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let alive = shards.iter().filter(|shard| shard.is_alive());
        alive.min_by_key(|shard| shard.state.open_sockets.load(Ordering::Acquire)).cloned()
    }

    /// Lets go of the channels to shards, so that they end when nobody holds them any more.
    pub(crate) fn forget_shards(&self) {
        self.shards.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn replace_shard(&self, index: usize, handle: ShardHandle) {
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        match shards.get_mut(index) {
            Some(shard) => *shard = handle,
            None => shards.push(handle),
        }
    }

    /// Notes the time up to which the analysis half has seen everything.
    pub(crate) fn reached(&self, at: Timestamp) {
        self.reached.fetch_max(at.as_nanos(), Ordering::AcqRel);
        for outlet in &self.outlets {
            outlet.meters.queue_size.set(outlet.bound.used());
        }
    }
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
    #[error("state can not be kept: {0}")]
    State(#[from] store::StoreError),
    #[error("the analysis thread ended while it was being built; the log says why")]
    Analysis,
}

/// A service that runs.
pub struct Running {
    shared: Arc<Shared>,
    addresses: Vec<(Owner, SocketAddr)>,
    stop: Stop,
    supervisor: JoinHandle<()>,
    analysis: JoinHandle<()>,
}

/// Under which snapshots are stored: all crates are released together.
const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// So many ticks of a shard may wait for the analysis half.
const HOP_DEPTH: usize = 64;

/// Starts a plan: binds every address, builds every component, and returns when data can come.
///
/// # Errors
/// When an address can not be bound, the state directory not be used or a thread not be started;
/// nothing runs then.
pub fn start(plan: Plan, clock: Arc<dyn Clock>, telemetry: Telemetry) -> Result<Running, StartError> {
    let plan = Arc::new(plan);
    let open = |directory| store::SnapshotStore::open(directory, RELEASE);
    let store = plan.settings.state_directory.as_deref().map(open).transpose()?;
    let bound = bind_all(&plan)?;
    let addresses = bound.iter().map(|bound| (bound.owner, bound.address)).collect();
    let shard_count = match plan.settings.hop.role {
        HopRole::Analysis => 0,
        HopRole::All | HopRole::Ingest => plan.settings.shards,
    };
    let states: Vec<_> = (0..shard_count).map(|_| Arc::new(ShardState::default())).collect();
    let shared = Arc::new(share(Arc::clone(&plan), clock, telemetry, states.clone()));
    let (hop, partials) = mpsc::channel(HOP_DEPTH * shard_count.max(1));
    let (stop, (ready, is_ready)) = (Stop::new(), oneshot::channel());
    let mut shards = Vec::new();
    for (index, state) in states.into_iter().enumerate() {
        shards.push(Supervised::start(&shared, index, 0, state, &hop, &stop)?);
    }
    let sources = (0..shard_count).map(|index| Shard::source(&shared, index, 0)).collect();
    let analysis = Analysis {
        shared: Arc::clone(&shared),
        bound,
        hop: partials,
        sources,
        store,
        stop: stop.clone(),
        ready,
    };
    let analysis = std::thread::Builder::new().name("analysis".to_owned()).spawn(move || analysis.run())?;
    is_ready.blocking_recv().map_err(|_ended| StartError::Analysis)?;
    if shared.pressure.is_limited() {
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        std::thread::Builder::new().name("memory".to_owned()).spawn(move || shared.pressure.watch(&stop))?;
    }
    shared.health.running();
    let supervisor = {
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        let watch = move || supervise::watch(&shared, shards, hop, &stop);
        std::thread::Builder::new().name("supervisor".to_owned()).spawn(watch)?
    };
    Ok(Running { shared, addresses, stop, supervisor, analysis })
}

pub(crate) fn share(
    plan: Arc<Plan>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
    states: Vec<Arc<ShardState>>,
) -> Shared {
    let outlets = plan.exporters.iter().map(|planned| {
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
        Outlet {
            bound: queue::Bound::new(&delivery),
            meters: Arc::new(queue::Meters::new(&telemetry, capacity)),
            queue: Mutex::new(queue),
        }
    });
    let settings = &plan.settings;
    let room_kib = u32::try_from(settings.max_in_flight_bytes / 1024).unwrap_or(u32::MAX).max(1);
    let snapshot_failures = telemetry.counter(
        "trueline_state_snapshot_failures",
        "Snapshots of state that could not be stored.",
        "{snapshot}",
    );
    Shared {
        outlets: outlets.collect(),
        health: Arc::new(Health::new(Arc::clone(&clock), states)),
        started_at: clock.now(),
        instance_id: instance_id(settings, clock.now()),
        room: Arc::new(Semaphore::new(room_kib as usize)),
        room_kib,
        connections: listen::connection_limit(settings.max_connections),
        pressure: Pressure::new(&plan.memory_limits, &telemetry),
        snapshot_failures,
        verdicts: Verdicts::default(),
        told_bytes: AtomicU64::new(0),
        questions: Arc::new(Questions::of(&plan, plan.settings.hop.role != HopRole::Ingest)),
        shards: RwLock::default(),
        reached: AtomicU64::new(0),
        clock,
        telemetry,
        plan,
    }
}

/// The name of this process: as configured, or as kept in the state directory, or made for this run.
fn instance_id(settings: &Settings, now: Timestamp) -> String {
    if let Some(id) = &settings.instance_id {
        return id.clone();
    }
    let fresh = || {
        let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
        let seed = format!("{host}/{}/{}", std::process::id(), now.as_nanos());
        let (high, low) = (rapidhash(seed.as_bytes()), rapidhash(seed.repeat(2).as_bytes()));
        format!(
            "{:08x}-{:04x}-8{:03x}-b{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    };
    let Some(directory) = &settings.state_directory else { return fresh() };
    store::instance_id(directory, fresh).unwrap_or_else(|problem| {
        error!(error = %problem, "the name of this instance can not be kept; it changes with every start");
        fresh()
    })
}

fn bind_all(plan: &Plan) -> Result<Vec<Bound>, BindError> {
    let mut bound = Vec::new();
    let ingests = plan.settings.hop.role != HopRole::Analysis;
    for (index, planned) in plan.receivers.iter().enumerate().filter(|_| ingests) {
        for (listen, address) in planned.configured.listens().iter().enumerate() {
            bound.push(listen::bind(&planned.id, Owner::Receiver { index, listen }, address)?);
        }
    }
    for (index, planned) in plan.exporters.iter().enumerate() {
        for (listen, address) in planned.configured.listens().iter().enumerate() {
            bound.push(listen::bind(&planned.id, Owner::Exporter { index, listen }, address)?);
        }
    }
    for (index, planned) in plan.extensions.iter().enumerate() {
        for (listen, address) in planned.configured.listens().iter().enumerate() {
            bound.push(listen::bind(&planned.id, Owner::Extension { index, listen }, address)?);
        }
    }
    let hop = &plan.settings.hop;
    if hop.role == HopRole::Analysis {
        let address = Listen { name: "hop", address: hop.endpoint.clone() };
        bound.push(listen::bind("service::trueline::hop", Owner::Hop, &address)?);
    }
    Ok(bound)
}

impl Running {
    /// Returns the address a receiver listens on: its place in the plan, and which of its addresses.
    pub fn receiver_address(&self, id: &str, listen: usize) -> Option<SocketAddr> {
        let index = self.shared.plan.receivers.iter().position(|receiver| receiver.id == id)?;
        self.address(Owner::Receiver { index, listen })
    }

    /// Returns the address an exporter listens on.
    pub fn exporter_address(&self, id: &str) -> Option<SocketAddr> {
        let index = self.shared.plan.exporters.iter().position(|exporter| exporter.id == id)?;
        self.address(Owner::Exporter { index, listen: 0 })
    }

    /// Returns the address on which a process that analyses is told by those that ingest.
    pub fn hop_address(&self) -> Option<SocketAddr> {
        self.address(Owner::Hop)
    }

    fn address(&self, owner: Owner) -> Option<SocketAddr> {
        self.addresses.iter().find(|(known, _)| *known == owner).map(|(_, address)| *address)
    }

    /// Returns the time up to which the analysis half has seen everything.
    pub fn reached(&self) -> Timestamp {
        Timestamp(self.shared.reached.load(Ordering::Acquire))
    }

    /// Returns what is cancelled when the service stops, also when it does so by itself.
    pub fn stopping(&self) -> Stop {
        self.stop.clone()
    }

    /// Returns the stages, for those who ask.
    pub fn stages(&self) -> Arc<dyn component::Asks> {
        Arc::clone(&self.shared.questions) as Arc<dyn component::Asks>
    }

    /// Returns how the service is.
    pub fn state(&self) -> Arc<dyn ServiceState> {
        Arc::clone(&self.shared.health) as Arc<dyn ServiceState>
    }

    /// Stops in order, so that nothing that was counted is lost: receivers finish what they have
    /// accepted, shards tell their last, the analysis half emits and stores, queues empty.
    pub fn stop(self) {
        info!("stopping");
        self.shared.health.stopping();
        self.stop.cancel();
        if self.supervisor.join().is_err() {
            error!("the supervisor panicked");
        }
        if self.analysis.join().is_err() {
            error!("the analysis thread panicked; state since the last snapshot is lost");
        }
    }
}
