//! Splices attributes of resources.

use component::{BuildCx, Cx, Processor, ProcessorDef};
use model::{Batch, KeySet, Payload, Signal, SignalSet};
use wire::edit::{AttributeEdits, edit_resources, edit_trace_resources};

use super::ResourceConfig;
use crate::{
    actions::{Runner, edits, steps},
    ottl::{Chosen, Context},
};

/// Adds, changes and removes attributes of resources.
pub struct Resource;

impl ProcessorDef for Resource {
    const KIND: &'static str = "resource";
    type Config = ResourceConfig;

    fn consumes(_: &ResourceConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(_: &ResourceConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn ingest(config: &ResourceConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        let steps = steps(&config.attributes);
        match edits(&steps) {
            Some(edits) => Box::new(Editor::new(edits)),
            None => Box::new(Actor {
                runner: Runner::new(Self::KIND, [Context::Resource; 3], &steps, |_| Chosen::default(), cx),
            }),
        }
    }
}

/// Takes actions of which each can be spliced.
pub(crate) struct Editor {
    edits: AttributeEdits,
}

impl Editor {
    pub(crate) fn new(edits: AttributeEdits) -> Self {
        Self { edits }
    }
}

impl Processor for Editor {
    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        let (signal, bytes) = match &mut batch.payload {
            Payload::Traces(traces) => {
                edit_trace_resources(traces, &self.edits);
                return cx.pass(batch);
            }
            Payload::Metrics(bytes) => (Signal::Metrics, bytes),
            Payload::Logs(bytes) => (Signal::Logs, bytes),
            Payload::Partial(_)
            | Payload::Rollups(_)
            | Payload::Conditions(_)
            | Payload::Incidents(_)
            | Payload::Verdicts(_) => {
                return cx.pass(batch);
            }
        };
        if let Some(edited) = edit_resources(signal, bytes, &self.edits) {
            *bytes = edited;
        }
        cx.pass(batch);
    }
}

/// Takes actions that look at values.
struct Actor {
    runner: Runner,
}

impl Processor for Actor {
    fn wanted(&mut self, keys: &KeySet) {
        self.runner.wanted(keys);
    }

    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        self.runner.run(&mut batch.payload);
        cx.pass(batch);
    }
}
