//! Joins queued requests before they are sent: the collector's `sending_queue.batch`, and its `batch` processor.
//!
//! OTLP requests are joined by putting one behind the other, so a batch costs no copy.

use std::{collections::VecDeque, sync::Arc};

use component::{Clock, Delivery, Sizer, Stop};
use model::{Export, Pieces, Signal, Timestamp};
use tokio::sync::mpsc;

use super::{Batching, Cost, Item, Owed, batching::Trigger};

/// One request to send, and what is owed for it.
pub(super) struct Job {
    pub(super) export: Export,
    pub(super) owed: Owed,
}

/// Takes items from the queue and gives jobs.
pub(super) struct Batcher {
    items: mpsc::UnboundedReceiver<Item>,
    /// How the exporter joins; it then does so whatever its pipelines want.
    own: Option<Arc<Batching>>,
    clock: Arc<dyn Clock>,
    closing: Stop,
    open: Vec<Open>,
    ready: VecDeque<Job>,
}

/// What is being joined, of one signal and in one way. It holds an item at least.
struct Open {
    batching: Arc<Batching>,
    signal: Signal,
    items: Vec<Item>,
    size: u64,
    flush_at: Timestamp,
}

impl Batcher {
    pub(super) fn new(
        items: mpsc::UnboundedReceiver<Item>,
        delivery: &Delivery,
        clock: Arc<dyn Clock>,
        closing: Stop,
    ) -> Self {
        let queue = &delivery.queue;
        let config = queue.batch.get().filter(|_| queue.enabled).cloned();
        let own = config.map(|config| {
            let sizer = queue.batch_sizer(&config);
            Batching::new(config, sizer)
        });
        Self { items, own, clock, closing, open: Vec::new(), ready: VecDeque::new() }
    }

    /// Sends these before all others.
    pub(super) fn first(&mut self, jobs: VecDeque<Job>) {
        self.ready = jobs;
    }

    /// Returns all that has not been given out.
    pub(super) fn into_left(mut self) -> impl Iterator<Item = Job> {
        self.items.close();
        let queued = std::iter::from_fn(move || self.items.try_recv().ok());
        let open = self.open.into_iter().flat_map(|open| open.items);
        self.ready.into_iter().chain(open.chain(queued).map(Job::single))
    }

    /// Returns the next request to send, or none when the queue is closed and empty.
    pub(super) async fn next(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.ready.pop_front() {
                return Some(job);
            }
            match self.receive().await {
                Some(mut item) => match self.own.clone().or(item.batching.take()) {
                    Some(batching) => self.join(batching, item),
                    None => return Some(Job::single(item)),
                },
                None if self.open.is_empty() && self.ready.is_empty() => return None,
                None => {}
            }
        }
    }

    /// Waits for an item until the oldest open batch is due. At the end of the queue, and when a
    /// batch is due, closes batches and returns none.
    async fn receive(&mut self) -> Option<Item> {
        let Some(due) = self.open.iter().map(|open| open.flush_at).min() else {
            return self.take().await;
        };
        let is_due = self.clock.sleep_until(due);
        let received = tokio::select! {
            // First what is due: a queue that is never empty must not hold up the other signals.
            biased;
            () = is_due => {
                self.close(|open| open.flush_at <= due);
                return None;
            }
            item = self.take() => item,
        };
        if received.is_none() {
            self.close(|_| true);
        }
        received
    }

    /// Takes the next item, or none when the queue is closed and empty.
    async fn take(&mut self) -> Option<Item> {
        tokio::select! {
            biased;
            () = self.closing.cancelled(), if !self.items.is_closed() => self.items.close(),
            item = self.items.recv() => return item,
        }
        self.items.recv().await
    }

    fn join(&mut self, batching: Arc<Batching>, item: Item) {
        let signal = item.export.signal;
        let size = Cost::of(batching.sizer, item.export.items, item.export.bytes.len()).units;
        let (most, enough) = (batching.config.max_size, batching.config.min_size);
        let known = |open: &Open| open.signal == signal && Arc::ptr_eq(&open.batching, &batching);
        let mut place = self.open.iter().position(known);
        if let Some(full) = place.filter(|&place| most > 0 && self.open[place].size + size > most) {
            self.finish(full, Trigger::Size);
            place = None;
        }
        let place = place.unwrap_or_else(|| {
            let flush_at = self.clock.now() + batching.config.flush_timeout.get();
            self.open.push(Open { batching, signal, items: Vec::new(), size: 0, flush_at });
            self.open.len() - 1
        });
        let open = &mut self.open[place];
        open.size += size;
        open.items.push(item);
        if open.size >= enough {
            self.finish(place, Trigger::Size);
        }
    }

    fn close(&mut self, which: impl Fn(&Open) -> bool) {
        while let Some(place) = self.open.iter().position(&which) {
            self.finish(place, Trigger::Timeout);
        }
    }

    /// Makes requests of an open batch.
    fn finish(&mut self, place: usize, trigger: Trigger) {
        let Open { batching, items, .. } = self.open.remove(place);
        batching.closed_by(trigger);
        let jobs = Job::joined(items).map(|job| job.split(batching.config.max_size, batching.sizer));
        self.ready.extend(jobs.into_iter().flatten());
    }
}

impl Job {
    fn single(item: Item) -> Self {
        Self { export: item.export, owed: item.owed }
    }

    fn joined(items: Vec<Item>) -> Option<Self> {
        let mut items = items.into_iter();
        let mut joined = Self::single(items.next()?);
        if items.len() == 0 {
            return Some(joined);
        }
        let mut parts = vec![joined.export.bytes];
        for item in items {
            parts.push(item.export.bytes);
            joined.export.items += item.export.items;
            joined.owed.join(item.owed);
        }
        joined.export.bytes = Pieces::joined(parts);
        Some(joined)
    }

    /// Cuts a request that is above the limit.
    fn split(self, max_size: u64, sizer: Sizer) -> Vec<Self> {
        let size = Cost::of(sizer, self.export.items, self.export.bytes.len()).units;
        if max_size == 0 || size <= max_size {
            return vec![self];
        }
        let Self { export, mut owed } = self;
        let signal = export.signal;
        let limit = usize::try_from(max_size).unwrap_or(usize::MAX);
        let mut parts = match sizer {
            Sizer::Bytes => wire::split(signal, &export.bytes.whole(), limit),
            Sizer::Requests | Sizer::Items => wire::split_items(signal, &export.bytes.whole(), limit),
        };
        let Some(last) = parts.pop() else { return vec![Self { export, owed }] };
        let counted =
            |bytes: bytes::Bytes| Export { signal, items: count(signal, &bytes), bytes: bytes.into() };
        let mut jobs = Vec::with_capacity(parts.len() + 1);
        for export in parts.into_iter().map(counted) {
            let owed = owed.part(export.items);
            jobs.push(Self { export, owed });
        }
        jobs.push(Self { export: counted(last), owed });
        jobs
    }
}

/// Counts the items of a request that has been checked before.
fn count(signal: Signal, bytes: &[u8]) -> u64 {
    wire::check(signal, bytes).unwrap_or(0)
}
