//! Pipelines under a virtual clock: recorded telemetry in, what was found out, no sockets, no threads.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use component::{Snapshot, Telemetry};
use model::{Ack, Batch, Export, Payload, Rollups, Signal, Timestamp};

use crate::{
    graph::{Beat, Graph, Identity, NodeId, Side},
    plan::{Plan, PlannedNode},
    tap::Origin,
    verdicts::Verdicts,
};

/// The pipelines of a plan, run by hand.
///
/// It is the service with one shard: what is taken is folded by the shard's graph; each whole second
/// closes there and is told to the analysis thread's graph, whose verdicts come back with the second
/// after. Receivers and exporters do not run.
pub struct Offline {
    ingest: Graph,
    analysis: Graph,
    /// What the analysis half has found, on its way back, and how much of it has arrived.
    verdicts: Verdicts,
    verdicts_seen: u64,
    plan: Plan,
    now: Timestamp,
    /// The last second that was closed.
    closed: Timestamp,
}

/// What came out since it was last asked.
#[derive(Default, Debug)]
pub struct Told {
    /// What left a pipeline, each once, however many exporters stand there.
    pub exports: Vec<Export>,
    /// By export: which pipeline of [`Plan::outline`] it left.
    pub pipelines: Vec<usize>,
    /// Closed windows with the columns of all stages that judged them.
    pub rollups: Vec<Rollups>,
}

/// There is nothing in the configuration that judges windows.
#[derive(Debug, thiserror::Error)]
#[error("no pipeline judges windows of series: put `baseline` and `anomaly` behind `aggregation`")]
pub struct NothingJudges;

const SECOND: Duration = Duration::from_secs(1);

impl Offline {
    /// Builds every stage, as at a start at that instant.
    pub fn new(plan: Plan, telemetry: &Telemetry, at: Timestamp) -> Self {
        let instance_id = plan.settings.instance_id.clone();
        let instance_id = instance_id.as_deref().unwrap_or("offline");
        let identity = Identity { instance_id, started_at: at };
        let graph = |side| {
            let inboxes = plan.exporters.iter().map(|_| None).collect();
            let mut graph = Graph::new(&plan, side, inboxes, telemetry, &identity);
            graph.record();
            graph
        };
        let (ingest, analysis) = (graph(Side::Ingest), graph(Side::Both));
        let closed = at.window_start(SECOND);
        Self { ingest, analysis, verdicts: Verdicts::default(), verdicts_seen: 0, plan, now: at, closed }
    }

    /// The virtual time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the time on and closes every whole second on the way. Time does not go back.
    pub fn advance(&mut self, to: Timestamp) {
        while self.closed + SECOND <= to {
            self.closed = self.closed + SECOND;
            self.now = self.now.max(self.closed);
            self.close_ingest(Beat::Tick, self.closed);
            self.close_analysis(Beat::Tick, self.closed);
        }
        self.now = self.now.max(to);
    }

    /// Takes a request as if every receiver had. Returns the items in it.
    ///
    /// # Errors
    /// When the bytes are not an OTLP request of this signal; nothing is counted then.
    pub fn take(&mut self, signal: Signal, bytes: Bytes) -> Result<u64, wire::Malformed> {
        let (payload, items) = self.ingest.read(signal, bytes)?;
        let batch = Batch { payload, items, ack: Ack::none() };
        self.ingest.enter(Origin::Receiver(0), &self.entrances(signal), batch, self.now);
        Ok(items)
    }

    /// Gives a window to the stages that judge, as if `aggregation` had closed it.
    ///
    /// # Errors
    /// When no stage judges windows.
    pub fn judge(&mut self, table: Rollups) -> Result<(), NothingJudges> {
        let first = self.first_judge().ok_or(NothingJudges)?;
        self.now = self.now.max(table.end());
        let items = table.len() as u64;
        let batch = Batch { payload: Payload::Rollups(Box::new(table)), items, ack: Ack::none() };
        self.analysis.judge(first, batch, self.now);
        self.publish();
        Ok(())
    }

    /// Emits all that is open, as a stop does; nothing may follow.
    pub fn end(&mut self) {
        self.close_ingest(Beat::Drain, self.now);
        if self.now > self.closed {
            self.close_analysis(Beat::Tick, self.now);
        }
        self.close_analysis(Beat::Drain, self.now);
    }

    /// Takes what came out.
    pub fn told(&mut self) -> Told {
        let mut told = self.ingest.take_told();
        let found = self.analysis.take_told();
        told.exports.extend(found.exports);
        told.pipelines.extend(found.pipelines);
        told.rollups.extend(found.rollups);
        told
    }

    /// Returns the state of every stage that keeps some, under the keys by which a service takes it back.
    pub fn snapshots(&mut self) -> Vec<(String, Snapshot)> {
        let halves = self.analysis.analysis_halves();
        let snapshots = halves.map(|(node, half)| (self.plan.stage_key(node).to_owned(), half.snapshot()));
        snapshots.filter_map(|(key, snapshot)| Some((key, snapshot?))).collect()
    }

    /// Lets the shard's half close, and merges what it tells.
    fn close_ingest(&mut self, beat: Beat, at: Timestamp) {
        for (stage, verdicts) in self.verdicts.since(&mut self.verdicts_seen) {
            if let Some(node) = self.plan.stage_by_key(&stage) {
                self.ingest.tell(node, verdicts, at);
            }
        }
        self.ingest.beat(beat, &self.plan.order, at);
        for (node, partial) in self.ingest.take_partials() {
            let partial = model::Partial { bytes: partial.bytes, at };
            self.analysis.merge(node, partial, Ack::none(), at);
        }
    }

    fn close_analysis(&mut self, beat: Beat, at: Timestamp) {
        self.analysis.beat(beat, &self.plan.order, at);
        self.publish();
    }

    fn publish(&mut self) {
        self.verdicts.publish(self.plan.keyed(self.analysis.take_verdicts()));
    }

    /// The pipelines that receivers feed with a signal.
    fn entrances(&self, signal: Signal) -> Vec<usize> {
        let receivers = 0..self.plan.receivers.len();
        let mut pipelines: Vec<usize> =
            receivers.flat_map(|receiver| self.plan.pipelines_of(receiver, signal)).collect();
        pipelines.sort_unstable();
        pipelines.dedup();
        pipelines
    }

    fn first_judge(&self) -> Option<NodeId> {
        let mut stages = self.plan.pipelines.iter().flat_map(|line| &line.stages).copied();
        stages.find(|&node| self.plan.nodes.get(node).is_some_and(PlannedNode::judges))
    }
}

impl Plan {
    /// Returns where stages keep what must survive a restart; none without a storage extension.
    pub fn state_directory(&self) -> Option<&Path> {
        self.settings.state_directory.as_deref()
    }

    /// Returns the keys under which stages may keep state.
    pub fn stage_keys(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.key.as_str())
    }
}
