//! Takes everything and sends it nowhere: for measurements and tests.

use std::rc::Rc;

use component::{
    Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef, NoConfig, Placement, QueueConfig,
    RetryConfig,
};
use futures_util::future::LocalBoxFuture;
use model::{Export, SignalSet};

#[cfg(test)]
mod tests;

/// The definition of `nop`.
pub(crate) struct Nop;

impl ExporterDef for Nop {
    const KIND: &'static str = "nop";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::EveryShard;
    type Config = NoConfig;

    fn delivery(_: &NoConfig) -> Delivery {
        let queue = QueueConfig { enabled: false, ..QueueConfig::default() };
        let retry = RetryConfig { enabled: false, ..RetryConfig::default() };
        Delivery { queue, retry, timeout: std::time::Duration::ZERO }
    }

    fn build(_: &NoConfig, _: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(NopExporter)
    }
}

struct NopExporter;

impl Exporter for NopExporter {
    fn export(&self, _: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        Box::pin(std::future::ready(Ok(Delivered::default())))
    }
}
