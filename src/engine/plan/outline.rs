//! A plan as people see it: what is connected with what, and what each part takes and gives.

use component::{PipelineParts, ServiceParts};
use model::{Columns, Signal, SignalSet};

use super::{Output, Place, Plan, PlannedNode};

/// Every pipeline of a plan, with the parts by their ids.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outline {
    pub pipelines: Vec<PipelineOutline>,
    pub connectors: Vec<ConnectorOutline>,
    pub extensions: Vec<String>,
}

/// A pipeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PipelineOutline {
    pub id: String,
    pub signals: SignalSet,
    /// Receivers; connectors say themselves where they lead to.
    pub receivers: Vec<String>,
    pub stages: Vec<StageOutline>,
    pub exporters: Vec<ExporterOutline>,
}

/// An exporter at the end of a pipeline, and what it takes of what the pipeline carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExporterOutline {
    pub id: String,
    pub takes: SignalSet,
}

/// What a stage does with what comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StageWork {
    /// The signals that it looks at.
    pub consumes: SignalSet,
    /// The signals that leave it, passed on or made.
    pub emits: SignalSet,
    /// Columns of closed windows that must be there.
    pub reads: Columns,
    /// Columns that it takes where they are there.
    pub hears: Columns,
    /// Columns that it puts there.
    pub adds: Columns,
}

/// A processor in its place in a pipeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageOutline {
    pub id: String,
    pub work: StageWork,
}

/// A connector, between the ends of pipelines and the beginnings of others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectorOutline {
    pub id: String,
    pub work: StageWork,
    /// The pipelines that feed it.
    pub from: Vec<String>,
    /// The pipelines that it feeds.
    pub to: Vec<String>,
}

impl Plan {
    /// Returns what a person would draw of it.
    pub fn outline(&self) -> Outline {
        let name = |index: &usize| self.pipelines.get(*index).map(|line| line.id.clone());
        let pipelines = self.pipelines.iter().enumerate().map(|(index, line)| PipelineOutline {
            id: line.id.clone(),
            signals: line.signals,
            receivers: self
                .receivers
                .iter()
                .filter(|receiver| receiver.pipelines.contains(&index))
                .map(|receiver| receiver.id.clone())
                .collect(),
            stages: line
                .stages
                .iter()
                .filter_map(|&node| self.nodes.get(node))
                .map(|node| StageOutline { id: node.id.clone(), work: work(node) })
                .collect(),
            exporters: line
                .outputs
                .iter()
                .filter_map(|output| match *output {
                    Output::Exporter(exporter) => self.exporters.get(exporter),
                    Output::Connector(_) => None,
                })
                .map(|exporter| ExporterOutline {
                    id: exporter.id.clone(),
                    takes: exporter.configured.signals().intersection(line.signals),
                })
                .collect(),
        });
        let connectors = self.nodes.iter().enumerate().filter_map(|(index, node)| {
            let Place::Connector { outputs, .. } = &node.place else { return None };
            let feeds = |line: &&super::PlannedPipeline| line.outputs.contains(&Output::Connector(index));
            Some(ConnectorOutline {
                id: node.id.clone(),
                work: work(node),
                from: self.pipelines.iter().filter(feeds).map(|line| line.id.clone()).collect(),
                to: outputs.iter().filter_map(name).collect(),
            })
        });
        Outline {
            pipelines: pipelines.collect(),
            connectors: connectors.collect(),
            extensions: self.extensions.iter().map(|extension| extension.id.clone()).collect(),
        }
    }
}

impl Outline {
    /// Returns the same as names alone, for extensions.
    pub(crate) fn parts(&self) -> ServiceParts {
        let connectors = |of: fn(&ConnectorOutline) -> &Vec<String>, line: &str| {
            let here = self.connectors.iter().filter(move |it| of(it).iter().any(|id| id == line));
            here.map(|it| it.id.clone()).collect::<Vec<_>>()
        };
        let pipeline = |line: &PipelineOutline| PipelineParts {
            id: line.id.clone(),
            signals: Signal::ALL
                .into_iter()
                .filter(|it| line.signals.contains(*it))
                .map(Signal::name)
                .collect(),
            receivers: [line.receivers.clone(), connectors(|it| &it.to, &line.id)].concat(),
            processors: line.stages.iter().map(|stage| stage.id.clone()).collect(),
            exporters: [
                line.exporters.iter().map(|exporter| exporter.id.clone()).collect(),
                connectors(|it| &it.from, &line.id),
            ]
            .concat(),
        };
        ServiceParts {
            pipelines: self.pipelines.iter().map(pipeline).collect(),
            extensions: self.extensions.clone(),
        }
    }
}

fn work(node: &PlannedNode) -> StageWork {
    let configured = &node.configured;
    StageWork {
        consumes: configured.consumes(),
        emits: configured.emits(),
        reads: configured.reads(),
        hears: configured.hears(),
        adds: configured.adds(),
    }
}
