//! The pipelines of one thread: stages, forks, connectors, queues.
//!
//! Every thread that touches telemetry has a graph of its own, built from the same plan, so node
//! numbers mean the same everywhere. A shard's graph has ingest halves only; the analysis thread's
//! has both, as what connectors emit there passes through ordinary stages again.

mod meters;
mod node;
#[cfg(test)]
mod tests;

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use component::{Answer, Cx, Metadata, Processor, Question, Telemetry, Workbench};
use model::{Ack, Batch, Columns, Export, KeySet, Payload, Signal, SignalSet, Timestamp, Traces};

use crate::{
    offline::Told,
    plan::{Output, Plan},
    queue::{Batching, Inbox},
    tap::{Board, Origin},
};
use node::{After, Node};

pub(crate) use node::Identity;

/// Which halves a graph has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Ingest,
    Both,
}

/// A number that means the same stage in every graph of one plan.
pub(crate) type NodeId = usize;

/// One thread's pipelines.
pub(crate) struct Graph {
    nodes: Vec<Node>,
    pipelines: Vec<Pipeline>,
    inboxes: Vec<Option<Rc<Inbox>>>,
    /// What each exporter takes; in a pipeline of all signals it is offered more.
    takes: Vec<SignalSet>,
    matcher: wire::Matcher,
    bench: Workbench,
    /// What ingest halves told their analysis halves since it was last taken.
    partials: Vec<(NodeId, model::Partial)>,
    /// What analysis halves told their ingest halves since it was last taken.
    verdicts: Vec<(NodeId, Bytes)>,
    /// By node: what only its ingest half knew of when the beat began that is not told yet. None between beats.
    untold_before: Vec<u64>,
    /// What left pipelines, when it is recorded.
    told: Option<Told>,
    /// Who looks at what passes, and the number of the configuration that this is a graph of.
    watched: Option<(Arc<Board>, u64)>,
}

struct Pipeline {
    signals: SignalSet,
    stages: Vec<NodeId>,
    outputs: Rc<[Output]>,
    /// How exporters join what leaves here.
    batching: Option<Arc<Batching>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Ingest,
    Analysis,
}

/// What a stage does at the end of a second, and at the end of its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beat {
    Tick,
    Drain,
}

impl Graph {
    /// Builds every stage of the plan on the calling thread.
    ///
    /// `inboxes` has one entry for each exporter of the plan, none where it takes nothing from here.
    pub(crate) fn new(
        plan: &Plan,
        side: Side,
        inboxes: Vec<Option<Rc<Inbox>>>,
        telemetry: &Telemetry,
        identity: &Identity<'_>,
    ) -> Self {
        let mut keys = KeySet::default();
        let mut nodes: Vec<Node> =
            plan.stages().map(|stage| Node::new(&stage, side, telemetry, identity, &mut keys)).collect();
        nodes.iter_mut().for_each(|node| node.ingest.wanted(&keys));
        let pipelines = plan
            .pipelines
            .iter()
            .map(|pipeline| Pipeline {
                signals: pipeline.signals,
                stages: pipeline.stages.clone(),
                outputs: pipeline.outputs.as_slice().into(),
                batching: pipeline.batching(telemetry),
            })
            .collect();
        let matcher = wire::Matcher::new(&keys);
        let takes = plan.exporters.iter().map(|exporter| exporter.configured.signals()).collect();
        Self {
            nodes,
            pipelines,
            inboxes,
            takes,
            matcher,
            bench: Workbench::default(),
            partials: Vec::new(),
            verdicts: Vec::new(),
            untold_before: Vec::new(),
            told: None,
            watched: None,
        }
    }

    /// From now on shows what passes to those who look at this configuration.
    pub(crate) fn watched(mut self, board: &Arc<Board>, edition: u64) -> Self {
        self.watched = Some((Arc::clone(board), edition));
        self
    }

    /// Checks a request from outside and makes a payload of it. Touches no stage.
    ///
    /// # Errors
    /// When the bytes are not an OTLP request of this signal.
    pub(crate) fn read(&mut self, signal: Signal, bytes: Bytes) -> Result<(Payload, u64), wire::Malformed> {
        match signal {
            Signal::Traces => {
                let mut table = self.bench.spare_tables.pop().unwrap_or_default();
                match wire::read_traces(bytes, &self.matcher, &mut table) {
                    Ok(bytes) => {
                        let items = table.spans.len() as u64;
                        Ok((Payload::Traces(Traces { bytes, table }), items))
                    }
                    Err(malformed) => {
                        self.bench.spare(table);
                        Err(malformed)
                    }
                }
            }
            Signal::Metrics => {
                wire::read_metrics(bytes).map(|(bytes, items)| (Payload::Metrics(bytes), items))
            }
            Signal::Logs => wire::read_logs(bytes).map(|(bytes, items)| (Payload::Logs(bytes), items)),
        }
    }

    /// Takes back a payload that was read and is refused; its table serves the next request.
    pub(crate) fn give_up(&mut self, payload: Payload) {
        let batch = Batch { payload, items: 0, ack: Ack::none() };
        Cx::new(Timestamp::default(), &mut self.bench).absorb(batch);
    }

    /// Sends a batch through pipelines from their start.
    pub(crate) fn enter(&mut self, origin: Origin, pipelines: &[usize], batch: Batch, now: Timestamp) {
        let Some((&last, others)) = pipelines.split_last() else { return };
        for &pipeline in others {
            self.advance(pipeline, origin, batch.clone(), now);
        }
        self.advance(last, origin, batch, now);
    }

    /// Sends a request through pipelines from their start, whose stages may ask what its head says.
    pub(crate) fn enter_with(
        &mut self,
        metadata: Metadata,
        origin: Origin,
        pipelines: &[usize],
        batch: Batch,
        now: Timestamp,
    ) {
        self.bench.metadata = metadata;
        self.enter(origin, pipelines, batch, now);
        self.bench.metadata = Metadata::default();
    }

    /// Gives a partial to the stage that merges it. Nobody waits for one of another thread.
    pub(crate) fn merge(&mut self, node: NodeId, partial: model::Partial, ack: Ack, now: Timestamp) {
        let batch = Batch { payload: Payload::Partial(partial), items: 0, ack };
        self.change(node);
        self.work(node, Half::Analysis, now, |half, cx| half.process(batch, cx));
    }

    /// Gives an ingest half what its analysis half has found.
    pub(crate) fn tell(&mut self, node: NodeId, verdicts: Bytes, now: Timestamp) {
        let batch = Batch { payload: Payload::Verdicts(verdicts), items: 0, ack: Ack::none() };
        self.work(node, Half::Ingest, now, |half, cx| half.process(batch, cx));
    }

    /// Lets every stage close what has ended, upstream before downstream.
    pub(crate) fn beat(&mut self, beat: Beat, order: &[NodeId], now: Timestamp) {
        self.untold_before.clear();
        self.untold_before.extend(self.nodes.iter().map(|node| node.ingest.untold()));
        for &node in order {
            for half in [Half::Ingest, Half::Analysis] {
                self.work(node, half, now, |half, cx| match beat {
                    Beat::Tick => half.tick(cx),
                    Beat::Drain => half.drain(cx),
                });
            }
        }
    }

    /// Ends the ingest halves, which are built anew with every configuration, and the analysis halves that leave.
    pub(crate) fn end_halves(&mut self, order: &[NodeId], now: Timestamp, leaves: impl Fn(NodeId) -> bool) {
        for &node in order {
            self.work(node, Half::Ingest, now, |half, cx| half.drain(cx));
            if leaves(node) {
                self.work(node, Half::Analysis, now, |half, cx| half.drain(cx));
            }
        }
    }

    pub(crate) fn half(&mut self, node: NodeId) -> Option<&mut dyn Processor> {
        self.nodes.get_mut(node)?.analysis.as_mut().map(|half| &mut **half as &mut dyn Processor)
    }

    /// Takes an analysis half out, for the graph of another configuration.
    pub(crate) fn take_half(&mut self, node: NodeId) -> Option<Box<dyn Processor>> {
        self.nodes.get_mut(node)?.analysis.take()
    }

    /// Puts the analysis half of another graph in place of the one that was built.
    pub(crate) fn put_half(&mut self, node: NodeId, half: Box<dyn Processor>) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.analysis = Some(half);
        }
    }

    /// Takes what is to cross the hop.
    pub(crate) fn take_partials(&mut self) -> Vec<(NodeId, model::Partial)> {
        self.untold_before.clear();
        std::mem::take(&mut self.partials)
    }

    /// Counts what stages have taken and will never tell, as a stage has panicked, and returns how many items
    /// that is.
    pub(crate) fn lose_untold(&mut self) -> u64 {
        let mut lost = 0;
        for (id, node) in self.nodes.iter().enumerate() {
            // A beat that did not end has told nothing, whatever stages have closed.
            let items = node.ingest.untold().max(self.untold_before.get(id).copied().unwrap_or(0));
            if items > 0 {
                node.meters.rejected(items, "shard_broken");
                lost += items;
            }
        }
        lost
    }

    /// Takes what is to go back to the shards.
    pub(crate) fn take_verdicts(&mut self) -> Vec<(NodeId, Bytes)> {
        std::mem::take(&mut self.verdicts)
    }

    /// From now on keeps what leaves pipelines.
    pub(crate) fn record(&mut self) {
        self.told = Some(Told::default());
    }

    /// Takes what was kept.
    pub(crate) fn take_told(&mut self) -> Told {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes which stages' state has changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<NodeId> {
        let nodes = self.nodes.iter_mut().enumerate();
        nodes.filter_map(|(id, node)| std::mem::take(&mut node.is_changed).then_some(id)).collect()
    }

    fn change(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.is_changed = true;
        }
    }

    /// The stages that own state, for snapshots.
    pub(crate) fn analysis_halves(&mut self) -> impl Iterator<Item = (NodeId, &mut Box<dyn Processor>)> {
        let halves = self.nodes.iter_mut().enumerate();
        halves.filter_map(|(id, node)| node.analysis.as_mut().map(|half| (id, half)))
    }

    /// Moves a batch on to the next stage that reads it, or out.
    fn advance(&mut self, pipeline: usize, origin: Origin, batch: Batch, now: Timestamp) {
        let Some(signal) = batch.payload.signal() else { return };
        let Some(line) = self.pipelines.get(pipeline) else { return };
        if !line.signals.contains(signal) {
            // A connector feeds pipelines of several signals, each with its own.
            return;
        }
        let stage = origin.next();
        let mut stages = line.stages.iter().copied().enumerate().skip(stage);
        let next = stages.find(|&(_, node)| self.reads(node, signal));
        if let Some((board, edition)) = &self.watched
            && board.is_open()
        {
            let reached = next.map_or(line.stages.len(), |(reached, _)| reached);
            board.show(*edition, (pipeline, stage..=reached), origin, &batch);
        }
        match next {
            Some((_, node)) => self.feed(node, batch, now),
            None => self.leave(pipeline, batch, now),
        }
    }

    fn reads(&self, node: NodeId, signal: Signal) -> bool {
        self.nodes.get(node).is_some_and(|node| node.consumes.contains(signal))
    }

    fn feed(&mut self, node: NodeId, mut batch: Batch, now: Timestamp) {
        if !self.read_what_stages_wrote(node, &mut batch) {
            return;
        }
        if let (Some(node), Some(signal)) = (self.nodes.get(node), batch.payload.signal()) {
            node.meters.incoming(signal, batch.items);
        }
        self.work(node, Half::Ingest, now, |half, cx| half.process(batch, cx));
    }

    /// Walks over spans that a stage wrote, when another stage is to see them. Whether it may.
    fn read_what_stages_wrote(&self, node: NodeId, batch: &mut Batch) -> bool {
        let Payload::Traces(traces) = &mut batch.payload else { return true };
        if !traces.is_unread() {
            return true;
        }
        match wire::scan_own_traces(&traces.bytes, &self.matcher, &mut traces.table) {
            Ok(()) => true,
            Err(problem) => {
                debug_assert!(false, "stages write sound requests: {problem}");
                if let Some(node) = self.nodes.get(node) {
                    node.meters.rejected(batch.items, "unreadable");
                }
                false
            }
        }
    }

    /// Runs one half of a stage and routes what it emitted.
    fn work(
        &mut self,
        id: NodeId,
        half: Half,
        now: Timestamp,
        act: impl FnOnce(&mut dyn Processor, &mut Cx<'_>),
    ) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let processor = match half {
            Half::Ingest => node.ingest.as_mut(),
            Half::Analysis => match &mut node.analysis {
                Some(analysis) => analysis.as_mut(),
                None => return,
            },
        };
        act(processor, &mut Cx::new(now, &mut self.bench));
        for (items, reason) in self.bench.rejected.drain(..) {
            node.meters.rejected(items, reason);
        }
        for (route, batch) in std::mem::take(&mut self.bench.routed) {
            self.follow_route(id, route, batch, now);
        }
        if self.bench.out.is_empty() {
            return;
        }
        let Some(node) = self.nodes.get(id) else { return };
        let has_analysis = node.analysis.is_some();
        let mut out = std::mem::take(&mut self.bench.out);
        for batch in out.drain(..) {
            match batch.payload {
                Payload::Partial(partial) if has_analysis => self.merge(id, partial, batch.ack, now),
                Payload::Partial(partial) => self.partials.push((id, partial)),
                Payload::Verdicts(verdicts) => {
                    self.tell(id, verdicts.clone(), now);
                    self.verdicts.push((id, verdicts));
                }
                Payload::Rollups(_) | Payload::Conditions(_) | Payload::Incidents(_) => {
                    self.judge_after(id, batch, now);
                }
                _ => self.follow(id, batch, now),
            }
        }
        // Stages further down used a bench of their own; this one keeps its memory.
        if self.bench.out.capacity() < out.capacity() {
            self.bench.out = out;
        }
    }

    fn follow(&mut self, id: NodeId, batch: Batch, now: Timestamp) {
        let Some(node) = self.nodes.get(id) else { return };
        if let Some(signal) = batch.payload.signal() {
            node.meters.outgoing(signal, batch.items);
        }
        match node.after.clone() {
            After::Stage { pipeline, stage } if self.carries(pipeline, &batch) => {
                self.advance(pipeline, Origin::Stage(stage), batch, now);
            }
            After::Stage { .. } => node.meters.rejected(batch.items, "not_in_pipeline"),
            After::Pipelines(pipelines) => self.enter(Origin::Connector(id), &pipelines, batch, now),
            After::Routes(_) => node.meters.rejected(batch.items, "no_route"),
        }
    }

    /// Sends what a connector emitted for one of its routes into the pipelines of that.
    fn follow_route(&mut self, id: NodeId, route: usize, batch: Batch, now: Timestamp) {
        let Some(node) = self.nodes.get(id) else { return };
        let After::Routes(routes) = node.after.clone() else { return };
        let Some((signal, pipelines)) = batch.payload.signal().zip(routes.get(route)) else { return };
        let carries =
            |&index: &usize| self.pipelines.get(index).is_some_and(|line| line.signals.contains(signal));
        if pipelines.iter().any(carries) {
            node.meters.outgoing(signal, batch.items);
            self.enter(Origin::Connector(id), pipelines, batch, now);
        } else {
            node.meters.rejected(batch.items, "not_in_pipeline");
        }
    }

    fn carries(&self, pipeline: usize, batch: &Batch) -> bool {
        let line = self.pipelines.get(pipeline);
        line.zip(batch.payload.signal()).is_some_and(|(line, signal)| line.signals.contains(signal))
    }

    /// Gives closed windows to a stage that judges them.
    pub(crate) fn judge(&mut self, node: NodeId, batch: Batch, now: Timestamp) {
        self.change(node);
        self.work(node, Half::Analysis, now, |half, cx| half.process(batch, cx));
    }

    /// Asks a stage that owns state, and routes what it emits on the way.
    pub(crate) fn ask(&mut self, node: NodeId, question: &Question, now: Timestamp) -> Answer {
        let mut answer = Answer::not_found();
        self.work(node, Half::Analysis, now, |half, cx| answer = half.answer(question, cx));
        if answer.is_changed {
            self.change(node);
        }
        answer
    }

    /// Passes closed windows and what travels beside them to the next stage of the pipeline that reads them. After
    /// the last one they end: all that may leave a pipeline has been emitted as OTLP.
    fn judge_after(&mut self, id: NodeId, batch: Batch, now: Timestamp) {
        let Some(After::Stage { pipeline, stage }) = self.nodes.get(id).map(|node| node.after.clone()) else {
            return;
        };
        let Some(line) = self.pipelines.get(pipeline) else { return };
        let wanted = match batch.payload {
            Payload::Conditions(_) => Columns::CONDITIONS,
            Payload::Incidents(_) => Columns::INCIDENTS,
            _ => Columns::WINDOWS,
        };
        let reads = |&node: &NodeId| self.nodes.get(node).is_some_and(|node| node.reads.meets(wanted));
        match (line.stages.iter().skip(stage).copied().find(reads), batch.payload) {
            (Some(node), payload) => self.judge(node, Batch { payload, ..batch }, now),
            (None, Payload::Rollups(table)) => {
                if let Some(told) = &mut self.told {
                    told.rollups.push(*table);
                }
            }
            (None, _) => {}
        }
    }

    /// Hands a batch to everything at the end of a pipeline: bytes to exporters, the batch itself to
    /// connectors, the last of which takes it without a copy of the table.
    fn leave(&mut self, pipeline: usize, batch: Batch, now: Timestamp) {
        let Some(signal) = batch.payload.signal() else { return };
        let Some(line) = self.pipelines.get(pipeline) else { return };
        let (outputs, batching) = (Rc::clone(&line.outputs), line.batching.clone());
        let mut connectors = Vec::new();
        let mut is_export = false;
        for output in outputs.iter() {
            match *output {
                Output::Connector(node) if self.reads(node, signal) => connectors.push(node),
                Output::Connector(_) => {}
                Output::Exporter(exporter) => {
                    is_export = true;
                    self.queue(exporter, signal, &batch, batching.as_ref());
                }
            }
        }
        // What only goes on through a connector is kept where it leaves.
        if let (Some(told), true, Some(bytes)) =
            (&mut self.told, is_export || connectors.is_empty(), batch.payload.bytes().cloned())
        {
            told.exports.push(Export { signal, bytes: bytes.into(), items: batch.items });
            told.pipelines.push(pipeline);
        }
        match connectors.split_last() {
            None => Cx::new(now, &mut self.bench).absorb(batch),
            Some((&last, others)) => {
                for &node in others {
                    self.feed(node, batch.clone(), now);
                }
                self.feed(last, batch, now);
            }
        }
    }

    fn queue(&self, exporter: usize, signal: Signal, batch: &Batch, batching: Option<&Arc<Batching>>) {
        let is_taken = self.takes.get(exporter).is_some_and(|takes| takes.contains(signal));
        if let (true, Some(Some(inbox))) = (is_taken, self.inboxes.get(exporter)) {
            let Some(bytes) = batch.payload.bytes().cloned() else { return };
            let export = Export { signal, bytes: bytes.into(), items: batch.items };
            inbox.send(export, batch.ack.clone(), batching);
        }
    }
}
