//! `batch`: joins requests before exporters send them.
//!
//! *Question*: how many requests shall leave for those that came?
//! *Inputs and outputs*: traces, metrics, logs, untouched. *Cost*: nothing here; joining is one copy of the bytes in the
//! queue of each exporter, which knows the time and keeps the acknowledgements.

mod config;
#[cfg(test)]
mod tests;

use component::{BatchConfig, ProcessorDef};
use model::SignalSet;

pub use config::BatchProcessorConfig;

/// Joins requests before exporters send them.
pub struct Batch;

impl ProcessorDef for Batch {
    const KIND: &'static str = "batch";
    type Config = BatchProcessorConfig;

    fn consumes(_: &BatchProcessorConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(_: &BatchProcessorConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn batch(config: &BatchProcessorConfig) -> Option<BatchConfig> {
        Some(config.to_queue())
    }
}
