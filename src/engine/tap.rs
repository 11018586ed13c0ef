//! Who looks at what passes: requests at one edge of the pipelines, kept for a reader beside them.
//!
//! A graph asks one atomic whether anybody looks; nothing else is paid while nobody does. What is looked at is shared
//! with the pipeline and not copied. A reader that is too slow misses requests, which are counted; nothing waits for it.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use model::{Batch, Export, SignalSet};

use crate::{
    graph::NodeId,
    plan::{Output, Place, Plan},
    service::Shared,
};

/// So many may look at a time: each holds requests and works on a thread of its own.
pub const MAX_TAPS: usize = 8;
/// What a reader has not looked at yet is held up to this; one larger request may be held alone.
const MAX_HELD_BYTES: usize = 8 << 20;
/// The same in requests, as small ones are kept alive with the larger buffers that they came in.
const MAX_HELD: usize = 256;

/// From where a batch comes into the line of a pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    Receiver(usize),
    Connector(NodeId),
    /// The stage before this place.
    Stage(usize),
}

impl Origin {
    /// The place of the next stage.
    pub(crate) fn next(self) -> usize {
        match self {
            Self::Receiver(_) | Self::Connector(_) => 0,
            Self::Stage(stage) => stage,
        }
    }
}

/// A place in the pipelines of a plan at which one may look. Edge `n` of a pipeline lies before its stage `n`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Edge {
    /// As `trueline graph` names the parts: the pipeline, and the component that what passes comes from or goes to.
    pub(crate) name: String,
    kind: &'static str,
    pipeline: usize,
    edge: usize,
    /// None for whatever comes in.
    origin: Option<Origin>,
    /// What the component takes of what passes.
    signals: SignalSet,
}

/// On which side of a component to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Side {
    /// At what leaves it; of an exporter, at what comes to it.
    #[default]
    After,
    Before,
}

/// Why nobody can look there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TapError {
    #[error("there is no edge {0:?}")]
    UnknownEdge(String),
    #[error("{name:?} means {}; write one of them", meant.join(" or "))]
    Ambiguous { name: String, meant: Vec<String> },
    #[error("{0:?} is where data comes in: nothing passes before it")]
    NothingBefore(String),
    #[error("{MAX_TAPS} taps are open already; wait until one ends")]
    TooMany,
    #[error("the service ends")]
    Ends,
}

/// Everyone who looks.
#[derive(Default)]
pub(crate) struct Board {
    is_open: AtomicBool,
    open: RwLock<Vec<Arc<Spout>>>,
}

/// Where one looks, and what waits to be looked at.
struct Spout {
    /// The configuration whose edges are meant.
    edition: u64,
    /// Any of these.
    edges: Vec<Edge>,
    signals: SignalSet,
    requests: SyncSender<Export>,
    held: AtomicUsize,
    missed: AtomicU64,
    has_ended: AtomicBool,
}

impl Board {
    /// Whether anybody looks anywhere.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Shows a batch to all who look at one of the edges that it passes.
    #[cold]
    pub(crate) fn show(
        &self,
        edition: u64,
        (pipeline, passed): (usize, RangeInclusive<usize>),
        origin: Origin,
        batch: &Batch,
    ) {
        let (Some(signal), Some(bytes)) = (batch.payload.signal(), batch.payload.bytes()) else { return };
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        for spout in open.iter().filter(|spout| spout.edition == edition && spout.signals.contains(signal)) {
            let is_meant = |edge: &Edge| {
                edge.pipeline == pipeline
                    && passed.contains(&edge.edge)
                    && edge.origin.is_none_or(|meant| meant == origin)
                    && edge.signals.contains(signal)
            };
            if spout.edges.iter().any(is_meant) {
                spout.offer(Export { signal, bytes: bytes.clone().into(), items: batch.items });
            }
        }
    }

    /// Ends all who look at edges of another configuration.
    pub(crate) fn keep(&self, edition: u64) {
        self.retain(|spout| spout.edition == edition);
    }

    fn add(&self, spout: Arc<Spout>) -> Result<(), TapError> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MAX_TAPS {
            return Err(TapError::TooMany);
        }
        open.push(spout);
        self.is_open.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn retain(&self, stays: impl Fn(&Spout) -> bool) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        for ended in open.extract_if(.., |spout| !stays(spout)) {
            ended.has_ended.store(true, Ordering::Release);
        }
        self.is_open.store(!open.is_empty(), Ordering::Relaxed);
    }
}

impl Spout {
    fn offer(&self, request: Export) {
        let len = request.bytes.len();
        let held = self.held.fetch_add(len, Ordering::Relaxed);
        let items = request.items;
        if (held > 0 && held + len > MAX_HELD_BYTES) || self.requests.try_send(request).is_err() {
            self.held.fetch_sub(len, Ordering::Relaxed);
            self.missed.fetch_add(items, Ordering::Relaxed);
        }
    }
}

/// Lets one look at what passes. Clones look at the same service, and do not keep it.
#[derive(Clone)]
pub struct Taps(Weak<Shared>);

impl Taps {
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    /// Returns the names of all edges of the configuration in force, pipeline by pipeline.
    pub fn edges(&self) -> Vec<String> {
        let Some(shared) = self.0.upgrade() else { return Vec::new() };
        edges(&shared.edition().plan).into_iter().map(|edge| edge.name).collect()
    }

    /// Returns what the configuration in force hides of telemetry.
    pub fn masks(&self) -> component::Masks {
        self.0.upgrade().map(|shared| shared.edition().plan.masks()).unwrap_or_default()
    }

    /// Begins to look at what passes an edge; without one, at all that enters pipelines.
    ///
    /// # Errors
    /// When there is no such edge, or too many look already.
    pub fn open(&self, at: Option<&str>, side: Side, signals: SignalSet) -> Result<Tap, TapError> {
        let shared = self.0.upgrade().ok_or(TapError::Ends)?;
        let edition = shared.edition();
        let edges = chosen(&edition.plan, at, side)?;
        let (requests, inbox) = sync_channel(MAX_HELD);
        let spout = Arc::new(Spout {
            edition: edition.number,
            edges,
            signals,
            requests,
            held: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        });
        shared.taps.add(Arc::clone(&spout))?;
        Ok(Tap { spout, inbox, board: Arc::clone(&shared.taps) })
    }
}

/// A look at an edge, which ends when this is dropped.
pub struct Tap {
    spout: Arc<Spout>,
    inbox: Receiver<Export>,
    board: Arc<Board>,
}

impl Tap {
    /// Waits for the next request; none when none came in time.
    pub fn next(&self, patience: std::time::Duration) -> Option<Export> {
        let request = self.inbox.recv_timeout(patience).ok()?;
        self.spout.held.fetch_sub(request.bytes.len(), Ordering::Relaxed);
        Some(request)
    }

    /// Returns how many items passed and could not be held.
    pub fn missed(&self) -> u64 {
        self.spout.missed.load(Ordering::Relaxed)
    }

    /// Whether another configuration is in force, so that nothing passes here any more.
    pub fn has_ended(&self) -> bool {
        self.spout.has_ended.load(Ordering::Acquire)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.board.retain(|spout| !std::ptr::eq(spout, &*self.spout));
    }
}

fn chosen(plan: &Plan, at: Option<&str>, side: Side) -> Result<Vec<Edge>, TapError> {
    let all = edges(plan);
    let Some(name) = at else {
        return Ok(all.into_iter().filter(|edge| edge.kind == PIPELINE).collect());
    };
    let edge = match all.iter().find(|edge| edge.name == name) {
        Some(edge) => edge.clone(),
        None => {
            let meant = |edge: &&Edge| plain(&edge.name, edge.kind) == name;
            let meant: Vec<_> = all.iter().filter(meant).map(|edge| edge.name.clone()).collect();
            let name = name.to_owned();
            return Err(match meant.is_empty() {
                true => TapError::UnknownEdge(name),
                false => TapError::Ambiguous { name, meant },
            });
        }
    };
    match (side, edge.kind) {
        (Side::After, _) | (_, EXPORTER | END) => Ok(vec![edge]),
        (Side::Before, PROCESSOR) => Ok(vec![Edge { edge: edge.edge.saturating_sub(1), ..edge }]),
        (Side::Before, _) => Err(TapError::NothingBefore(name.to_owned())),
    }
}

const PIPELINE: &str = "pipeline";
const RECEIVER: &str = "receiver";
const PROCESSOR: &str = "processor";
const EXPORTER: &str = "exporter";
/// A connector at the beginning, and at the end.
const CONNECTOR: &str = "connector";
const END: &str = "to connector";

/// Returns every edge, pipeline by pipeline. Where two parts of a pipeline have one id, their kind stands behind it:
/// `traces/otlp:receiver`.
pub(crate) fn edges(plan: &Plan) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (pipeline, line) in plan.pipelines.iter().enumerate() {
        let end = line.stages.len();
        let mut add =
            |kind: &'static str, id: &str, edge: usize, origin: Option<Origin>, takes: SignalSet| {
                let name = if id.is_empty() { line.id.clone() } else { format!("{}/{id}", line.id) };
                let signals = takes.intersection(line.signals);
                edges.push(Edge { name, kind, pipeline, edge, origin, signals });
            };
        add(PIPELINE, "", 0, None, SignalSet::ALL);
        for (index, receiver) in plan.receivers.iter().enumerate() {
            if receiver.pipelines.contains(&pipeline) {
                add(RECEIVER, &receiver.id, 0, Some(Origin::Receiver(index)), SignalSet::ALL);
            }
        }
        for (node, planned) in plan.nodes.iter().enumerate() {
            if let Place::Connector { outputs, .. } = &planned.place
                && outputs.contains(&pipeline)
            {
                add(CONNECTOR, &planned.id, 0, Some(Origin::Connector(node)), SignalSet::ALL);
            }
        }
        for (stage, node) in line.stages.iter().enumerate() {
            let id = plan.nodes.get(*node).map_or("", |node| &node.id);
            add(PROCESSOR, id, stage + 1, None, SignalSet::ALL);
        }
        for output in &line.outputs {
            match *output {
                Output::Exporter(index) => {
                    let Some(exporter) = plan.exporters.get(index) else { continue };
                    add(EXPORTER, &exporter.id, end, None, exporter.configured.signals());
                }
                Output::Connector(node) => {
                    let Some(node) = plan.nodes.get(node) else { continue };
                    add(END, &node.id, end, None, node.configured.consumes());
                }
            }
        }
    }
    tell_apart(&mut edges);
    edges
}

fn tell_apart(edges: &mut [Edge]) {
    let names: Vec<String> = edges.iter().map(|edge| edge.name.clone()).collect();
    for (edge, name) in edges.iter_mut().zip(&names) {
        let is_alone = names.iter().filter(|other| *other == name).count() == 1;
        if edge.kind != PIPELINE && !is_alone {
            edge.name = qualified(name, edge.kind);
        }
    }
}

fn qualified(name: &str, kind: &str) -> String {
    format!("{name}:{}", said(kind))
}

fn plain<'n>(name: &'n str, kind: &str) -> &'n str {
    let rest = name.strip_suffix(said(kind)).and_then(|rest| rest.strip_suffix(':'));
    rest.unwrap_or(name)
}

/// No connector stands at both ends of a pipeline, as that would be a circle.
fn said(kind: &str) -> &str {
    if kind == END { CONNECTOR } else { kind }
}

impl Plan {
    /// Returns what its stages hide of telemetry.
    pub(crate) fn masks(&self) -> component::Masks {
        let mut all = component::Masks::default();
        for node in &self.nodes {
            let component::Masks { keys, values } = node.configured.masks();
            all.keys.extend(keys);
            all.values.extend(values);
        }
        all
    }
}

#[cfg(test)]
mod tests;
