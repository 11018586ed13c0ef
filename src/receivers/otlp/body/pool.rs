//! Buffers that come back.
//!
//! A fresh quarter of a megabyte costs a page fault per 4 KiB when it is first written, which is as
//! much as copying the request. A buffer therefore returns to its shelf when the last reader of the
//! request lets go of it, on whatever thread that happens.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Smaller requests are cheaper to allocate than to look up.
const SMALLEST_KEPT: usize = 16 << 10;

/// A rare huge request must not hold its memory for ever.
const LARGEST_KEPT: usize = 2 << 20;

/// Capacities are multiples of this, so that requests of similar size share buffers.
const STEP: usize = 16 << 10;

/// A shelf of buffers. Clones share it.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shelf>);

struct Shelf {
    kept: Mutex<Kept>,
    /// How much may lie on the shelf. *Units*: bytes.
    limit: usize,
}

#[derive(Default)]
struct Kept {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// Memory of a stated capacity that is filled from the start and returns to its shelf when dropped.
pub(crate) struct Buffer {
    /// Initialised from an earlier use or by writing; `len` says how much of it is this request.
    bytes: Vec<u8>,
    len: usize,
    home: Option<Pool>,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Shelf { kept: Mutex::default(), limit }))
    }

    /// Returns an empty buffer that holds `capacity` bytes.
    ///
    /// *Cost*: a scan of the shelf, which holds at most `limit / 16 KiB` buffers.
    pub(crate) fn take(&self, capacity: usize) -> Buffer {
        if !(SMALLEST_KEPT..=LARGEST_KEPT).contains(&capacity) {
            return Buffer { bytes: Vec::with_capacity(capacity), len: 0, home: None };
        }
        let bytes =
            self.reuse(capacity).unwrap_or_else(|| Vec::with_capacity(capacity.next_multiple_of(STEP)));
        Buffer { bytes, len: 0, home: Some(self.clone()) }
    }

    /// Finds the tightest buffer that fits and is not mostly waste.
    fn reuse(&self, capacity: usize) -> Option<Vec<u8>> {
        let mut kept = self.kept();
        let fits = |buffer: &Vec<u8>| (capacity..=capacity.saturating_mul(4)).contains(&buffer.capacity());
        let candidates = kept.buffers.iter().enumerate().filter(|(_, buffer)| fits(buffer));
        let (index, _) = candidates.min_by_key(|(_, buffer)| buffer.capacity())?;
        let buffer = kept.buffers.swap_remove(index);
        kept.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn keep(&self, buffer: Vec<u8>) {
        let mut kept = self.kept();
        if kept.bytes + buffer.capacity() <= self.0.limit {
            kept.bytes += buffer.capacity();
            kept.buffers.push(buffer);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes lie on the shelf.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept().bytes
    }
}

impl Buffer {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a chunk; the caller has asked for enough capacity, or pays for a move.
    pub(crate) fn extend(&mut self, chunk: &[u8]) {
        let initialised = self.bytes.len().saturating_sub(self.len).min(chunk.len());
        let (over, beyond) = chunk.split_at(initialised);
        self.bytes[self.len..self.len + initialised].copy_from_slice(over);
        self.bytes.extend_from_slice(beyond);
        self.len += chunk.len();
    }

    /// Gives `room` bytes to write to, from the start. Zeroes only what was never written before.
    pub(crate) fn room(&mut self, room: usize) -> &mut [u8] {
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
        &mut self.bytes[..room]
    }

    /// States how many bytes were written to the [`room`](Self::room).
    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(self.bytes.len());
    }

    /// Makes the filled part immutable, without copying it.
    pub(crate) fn freeze(mut self) -> Bytes {
        if self.home.is_some() {
            return Bytes::from_owner(self);
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.len);
        Bytes::from(bytes)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.keep(std::mem::take(&mut self.bytes));
        }
    }
}
