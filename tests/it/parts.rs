//! Components that do what a test says: an exporter that holds back, a stage that panics.

use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use component::{
    BuildCx, Checks, Config, Cx, Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef,
    ExporterEntry, NoConfig, Placement, Processor, ProcessorDef, ProcessorEntry, QueueConfig, Registry,
    RetryConfig, Stop,
};
use futures_util::future::LocalBoxFuture;
use model::{Batch, Export, SignalSet};
use serde::Deserialize;

/// The request that `superstitious` can not bear, by its number of spans.
pub(crate) const POISON: u64 = 13;

/// The program's components and those of this file.
pub(crate) fn registry() -> Registry {
    let mut registry = crate::rig::registry();
    registry.processors.push(ProcessorEntry::of::<Superstitious>());
    registry.exporters.push(ExporterEntry::of::<Held>());
    registry
}

/// Waits until something is so, and says what was not when it takes too long.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let since = Instant::now();
    while !is_so() {
        ensure!(since.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Passes on what has not exactly thirteen spans.
struct Superstitious;

impl ProcessorDef for Superstitious {
    const KIND: &'static str = "superstitious";
    type Config = NoConfig;
    fn consumes(_: &NoConfig) -> SignalSet {
        SignalSet::TRACES
    }
    fn emits(_: &NoConfig) -> SignalSet {
        SignalSet::TRACES
    }
    fn ingest(_: &NoConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(Self)
    }
}

impl Processor for Superstitious {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        assert!(batch.items != POISON, "this panic is the test's own");
        cx.pass(batch);
    }
}

/// What a test has in hand of the exporter `held/<name>`.
#[derive(Default)]
pub(crate) struct Hand {
    /// Until it is cancelled, every export waits.
    pub(crate) release: Stop,
    attempts: AtomicU64,
    items: AtomicU64,
}

impl Hand {
    /// Returns the hand on an exporter of this id, which no other test may use.
    pub(crate) fn on(id: &str) -> Arc<Self> {
        static HANDS: Mutex<BTreeMap<String, Arc<Hand>>> = Mutex::new(BTreeMap::new());
        let mut hands = HANDS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hands.entry(id.to_owned()).or_default())
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Acquire)
    }

    /// Items that were exported.
    pub(crate) fn items(&self) -> u64 {
        self.items.load(Ordering::Acquire)
    }
}

/// Exports into nothing, when the test lets it.
struct Held(Arc<Hand>);

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct HeldConfig {
    sending_queue: QueueConfig,
}

impl Config for HeldConfig {
    fn validate(&self, checks: &mut Checks) {
        self.sending_queue.validate("sending_queue", checks);
    }
}

impl ExporterDef for Held {
    const KIND: &'static str = "held";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::EveryShard;
    type Config = HeldConfig;
    fn delivery(config: &HeldConfig) -> Delivery {
        Delivery {
            queue: config.sending_queue.clone(),
            retry: RetryConfig::default(),
            timeout: Duration::ZERO,
        }
    }
    fn build(_: &HeldConfig, cx: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(Self(Hand::on(&cx.id)))
    }
}

impl Exporter for Held {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        Box::pin(async move {
            self.0.attempts.fetch_add(1, Ordering::AcqRel);
            self.0.release.cancelled().await;
            self.0.items.fetch_add(export.items, Ordering::AcqRel);
            Ok(Delivered::default())
        })
    }
}
