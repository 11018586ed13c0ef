//! Spans that wait for the decision on their trace.

use std::{cmp::Ordering, collections::HashMap};

use bytes::Bytes;

use super::partial::{Head, Piece, TracePart};

/// What a trace takes beside its spans: its entry in the table and its places in the orders of decisions and of evictions.
pub(super) const TRACE_BYTES: usize = 320;
/// What a piece takes beside its spans.
pub(super) const PIECE_BYTES: usize = 48;
/// What a head takes beside its bytes.
pub(super) const HEAD_BYTES: usize = 128;

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
    resources: Shared<Bytes>,
    /// By place of the resource and bytes of the scope.
    scopes: Shared<(u32, Bytes)>,
    n_bytes: usize,
}

/// What a piece of spans belongs to.
#[derive(Clone, Copy)]
pub(super) struct HeadRef<'a> {
    /// The same for two pieces of one resource.
    pub(super) resource_id: u32,
    pub(super) resource: &'a Bytes,
    pub(super) scope: &'a Bytes,
}

/// Values that are kept once while somebody uses them.
struct Shared<T> {
    places: HashMap<T, u32>,
    all: Vec<Option<(T, usize)>>,
    free: Vec<u32>,
}

/// The heads of a message, held until all of it was taken. Heads that name no resource of the message have none.
pub(super) struct Resolved(Vec<Option<HeadId>>);

impl Heads {
    /// Takes what a message has in common.
    pub(super) fn resolve(&mut self, heads: &[Head], resources: &[Bytes]) -> Resolved {
        let place = |head: &Head| Some(self.place(resources.get(head.resource as usize)?, &head.scope));
        Resolved(heads.iter().map(place).collect())
    }

    pub(super) fn let_go(&mut self, resolved: Resolved) {
        resolved.0.into_iter().flatten().for_each(|id| self.release_one(id));
    }

    /// Takes the spans of a part, and tells how many are left out, as their head is not in the message.
    pub(super) fn take(&mut self, part: TracePart, known: &Resolved) -> (Spans, u64) {
        let mut left_out = 0;
        let pieces = part.pieces.into_iter().filter_map(|Piece { head, n_spans, spans }| {
            let Some(Some(head)) = known.0.get(head as usize) else {
                left_out += u64::from(n_spans);
                return None;
            };
            self.scopes.hold(head.0);
            Some(HeldPiece { head: *head, n_spans, fields: spans[..].into() })
        });
        (Spans { pieces: pieces.collect() }, left_out)
    }

    fn place(&mut self, resource: &Bytes, scope: &Bytes) -> HeadId {
        // Copies, as the bytes are parts of a message.
        let own = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let (of_resource, is_new) = match self.resources.find(resource) {
            Some(place) => (place, false),
            None => (self.resources.insert(own(resource)), true),
        };
        if is_new {
            self.n_bytes += resource.len() + HEAD_BYTES;
        }
        let key = (of_resource, scope.clone());
        if let Some(place) = self.scopes.find(&key) {
            // The scope holds its resource already.
            self.scopes.hold(place);
            return HeadId(place);
        }
        self.resources.hold(of_resource);
        self.n_bytes += scope.len() + HEAD_BYTES;
        let place = self.scopes.insert((of_resource, own(scope)));
        self.scopes.hold(place);
        HeadId(place)
    }

    pub(super) fn get(&self, id: HeadId) -> Option<HeadRef<'_>> {
        let (resource_id, scope) = self.scopes.get(id.0)?;
        Some(HeadRef { resource_id: *resource_id, resource: self.resources.get(*resource_id)?, scope })
    }

    /// Lets go of the heads of spans that leave.
    pub(super) fn release(&mut self, spans: &Spans) {
        spans.pieces.iter().for_each(|piece| self.release_one(piece.head));
    }

    fn release_one(&mut self, id: HeadId) {
        if let Some((resource, scope)) = self.scopes.let_go(id.0) {
            self.n_bytes -= scope.len() + HEAD_BYTES;
            if let Some(resource) = self.resources.let_go(resource) {
                self.n_bytes -= resource.len() + HEAD_BYTES;
            }
        }
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), all: Vec::new(), free: Vec::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Shared<T> {
    fn find(&self, value: &T) -> Option<u32> {
        self.places.get(value).copied()
    }

    /// Keeps a value that is not known, and that nobody holds yet.
    fn insert(&mut self, value: T) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() as u32 - 1
        });
        self.places.insert(value.clone(), place);
        if let Some(free) = self.all.get_mut(place as usize) {
            *free = Some((value, 0));
        }
        place
    }

    fn hold(&mut self, place: u32) {
        if let Some(Some((_, by))) = self.all.get_mut(place as usize) {
            *by += 1;
        }
    }

    /// Returns the value if nobody holds it any more.
    fn let_go(&mut self, place: u32) -> Option<T> {
        let used = self.all.get_mut(place as usize)?;
        let (_, by) = used.as_mut()?;
        *by = by.saturating_sub(1);
        if *by > 0 {
            return None;
        }
        let (value, _) = used.take()?;
        self.places.remove(&value);
        self.free.push(place);
        Some(value)
    }

    fn get(&self, place: u32) -> Option<&T> {
        self.all.get(place as usize)?.as_ref().map(|(value, _)| value)
    }
}

impl HeadRef<'_> {
    /// In the order of their bytes; those of one resource are not compared by it.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let of_resource = match self.resource_id == other.resource_id {
            true => Ordering::Equal,
            false => self.resource.cmp(other.resource),
        };
        of_resource.then_with(|| self.scope.cmp(other.scope))
    }
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

    /// Returns what [`Self::encoded_len`] is at most; it compares nothing.
    pub(super) fn encoded_at_most(&self, heads: &Heads) -> u64 {
        let of_head = |it: HeadRef<'_>| it.resource.len() + it.scope.len();
        let piece = |it: &HeldPiece| FRAMES + it.fields.len() + heads.get(it.head).map_or(0, of_head);
        self.pieces.iter().map(piece).sum::<usize>() as u64
    }

    /// Returns how large a request with these spans alone would be: each resource and scope once.
    pub(super) fn encoded_len(&self, heads: &Heads) -> u64 {
        let mut pieces: Vec<_> =
            self.pieces.iter().filter_map(|it| Some((heads.get(it.head)?, it.fields.len()))).collect();
        pieces.sort_unstable_by(|a, b| a.0.compare(&b.0));
        let resources = pieces.chunk_by(|a, b| a.0.resource_id == b.0.resource_id).map(|pieces| {
            let scopes = pieces.chunk_by(|a, b| a.0.scope == b.0.scope).map(|pieces| {
                let spans: usize = pieces.iter().map(|(_, len)| len).sum();
                framed(pieces.first().map_or(0, |(head, _)| head.scope.len()) + spans)
            });
            framed(pieces.first().map_or(0, |(head, _)| head.resource.len()) + scopes.sum::<usize>())
        });
        resources.sum::<usize>() as u64
    }
}

/// Tags and lengths of a resource and a scope, at most.
const FRAMES: usize = 22;

/// A message of so many bytes with tag and length.
fn framed(len: usize) -> usize {
    1 + prost::encoding::encoded_len_varint(len as u64) + len
}
