//! Splices attributes.

use component::{BuildCx, Cx, Processor, ProcessorDef};
use model::{Batch, KeySet, Payload, SignalSet};
use wire::edit::{AttributeEdits, SpanEditor, SpanEdits, edit_data_points, edit_log_records};

use super::AttributesConfig;
use crate::actions::edits;

/// Adds, changes and removes attributes of spans, data points and log records.
pub struct Attributes;

impl ProcessorDef for Attributes {
    const KIND: &'static str = "attributes";
    type Config = AttributesConfig;

    fn consumes(_: &AttributesConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(_: &AttributesConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn ingest(config: &AttributesConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        let edits = AttributeEdits::new(edits(&config.actions));
        Box::new(Editor { of_spans: None, edits, spans: SpanEditor::new() })
    }
}

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
