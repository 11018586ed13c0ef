//! How the next configuration takes the place of the one in force, without losing anything.
//!
//! What can fail is done before anything is touched: the plan is made and every stage built on trial, every new address
//! is bound. Then each shard changes at the end of a second, between two requests: the old stages tell their last, the
//! new ones take what follows, as another source of partials. When the last words of all shards are merged, the analysis
//! thread hands the state on and changes what exists once. What is kept is not touched at all.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, mpsc},
    time::Duration,
};

use component::Telemetry;
use model::Timestamp;
use tokio::sync::oneshot;

use crate::{
    edition::Edition,
    graph::{Graph, Identity, Side},
    health::{Health, Refusal},
    listen::{self, BindError, Door, Listening},
    plan::{Changes, Difference, Plan},
    service::Shared,
};

/// Why a configuration was not taken. The one before runs on untouched.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("{} can not be changed while the service runs, restart it", keys.join(", "))]
    NeedsRestart { keys: Vec<&'static str> },
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("a stage could not be built; the log says why")]
    Stage,
    #[error("the system refuses what is needed: {0}")]
    System(#[from] std::io::Error),
    #[error("the configuration before is still being put in place")]
    Busy,
    #[error("the service ends")]
    Ends,
}

/// A configuration has been put in place.
#[derive(Debug)]
pub struct Reloaded {
    pub difference: Difference,
    /// From the order to the last change.
    pub took: Duration,
}

/// The way to change the configuration of a running service.
#[derive(Clone)]
pub struct Reloads {
    orders: mpsc::Sender<Reload>,
    health: Arc<Health>,
}

/// An order to change the configuration.
pub(crate) struct Reload {
    pub(crate) plan: Plan,
    pub(crate) reply: mpsc::Sender<Result<Reloaded, ReloadError>>,
}

impl Reloads {
    pub(crate) fn new(orders: mpsc::Sender<Reload>, health: Arc<Health>) -> Self {
        Self { orders, health }
    }

    /// Puts a plan in place of the one that runs, and returns when all has changed to it.
    ///
    /// # Errors
    /// When it can not be put in place; nothing has changed then.
    pub fn reload(&self, plan: Plan) -> Result<Reloaded, ReloadError> {
        let (reply, answer) = mpsc::channel();
        self.orders.send(Reload { plan, reply }).map_err(|_| ReloadError::Ends)?;
        answer.recv().map_err(|_| ReloadError::Ends)?
    }

    /// Notes what is wrong with the configuration that was read last; none when it is in force already.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.health.refuse_config(refusal);
    }
}

/// Tells the analysis thread to change to another configuration.
pub(crate) struct Swap {
    pub(crate) edition: Arc<Edition>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) doors: Vec<Door>,
    /// The sources that tell by the configuration before; all others tell by this one.
    pub(crate) old_sources: Vec<String>,
    pub(crate) new_sources: Vec<String>,
    /// Ends when all shards have changed.
    pub(crate) changed: tokio::sync::mpsc::Receiver<()>,
    pub(crate) done: oneshot::Sender<()>,
}

/// A configuration that is being put in place.
pub(crate) struct Pending {
    pub(crate) difference: Difference,
    pub(crate) since: Timestamp,
    pub(crate) reply: mpsc::Sender<Result<Reloaded, ReloadError>>,
    pub(crate) done: oneshot::Receiver<()>,
}

/// All that can fail of a reload, done.
pub(crate) struct Prepared {
    pub(crate) edition: Arc<Edition>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) doors: Vec<Door>,
    pub(crate) listening: Vec<Listening>,
    pub(crate) difference: Difference,
}

impl Prepared {
    /// Does what can fail, and touches nothing.
    pub(crate) fn of(mut plan: Plan, shared: &Shared) -> Result<Self, ReloadError> {
        let before = shared.edition();
        let keys = before.plan.needs_restart_for(&plan);
        if !keys.is_empty() {
            return Err(ReloadError::NeedsRestart { keys });
        }
        let changes = Changes::between(&before.plan, &plan);
        let difference = changes.told(&before.plan, &plan);
        let now = shared.clock.now();
        plan.continue_from(&before.plan, &changes, now);
        build_on_trial(&plan, &shared.instance_id, now)?;
        let open = shared.listening.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let doors = listen::doors(listen::wanted(&plan), &open)?;
        let listening = listen::listening(&doors, &open)?;
        let edition = before.next(plan, &changes, now, &shared.telemetry);
        Ok(Self { edition: Arc::new(edition), changes: Arc::new(changes), doors, listening, difference })
    }
}

/// Builds every stage once and throws it away: one that panics must not do so on a thread that carries data.
fn build_on_trial(plan: &Plan, instance_id: &str, now: Timestamp) -> Result<(), ReloadError> {
    let build = || {
        let inboxes = plan.exporters.iter().map(|_| None).collect();
        let identity = Identity { instance_id, started_at: now };
        Graph::new(plan, Side::Both, inboxes, &Telemetry::default(), &identity);
    };
    catch_unwind(AssertUnwindSafe(build)).map_err(|_panic| ReloadError::Stage)
}
