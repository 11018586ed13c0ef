//! Pipelines under a virtual clock: recorded telemetry in, what was found out, no sockets, no threads.

use std::time::Duration;

use bytes::Bytes;
use component::Telemetry;
use model::{Ack, Batch, Export, Payload, Rollups, Signal, Timestamp};

use crate::{
    graph::{Beat, Graph, Identity, NodeId, Side},
    plan::Plan,
};

/// The pipelines of a plan, run by hand.
///
/// Both halves of every stage are the production ones, in the order of production: what is taken is
/// folded, each whole second closes, closed windows are judged. Receivers and exporters do not run.
pub struct Offline {
    graph: Graph,
    plan: Plan,
    now: Timestamp,
}

/// What came out since it was last asked.
#[derive(Default, Debug)]
pub struct Told {
    /// What left a pipeline, each once, however many exporters stand there.
    pub exports: Vec<Export>,
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
        let inboxes = plan.exporters.iter().map(|_| None).collect();
        let identity = Identity { instance_id: "offline", started_at: at };
        let mut graph = Graph::new(&plan, Side::Both, inboxes, telemetry, &identity);
        graph.record();
        Self { graph, plan, now: at.window_start(SECOND) }
    }

    /// The virtual time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the time on and closes every whole second on the way. Time does not go back.
    pub fn advance(&mut self, to: Timestamp) {
        while self.now.window_start(SECOND) + SECOND <= to {
            self.now = self.now.window_start(SECOND) + SECOND;
            self.graph.beat(Beat::Tick, &self.plan.order, self.now);
        }
        self.now = self.now.max(to);
    }

    /// Takes a request as if every receiver had. Returns the items in it.
    ///
    /// # Errors
    /// When the bytes are not an OTLP request of this signal; nothing is counted then.
    pub fn take(&mut self, signal: Signal, bytes: Bytes) -> Result<u64, wire::Malformed> {
        let (payload, items) = self.graph.read(signal, bytes)?;
        let batch = Batch { payload, items, ack: Ack::none() };
        self.graph.enter(&self.entrances(signal), batch, self.now);
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
        self.graph.judge(first, batch, self.now);
        Ok(())
    }

    /// Emits all that is open; nothing may follow.
    pub fn end(&mut self) {
        self.graph.beat(Beat::Drain, &self.plan.order, self.now);
    }

    /// Takes what came out.
    pub fn told(&mut self) -> Told {
        self.graph.take_told()
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
        stages.find(|&node| self.plan.nodes.get(node).is_some_and(|it| !it.configured.reads().is_empty()))
    }
}
