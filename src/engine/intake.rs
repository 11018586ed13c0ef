//! The way from a receiver into the pipelines: read, reserve, fold, acknowledge, in that order, so
//! that a refused request has touched no counter.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use component::{Counter, Intake, Metadata, MetadataKeys, Permit, Receipt, Refusal, Telemetry};
use futures_util::future::LocalBoxFuture;
use model::{Ack, AckFuture, Batch, Outcome, Payload, Signal};
use tokio::sync::oneshot;

use crate::{
    edition::Edition,
    outlets::Outlets,
    pressure::Pressure,
    queue::{Inbox, Reached, Reservation},
    shard::{Core, Job},
    tap::Origin,
};

/// What senders are told to wait when there is no room.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// With more requests than this waiting, a shard looks for an idle one.
const BACKLOG: usize = 4;

/// One receiver's way into one shard. It stays when the pipelines behind it are replaced.
pub(crate) struct ShardIntake {
    core: Rc<Core>,
    receiver: Arc<str>,
    /// By signal.
    routes: RefCell<[Rc<Route>; 3]>,
    meters: RefCell<Vec<TransportMeters>>,
    implausible: Counter,
    telemetry: Telemetry,
}

/// Where the requests of one signal go.
#[derive(Default)]
struct Route {
    /// The configuration that says so.
    edition: u64,
    /// The place of the receiver there.
    receiver: usize,
    pipelines: Vec<usize>,
    /// The queues that a request reaches before its answer.
    reach: Vec<Reached>,
    /// Whether the answer waits for a delivery.
    waits: bool,
    /// Limits on the memory of the process, on the way.
    memory_limits: Vec<usize>,
    /// Headers that stages on the way read.
    metadata: MetadataKeys,
    pressure: Option<Arc<Pressure>>,
}

/// Another configuration came while a request waited for room: it is read again, for the stages of that one.
struct Replaced {
    unread: Bytes,
}

impl ShardIntake {
    pub(crate) fn new(core: &Rc<Core>, receiver: &str) -> Rc<Self> {
        let telemetry = core.shared.telemetry.with("receiver", receiver);
        let implausible = telemetry.counter(
            "otelcol_receiver_implausible_durations",
            "Spans of more than a year, whose duration counts as zero",
            "{span}",
        );
        let (core, receiver) = (Rc::clone(core), receiver.into());
        let (routes, meters) = (RefCell::default(), RefCell::default());
        Rc::new(Self { core, receiver, routes, meters, implausible, telemetry })
    }

    /// Leads from now on to the pipelines of this configuration, in which the receiver has this place.
    pub(crate) fn lead_to(&self, edition: &Edition, receiver: usize, outlets: &Outlets) {
        let plan = &edition.plan;
        *self.routes.borrow_mut() = Signal::ALL.map(|signal| {
            let pipelines = plan.pipelines_of(receiver, signal);
            let reach: Vec<_> = plan
                .reach(&pipelines, signal)
                .into_iter()
                .filter_map(|(exporter, deliveries)| {
                    Some(Reached { inbox: outlets.inbox(exporter)?, deliveries })
                })
                .collect();
            let waits = reach.iter().any(|reached| reached.inbox.keeps_ack());
            let memory_limits = plan.memory_limits_on_the_way(&pipelines, signal);
            let metadata = plan.metadata_on_the_way(&pipelines, signal).into();
            let pressure = Some(Arc::clone(&edition.pressure));
            let edition = edition.number;
            Rc::new(Route { edition, receiver, pipelines, reach, waits, memory_limits, metadata, pressure })
        });
    }

    /// Whether a pipeline takes the signal.
    pub(crate) fn takes(&self, signal: Signal) -> bool {
        !self.route(signal).pipelines.is_empty()
    }

    fn route(&self, signal: Signal) -> Rc<Route> {
        Rc::clone(&self.routes.borrow()[signal as usize])
    }

    /// Takes a request on this shard, and counts it as accepted or refused.
    pub(crate) async fn take(
        &self,
        signal: Signal,
        bytes: Bytes,
        transport: &'static str,
        metadata: Metadata,
    ) -> Result<Receipt, Refusal> {
        let (items, result) = self.read_and_fold(signal, bytes, metadata).await;
        self.count(signal, transport, items, result.is_ok());
        result
    }

    async fn read_and_fold(
        &self,
        signal: Signal,
        mut bytes: Bytes,
        metadata: Metadata,
    ) -> (u64, Result<Receipt, Refusal>) {
        loop {
            let route = self.route(signal);
            if !metadata.answers(&route.metadata) {
                // Another configuration came since the head was read, which is gone.
                return (0, Err(busy("another configuration reads other headers")));
            }
            match self.read_and_fold_into(&route, signal, bytes, &metadata).await {
                Ok(answered) => return answered,
                Err(Replaced { unread }) => bytes = unread,
            }
        }
    }

    async fn read_and_fold_into(
        &self,
        route: &Route,
        signal: Signal,
        bytes: Bytes,
        metadata: &Metadata,
    ) -> Result<(u64, Result<Receipt, Refusal>), Replaced> {
        let length = bytes.len();
        let (payload, items) = match self.read(signal, bytes) {
            Ok(read) => read,
            Err(refusal) => return Ok((0, Err(refusal))),
        };
        let reservation = match self.reserve(route, signal, items, length).await {
            Ok(Some(reservation)) => reservation,
            Ok(None) => {
                let unread = payload.bytes().cloned().unwrap_or_default();
                self.core.graph.borrow_mut().give_up(payload);
                return Err(Replaced { unread });
            }
            Err(refusal) => {
                self.core.graph.borrow_mut().give_up(payload);
                return Ok((items, Err(refusal)));
            }
        };
        let n_implausible = implausible_spans(&payload);
        // No step of another task between the reservation and the fold: it belongs to this request.
        let answer = match self.fold(route, payload, items, metadata.clone()) {
            Ok(answer) => answer,
            Err(refusal) => return Ok((items, Err(refusal))),
        };
        drop(reservation);
        self.implausible.add(n_implausible);
        Ok(match answer {
            Some(answer) => (items, receipt(answer.await)),
            None => (items, Ok(Receipt::default())),
        })
    }

    fn read(&self, signal: Signal, bytes: Bytes) -> Result<(Payload, u64), Refusal> {
        let read = self.core.graph.borrow_mut().read(signal, bytes);
        read.map_err(|problem| Refusal::Malformed(problem.to_string()))
    }

    /// Reserves room in every queue that the request reaches; none when another configuration came. What waits for room keeps its table: that
    /// is bounded, as its bytes count as in flight.
    async fn reserve<'a>(
        &self,
        route: &'a Route,
        signal: Signal,
        items: u64,
        length: usize,
    ) -> Result<Option<Reservation<'a>>, Refusal> {
        let mut has_waited: Option<&Rc<Inbox>> = None;
        loop {
            if self.core.edition().number != route.edition {
                return Ok(None);
            }
            // A task of a connection that was cut off may still come: what it brings would never be told.
            if self.core.closed.is_cancelled() {
                return Err(busy("the shard has ended"));
            }
            let full = match Reservation::make(&route.reach, items, length) {
                Ok(reservation) => {
                    if let Some(inbox) = has_waited {
                        inbox.pass_on_room();
                    }
                    return Ok(Some(reservation));
                }
                Err(full) => full,
            };
            if !full.blocks {
                full.meters.enqueue_failed(signal, items);
                return Err(full.refusal(RETRY_AFTER));
            }
            tokio::select! {
                () = full.wait_for_room() => has_waited = Some(full),
                () = self.core.has_changed.notified() => {}
                () = self.core.closed.cancelled() => {}
            }
        }
    }

    /// Sends a request through the pipelines. Returns the answer to wait for, if there is one.
    fn fold(
        &self,
        route: &Route,
        payload: Payload,
        items: u64,
        metadata: Metadata,
    ) -> Result<Option<AckFuture>, Refusal> {
        let (ack, answer) = match route.waits {
            true => {
                let (ack, answer) = Ack::new();
                (ack, Some(answer))
            }
            false => (Ack::none(), None),
        };
        let now = self.core.shared.clock.now();
        let work = AssertUnwindSafe(|| {
            let (origin, batch) = (Origin::Receiver(route.receiver), Batch { payload, items, ack });
            self.core.graph.borrow_mut().enter_with(metadata, origin, &route.pipelines, batch, now);
        });
        match catch_unwind(work) {
            Ok(()) => Ok(answer),
            Err(_panic) => {
                self.core.broken.cancel();
                // For good: sent again, the same request would break the next shard.
                Err(Refusal::Permanent("a stage failed on this request".to_owned()))
            }
        }
    }

    /// Hands the request to an idle shard when this one has a backlog.
    async fn share(
        &self,
        signal: Signal,
        bytes: Bytes,
        transport: &'static str,
        metadata: Metadata,
    ) -> Result<Receipt, Refusal> {
        let core = &self.core;
        let waiting = Waiting::new(core);
        if core.waiting.get() <= BACKLOG {
            // Let what arrived at the same moment be seen.
            tokio::task::yield_now().await;
        }
        let backlog = core.waiting.get() > BACKLOG;
        drop(waiting);
        if backlog && let Some(answer) = self.hand_over(signal, &bytes, transport, &metadata) {
            match answer.await {
                Ok(Some(answer)) => return answer,
                // It does not know the receiver yet, or not any more.
                Ok(None) => {}
                Err(_gone) => return Err(busy("the shard that had the request is built anew")),
            }
        }
        self.take(signal, bytes, transport, metadata).await
    }

    fn hand_over(
        &self,
        signal: Signal,
        bytes: &Bytes,
        transport: &'static str,
        metadata: &Metadata,
    ) -> Option<Answer> {
        let core = &self.core;
        let idle = core.shared.idle_shard(core.index)?;
        // Claimed: the next backlog looks elsewhere until that thread parks again.
        idle.is_idle.store(false, Ordering::Release);
        let (reply, answer) = oneshot::channel();
        idle.jobs
            .send(Job {
                receiver: Arc::clone(&self.receiver),
                signal,
                bytes: bytes.clone(),
                transport,
                metadata: metadata.clone(),
                reply,
            })
            .ok()?;
        Some(answer)
    }

    fn count(&self, signal: Signal, transport: &'static str, items: u64, is_accepted: bool) {
        let mut known = self.meters.borrow_mut();
        if !known.iter().any(|meters| meters.transport == transport) {
            known.push(TransportMeters::new(transport, &self.telemetry));
        }
        if let Some(meters) = known.iter().find(|meters| meters.transport == transport) {
            let counters = if is_accepted { &meters.accepted } else { &meters.refused };
            counters[signal as usize].add(items);
        }
    }
}

fn implausible_spans(payload: &Payload) -> u64 {
    let Payload::Traces(traces) = payload else { return 0 };
    traces.table.spans.iter().filter(|span| span.is_implausible()).count() as u64
}

/// Counts a request that waits for its turn, also when its client leaves.
struct Waiting<'a>(&'a Core);

impl<'a> Waiting<'a> {
    fn new(core: &'a Core) -> Self {
        core.waiting.set(core.waiting.get() + 1);
        Self(core)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

/// The answer of another shard.
type Answer = oneshot::Receiver<Option<Result<Receipt, Refusal>>>;

impl Intake for ShardIntake {
    fn admit(&self, signal: Signal, bytes: usize) -> LocalBoxFuture<'_, Result<Permit, Refusal>> {
        let route = self.route(signal);
        Box::pin(async move {
            let limited = match &route.pressure {
                Some(pressure) => pressure.admit(&route.memory_limits, bytes).await.map_err(busy)?,
                None => None,
            };
            let permit = self.core.shared.room.claim(bytes).await.map_err(busy)?;
            Ok(Permit(Some(Box::new((permit, limited)))))
        })
    }

    fn wants_metadata(&self, signal: Signal) -> MetadataKeys {
        Arc::clone(&self.route(signal).metadata)
    }

    fn push(
        &self,
        signal: Signal,
        bytes: Bytes,
        transport: &'static str,
        metadata: Metadata,
    ) -> LocalBoxFuture<'_, Result<Receipt, Refusal>> {
        Box::pin(async move {
            if !self.takes(signal) {
                return Err(Refusal::NotConfigured);
            }
            match self.core.edition().plan.settings.shards {
                0 | 1 => self.take(signal, bytes, transport, metadata).await,
                _ => self.share(signal, bytes, transport, metadata).await,
            }
        })
    }
}

fn busy(message: &str) -> Refusal {
    Refusal::Busy { retry_after: RETRY_AFTER, message: message.to_owned() }
}

fn receipt(outcome: Outcome) -> Result<Receipt, Refusal> {
    match outcome {
        Outcome::Delivered { rejected, message } => Ok(Receipt { rejected, message }),
        Outcome::Permanent(message) => Err(Refusal::Permanent(message)),
        Outcome::Retryable { after, message } => {
            Err(Refusal::Busy { retry_after: after.unwrap_or(RETRY_AFTER), message })
        }
    }
}

/// The collector's self-metrics of a receiver, for one transport.
struct TransportMeters {
    transport: &'static str,
    accepted: [Counter; 3],
    refused: [Counter; 3],
}

impl TransportMeters {
    fn new(transport: &'static str, telemetry: &Telemetry) -> Self {
        let telemetry = telemetry.with("transport", transport);
        let each = |verb: &str, description: &'static str| {
            Signal::ALL.map(|signal| {
                telemetry.counter(
                    &format!("otelcol_receiver_{verb}_{}", signal.items()),
                    description,
                    "{item}",
                )
            })
        };
        Self {
            transport,
            accepted: each("accepted", "Number of items successfully pushed into the pipeline."),
            refused: each("refused", "Number of items that could not be pushed into the pipeline."),
        }
    }
}
