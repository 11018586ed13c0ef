//! Takes requests from the queue and delivers them: attempts, timeouts, waits between them.

use std::{rc::Rc, sync::Arc, time::Duration};

use component::{Clock, Delivered, Delivery, ExportError, Exporter, Gauge, Stop};
use model::{Outcome, Timestamp};
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_local,
};
use tracing::{Instrument, debug, error, field::Empty, info_span, warn};

use super::{
    Before, Handover, Item, Meters,
    batcher::{Batcher, Job},
};

/// One exporter on one thread.
pub(crate) struct Consumer {
    pub(crate) id: String,
    pub(crate) exporter: Rc<dyn Exporter>,
    pub(crate) delivery: Delivery,
    pub(crate) meters: Arc<Meters>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Closes the queue: what is in it is delivered, nothing more is taken.
    pub(crate) closing: Stop,
    /// Cancelled when the service has no more patience: what is left gets one attempt.
    pub(crate) hurry: Stop,
    /// To the exporter that will take its place.
    pub(crate) handover: Rc<Handover>,
    /// Whose place it takes.
    pub(crate) before: Option<Before>,
}

/// So many exports run side by side where no queue bounds them.
const UNQUEUED_CONSUMERS: usize = 1024;

impl Consumer {
    /// Delivers until the queue is closed and everything in it has been delivered or dropped.
    pub(crate) async fn run(self, items: mpsc::UnboundedReceiver<Item>) {
        let this = Rc::new(self);
        let queue = &this.delivery.queue;
        let consumers = if queue.enabled { queue.num_consumers } else { UNQUEUED_CONSUMERS };
        let slots = Arc::new(Semaphore::new(consumers));
        let mut batcher = Batcher::new(items, &this.delivery, Arc::clone(&this.clock), this.closing.clone());
        if let Some(before) = &this.before {
            batcher.first(before.take(queue.sizer, &this.meters).await);
        }
        let mut in_hand = None;
        loop {
            let begun = &this.handover.begun;
            let next = tokio::select! {
                biased;
                () = begun.cancelled() => break,
                next = batcher.next() => next,
            };
            let Some(job) = next else { break };
            let slot = tokio::select! {
                biased;
                () = begun.cancelled() => None,
                slot = Arc::clone(&slots).acquire_owned() => slot.ok(),
            };
            let Some(slot) = slot else {
                in_hand = Some(job);
                break;
            };
            let consumer = Rc::clone(&this);
            spawn_local(async move {
                consumer.deliver(job).await;
                drop(slot);
            });
        }
        // All slots are free again when the last delivery has ended.
        let all = u32::try_from(consumers).unwrap_or(u32::MAX);
        drop(slots.acquire_many(all).await);
        if this.handover.begun.is_cancelled() {
            in_hand.into_iter().chain(batcher.into_left()).for_each(|job| this.handover.leave(job));
        }
        if let Err(problem) = this.exporter.shutdown().await {
            error!(exporter = this.id, error = %problem, "exporter did not shut down cleanly");
        }
    }

    async fn deliver(&self, job: Job) {
        let in_flight = InFlight::new(&self.meters.in_flight);
        let span = self.span(&job);
        let Some(outcome) = self.attempts(&job).instrument(span.clone()).await else {
            return self.handover.leave(job);
        };
        if !matches!(outcome, Outcome::Delivered { .. }) {
            span.record("otel.status_code", "ERROR");
        }
        drop(span);
        drop(in_flight);
        job.owed.settle(&outcome);
    }

    /// One span for a request with all its attempts.
    fn span(&self, job: &Job) -> tracing::Span {
        info_span!(
            target: crate::SPANS,
            "export",
            otel.name = %format_args!("exporter/{}/{}", self.id, job.export.signal),
            otel.kind = "client",
            otel.status_code = Empty,
            exporter = %self.id,
            items = job.export.items,
        )
    }

    /// Tries until delivered, refused for good, or out of time; none when another exporter is to try.
    async fn attempts(&self, job: &Job) -> Option<Outcome> {
        let mut backoff = Backoff::new(&self.delivery, self.clock.now(), job.export.bytes.len() as u64);
        let (signal, items) = (job.export.signal, job.export.items);
        loop {
            let attempt = tokio::select! {
                biased;
                attempt = self.attempt(job) => attempt,
                () = self.handover.overdue.cancelled() => return None,
            };
            let (after, problem) = match attempt {
                Ok(Delivered { rejected, message }) => {
                    let rejected = rejected.min(items);
                    self.meters.sent(signal, items - rejected);
                    self.meters.send_failed(signal, rejected);
                    return Some(Outcome::Delivered { rejected, message });
                }
                Err(ExportError::Permanent(problem)) => {
                    self.meters.send_failed(signal, items);
                    error!(exporter = self.id, error = %problem, dropped_items = items, "exporting failed; the error is not retryable, dropping data");
                    return Some(Outcome::Permanent(problem.to_string()));
                }
                Err(ExportError::Retryable { after, source }) => (after, source),
            };
            if self.handover.begun.is_cancelled() {
                return None;
            }
            let Some(wait) = backoff.next(self.clock.now(), after).filter(|_| !self.hurry.is_cancelled())
            else {
                self.meters.send_failed(signal, items);
                error!(exporter = self.id, error = %problem, dropped_items = items, "exporting failed; no more retries left, dropping data");
                return Some(Outcome::Retryable { after, message: problem.to_string() });
            };
            warn!(exporter = self.id, error = %problem, interval = ?wait, "exporting failed; will retry the request after interval");
            self.pause(wait).await;
            if self.handover.begun.is_cancelled() {
                return None;
            }
        }
    }

    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = self.clock.sleep_until(self.clock.now() + wait) => {}
            () = self.handover.begun.cancelled() => {}
            () = self.hurry.cancelled() => debug!(exporter = self.id, "retrying at once, the service is stopping"),
        }
    }

    async fn attempt(&self, job: &Job) -> Result<Delivered, ExportError> {
        let export = self.exporter.export(job.export.clone());
        let timeout = self.delivery.timeout;
        if timeout.is_zero() {
            return export.await;
        }
        match tokio::time::timeout(timeout, export).await {
            Ok(result) => result,
            Err(_elapsed) => Err(ExportError::Retryable {
                after: None,
                source: format!("no answer within the timeout of {timeout:?}").into(),
            }),
        }
    }
}

/// Counts an export for as long as it goes on, however it ends.
struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.add(1);
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

/// The waits between attempts: exponential, spread, and not before what the destination asked for.
struct Backoff {
    enabled: bool,
    interval: Duration,
    multiplier: f64,
    spread: f64,
    longest: Duration,
    deadline: Option<Timestamp>,
    /// Spreads the waits of one process; need not be unpredictable.
    seed: u64,
}

impl Backoff {
    fn new(delivery: &Delivery, now: Timestamp, salt: u64) -> Self {
        let retry = &delivery.retry;
        let most = retry.max_elapsed_time.get();
        Self {
            enabled: retry.enabled,
            interval: retry.initial_interval.get(),
            multiplier: retry.multiplier,
            spread: retry.randomization_factor,
            longest: retry.max_interval.get(),
            deadline: (!most.is_zero()).then(|| now + most),
            seed: now.as_nanos() ^ salt,
        }
    }

    /// Returns how long to wait, or none when there is no time left.
    fn next(&mut self, now: Timestamp, after: Option<Duration>) -> Option<Duration> {
        if !self.enabled {
            return None;
        }
        self.seed = rapidhash::v3::rapidhash_v3(&self.seed.to_le_bytes());
        let unit = (self.seed >> 11) as f64 / (1u64 << 53) as f64;
        let factor = 1.0 + self.spread * (2.0 * unit - 1.0);
        let wait = self.interval.mul_f64(factor).max(after.unwrap_or_default());
        self.interval = self.interval.mul_f64(self.multiplier).min(self.longest);
        let in_time = self.deadline.is_none_or(|deadline| now + wait <= deadline);
        in_time.then_some(wait)
    }
}
