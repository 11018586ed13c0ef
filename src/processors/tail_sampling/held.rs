//! Spans that wait for the decision on their trace.

use std::collections::HashMap;

use bytes::Bytes;

use super::partial::{Head, Piece, TracePart};

/// What a trace takes beside its spans: its entry in the table and its places in the orders of decisions and of evictions.
pub(super) const TRACE_BYTES: usize = 320;
/// What a piece takes beside its spans.
pub(super) const PIECE_BYTES: usize = 48;
/// What a head takes beside its bytes.
const HEAD_BYTES: usize = 128;

/// The parts of a trace that have come.
#[derive(Debug, Default)]
pub(super) struct Spans {
    pub(super) pieces: Vec<HeldPiece>,
}

/// Spans of a trace in one scope that came together.
#[derive(Debug)]
pub(super) struct HeldPiece {
    pub(super) head: HeadId,
    pub(super) n_spans: u32,
    /// Fields of a `ScopeSpans`; a copy of their own, so that they hold nothing else in memory.
    pub(super) fields: Box<[u8]>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct HeadId(u32);

/// What spans have in common, each kept once while a span that waits has it.
#[derive(Default)]
pub(super) struct Heads {
    places: HashMap<Head, HeadId>,
    all: Vec<Option<Used>>,
    free: Vec<HeadId>,
    n_bytes: usize,
}

struct Used {
    head: Head,
    by: usize,
}

impl Heads {
    /// Takes the spans of a part. Pieces whose head is not in the message are left out.
    pub(super) fn take(&mut self, part: TracePart, heads: &[Head]) -> Spans {
        let pieces = part.pieces.into_iter().filter_map(|Piece { head, n_spans, spans }| {
            let head = self.place(heads.get(head as usize)?);
            Some(HeldPiece { head, n_spans, fields: spans[..].into() })
        });
        Spans { pieces: pieces.collect() }
    }

    fn place(&mut self, head: &Head) -> HeadId {
        if let Some(id) = self.places.get(head)
            && let Some(Some(used)) = self.all.get_mut(id.0 as usize)
        {
            used.by += 1;
            return *id;
        }
        // Copies, as the bytes are parts of a message.
        let own = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let head = Head { resource: own(&head.resource), scope: own(&head.scope) };
        self.n_bytes += bytes_of(&head);
        let id = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            HeadId(self.all.len() as u32 - 1)
        });
        self.places.insert(head.clone(), id);
        self.all[id.0 as usize] = Some(Used { head, by: 1 });
        id
    }

    pub(super) fn get(&self, id: HeadId) -> Option<&Head> {
        self.all.get(id.0 as usize)?.as_ref().map(|used| &used.head)
    }

    /// Lets go of the heads of spans that leave.
    pub(super) fn release(&mut self, spans: &Spans) {
        for piece in &spans.pieces {
            let Some(place) = self.all.get_mut(piece.head.0 as usize) else { continue };
            let Some(used) = place else { continue };
            used.by -= 1;
            if used.by == 0
                && let Some(Used { head, .. }) = place.take()
            {
                self.n_bytes -= bytes_of(&head);
                self.places.remove(&head);
                self.free.push(piece.head);
            }
        }
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }
}

fn bytes_of(head: &Head) -> usize {
    head.resource.len() + head.scope.len() + HEAD_BYTES
}

impl Spans {
    pub(super) fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.n_spans)).sum()
    }

    /// What they take in memory, heads aside.
    pub(super) fn n_bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.fields.len() + PIECE_BYTES).sum()
    }

    pub(super) fn append(&mut self, mut more: Self) {
        // Traces come in few parts, so room for more would mostly stay unused.
        self.pieces.reserve_exact(more.pieces.len());
        self.pieces.append(&mut more.pieces);
    }

    /// Returns how large a request with these spans alone would be: each resource and scope once.
    pub(super) fn encoded_len(&self, heads: &Heads) -> u64 {
        let mut pieces: Vec<_> =
            self.pieces.iter().filter_map(|it| Some((heads.get(it.head)?, it.fields.len()))).collect();
        pieces.sort_unstable();
        let resources = pieces.chunk_by(|a, b| a.0.resource == b.0.resource).map(|pieces| {
            let scopes = pieces.chunk_by(|a, b| a.0.scope == b.0.scope).map(|pieces| {
                let spans: usize = pieces.iter().map(|(_, len)| len).sum();
                framed(pieces.first().map_or(0, |(head, _)| head.scope.len()) + spans)
            });
            framed(pieces.first().map_or(0, |(head, _)| head.resource.len()) + scopes.sum::<usize>())
        });
        resources.sum::<usize>() as u64
    }
}

/// A message of so many bytes with tag and length.
fn framed(len: usize) -> usize {
    1 + prost::encoding::encoded_len_varint(len as u64) + len
}
