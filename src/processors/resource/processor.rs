//! Splices attributes of resources.

use component::{BuildCx, Cx, Processor, ProcessorDef};
use model::{Batch, Payload, Signal, SignalSet};
use wire::edit::{AttributeEdits, edit_resources, edit_trace_resources};

use super::ResourceConfig;
use crate::actions::edits;

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

    fn ingest(config: &ResourceConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(Editor { edits: AttributeEdits::new(edits(&config.attributes)) })
    }
}

struct Editor {
    edits: AttributeEdits,
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
