//! Passes on.

use component::{BuildCx, Cx, NoConfig, Processor, ProcessorDef};
use model::{Batch, SignalSet};

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
