//! The receivers of one shard, those that exist once on the first.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use component::{Inlet, Placement, Receiver, ReceiverCx, Socket, Sockets, Stop};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet, spawn_local},
};
use tracing::{error, info};

use super::{Core, SocketSenders, jobs::Intakes};
use crate::{
    edition::Edition,
    intake::ShardIntake,
    listen::{Owner, OwnerKind},
    outlets::Outlets,
    plan::{Changes, Fate, Plan, PlannedReceiver},
    service::Shared,
};

/// The receivers that run on one shard, and the ways from them into its pipelines.
pub(super) struct Receivers {
    core: Rc<Core>,
    running: JoinSet<()>,
    live: BTreeMap<String, Live>,
    /// Those that end with a configuration, which waits for them.
    leaving: Vec<AbortHandle>,
    intakes: Intakes,
    pub(super) senders: SocketSenders,
    /// Cancelled with the service, or when the shard is broken.
    pub(super) stop: Stop,
    service: Stop,
}

/// How long a receiver that is replaced serves what it was handed before.
const LAST_CONNECTIONS: Duration = Duration::from_secs(1);

/// A receiver that runs.
struct Live {
    task: AbortHandle,
    stop: Stop,
}

type Accepted = BTreeMap<Owner, mpsc::UnboundedReceiver<Socket>>;

impl Receivers {
    pub(super) fn start(
        core: &Rc<Core>,
        outlets: &Outlets,
        mut accepted: Accepted,
        senders: &SocketSenders,
        service: &Stop,
    ) -> Self {
        let mut receivers = Self {
            core: Rc::clone(core),
            running: JoinSet::new(),
            live: BTreeMap::new(),
            leaving: Vec::new(),
            intakes: Intakes::default(),
            senders: senders.clone(),
            stop: service.child_token(),
            service: service.clone(),
        };
        let edition = core.edition();
        for (index, planned) in edition.plan.receivers.iter().enumerate() {
            receivers.connect(&edition, index, outlets);
            receivers.open(&edition, planned, &mut accepted);
        }
        receivers
    }

    pub(super) fn intakes(&self) -> Intakes {
        Rc::clone(&self.intakes)
    }

    /// Ends receivers that the next plan does not have. Connections that come until then wait: their address may be
    /// another's there.
    pub(super) fn leave(&mut self, next: &Plan) {
        let is_left = |id: &&String| !next.receivers.iter().any(|planned| planned.id == **id);
        let left: Vec<String> = self.live.keys().filter(is_left).cloned().collect();
        for id in left {
            let has_sockets = self.senders.keys().any(|owner| owner.id == id);
            self.senders.retain(|owner, _| owner.id != id);
            let ended = self.end_one(&id, if has_sockets { LAST_CONNECTIONS } else { Duration::ZERO });
            self.leaving.extend(ended);
        }
    }

    /// Whether those have finished what they had accepted.
    pub(super) fn have_left(&mut self) -> bool {
        self.leaving.retain(|task| !task.is_finished());
        self.leaving.is_empty()
    }

    /// Points receivers that stay at the new pipelines, and puts others in place of those that are changed.
    pub(super) fn change(&mut self, edition: &Edition, changes: &Changes, outlets: &Outlets) {
        let receivers = &edition.plan.receivers;
        let is_planned = |id: &str| receivers.iter().any(|planned| planned.id == id);
        self.intakes.borrow_mut().retain(|id, _| is_planned(id));
        self.senders.retain(|owner, _| is_planned(&owner.id));
        for (index, (planned, fate)) in receivers.iter().zip(&changes.receivers).enumerate() {
            self.connect(edition, index, outlets);
            if let Fate::Kept(_) = fate {
                continue;
            }
            // Connections that were just handed to it come to speak; one without any may not run beside the next.
            let listens = !planned.configured.listens().is_empty();
            self.end_one(&planned.id, if listens { LAST_CONNECTIONS } else { Duration::ZERO });
            self.senders.retain(|owner, _| owner.id != planned.id);
            let mut accepted = Accepted::new();
            for listen in planned.configured.listens() {
                let (send, receive) = mpsc::unbounded_channel();
                let owner = owner(planned, listen.name);
                self.senders.insert(owner.clone(), send);
                accepted.insert(owner, receive);
            }
            self.open(edition, planned, &mut accepted);
        }
    }

    /// Makes the way into the pipelines, or points the one that there is at others.
    fn connect(&self, edition: &Edition, index: usize, outlets: &Outlets) {
        let Some(planned) = edition.plan.receivers.get(index) else { return };
        let mut intakes = self.intakes.borrow_mut();
        let intake = intakes.entry(planned.id.clone());
        intake.or_insert_with(|| ShardIntake::new(&self.core, &planned.id)).lead_to(edition, index, outlets);
    }

    fn open(&mut self, edition: &Edition, planned: &PlannedReceiver, accepted: &mut Accepted) {
        if planned.configured.placement() == Placement::Once && self.core.index != 0 {
            return;
        }
        let intake = self.intakes.borrow().get(&planned.id).map(Rc::clone);
        let Some(intake) = intake else { return };
        let listens = planned.configured.listens();
        let sockets = listens.iter().filter_map(|listen| {
            let accepted = accepted.remove(&owner(planned, listen.name))?;
            Some(Sockets { name: listen.name, accepted })
        });
        let shared = Arc::clone(&self.core.shared);
        let cx = ReceiverCx {
            id: planned.id.clone(),
            inlet: Inlet(intake as Rc<dyn component::Intake>),
            sockets: RefCell::new(sockets.collect()),
            signals: planned.signals,
            clock: Arc::clone(&shared.clock),
            authenticators: edition.plan.authenticators.clone(),
            telemetry: shared.telemetry.with("receiver", &planned.id),
        };
        let receiver: Box<dyn Receiver> = planned.configured.build(&cx);
        let (id, stop, service) = (planned.id.clone(), self.stop.child_token(), self.service.clone());
        let (until, edition) = (stop.clone(), self.core.edition());
        let task = self.running.spawn_local(async move {
            let Err(problem) = receiver.run(until).await else { return };
            shared.health.end(&edition, format!("receiver {id} ended: {problem}"));
            if edition.number > 0 {
                error!(receiver = id, error = %problem, "a receiver that a reload has started ended");
                return;
            }
            error!(receiver = id, error = %problem, "receiver ended; the service stops");
            // Seeming alive without a way in is worse than ending.
            service.cancel();
        });
        self.live.insert(planned.id.clone(), Live { task, stop });
    }

    /// Tells a receiver to finish what it has accepted; what is not in time is closed.
    fn end_one(&mut self, id: &str, after: Duration) -> Option<AbortHandle> {
        let Live { task, stop } = self.live.remove(id)?;
        if after.is_zero() {
            stop.cancel();
        }
        let (late, patience) = (task.clone(), self.core.edition().plan.settings.receiver_grace());
        spawn_local(async move {
            tokio::time::sleep(after).await;
            stop.cancel();
            tokio::time::sleep(patience).await;
            late.abort();
        });
        while self.running.try_join_next().is_some() {}
        Some(task)
    }

    /// Waits for the stop, and then for receivers to finish what they have accepted.
    pub(super) async fn end(&mut self, shared: &Shared) {
        self.stop.cancelled().await;
        let all = async {
            while let Some(ended) = self.running.join_next().await {
                match ended {
                    Err(problem) if !problem.is_cancelled() => {
                        error!(error = %problem, "a receiver did not end cleanly");
                    }
                    _ => {}
                }
            }
        };
        let patience = shared.edition().plan.settings.receiver_grace();
        if tokio::time::timeout(patience, all).await.is_err() {
            info!(?patience, "some connections did not end in time and are closed");
            self.running.abort_all();
        }
    }
}

fn owner(planned: &PlannedReceiver, listen: &'static str) -> Owner {
    Owner { kind: OwnerKind::Receiver, id: planned.id.clone(), listen }
}
