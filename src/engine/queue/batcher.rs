//! Joins queued requests before they are sent: the collector's `sending_queue.batch`.
//!
//! OTLP requests are joined by writing one behind the other, so a batch costs one copy.

use std::{collections::VecDeque, sync::Arc};

use component::{BatchConfig, Clock, Delivery, Sizer, Stop};
use model::{Export, Signal, Timestamp};
use tokio::sync::mpsc;

use super::{Cost, Item, Owed};

/// One request to send, and what is owed for it.
pub(super) struct Job {
    pub(super) export: Export,
    pub(super) owed: Owed,
}

/// Takes items from the queue and gives jobs.
pub(super) struct Batcher {
    items: mpsc::UnboundedReceiver<Item>,
    settings: Option<Settings>,
    clock: Arc<dyn Clock>,
    closing: Stop,
    open: [Open; 3],
    ready: VecDeque<Job>,
}

struct Settings {
    config: BatchConfig,
    sizer: Sizer,
}

/// What is being joined, of one signal.
#[derive(Default)]
struct Open {
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
        let settings = config.map(|config| Settings { sizer: queue.batch_sizer(&config), config });
        Self { items, settings, clock, closing, open: Default::default(), ready: VecDeque::new() }
    }

    /// Returns the next request to send, or none when the queue is closed and empty.
    pub(super) async fn next(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.ready.pop_front() {
                return Some(job);
            }
            if self.settings.is_none() {
                return Some(Job::single(self.take().await?));
            }
            match self.receive().await {
                Some(item) => self.join(item),
                None if self.open.iter().all(|open| open.items.is_empty()) && self.ready.is_empty() => {
                    return None;
                }
                None => {}
            }
        }
    }

    /// Waits for an item until the oldest open batch is due. At the end of the queue, and when a
    /// batch is due, closes batches and returns none.
    async fn receive(&mut self) -> Option<Item> {
        let due = self.open.iter().filter(|open| !open.items.is_empty()).map(|open| open.flush_at).min();
        let Some(due) = due else {
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

    fn join(&mut self, item: Item) {
        let Some(Settings { config, sizer }) = &self.settings else { return };
        let signal = item.export.signal;
        let size = Cost::of(*sizer, item.export.items, item.export.bytes.len()).units;
        let open = &mut self.open[signal as usize];
        let overflows = config.max_size > 0 && open.size + size > config.max_size && !open.items.is_empty();
        if overflows {
            self.ready.extend(Job::joined(std::mem::take(open).items));
        }
        if open.items.is_empty() {
            open.flush_at = self.clock.now() + config.flush_timeout.get();
        }
        open.size += size;
        open.items.push(item);
        if open.size >= config.min_size {
            let items = std::mem::take(open).items;
            let jobs = Job::joined(items).map(|job| job.split(config.max_size, *sizer));
            self.ready.extend(jobs.into_iter().flatten());
        }
    }

    fn close(&mut self, which: impl Fn(&Open) -> bool) {
        for open in self.open.iter_mut().filter(|open| which(open)) {
            let Some(job) = Job::joined(std::mem::take(open).items) else { continue };
            match &self.settings {
                Some(Settings { config, sizer }) => self.ready.extend(job.split(config.max_size, *sizer)),
                None => self.ready.push_back(job),
            }
        }
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
        joined.export.bytes = wire::concat(&parts);
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
            Sizer::Bytes => wire::split(signal, &export.bytes, limit),
            Sizer::Requests | Sizer::Items => wire::split_items(signal, &export.bytes, limit),
        };
        let Some(last) = parts.pop() else { return vec![Self { export, owed }] };
        let counted = |bytes: bytes::Bytes| Export { signal, items: count(signal, &bytes), bytes };
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
