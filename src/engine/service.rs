//! The service: starts the threads of a plan, watches them, and stops them in order.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use component::{Clock, Counter, Desk, ServiceState, Stop, Telemetry};
use model::Timestamp;
use rapidhash::v3::rapidhash_v3 as rapidhash;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::{error, info};

use crate::{
    analysis::Analysis,
    edition::Edition,
    health::Health,
    listen::{self, BindError, Listening, Owner, OwnerKind},
    plan::{HopRole, Plan, Settings},
    pressure,
    questions::Questions,
    reload::{Reload, Reloads},
    room::Room,
    shard::{Shard, ShardHandle, ShardState},
    supervise::{Supervised, Supervisor},
    tap::{self, Taps},
    verdicts::Verdicts,
};

/// What all threads of a service share. Nothing here is touched per span.
pub(crate) struct Shared {
    /// The configuration in force. Threads that are about to change to it may still work by the one before.
    edition: RwLock<Arc<Edition>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) telemetry: Telemetry,
    pub(crate) instance_id: String,
    pub(crate) started_at: Timestamp,
    pub(crate) health: Arc<Health>,
    /// For bytes in flight.
    pub(crate) room: Room,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) snapshot_failures: Counter,
    pub(crate) verdicts: Verdicts,
    /// Bytes of partials that shards have told and nobody has taken from the channel yet.
    pub(crate) told_bytes: AtomicU64,
    /// What is asked of stages.
    pub(crate) questions: Arc<Questions>,
    /// Who looks at what passes.
    pub(crate) taps: Arc<tap::Board>,
    /// Who listens where.
    pub(crate) listening: Mutex<Vec<Listening>>,
    watches_memory: AtomicBool,
    shards: RwLock<Vec<ShardHandle>>,
    reached: AtomicU64,
}

impl Shared {
    /// Returns the configuration in force.
    pub(crate) fn edition(&self) -> Arc<Edition> {
        Arc::clone(&self.edition.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts the next configuration in force; threads change to it when they are told.
    pub(crate) fn replace_edition(&self, edition: Arc<Edition>) {
        *self.edition.write().unwrap_or_else(PoisonError::into_inner) = edition;
    }

    /// Returns a shard that waits for something to do, other than the one that asks.
    pub(crate) fn idle_shard(&self, asking: usize) -> Option<ShardHandle> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let mut others = shards.iter().enumerate().filter(|(index, _)| *index != asking);
        let is_free = |shard: &ShardHandle| shard.is_idle.load(Ordering::Acquire) && shard.is_alive();
        others.find(|(_, shard)| is_free(shard)).map(|(_, shard)| shard.clone())
    }

    /// Returns the shard with the fewest open sockets of those that serve an address, and the way to it.
    pub(crate) fn calmest_shard(
        &self,
        owner: &Owner,
    ) -> Option<(ShardHandle, mpsc::UnboundedSender<component::Socket>)> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let way =
            |shard: &ShardHandle| shard.sockets.get(owner).filter(|sender| !sender.is_closed()).cloned();
        let alive = shards.iter().filter(|shard| shard.is_alive());
        let serving = alive.filter_map(|shard| Some((shard, way(shard)?)));
        let calmest = serving.min_by_key(|(shard, _)| shard.state.open_sockets.load(Ordering::Acquire));
        calmest.map(|(shard, sender)| (shard.clone(), sender))
    }

    /// Returns every shard, in order.
    pub(crate) fn shards(&self) -> Vec<ShardHandle> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Watches the memory from now on if the configuration in force limits it.
    pub(crate) fn watch_memory(self: &Arc<Self>, stop: &Stop) -> std::io::Result<()> {
        if self.edition().pressure.is_limited() && !self.watches_memory.swap(true, Ordering::AcqRel) {
            let (shared, stop) = (Arc::clone(self), stop.clone());
            std::thread::Builder::new()
                .name("memory".to_owned())
                .spawn(move || pressure::watch(|| Arc::clone(&shared.edition().pressure), &stop))?;
        }
        Ok(())
    }

    /// Lets go of the channels to shards, so that they end when nobody holds them any more.
    pub(crate) fn forget_shards(&self) {
        self.shards.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Tells anew how a shard is reached, unless all have been forgotten.
    pub(crate) fn update_shard(&self, index: usize, handle: ShardHandle) {
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(shard) = shards.get_mut(index) {
            *shard = handle;
        }
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
        for outlet in self.edition().outlets() {
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
    reloads: std::sync::mpsc::Sender<Reload>,
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
    let open = |directory| store::SnapshotStore::open(directory, RELEASE);
    let store = plan.settings.state_directory.as_deref().map(open).transpose()?;
    let wanted = listen::wanted(&plan);
    let doors = listen::doors(wanted, &[])?;
    let shard_count = match plan.settings.hop.role {
        HopRole::Analysis => 0,
        HopRole::All | HopRole::Ingest => plan.settings.shards,
    };
    let states: Vec<_> = (0..shard_count).map(|_| Arc::new(ShardState::default())).collect();
    let shared = Arc::new(share(plan, clock, telemetry, states.clone()));
    *shared.listening.lock().unwrap_or_else(PoisonError::into_inner) = listen::listening(&doors, &[])?;
    let (hop, partials) = mpsc::channel(HOP_DEPTH * shard_count.max(1));
    let (stop, (ready, is_ready)) = (Stop::new(), oneshot::channel());
    let mut shards = Vec::new();
    for (index, state) in states.into_iter().enumerate() {
        shards.push(Supervised::start(&shared, index, 0, state, &hop, &stop)?);
    }
    let sources = (0..shard_count).map(|index| Shard::source(&shared, index, 0)).collect();
    let (swaps, swap_inbox) = mpsc::unbounded_channel();
    let analysis = Analysis {
        shared: Arc::clone(&shared),
        doors,
        swaps: swap_inbox,
        hop: partials,
        sources,
        store,
        stop: stop.clone(),
        ready,
    };
    let analysis = std::thread::Builder::new().name("analysis".to_owned()).spawn(move || analysis.run())?;
    is_ready.blocking_recv().map_err(|_ended| StartError::Analysis)?;
    shared.watch_memory(&stop)?;
    shared.health.running();
    let (reloads, orders) = std::sync::mpsc::channel();
    let supervisor = {
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        let supervisor = Supervisor { shared, shards, hop, stop, swaps, orders, pending: None };
        std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || supervisor.watch())?
    };
    Ok(Running { shared, reloads, stop, supervisor, analysis })
}

pub(crate) fn share(
    plan: Plan,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
    states: Vec<Arc<ShardState>>,
) -> Shared {
    let settings = &plan.settings;
    let snapshot_failures = telemetry.counter(
        "trueline_state_snapshot_failures",
        "Snapshots of state that could not be stored.",
        "{snapshot}",
    );
    let questions = Arc::new(Questions::of(&plan, settings.hop.role != HopRole::Ingest));
    let health = Health::new(Arc::clone(&clock), states, plan.hash());
    health.consists_of(plan.outline().parts());
    Shared {
        health: Arc::new(health),
        started_at: clock.now(),
        instance_id: instance_id(settings, clock.now()),
        room: Room::new(settings.max_in_flight_bytes),
        connections: listen::connection_limit(settings.max_connections),
        snapshot_failures,
        verdicts: Verdicts::default(),
        told_bytes: AtomicU64::new(0),
        questions,
        taps: Arc::default(),
        listening: Mutex::default(),
        watches_memory: AtomicBool::new(false),
        shards: RwLock::default(),
        reached: AtomicU64::new(0),
        edition: RwLock::new(Arc::new(Edition::first(plan, clock.now(), &telemetry))),
        clock,
        telemetry,
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

impl Running {
    /// Returns the address a receiver listens on: its id, and which of its addresses.
    pub fn receiver_address(&self, id: &str, listen: usize) -> Option<SocketAddr> {
        self.addresses(OwnerKind::Receiver, id).nth(listen)
    }

    /// Returns the address an exporter listens on.
    pub fn exporter_address(&self, id: &str) -> Option<SocketAddr> {
        self.addresses(OwnerKind::Exporter, id).next()
    }

    /// Returns the address on which a process that analyses is told by those that ingest.
    pub fn hop_address(&self) -> Option<SocketAddr> {
        self.addresses(OwnerKind::Hop, "").next()
    }

    fn addresses(&self, kind: OwnerKind, id: &str) -> impl Iterator<Item = SocketAddr> {
        let listening = self.shared.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it =
            listening.iter().filter(|listening| listening.owner.kind == kind && listening.owner.id == id);
        of_it.map(|listening| listening.address).collect::<Vec<_>>().into_iter()
    }

    /// Returns the way to change the configuration while the service runs.
    pub fn reloads(&self) -> Reloads {
        Reloads::new(self.reloads.clone(), Arc::clone(&self.shared.health))
    }

    /// Returns where answers are offered about topics that no stage has.
    pub fn desk(&self) -> Desk {
        self.shared.questions.desk.clone()
    }

    /// Returns the way to look at what passes.
    pub fn taps(&self) -> Taps {
        Taps::of(&self.shared)
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
        // The acceptors have the sockets too; when they close theirs, nobody shall listen.
        self.shared.listening.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if self.supervisor.join().is_err() {
            error!("the supervisor panicked");
        }
        if self.analysis.join().is_err() {
            error!("the analysis thread panicked; state since the last snapshot is lost");
        }
    }
}
