//! `enrichment`: what is known of a series, written into the telemetry that makes it.
//!
//! *Question*: is this span, data point or log record of something that behaves unusually, and what would
//! be usual?
//! *Inputs*: closed windows with baselines and, where there are any, anomalies, conditions of objectives and open incidents; traces,
//! metrics and logs.
//! *Outputs*: the same telemetry with attributes spliced into chosen items. *Method*: the analysis half
//! publishes a verdict for each subject; every shard takes the latest at whole seconds. *Cost*: a look-up
//! per span, and the splice where something is added; nothing while all is well.

mod config;
mod objectives;
mod publish;
mod splice;
#[cfg(test)]
mod tests;
mod verdicts;

use component::{BuildCx, Processor, ProcessorDef};
use model::{Columns, SignalSet};

pub use config::EnrichmentConfig;

/// Writes verdicts into telemetry.
pub struct Enrichment;

impl ProcessorDef for Enrichment {
    const KIND: &'static str = "enrichment";
    const READS: Columns = Columns::VALUES.union(Columns::BASELINE);
    const HEARS: Columns = Columns::CONDITIONS.union(Columns::INCIDENTS);
    type Config = EnrichmentConfig;

    fn consumes(config: &EnrichmentConfig) -> SignalSet {
        config.signals()
    }

    fn emits(config: &EnrichmentConfig) -> SignalSet {
        config.signals()
    }

    fn ingest(config: &EnrichmentConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(splice::Splicer::new(config, cx))
    }

    fn analysis(config: &EnrichmentConfig, _: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(publish::Publisher::new(config)))
    }
}
