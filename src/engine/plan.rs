//! The plan of a service: every configured component and how they are connected.
//!
//! `validate` and `run` make the same plan by the same function, so what one accepts the other
//! starts. A plan is data: building it opens nothing and starts nothing.

mod addresses;
mod auth;
mod build;
mod changes;
mod hop_tls;
mod outline;
mod routes;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod widths;
mod written;

use std::{collections::BTreeMap, sync::Arc};

use component::{
    Authenticators, ConfiguredExporter, ConfiguredExtension, ConfiguredProcessor, ConfiguredReceiver,
    MemoryLimit, Telemetry,
};
use model::{Columns, Signal, SignalSet, Timestamp};

use crate::{graph::NodeId, queue::Batching};

pub use build::{Loaded, load, load_for_given_windows};
pub use changes::Difference;
pub(crate) use changes::{Changes, Fate};
pub use outline::{ConnectorOutline, ExporterOutline, Outline, PipelineOutline, StageOutline, StageWork};
pub use settings::settings_shape;
pub(crate) use settings::{HopRole, Settings};
pub(crate) use written::Written;

/// Every component that is used, and how they are connected.
pub struct Plan {
    pub(crate) receivers: Vec<PlannedReceiver>,
    pub(crate) exporters: Vec<PlannedExporter>,
    pub(crate) extensions: Vec<PlannedExtension>,
    pub(crate) pipelines: Vec<PlannedPipeline>,
    pub(crate) nodes: Vec<PlannedNode>,
    /// Every node after those that feed it.
    pub(crate) order: Vec<NodeId>,
    /// What `memory_limiter`s allow, by their ids.
    pub(crate) memory_limits: Vec<(String, MemoryLimit)>,
    pub(crate) settings: Settings,
    pub(crate) authenticators: Authenticators,
    /// A name that another configuration does not have.
    pub(crate) hash: String,
}

pub(crate) struct PlannedReceiver {
    pub(crate) id: String,
    pub(crate) configured: Arc<dyn ConfiguredReceiver>,
    pub(crate) written: Arc<Written>,
    /// What pipelines take from it.
    pub(crate) signals: SignalSet,
    pub(crate) pipelines: Vec<usize>,
}

pub(crate) struct PlannedExporter {
    pub(crate) id: String,
    pub(crate) configured: Arc<dyn ConfiguredExporter>,
    pub(crate) written: Arc<Written>,
}

pub(crate) struct PlannedExtension {
    pub(crate) id: String,
    pub(crate) configured: Arc<dyn ConfiguredExtension>,
    pub(crate) written: Arc<Written>,
}

pub(crate) struct PlannedPipeline {
    pub(crate) id: String,
    pub(crate) signals: SignalSet,
    pub(crate) stages: Vec<NodeId>,
    pub(crate) outputs: Vec<Output>,
    /// The last `batch` among its stages.
    pub(crate) batch: Option<PlannedBatch>,
    /// Its `memory_limiter`s, as places in [`Plan::memory_limits`].
    pub(crate) memory_limits: Vec<usize>,
}

/// A processor that wants what leaves its pipeline joined.
pub(crate) struct PlannedBatch {
    id: String,
    batching: Arc<Batching>,
}

impl PlannedPipeline {
    /// Returns how exporters join what leaves the pipeline, and counts it for the processor that wants so.
    pub(crate) fn batching(&self, telemetry: &Telemetry) -> Option<Arc<Batching>> {
        let PlannedBatch { id, batching } = self.batch.as_ref()?;
        batching.count(&telemetry.with("processor", id));
        Some(Arc::clone(batching))
    }
}

/// Where a pipeline ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Output {
    /// An exporter of the plan.
    Exporter(usize),
    /// A connector, which is a node.
    Connector(NodeId),
}

/// A stage: a processor in its place in one pipeline, or a connector.
pub(crate) struct PlannedNode {
    /// The same in every process that has the same configuration.
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) configured: Arc<dyn ConfiguredProcessor>,
    pub(crate) written: Arc<Written>,
    pub(crate) place: Place,
    /// Since when it counts; none from the start of the process.
    pub(crate) since: Option<Timestamp>,
}

impl PlannedNode {
    /// Whether the stage takes closed windows.
    pub(crate) fn judges(&self) -> bool {
        self.configured.reads().union(self.configured.hears()).meets(Columns::WINDOWS)
    }
}

/// Where a stage stands and where its output goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Stage {
        pipeline: usize,
        stage: usize,
    },
    Connector {
        outputs: Vec<usize>,
        /// Those of each route, for a connector that chooses among them.
        routes: Option<Vec<Vec<usize>>>,
    },
}

/// A node as graphs see it while they are built.
pub(crate) struct Stage<'a> {
    pub(crate) id: &'a str,
    pub(crate) configured: &'a dyn ConfiguredProcessor,
    pub(crate) place: Place,
    pub(crate) is_connector: bool,
    /// Whether a later stage of its pipeline reads closed windows.
    pub(crate) is_watched: bool,
    pub(crate) since: Option<Timestamp>,
}

impl Plan {
    /// Returns the stages whose past can be asked for, by their ids.
    pub fn pasts(&self) -> BTreeMap<String, component::Past> {
        self.nodes.iter().filter_map(|node| Some((node.id.clone(), node.configured.past()?))).collect()
    }

    /// Returns a name that no other configuration has.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns every node, in the order of their numbers.
    pub(crate) fn stages(&self) -> impl Iterator<Item = Stage<'_>> {
        self.nodes.iter().map(|node| Stage {
            id: &node.id,
            configured: node.configured.as_ref(),
            place: node.place.clone(),
            is_connector: matches!(node.place, Place::Connector { .. }),
            is_watched: self.is_watched(&node.place),
            since: node.since,
        })
    }

    fn is_watched(&self, place: &Place) -> bool {
        let Place::Stage { pipeline, stage } = *place else { return false };
        let Some(line) = self.pipelines.get(pipeline) else { return false };
        let mut later = line.stages.iter().skip(stage + 1);
        later.any(|&node| self.nodes.get(node).is_some_and(PlannedNode::judges))
    }

    pub(crate) fn stage_key(&self, node: NodeId) -> &str {
        self.nodes.get(node).map_or("", |node| &node.key)
    }

    /// Names stages as other graphs know them.
    pub(crate) fn keyed<T>(&self, of_nodes: Vec<(NodeId, T)>) -> Vec<(String, T)> {
        of_nodes.into_iter().map(|(node, what)| (self.stage_key(node).to_owned(), what)).collect()
    }

    pub(crate) fn stage_by_key(&self, key: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.key == key)
    }

    /// Returns the pipelines that take a signal from a receiver.
    pub(crate) fn pipelines_of(&self, receiver: usize, signal: Signal) -> Vec<usize> {
        let Some(receiver) = self.receivers.get(receiver) else { return Vec::new() };
        if !receiver.signals.contains(signal) {
            return Vec::new();
        }
        let takes = |&pipeline: &usize| {
            self.pipelines.get(pipeline).is_some_and(|line| line.signals.contains(signal))
        };
        receiver.pipelines.iter().copied().filter(takes).collect()
    }

    /// Returns the exporters that a request of a signal reaches before it is answered, through
    /// pipelines and through connectors that pass the signal on as it came, and how often it reaches
    /// each: once for every way to it.
    pub(crate) fn reach(&self, pipelines: &[usize], signal: Signal) -> BTreeMap<usize, u64> {
        let mut exporters = BTreeMap::new();
        let mut ways = vec![None; self.pipelines.len()];
        for (index, line) in self.pipelines.iter().enumerate() {
            let n_ways = self.ways_into(index, pipelines, signal, &mut ways);
            for output in line.outputs.iter().filter(|_| n_ways > 0) {
                if let Output::Exporter(exporter) = *output
                    && self.takes(exporter, signal)
                {
                    *exporters.entry(exporter).or_default() += n_ways;
                }
            }
        }
        exporters
    }

    /// Returns what limits requests of a signal that begin in these pipelines, in all that they go through.
    pub(crate) fn memory_limits_on_the_way(&self, pipelines: &[usize], signal: Signal) -> Vec<usize> {
        let mut ways = vec![None; self.pipelines.len()];
        let mut limits = Vec::new();
        for (index, line) in self.pipelines.iter().enumerate() {
            if self.ways_into(index, pipelines, signal, &mut ways) > 0 {
                limits.extend(&line.memory_limits);
            }
        }
        limits.sort_unstable();
        limits.dedup();
        limits
    }

    /// Returns which headers of a request the stages read that it may come to, in order.
    pub(crate) fn metadata_on_the_way(&self, pipelines: &[usize], signal: Signal) -> Vec<String> {
        let mut ways = vec![None; self.pipelines.len()];
        let mut keys = Vec::new();
        for (index, line) in self.pipelines.iter().enumerate() {
            if self.ways_into(index, pipelines, signal, &mut ways) == 0 {
                continue;
            }
            let connectors = line.outputs.iter().filter_map(|output| match output {
                Output::Connector(node) => Some(node),
                Output::Exporter(_) => None,
            });
            let nodes = line.stages.iter().chain(connectors).filter_map(|&node| self.nodes.get(node));
            keys.extend(nodes.flat_map(|node| node.configured.metadata()));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Counts the ways of a request into a pipeline. Circles have been refused before.
    fn ways_into(&self, into: usize, starts: &[usize], signal: Signal, known: &mut [Option<u64>]) -> u64 {
        if let Some(Some(ways)) = known.get(into) {
            return *ways;
        }
        let mut ways = 0;
        if self.pipelines.get(into).is_some_and(|line| line.signals.contains(signal)) {
            ways = u64::from(starts.contains(&into));
            for (from, line) in self.pipelines.iter().enumerate() {
                let passes = |output: &Output| match output {
                    Output::Connector(node) => self.times_passed_on(*node, into, signal),
                    Output::Exporter(_) => 0,
                };
                let times: u64 = line.outputs.iter().map(passes).sum();
                if times > 0 {
                    ways += times * self.ways_into(from, starts, signal, known);
                }
            }
        }
        if let Some(known) = known.get_mut(into) {
            *known = Some(ways);
        }
        ways
    }

    fn takes(&self, exporter: usize, signal: Signal) -> bool {
        self.exporters.get(exporter).is_some_and(|exporter| exporter.configured.signals().contains(signal))
    }

    /// Counts how often a connector may pass one request on to a pipeline: with routes, once for each that names it.
    fn times_passed_on(&self, node: NodeId, into: usize, signal: Signal) -> u64 {
        let Some(node) = self.nodes.get(node) else { return 0 };
        let passes = node.configured.consumes().contains(signal) && node.configured.emits().contains(signal);
        match &node.place {
            Place::Connector { outputs, routes: None } if passes => u64::from(outputs.contains(&into)),
            Place::Connector { routes: Some(routes), .. } if passes => {
                routes.iter().filter(|pipelines| pipelines.contains(&into)).count() as u64
            }
            _ => 0,
        }
    }
}
