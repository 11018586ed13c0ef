//! The edits that follow from what was detected.

use component::{BuildCx, Processor, ProcessorDef};
use model::SignalSet;
use wire::edit::{AttributeEdits, Edit, Source};

use super::ResourceDetectionConfig;
use crate::resource::Editor;

/// Says where telemetry was collected.
pub struct ResourceDetection;

impl ProcessorDef for ResourceDetection {
    const KIND: &'static str = "resource_detection";
    const ALIASES: &'static [&'static str] = &["resourcedetection"];
    type Config = ResourceDetectionConfig;

    fn consumes(_: &ResourceDetectionConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(_: &ResourceDetectionConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn ingest(config: &ResourceDetectionConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        let edits = config.detected.attributes.iter().map(|(key, value)| {
            let (key, value) = (key.clone(), Source::Value(value.encode()));
            match config.overrides {
                true => Edit::Upsert { key, value },
                false => Edit::Insert { key, value },
            }
        });
        Box::new(Editor::new(AttributeEdits::new(edits.collect())))
    }
}
