//! Splices attributes.

use component::{BuildCx, Cx, Processor, ProcessorDef};
use model::{Batch, KeySet, Payload, SignalSet};
use wire::edit::{AttributeEdits, SpanEditor, SpanEdits, edit_data_points, edit_log_records};

use super::AttributesConfig;
use crate::{
    actions::{Runner, edits, steps},
    ottl::Context,
};

/// Adds, changes and removes attributes of spans, data points and log records.
pub struct Attributes;

impl ProcessorDef for Attributes {
    const KIND: &'static str = "attributes";
    type Config = AttributesConfig;

    fn consumes(config: &AttributesConfig) -> SignalSet {
        config.signals()
    }

    fn emits(config: &AttributesConfig) -> SignalSet {
        Self::consumes(config)
    }

    fn ingest(config: &AttributesConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        let steps = steps(&config.actions);
        match edits(&steps).filter(|_| config.is_for_all()) {
            Some(edits) => Box::new(Editor { of_spans: None, edits, spans: SpanEditor::new() }),
            None => {
                let contexts = [Context::Span, Context::DataPoint, Context::Log];
                let chosen = |signal| config.chosen(signal);
                Box::new(Actor { runner: Runner::new(Self::KIND, contexts, &steps, chosen, cx) })
            }
        }
    }
}

/// Takes actions on every item, of which each can be spliced.
struct Editor {
    edits: AttributeEdits,
    /// The same edits, with the places of their keys in the table of spans.
    of_spans: Option<SpanEdits>,
    spans: SpanEditor,
}

impl Processor for Editor {
    fn want(&mut self, keys: &mut KeySet) {
        self.of_spans = Some(SpanEdits::new(self.edits.clone(), keys));
    }

    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        match &mut batch.payload {
            Payload::Traces(traces) => {
                if let Some(edits) = &self.of_spans {
                    self.spans.edit(traces, edits);
                }
            }
            Payload::Metrics(bytes) => {
                if let Some(edited) = edit_data_points(bytes, &self.edits) {
                    *bytes = edited;
                }
            }
            Payload::Logs(bytes) => {
                if let Some(edited) = edit_log_records(bytes, &self.edits) {
                    *bytes = edited;
                }
            }
            Payload::Partial(_)
            | Payload::Rollups(_)
            | Payload::Conditions(_)
            | Payload::Incidents(_)
            | Payload::Verdicts(_) => {}
        }
        cx.pass(batch);
    }
}

/// Takes actions that look at values, or are meant for some items alone.
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
