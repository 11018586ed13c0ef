//! The total of every stream.

use std::collections::HashMap;

use super::total::{Added, Value};

/// What a stream has come to.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Total {
    /// When it began; 0 where its sender does not say. *Units*: nanoseconds since the epoch.
    pub(super) start: u64,
    /// *Units*: nanoseconds since the epoch.
    pub(super) observed: u64,
    pub(super) value: Value,
}

struct Stream {
    /// When a point came last. *Units*: nanoseconds since the epoch, by the clock of the pipeline.
    seen: u64,
    total: Total,
}

/// Why a point does not leave.
pub(super) type Reason = &'static str;

pub(super) const OLDER_START: Reason = "older_start";
pub(super) const OUT_OF_ORDER: Reason = "out_of_order";
pub(super) const TOO_MANY: Reason = "too_many_streams";

/// What a stream takes beside its name and its buckets: itself and its place in the table, which may be half empty.
const STREAM_BYTES: usize = 2 * (size_of::<(Box<[u8]>, Stream)>() + 1);

fn taken(key: &[u8], value: &Value) -> usize {
    STREAM_BYTES + key.len() + value.heap_bytes()
}

pub(super) struct Streams {
    all: HashMap<Box<[u8]>, Stream>,
    /// What they take, names and buckets included.
    n_bytes: usize,
    most: usize,
    most_bytes: usize,
    /// The latest second that this half knows of. *Units*: nanoseconds since the epoch.
    now: u64,
}

impl Streams {
    pub(super) fn new(most: u64, most_bytes: u64, now: u64) -> Self {
        let at_most = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self { all: HashMap::new(), n_bytes: 0, most: at_most(most), most_bytes: at_most(most_bytes), now }
    }

    /// Streams that get a point from now on are known to have had one then.
    pub(super) fn advance(&mut self, now: u64) {
        self.now = now;
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The streams in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<(&[u8], &Total)> {
        let mut all: Vec<_> = self.all.iter().map(|(key, stream)| (&**key, &stream.total)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    /// Takes a stream of before a restart, as one that had a point now.
    pub(super) fn restore(&mut self, key: Box<[u8]>, total: Total) {
        let bytes = taken(&key, &total.value);
        if self.has_room_for(bytes) {
            self.n_bytes += bytes;
            self.all.insert(key, Stream { seen: self.now, total });
        }
    }

    /// Forgets streams that had no point since an instant of this half: what senders say of their time keeps no place.
    pub(super) fn forget_before(&mut self, instant: u64) {
        let mut freed = 0;
        self.all.retain(|key, stream| {
            let stays = stream.seen >= instant;
            freed += if stays { 0 } else { taken(key, &stream.total.value) };
            stays
        });
        self.n_bytes -= freed;
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.all.len() < self.most && self.n_bytes.saturating_add(bytes) <= self.most_bytes
    }

    /// Adds a point to its stream and returns what that has come to.
    pub(super) fn add(&mut self, key: &[u8], point: Total) -> Result<&Total, Reason> {
        if !self.all.contains_key(key) {
            let bytes = taken(key, &point.value);
            if !self.has_room_for(bytes) {
                return Err(TOO_MANY);
            }
            self.n_bytes += bytes;
            let stream = self.all.entry(key.into()).or_insert(Stream { seen: self.now, total: point });
            return Ok(&stream.total);
        }
        let stream = self.all.get_mut(key).ok_or(TOO_MANY)?;
        stream.seen = self.now;
        let total = &mut stream.total;
        if point.start < total.start {
            return Err(OLDER_START);
        }
        if point.observed <= total.observed {
            return Err(OUT_OF_ORDER);
        }
        self.n_bytes -= total.value.heap_bytes();
        if total.value.add(point.value) == Added::BeginsAnew {
            total.start = point.start;
        }
        self.n_bytes += total.value.heap_bytes();
        total.observed = point.observed;
        Ok(total)
    }
}
