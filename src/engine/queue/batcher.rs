//! Joins queued requests before they are sent: the collector's `sending_queue.batch`.
//!
//! OTLP requests are joined by writing one behind the other, so a batch costs one copy.

use std::{collections::VecDeque, sync::Arc};

use component::{BatchConfig, Clock, Delivery, Sizer};
use model::{Ack, Export, Signal, Timestamp};
use tokio::sync::mpsc;

use super::{Cost, Item};

/// One request to send, and everybody who waits for it.
pub(super) struct Job {
    pub(super) export: Export,
    pub(super) acks: Vec<Ack>,
    pub(super) cost: Cost,
}

/// Takes items from the queue and gives jobs.
pub(super) struct Batcher {
    items: mpsc::UnboundedReceiver<Item>,
    settings: Option<Settings>,
    clock: Arc<dyn Clock>,
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
    ) -> Self {
        let queue = &delivery.queue;
        let config = queue.batch.get().filter(|_| queue.enabled).cloned();
        let settings = config.map(|config| Settings { sizer: queue.batch_sizer(&config), config });
        Self { items, settings, clock, open: Default::default(), ready: VecDeque::new() }
    }

    /// Returns the next request to send, or none when the queue is closed and empty.
    pub(super) async fn next(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.ready.pop_front() {
                return Some(job);
            }
            if self.settings.is_none() {
                return Some(Job::single(self.items.recv().await?));
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
            return self.items.recv().await;
        };
        let received = tokio::select! {
            biased;
            item = self.items.recv() => item,
            () = self.clock.sleep_until(due) => {
                self.close(|open| open.flush_at <= due);
                return None;
            }
        };
        if received.is_none() {
            self.close(|_| true);
        }
        received
    }

    fn join(&mut self, item: Item) {
        let Some(Settings { config, sizer }) = &self.settings else { return };
        let signal = item.export.signal;
        let size = Cost::of(*sizer, item.export.items, item.export.bytes.len()).units;
        let open = &mut self.open[signal as usize];
        let overflows = config.max_size > 0 && open.size + size > config.max_size && !open.items.is_empty();
        if overflows {
            self.ready.push_back(Job::joined(signal, std::mem::take(open).items));
        }
        if open.items.is_empty() {
            open.flush_at = self.clock.now() + config.flush_timeout.get();
        }
        open.size += size;
        open.items.push(item);
        if open.size >= config.min_size {
            let items = std::mem::take(open).items;
            self.ready.extend(Job::joined(signal, items).split(config.max_size, *sizer));
        }
    }

    fn close(&mut self, which: impl Fn(&Open) -> bool) {
        for (open, signal) in self.open.iter_mut().zip(Signal::ALL) {
            if !open.items.is_empty() && which(open) {
                let job = Job::joined(signal, std::mem::take(open).items);
                match &self.settings {
                    Some(Settings { config, sizer }) => self.ready.extend(job.split(config.max_size, *sizer)),
                    None => self.ready.push_back(job),
                }
            }
        }
    }
}

impl Job {
    fn single(item: Item) -> Self {
        Self { export: item.export, acks: vec![item.ack], cost: item.cost }
    }

    fn joined(signal: Signal, mut items: Vec<Item>) -> Self {
        if items.len() == 1
            && let Some(item) = items.pop()
        {
            return Self::single(item);
        }
        let parts: Vec<_> = items.iter().map(|item| item.export.bytes.clone()).collect();
        let export = Export {
            signal,
            bytes: wire::concat(&parts),
            items: items.iter().map(|item| item.export.items).sum(),
        };
        let cost = Cost {
            units: items.iter().map(|item| item.cost.units).sum(),
            bytes: items.iter().map(|item| item.cost.bytes).sum(),
        };
        Self { export, acks: items.into_iter().map(|item| item.ack).collect(), cost }
    }

    /// Cuts a request that is above the limit. Every part answers to all who wait; the last part
    /// carries the cost, so room is given back when all is done.
    fn split(self, max_size: u64, sizer: Sizer) -> Vec<Self> {
        let size = Cost::of(sizer, self.export.items, self.export.bytes.len()).units;
        if max_size == 0 || size <= max_size {
            return vec![self];
        }
        let Self { export, acks, cost } = self;
        let limit = usize::try_from(max_size).unwrap_or(usize::MAX);
        let parts = match sizer {
            Sizer::Bytes => wire::split(export.signal, &export.bytes, limit),
            Sizer::Requests | Sizer::Items => wire::split_items(export.signal, &export.bytes, limit),
        };
        let last = parts.len().saturating_sub(1);
        let part = |(index, bytes): (usize, bytes::Bytes)| Self {
            export: Export { signal: export.signal, items: count(export.signal, &bytes), bytes },
            acks: acks.clone(),
            cost: if index == last { cost } else { Cost::default() },
        };
        parts.into_iter().enumerate().map(part).collect()
    }
}

/// Counts the items of a request that has been checked before.
fn count(signal: Signal, bytes: &[u8]) -> u64 {
    wire::check(signal, bytes).unwrap_or(0)
}
