//! The stages that own state: merging, closing, storing.

mod change;
mod restore;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use component::{Answer, Counter, Pieces};
use model::{Ack, Timestamp};
use prost::Message;
use store::{SnapshotStore, StoreError};
use tokio::{
    sync::mpsc,
    task::{JoinError, spawn_blocking},
};
use tracing::{error, warn};

use crate::{
    edition::Edition,
    graph::{Beat, Graph, NodeId},
    hop::{self, Complete, HopMessage, MAX_SOURCES, Mark, Merger, Ready, StagePartial, Watermark},
    plan::{HopRole, Plan},
    questions::Asked,
    service::Shared,
};

use restore::restore;

/// Where other processes wait for it, what was merged is stored so often.
const STORE_EVERY: Duration = Duration::from_secs(5);
/// And when so much has been merged: senders keep what is not stored.
const MAX_UNSTORED_BYTES: usize = 32 << 20;

/// What nothing but questions depends on is stored so often, and at the end.
const ARCHIVE_EVERY: Duration = Duration::from_secs(300);

/// The stages that own state, and where their snapshots are kept.
pub(super) struct AnalysisHalf {
    shared: Arc<Shared>,
    /// The configuration that it works by.
    edition: Arc<Edition>,
    graph: Graph,
    store: Option<Arc<SnapshotStore>>,
    stages: BTreeMap<NodeId, StageState>,
    /// The last message merged of each source of other processes.
    merged: BTreeMap<String, Mark>,
    reached: Timestamp,
    stored_at: Timestamp,
    archived_at: Timestamp,
    unstored_bytes: usize,
    meters: Meters,
}

/// How far what is stored of a stage is behind.
#[derive(Default)]
struct StageState {
    change: Change,
    /// What the snapshot that was restored had merged.
    restored: BTreeMap<String, Mark>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Change {
    #[default]
    Stored,
    Changed,
    /// The disk did not take it. Tried again with the next change.
    Refused,
}

struct Meters {
    given_up: Counter,
    unknown_version: Counter,
    unknown_stage: Counter,
}

impl AnalysisHalf {
    pub(super) fn new(
        shared: Arc<Shared>,
        edition: Arc<Edition>,
        graph: Graph,
        store: Option<SnapshotStore>,
    ) -> Self {
        let meters = Meters::new(&shared);
        Self {
            edition,
            graph,
            store: store.map(Arc::new),
            stages: BTreeMap::new(),
            merged: BTreeMap::new(),
            reached: Timestamp::default(),
            stored_at: Timestamp::default(),
            archived_at: shared.clock.now(),
            unstored_bytes: 0,
            meters,
            shared,
        }
    }

    /// Takes state back, before anything is merged.
    pub(super) fn restore(&mut self) {
        let Some(store) = &self.store else { return };
        for (node, half) in self.graph.analysis_halves() {
            let key = self.edition.plan.stage_key(node);
            if let Some(state) = restore(&self.shared, store, key, half.as_mut()) {
                self.stages.insert(node, state);
            }
        }
    }

    /// Makes room on the way here for what shards tell next.
    pub(super) fn heard(&self, message: &HopMessage) {
        self.shared.told_bytes.fetch_sub(message.size(), Ordering::Relaxed);
    }

    /// Takes a message of this release's layout; any other is dropped and counted.
    pub(super) fn take(&self, merger: &mut Merger, message: HopMessage) {
        if message.version == hop::VERSION {
            return merger.take(message);
        }
        self.meters.unknown_version.add(1);
        error!(version = message.version, readable = hop::VERSION, "partials of another release are refused");
    }

    /// Merges what is complete and lets every stage close what has ended. A stage that is about to emit
    /// is stored before.
    pub(super) async fn advance(&mut self, complete: Complete) {
        for source in &complete.given_up {
            self.meters.given_up.add(1);
            warn!(source, "too much waits for this source; from now on it is merged when it tells");
        }
        for ready in complete.messages {
            self.merge(ready);
        }
        self.note_changes();
        if complete.until <= self.reached {
            return;
        }
        self.reached = complete.until;
        let halves = self.graph.analysis_halves();
        let closing: Vec<_> =
            halves.filter(|(_, half)| half.closes_at(complete.until)).map(|(node, _)| node).collect();
        self.save(|node, change| change != Change::Stored && closing.contains(&node)).await;
        self.graph.beat(Beat::Tick, &self.edition.plan.order, self.reached);
        self.note_changes();
        self.publish();
        if self.reached >= self.archived_at + ARCHIVE_EVERY {
            self.archived_at = self.reached;
            self.archive(|_| true).await;
        }
        self.shared.reached(self.reached);
    }

    /// Stores what has changed when senders have waited long enough for it, or one waits to end.
    pub(super) async fn store_if_due(&mut self, one_waits: bool) {
        let is_due = self.reached >= self.stored_at + STORE_EVERY;
        if one_waits || is_due || self.unstored_bytes > MAX_UNSTORED_BYTES {
            self.save(|_, change| change != Change::Stored).await;
            self.stored_at = self.reached;
        }
    }

    /// Asks the stage that a question is for, and tells others what follows. What that changed is stored before it is
    /// answered.
    pub(super) async fn answer(&mut self, Asked { stage, question, reply }: Asked) {
        let Some(asked) = self.edition.plan.stage_by_key(&stage) else {
            // Who asked may have gone.
            let _gone = reply.send(Answer::not_found());
            return;
        };
        let now = self.shared.clock.now().max(self.reached);
        let answer = self.graph.ask(asked, &question, now);
        let mut changed: Vec<NodeId> = answer.is_changed.then_some(asked).into_iter().collect();
        for next in &answer.next {
            for node in stages_of_topic(&self.edition.plan, next.topic()) {
                changed.extend(self.graph.ask(node, next, now).is_changed.then_some(node));
            }
        }
        self.note_changes();
        if !changed.is_empty() {
            self.save(|node, _| changed.contains(&node)).await;
        }
        self.publish();
        // Who asked may have gone.
        let _gone = reply.send(answer);
    }

    /// Whether all that was merged is stored, as far as the disk takes it; what it does not take must
    /// not hold up those who tell.
    pub(super) fn is_stored(&self) -> bool {
        self.store.is_none() || self.stages.values().all(|stage| stage.change != Change::Changed)
    }

    /// Ends every stage and stores what must survive.
    pub(super) async fn end(&mut self) {
        let now = self.shared.clock.now().max(self.reached);
        self.save(|_, _| true).await;
        self.graph.beat(Beat::Drain, &self.edition.plan.order, now);
        self.note_changes();
        self.save(|_, _| true).await;
        self.archive(|_| true).await;
        self.shared.reached(now);
    }

    fn publish(&mut self) {
        self.shared.verdicts.publish(self.edition.plan.keyed(self.graph.take_verdicts()));
    }

    fn merge(&mut self, ready: Ready) {
        let Ready { at, source, sequence, partials } = ready;
        for StagePartial { stage, partial } in partials {
            let Some(node) = self.edition.plan.stage_by_key(&stage) else {
                self.meters.unknown_stage.add(1);
                warn!(stage, "a partial came for a stage that is not configured here and is dropped");
                continue;
            };
            let known = self.stages.get(&node).and_then(|state| state.restored.get(&source));
            if known.is_some_and(|known| sequence <= known.sequence) {
                // Its snapshot had merged this before the restart.
                continue;
            }
            self.unstored_bytes += partial.len();
            self.graph.merge(node, model::Partial { bytes: partial, at }, Ack::none(), at);
        }
        if self.edition.plan.settings.hop.role == HopRole::Analysis {
            let mark = Mark { source: source.clone(), sequence, at_unix_nano: at.as_nanos() };
            self.merged.insert(source, mark);
            forget_oldest(&mut self.merged);
        }
    }

    fn note_changes(&mut self) {
        for node in self.graph.take_changed() {
            self.stages.entry(node).or_default().change = Change::Changed;
        }
    }

    /// Stores stages. Nothing is merged until all are stored.
    async fn save(&mut self, which: impl Fn(NodeId, Change) -> bool) {
        let Some(store) = self.store.clone() else { return };
        let now = self.shared.clock.now();
        let mut saved = Vec::new();
        for (node, half) in self.graph.analysis_halves() {
            let stage = self.stages.entry(node).or_default();
            if !which(node, stage.change) {
                continue;
            }
            let Some(pieces) = half.snapshot_pieces() else {
                stage.change = Change::Stored;
                continue;
            };
            let watermark = stage.watermark(&self.merged).encode_to_vec();
            let key = self.edition.plan.stage_key(node).to_owned();
            saved.push((node, write(Arc::clone(&store), key.clone(), watermark, pieces, now).await, key));
        }
        if saved.is_empty() {
            return;
        }
        for (node, result, key) in saved {
            match result {
                Ok(result) => self.saved(node, result, &key),
                Err(problem) => {
                    error!(error = %problem, "the thread that stores state failed");
                    self.shared.snapshot_failures.add(1);
                }
            }
        }
        if self.is_stored() {
            self.unstored_bytes = 0;
        }
    }

    /// Stores what nothing but questions depends on.
    async fn archive(&mut self, which: impl Fn(NodeId) -> bool) {
        let Some(store) = self.store.clone() else { return };
        let now = self.shared.clock.now();
        for (node, half) in self.graph.analysis_halves() {
            let Some(pieces) = half.archive_pieces().filter(|_| which(node)) else { continue };
            let key = self.edition.plan.stage_key(node);
            let written = write(Arc::clone(&store), archive_key(key), Vec::new(), pieces, now).await;
            let problem = match written {
                Ok(Ok(())) => continue,
                Ok(Err(problem)) => problem.to_string(),
                Err(problem) => problem.to_string(),
            };
            error!(
                stage = key,
                error = problem,
                "what people may ask about could not be stored; it is tried again"
            );
            self.shared.snapshot_failures.add(1);
        }
    }

    fn saved(&mut self, node: NodeId, result: Result<(), StoreError>, key: &str) {
        let stage = self.stages.entry(node).or_default();
        stage.change = match result {
            Ok(()) => {
                self.shared.health.is_stored(key);
                Change::Stored
            }
            Err(problem) => {
                error!(stage = key, error = %problem, "state could not be stored; after a crash its counters may go back");
                self.shared.snapshot_failures.add(1);
                Change::Refused
            }
        };
    }
}

/// Stores a stage on a thread that may wait for the disk. A piece of its state is made when the one before is taken.
async fn write(
    store: Arc<SnapshotStore>,
    key: String,
    watermark: Vec<u8>,
    pieces: Pieces<'_>,
    now: Timestamp,
) -> Result<Result<(), StoreError>, JoinError> {
    // None ends the state. When the channel ends without it, making the state was broken off.
    let (sender, mut receiver) = mpsc::channel::<Option<Vec<u8>>>(1);
    let version = pieces.version;
    let writer = spawn_blocking(move || {
        let piece = || receiver.blocking_recv().map_or(Some(None), |piece| piece.map(Some));
        store.save_pieces(&key, version, &watermark, std::iter::from_fn(piece), now)
    });
    for piece in pieces.bytes.map(Some).chain([None]) {
        if sender.send(piece).await.is_err() {
            // The disk does not take it, and the writer says why.
            break;
        }
    }
    writer.await
}

impl StageState {
    fn restored(watermark: &[u8]) -> Self {
        // The file's checksum has been right; bytes of a later layout are as good as none.
        let marks = Watermark::decode(watermark).unwrap_or_default().marks;
        let restored = marks.into_iter().map(|mark| (mark.source.clone(), mark)).collect();
        Self { change: Change::Stored, restored }
    }

    /// Up to where the stage has merged each source, now and before the restart.
    fn watermark(&self, merged: &BTreeMap<String, Mark>) -> Watermark {
        let mut marks = self.restored.clone();
        for (source, mark) in merged {
            let known = marks.get(source).map_or(0, |known| known.sequence);
            if mark.sequence > known {
                marks.insert(source.clone(), mark.clone());
            }
        }
        while marks.len() > MAX_SOURCES {
            forget_oldest(&mut marks);
        }
        Watermark { marks: marks.into_values().collect() }
    }
}

fn stages_of_topic<'a>(plan: &'a Plan, topic: &'a str) -> impl Iterator<Item = NodeId> + 'a {
    let stages = plan.stages().enumerate();
    stages.filter(move |(_, stage)| stage.configured.topics().contains(&topic)).map(|(node, _)| node)
}

fn forget_oldest(marks: &mut BTreeMap<String, Mark>) {
    if marks.len() > MAX_SOURCES
        && let Some(oldest) =
            marks.iter().min_by_key(|(_, mark)| mark.at_unix_nano).map(|(source, _)| source.clone())
    {
        marks.remove(&oldest);
    }
}

/// Under which the archive of a stage is stored; no stage has such a key.
fn archive_key(stage: &str) -> String {
    format!("archive/{stage}")
}

impl Meters {
    fn new(shared: &Shared) -> Self {
        let dropped = |name: &str, description, unit, reason| {
            shared.telemetry.with("reason", reason).counter(name, description, unit)
        };
        Self {
            given_up: shared.telemetry.counter(
                "trueline_hop_sources_given_up",
                "Times that too much waited for a source and it was not waited for any more.",
                "{source}",
            ),
            unknown_version: dropped(
                "trueline_hop_dropped_messages",
                "Messages between the ingest and the analysis process that were given up.",
                "{message}",
                "unknown_version",
            ),
            unknown_stage: dropped(
                "trueline_hop_dropped_partials",
                "Partial aggregates that were dropped, by reason.",
                "{partial}",
                "unknown_stage",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
