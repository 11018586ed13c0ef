//! What exists once and stands around the pipelines: acceptors, extensions, and exporters that must see everything.

use std::{collections::BTreeMap, net::TcpListener, sync::Arc, time::Duration};

use component::{Extension, ExtensionCx, Sockets, Stop};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_local},
};
use tracing::error;

use crate::{
    edition::Edition,
    listen::{Acceptors, Door, Owner, OwnerKind, Target, Way},
    outlets::{Leaving, Outlets},
    plan::{Fate, PlannedExtension},
    reload::Swap,
    service::Shared,
};

pub(super) struct Rim {
    pub(super) shared: Arc<Shared>,
    pub(super) outlets: Outlets,
    acceptors: Acceptors,
    extensions: BTreeMap<String, Running>,
    ending: Vec<JoinHandle<()>>,
    /// Ends acceptors of receivers.
    stop: Stop,
    /// Ends extensions, and acceptors of all but receivers.
    beside: Stop,
}

/// An extension that runs.
struct Running {
    task: JoinHandle<()>,
    stop: Stop,
}

/// The ways of accepted connections to those who take them.
#[derive(Default)]
pub(super) struct Ways {
    targets: BTreeMap<Owner, Target>,
    exporters: BTreeMap<String, Vec<Sockets>>,
    extensions: BTreeMap<String, Vec<Sockets>>,
}

/// How long an extension may take to end.
const PATIENCE: Duration = Duration::from_secs(1);

impl Ways {
    /// Makes new ways to receivers, and to exporters and extensions that are started.
    fn make(doors: &[Door], is_started: impl Fn(&Owner) -> bool) -> Self {
        let mut ways = Self::default();
        for Door { wanted, .. } in doors {
            let owner = &wanted.owner;
            let sockets = match owner.kind {
                OwnerKind::Receiver => {
                    ways.targets.insert(owner.clone(), Target::Shards(owner.clone()));
                    continue;
                }
                OwnerKind::Hop => continue,
                OwnerKind::Exporter => &mut ways.exporters,
                OwnerKind::Extension => &mut ways.extensions,
            };
            if is_started(owner) {
                let (sender, accepted) = mpsc::unbounded_channel();
                sockets.entry(owner.id.clone()).or_default().push(Sockets { name: owner.listen, accepted });
                ways.targets.insert(owner.clone(), Target::One(sender));
            }
        }
        ways
    }
}

impl Rim {
    /// Starts all of a configuration. Returns the socket at which other processes tell as well.
    pub(super) fn start(
        shared: &Arc<Shared>,
        edition: &Arc<Edition>,
        mut doors: Vec<Door>,
        stop: &Stop,
    ) -> (Self, Option<TcpListener>) {
        let hop = doors.extract_if(.., |door| door.wanted.owner.kind == OwnerKind::Hop).next();
        let hop = hop.and_then(|door| match door.way {
            Way::Bound { listener, .. } => Some(listener),
            Way::Taken(_) => None,
        });
        let mut ways = Ways::make(&doors, |_| true);
        let outlets = Outlets::for_analysis(shared, edition, std::mem::take(&mut ways.exporters));
        let mut rim = Self {
            shared: Arc::clone(shared),
            outlets,
            acceptors: Acceptors::new(shared),
            extensions: BTreeMap::new(),
            ending: Vec::new(),
            stop: stop.clone(),
            beside: Stop::new(),
        };
        for planned in &edition.plan.extensions {
            let sockets = ways.extensions.remove(&planned.id).unwrap_or_default();
            rim.start_extension(edition, planned, sockets);
        }
        rim.open(doors, ways);
        (rim, hop)
    }

    /// Starts the exporters of the next configuration; those that leave still take what old stages emit.
    pub(super) fn begin(&mut self, swap: &Swap) -> (Leaving, Ways) {
        let (plan, changes) = (&swap.edition.plan, &swap.changes);
        let is_kept = |place: Option<usize>, fates: &[Fate]| {
            place.and_then(|place| fates.get(place)).is_some_and(|fate| fate.kept().is_some())
        };
        let mut ways = Ways::make(&swap.doors, |owner| match owner.kind {
            OwnerKind::Exporter => {
                let place = plan.exporters.iter().position(|planned| planned.id == owner.id);
                !is_kept(place, &changes.exporters)
            }
            _ => {
                let place = plan.extensions.iter().position(|planned| planned.id == owner.id);
                !is_kept(place, &changes.extensions)
            }
        });
        let sockets = std::mem::take(&mut ways.exporters);
        (self.outlets.change(&self.shared, &swap.edition, changes, sockets), ways)
    }

    /// Ends what the next configuration does not have, and opens its doors.
    pub(super) fn end(&mut self, swap: Swap, leaving: Leaving, mut ways: Ways) {
        let Swap { edition, changes, doors, done, .. } = swap;
        let plan = &edition.plan;
        let is_planned = |id: &str| plan.extensions.iter().any(|planned| planned.id == id);
        let removed: Vec<_> = self.extensions.extract_if(.., |id, _| !is_planned(id)).collect();
        removed.into_iter().for_each(|(_, running)| self.end_extension(running));
        for (planned, fate) in plan.extensions.iter().zip(&changes.extensions) {
            if fate.kept().is_none() {
                if let Some(before) = self.extensions.remove(&planned.id) {
                    self.end_extension(before);
                }
                let sockets = ways.extensions.remove(&planned.id).unwrap_or_default();
                self.start_extension(&edition, planned, sockets);
            }
        }
        self.open(doors, ways);
        self.outlets.retire(leaving);
        self.shared.verdicts.keep(|stage| plan.stage_by_key(stage).is_some());
        self.shared.questions.change(plan);
        self.shared.taps.keep(edition.number);
        // Who waits for it may have gone.
        let _gone = done.send(());
    }

    fn open(&mut self, doors: Vec<Door>, mut ways: Ways) {
        let (stop, beside) = (&self.stop, &self.beside);
        let until = |owner: &Owner| match owner.kind {
            OwnerKind::Receiver => stop.child_token(),
            _ => beside.child_token(),
        };
        self.acceptors.change(doors, |owner| ways.targets.remove(owner), until);
    }

    fn start_extension(&mut self, edition: &Arc<Edition>, planned: &PlannedExtension, sockets: Vec<Sockets>) {
        let (shared, edition) = (Arc::clone(&self.shared), Arc::clone(edition));
        let cx = ExtensionCx {
            id: planned.id.clone(),
            sockets: sockets.into(),
            clock: Arc::clone(&shared.clock),
            telemetry: shared.telemetry.with("extension", &planned.id),
            state: Arc::clone(&shared.health) as Arc<dyn component::ServiceState>,
            stages: Arc::clone(&shared.questions) as Arc<dyn component::Asks>,
            authenticators: edition.plan.authenticators.clone(),
        };
        let extension: Box<dyn Extension> = planned.configured.build(cx);
        let (id, stop) = (planned.id.clone(), self.beside.child_token());
        let until = stop.clone();
        let task = spawn_local(async move {
            if let Err(problem) = extension.run(until).await {
                error!(extension = id, error = %problem, "extension ended");
                shared.health.end(&edition, format!("extension {id} ended: {problem}"));
            }
        });
        self.extensions.insert(planned.id.clone(), Running { task, stop });
    }

    fn end_extension(&mut self, Running { task, stop }: Running) {
        stop.cancel();
        self.ending.retain(|ending| !ending.is_finished());
        self.ending.push(task);
    }

    /// Delivers what is queued and ends everything.
    pub(super) async fn finish(self) {
        self.outlets.finish().await;
        self.beside.cancel();
        for extension in self.extensions.into_values().map(|running| running.task).chain(self.ending) {
            // A failure has been reported by the task itself.
            let _ended = tokio::time::timeout(PATIENCE, extension).await;
        }
    }
}
