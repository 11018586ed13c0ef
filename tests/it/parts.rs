//! Components that do what a test says: an exporter that holds back, a stage that panics, a stage that
//! stands still, a receiver that leaves a task behind.

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
    BoxError, BuildCx, Checks, Config, Cx, Delivered, Delivery, ExportError, Exporter, ExporterCx,
    ExporterDef, ExporterEntry, Inlet, Metadata, NoConfig, Placement, Processor, ProcessorDef,
    ProcessorEntry, QueueConfig, Receiver, ReceiverCx, ReceiverDef, ReceiverEntry, Registry, RetryConfig,
    Stop,
};
use futures_util::future::LocalBoxFuture;
use model::{Batch, Export, Signal, SignalSet};
use serde::Deserialize;

/// The request that `superstitious` can not bear, by its number of spans.
pub(crate) const POISON: u64 = 13;

/// The program's components and those of this file.
pub(crate) fn registry() -> Registry {
    let mut registry = crate::rig::registry();
    registry.processors.push(ProcessorEntry::of::<Superstitious>());
    registry.processors.push(ProcessorEntry::of::<Stalling>());
    registry.receivers.push(ReceiverEntry::of::<Stray>());
    registry.exporters.push(ExporterEntry::of::<Held>());
    registry
}

/// Waits until something is so, and says what was not when it takes too long.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let since = Instant::now();
    while !is_so() {
        ensure!(since.elapsed() < Duration::from_secs(120), "not in time: {what}");
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

/// Stands still, with its thread, on a request of thirteen spans until the test lets go.
struct Stalling(Arc<Hand>);

impl ProcessorDef for Stalling {
    const KIND: &'static str = "stalling";
    type Config = NoConfig;
    fn consumes(_: &NoConfig) -> SignalSet {
        SignalSet::TRACES
    }
    fn emits(_: &NoConfig) -> SignalSet {
        SignalSet::TRACES
    }
    fn ingest(_: &NoConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(Self(Hand::on(cx.id)))
    }
}

impl Processor for Stalling {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        while batch.items == POISON && !self.0.release.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        cx.pass(batch);
    }
}

/// Leaves a task behind that pushes requests of five spans until one is refused.
struct Stray;

struct Straying {
    inlet: Inlet,
    hand: Arc<Hand>,
}

impl ReceiverDef for Stray {
    const KIND: &'static str = "stray";
    const SIGNALS: SignalSet = SignalSet::TRACES;
    const PLACEMENT: Placement = Placement::Once;
    type Config = NoConfig;
    fn build(_: &NoConfig, cx: &ReceiverCx) -> Box<dyn Receiver> {
        Box::new(Straying { inlet: cx.inlet.clone(), hand: Hand::on(&cx.id) })
    }
}

impl Receiver for Straying {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        let Self { inlet, hand } = *self;
        tokio::task::spawn_local(async move {
            let request = bytes::Bytes::from(wire::testing::trace_request(1, 5));
            while inlet.0.push(Signal::Traces, request.clone(), "test", Metadata::default()).await.is_ok() {
                hand.items.fetch_add(5, Ordering::AcqRel);
                tokio::task::yield_now().await;
            }
            hand.refused.fetch_add(1, Ordering::AcqRel);
        });
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}

/// What a test has in hand of the exporter `held/<name>`, or of another component of this file.
#[derive(Default)]
pub(crate) struct Hand {
    /// Until it is cancelled, every export waits, and `stalling` stands still.
    pub(crate) release: Stop,
    attempts: AtomicU64,
    items: AtomicU64,
    refused: AtomicU64,
    threads: Mutex<Vec<String>>,
}

impl Hand {
    /// Returns the hand on the component of this id, which no other test may use.
    pub(crate) fn on(id: &str) -> Arc<Self> {
        static HANDS: Mutex<BTreeMap<String, Arc<Hand>>> = Mutex::new(BTreeMap::new());
        let mut hands = HANDS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hands.entry(id.to_owned()).or_default())
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Acquire)
    }

    /// Items that were exported, or accepted from `stray`.
    pub(crate) fn items(&self) -> u64 {
        self.items.load(Ordering::Acquire)
    }

    /// Requests of `stray` that were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Acquire)
    }

    /// The threads on which `stalling` has seen a request, one entry for each.
    pub(crate) fn threads(&self) -> Vec<String> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
