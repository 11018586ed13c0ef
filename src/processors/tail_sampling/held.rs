//! Spans that wait for the decision on their trace.

use bytes::Bytes;

use super::{
    heads::{HeadId, Heads, Resolved},
    partial::{TailPartial, UNUSED},
    slab::Slab,
};

/// What a trace takes beside its spans: its entry in the table and its places in the orders of decisions and of evictions.
pub(super) const TRACE_BYTES: usize = 352;
/// What the part of a trace that came at once takes: its row in the message.
pub(super) const PART_BYTES: usize = 72;
/// What a span takes beside its bytes: its place, here and in the message.
pub(super) const SPAN_BYTES: usize = size_of::<HeldSpan>() + 3 * size_of::<u32>();

/// So much of what is held may belong to nobody any more before it is looked for, and half as much as is waited for.
const SPARSE_BYTES: usize = 4 << 20;
/// What moves together is put in blocks of this size.
const MOVED_BYTES: usize = 1 << 20;

/// The spans of a trace that have come.
#[derive(Debug, Default)]
pub(super) struct Spans {
    pub(super) all: Vec<HeldSpan>,
    n_bytes: usize,
    encoded_at_most: u64,
}

/// A span that waits in a block of what came with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldSpan {
    pub(super) head: HeadId,
    block: u32,
    begin: u32,
    len: u32,
}

/// What waits. Spans stay in the messages in which they came, so that none is copied.
#[derive(Default)]
pub(super) struct Held {
    pub(super) heads: Heads,
    blocks: Slab<Block>,
    /// In blocks, and of them what spans wait for.
    block_bytes: usize,
    live_bytes: usize,
}

/// The spans of a message, held until none of them waits.
struct Block {
    spans: Bytes,
    live: usize,
    /// Whether the message it came in is still being taken.
    is_arriving: bool,
}

/// A message, held until all of it was taken.
pub(super) struct Arrived {
    heads: Resolved,
    block: u32,
    /// Bytes of the block that spans were taken of: none is taken twice.
    taken: usize,
    /// By span the place of its head, where it begins and how long it is.
    rows: std::vec::IntoIter<(u32, u32, u32)>,
}

impl Held {
    /// Holds a message of so many bytes until it is let go.
    pub(super) fn arrive(&mut self, message: &TailPartial, n_bytes: usize) -> Arrived {
        let places = message.span_begins.iter().zip(&message.span_lens);
        let rows = message.span_heads.iter().zip(places).map(|(head, (begin, len))| (*head, *begin, *len));
        let rows: Vec<_> = rows.collect();
        let heads = self.heads.resolve(&message.heads, &message.resources);
        // The spans would hold all of the message: its heads are kept once for all messages.
        let is_most = message.spans.len() >= n_bytes / 4 * 3;
        let spans = if is_most { message.spans.clone() } else { Bytes::copy_from_slice(&message.spans) };
        Arrived { heads, block: self.open(spans, true), taken: 0, rows: rows.into_iter() }
    }

    /// Takes the next spans of a message, and tells how many are left out, as the message does not have them.
    pub(super) fn take(&mut self, arrived: &mut Arrived, n_spans: u32) -> (Spans, u64) {
        let Some(block) = self.blocks.get_mut(arrived.block) else { return Default::default() };
        let rows = arrived.rows.by_ref().take(n_spans as usize);
        let mut spans = Spans { all: Vec::with_capacity(rows.len()), ..Spans::default() };
        let mut left_out = 0;
        for (head, begin, len) in rows {
            let whole = block.spans.len();
            let is_there = begin as usize + len as usize <= whole && arrived.taken + len as usize <= whole;
            match (is_there && len > 0).then(|| self.heads.hold(&arrived.heads, head)).flatten() {
                None => left_out += 1,
                Some((head, at_most)) => {
                    arrived.taken += len as usize;
                    spans.n_bytes += len as usize;
                    spans.encoded_at_most += at_most + u64::from(len);
                    spans.all.push(HeldSpan { head, block: arrived.block, begin, len });
                }
            }
        }
        block.live += spans.n_bytes;
        self.live_bytes += spans.n_bytes;
        (spans, left_out)
    }

    /// Skips the next spans of a message, and tells how many they were.
    pub(super) fn skip(arrived: &mut Arrived, n_spans: u32) -> u64 {
        arrived.rows.by_ref().take(n_spans as usize).count() as u64
    }

    /// Lets go of a message, but for the spans that were taken of it.
    pub(super) fn let_go(&mut self, arrived: Arrived) {
        self.heads.let_go(arrived.heads);
        if let Some(block) = self.blocks.get_mut(arrived.block) {
            block.is_arriving = false;
        }
        self.left(arrived.block, 0);
    }

    /// Lets go of spans that leave.
    pub(super) fn release(&mut self, spans: &Spans) {
        for span in &spans.all {
            self.heads.release(span.head);
            self.left(span.block, span.len as usize);
        }
    }

    fn open(&mut self, spans: Bytes, is_arriving: bool) -> u32 {
        self.block_bytes += spans.len();
        self.blocks.insert(Block { spans, live: 0, is_arriving })
    }

    /// Notes that nobody waits for so much of a block any more.
    fn left(&mut self, place: u32, n_bytes: usize) {
        let Some(block) = self.blocks.get_mut(place) else { return };
        self.live_bytes -= n_bytes;
        block.live -= n_bytes;
        if block.live == 0 && !block.is_arriving {
            self.block_bytes -= block.spans.len();
            self.blocks.remove(place);
        }
    }

    /// Returns a span as the field of a `ScopeSpans`.
    pub(super) fn field(&self, span: &HeldSpan) -> &[u8] {
        let Some(block) = self.blocks.get(span.block) else { return &[] };
        block.spans.get(span.begin as usize..(span.begin + span.len) as usize).unwrap_or(&[])
    }

    /// What spans that wait take, heads included.
    pub(super) fn n_bytes(&self) -> usize {
        self.live_bytes + self.live_bytes / UNUSED + self.heads.n_bytes()
    }

    /// Whether much is held only because of its neighbours.
    pub(super) fn is_sparse(&self) -> bool {
        self.block_bytes - self.live_bytes > self.live_bytes / 2 + SPARSE_BYTES
    }

    /// Moves spans together that nearly alone hold a block. They must be all that wait.
    pub(super) fn compact<'a>(&mut self, all: impl Iterator<Item = &'a mut Spans>) {
        let is_sparse = |block: &Block| block.live < block.spans.len() / 4 * 3;
        let sparse: Vec<bool> = self.blocks.places().map(|block| block.is_some_and(is_sparse)).collect();
        let mut moved = Vec::new();
        let mut into = self.open(Bytes::new(), false);
        for span in all.flat_map(|spans| &mut spans.all) {
            if !sparse.get(span.block as usize).is_some_and(|it| *it) {
                continue;
            }
            if moved.len() + span.len as usize > MOVED_BYTES {
                self.fill(into, std::mem::take(&mut moved));
                into = self.open(Bytes::new(), false);
            }
            let begin = moved.len() as u32;
            moved.extend_from_slice(self.field(span));
            self.left(span.block, span.len as usize);
            (span.block, span.begin) = (into, begin);
        }
        self.fill(into, moved);
    }

    /// Gives a block the spans that wait for it.
    fn fill(&mut self, place: u32, moved: Vec<u8>) {
        let n_bytes = moved.len();
        if let Some(block) = self.blocks.get_mut(place) {
            *block = Block { spans: moved.into_boxed_slice().into(), live: n_bytes, is_arriving: false };
        }
        self.block_bytes += n_bytes;
        self.live_bytes += n_bytes;
        self.left(place, 0);
    }
}

impl Spans {
    pub(super) fn len(&self) -> u64 {
        self.all.len() as u64
    }

    /// What they take in memory, heads and their own bytes aside.
    pub(super) fn n_bytes_beside(&self) -> usize {
        self.all.len() * SPAN_BYTES
    }

    /// Their own bytes.
    pub(super) const fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    pub(super) fn append(&mut self, more: Self) {
        if self.all.is_empty() {
            *self = more;
            return;
        }
        // Traces come in few parts, so room for more would mostly stay unused.
        self.all.reserve_exact(more.all.len());
        self.all.extend(more.all);
        self.n_bytes += more.n_bytes;
        self.encoded_at_most += more.encoded_at_most;
    }

    /// What [`Self::encoded_len`] is at most.
    pub(super) const fn encoded_at_most(&self) -> u64 {
        self.encoded_at_most
    }

    /// Returns how large a request with these spans alone would be: each resource and scope once.
    pub(super) fn encoded_len(&self, heads: &Heads) -> u64 {
        let mut spans: Vec<_> =
            self.all.iter().filter_map(|it| Some((heads.get(it.head)?, it.len as usize))).collect();
        spans.sort_unstable_by(|a, b| a.0.compare(&b.0));
        let resources = spans.chunk_by(|a, b| a.0.resource_id == b.0.resource_id).map(|spans| {
            let scopes = spans.chunk_by(|a, b| a.0.scope == b.0.scope).map(|spans| {
                let len: usize = spans.iter().map(|(_, len)| len).sum();
                framed(spans.first().map_or(0, |(head, _)| head.scope.len()) + len)
            });
            framed(spans.first().map_or(0, |(head, _)| head.resource.len()) + scopes.sum::<usize>())
        });
        resources.sum::<usize>() as u64
    }
}

/// A message of so many bytes with tag and length.
fn framed(len: usize) -> usize {
    1 + prost::encoding::encoded_len_varint(len as u64) + len
}
