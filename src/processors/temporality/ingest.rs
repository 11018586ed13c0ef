//! The half of every shard: it keeps what is to be converted until the next tick.

use bytes::Bytes;
use component::{Cx, Processor};
use model::{Batch, Partial, Payload};
use prost::Message;

use super::partial::{RequestsPartial, VERSION};

/// What one shard may keep between two ticks.
const MAX_BYTES: usize = 128 << 20;
/// A partial is closed when it is so large.
const PARTIAL_BYTES: usize = 1 << 20;

/// Whether anything in a request is to be converted.
type Concerns = Box<dyn Fn(&[u8]) -> bool>;

/// Keeps requests of one shard that are to be converted until the next tick.
pub(crate) struct IngestHalf {
    concerns: Concerns,
    requests: Vec<Bytes>,
    n_bytes: usize,
    n_points: u64,
}

impl IngestHalf {
    /// Makes one that keeps the requests that `concerns` is true for and lets all others pass.
    pub(crate) fn new(concerns: impl Fn(&[u8]) -> bool + 'static) -> Self {
        Self { concerns: Box::new(concerns), requests: Vec::new(), n_bytes: 0, n_points: 0 }
    }
}

impl Processor for IngestHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        let request = match &batch.payload {
            Payload::Metrics(request) if (self.concerns)(request) => request.clone(),
            _ => return cx.pass(batch),
        };
        // One request is always taken, as else a large one never would be.
        if self.n_bytes > 0 && self.n_bytes + request.len() > MAX_BYTES {
            return cx.reject(batch.items, "more_than_a_shard_holds");
        }
        self.n_bytes += request.len();
        self.n_points += batch.items;
        self.requests.push(request);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let mut message = RequestsPartial { version: VERSION, requests: Vec::new() };
        let mut n_bytes = 0;
        for request in std::mem::take(&mut self.requests) {
            n_bytes += request.len();
            message.requests.push(request);
            if n_bytes >= PARTIAL_BYTES {
                n_bytes = 0;
                emit(&mut message, cx);
            }
        }
        emit(&mut message, cx);
        (self.n_bytes, self.n_points) = (0, 0);
    }

    fn untold(&self) -> u64 {
        self.n_points
    }
}

fn emit(message: &mut RequestsPartial, cx: &mut Cx<'_>) {
    if message.requests.is_empty() {
        return;
    }
    let bytes = message.encode_to_vec().into();
    message.requests.clear();
    cx.emit(Payload::Partial(Partial { bytes, at: cx.now() }), 0);
}
