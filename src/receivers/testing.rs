//! What stands in the engine's place in tests, and receivers that run before it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use component::{
    Authenticators, Inlet, Intake, Metadata, MetadataKeys, Permit, Receipt, ReceiverCx, ReceiverDef, Refusal,
    Stop, Telemetry, testing::ManualClock,
};
use futures_util::future::LocalBoxFuture;
use model::{Signal, Timestamp};
use tokio::{
    sync::Notify,
    task::{JoinHandle, LocalSet},
};

/// Stands in the engine's place: admits, records, and answers as a test wants.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) pushed: RefCell<Vec<(Signal, Bytes, &'static str)>>,
    /// What was brought of the heads of requests, which is asked for by these names.
    pub(crate) heads: RefCell<Vec<Metadata>>,
    pub(crate) asks: RefCell<Vec<String>>,
    /// Answers to come; when there are none, everything is taken.
    pub(crate) answers: RefCell<VecDeque<Result<Receipt, Refusal>>>,
    /// Refuses to admit while set.
    pub(crate) is_full: Cell<bool>,
    /// When set, pushes wait for it.
    pub(crate) gate: RefCell<Option<Rc<Notify>>>,
    /// Bytes admitted and not given back.
    held: Arc<AtomicUsize>,
    most_held: Cell<usize>,
}

struct Claim(usize, Arc<AtomicUsize>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0, Ordering::Relaxed);
    }
}

pub(crate) fn busy() -> Refusal {
    Refusal::Busy { retry_after: Duration::from_millis(1500), message: "queue is full".to_owned() }
}

impl Recorder {
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn most_held(&self) -> usize {
        self.most_held.get()
    }

    pub(crate) fn answer_next(&self, answer: Result<Receipt, Refusal>) {
        self.answers.borrow_mut().push_back(answer);
    }

    /// Whether an answer is still to be given.
    pub(crate) fn is_to_answer(&self) -> bool {
        !self.answers.borrow().is_empty()
    }

    /// Takes the bytes of everything that was pushed.
    pub(crate) fn take(&self) -> Vec<Bytes> {
        self.pushed.borrow_mut().drain(..).map(|(_, bytes, _)| bytes).collect()
    }
}

impl Intake for Recorder {
    fn admit(&self, _signal: Signal, bytes: usize) -> LocalBoxFuture<'_, Result<Permit, Refusal>> {
        Box::pin(async move {
            if self.is_full.get() {
                return Err(busy());
            }
            let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
            self.most_held.set(self.most_held.get().max(held));
            Ok(Permit(Some(Box::new(Claim(bytes, Arc::clone(&self.held))))))
        })
    }

    fn wants_metadata(&self, _signal: Signal) -> MetadataKeys {
        self.asks.borrow().as_slice().into()
    }

    fn push(
        &self,
        signal: Signal,
        bytes: Bytes,
        transport: &'static str,
        metadata: Metadata,
    ) -> LocalBoxFuture<'_, Result<Receipt, Refusal>> {
        Box::pin(async move {
            let gate = self.gate.borrow().clone();
            if let Some(gate) = gate {
                gate.notified().await;
            }
            let answer = self.answers.borrow_mut().pop_front().unwrap_or_else(|| Ok(Receipt::default()));
            if answer.is_ok() {
                self.pushed.borrow_mut().push((signal, bytes, transport));
                self.heads.borrow_mut().push(metadata);
            }
            answer
        })
    }
}

/// A receiver that opens no socket, at work within [`run`].
pub(crate) struct Running {
    pub(crate) intake: Rc<Recorder>,
    pub(crate) clock: ManualClock,
    pub(crate) telemetry: Telemetry,
    stop: Stop,
    task: JoinHandle<Result<(), String>>,
}

impl Running {
    pub(crate) fn of<D: ReceiverDef>(config: &D::Config, start: Timestamp) -> Self {
        let (intake, telemetry, stop) = (Rc::new(Recorder::default()), Telemetry::default(), Stop::new());
        let clock = ManualClock::new(start);
        let cx = ReceiverCx {
            id: D::KIND.to_owned(),
            inlet: Inlet(Rc::clone(&intake) as Rc<dyn Intake>),
            sockets: RefCell::default(),
            signals: D::SIGNALS,
            clock: Arc::new(clock.clone()),
            telemetry: telemetry.clone(),
            authenticators: Authenticators::default(),
        };
        let receiver = D::build(config, &cx);
        let until = stop.clone();
        let task =
            tokio::task::spawn_local(async move { receiver.run(until).await.map_err(|e| e.to_string()) });
        Self { intake, clock, telemetry, stop, task }
    }

    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.telemetry.read().into_iter().filter(|row| row.name == name).map(|row| row.value).sum()
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Plays a test on one thread, as receivers have it.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}
