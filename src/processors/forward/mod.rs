//! `forward`: everything that pipelines end in goes into the pipelines behind it.
//!
//! *Question*: how are pipelines joined or forked without a receiver or an exporter between them? *Inputs and outputs*:
//! traces, metrics, logs. *Cost*: none; every pipeline behind it gets the same bytes. *Source*: the collector's
//! connector of that name.

use component::{BuildCx, Cx, NoConfig, Processor, ProcessorDef};
use model::{Batch, SignalSet};

#[cfg(test)]
mod tests;

/// Passes everything on.
pub struct Forward;

impl ProcessorDef for Forward {
    const KIND: &'static str = "forward";
    type Config = NoConfig;

    fn consumes(_: &NoConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(_: &NoConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn ingest(_: &NoConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(Passer)
    }
}

struct Passer;

impl Processor for Passer {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        cx.pass(batch);
    }
}
