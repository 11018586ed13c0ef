//! The half that sees spans: notes to which trace each belongs and what it is, and hands them over at ticks.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use component::{BuildCx, Counter, Cx, Processor};
use model::{Batch, KeySet, Partial, Payload, Traces};
use prost::{Message, encoding};

use super::{
    TailSamplingConfig,
    conditions::Seeker,
    heads::HEAD_BYTES,
    partial::{Head, TailPartial, TracePart, UNUSED, VERSION},
    policy::compile,
};

/// Keeps the spans of one shard until the next tick, in the messages in which they are told.
pub(super) struct IngestHalf {
    failures: Counter,
    seeker: Seeker,
    /// What may come between two ticks.
    max_bytes: usize,
    /// Messages that are full, and how many spans each has.
    full: Vec<(Bytes, u64)>,
    full_bytes: usize,
    /// The next message: its spans are written as they come.
    out: BytesMut,
    spans: Vec<Row>,
    traces: Vec<TracePart>,
    /// By id the place among the traces.
    places: HashMap<u128, u32, rapidhash::fast::RandomState>,
    /// By its bytes the place of a resource, and by place of its resource and bytes that of a scope.
    resources: HashMap<Bytes, u32>,
    heads: HashMap<(u32, Bytes), u32>,
    /// What resources and scopes of the message take.
    head_bytes: usize,
    /// By scope and resource of the request; `None` until it is asked.
    head_of_scope: Vec<Option<u32>>,
    facts_of_resource: Vec<Option<OfResource>>,
}

/// The place of a resource and what holds for it.
#[derive(Clone, Copy)]
struct OfResource {
    place: u32,
    hits: u128,
}

/// A span of the message.
#[derive(Clone, Copy, Default)]
struct Row {
    trace: u32,
    head: u32,
    begin: u32,
    len: u32,
}

/// A message is full when it is so large: spans that wait hold it in memory until the last of them leaves.
const MESSAGE_BYTES: usize = 1 << 20;
/// Room beyond that for the last span and for what comes after spans: whoever grows copies all.
const MESSAGE_ROOM: usize = 48 << 10;
/// What comes before the spans: the tag of their field and its length in a form that has room for any.
const SPANS_START: usize = 6;
/// All traffic may come to one shard: each takes this part of what may wait in all.
const SHARE_OF_A_SHARD: u64 = 4;
const LEAST_BYTES: usize = 16 << 20;
/// What the part of a trace takes beside its spans: itself and its entry by id.
const TRACE_BYTES: usize = size_of::<TracePart>() + 48;
/// What of a span and of a trace's part stands behind the spans of a message.
const ENCODED_SPAN: usize = 3 * size_of::<u32>();
const ENCODED_TRACE: usize = 62;
/// What a span takes beside its bytes: its row, and that in the message.
const SPAN_BYTES: usize = 2 * size_of::<Row>();

impl IngestHalf {
    pub(super) fn new(config: &TailSamplingConfig, cx: &BuildCx<'_>) -> Self {
        Self {
            failures: cx.telemetry.counter(
                "otelcol_processor_tail_sampling_condition_failures",
                "Conditions in OTTL that could not be judged of a span",
                "{failure}",
            ),
            seeker: Seeker::new(compile(&config.policies).conditions),
            max_bytes: ((config.max_bytes.0 / SHARE_OF_A_SHARD) as usize).max(LEAST_BYTES),
            full: Vec::new(),
            full_bytes: 0,
            out: BytesMut::new(),
            spans: Vec::new(),
            traces: Vec::new(),
            places: HashMap::default(),
            resources: HashMap::new(),
            heads: HashMap::new(),
            head_bytes: 0,
            head_of_scope: Vec::new(),
            facts_of_resource: Vec::new(),
        }
    }

    fn take(&mut self, traces: &Traces) {
        self.head_of_scope.clear();
        self.head_of_scope.resize(traces.table.scopes.len(), None);
        self.facts_of_resource.clear();
        self.facts_of_resource.resize(traces.table.resources.len(), None);
        self.failures.add(self.seeker.begin(traces));
        // Spans of a trace often follow each other.
        let mut last = None;
        for (index, span) in traces.table.spans.iter().enumerate() {
            // Resources and scopes that many spans have are in each message: they must not be most of it.
            if self.encoded_bytes() >= MESSAGE_BYTES.max(self.head_bytes) {
                self.close();
                last = None;
            }
            // Spans without an id are of one trace, as in the collector.
            let id = span.trace_id(&traces.bytes).map_or(0, |id| u128::from_be_bytes(*id));
            let trace = match last {
                Some((of, trace)) if of == id => trace,
                _ => self.place(id),
            };
            last = Some((id, trace));
            let OfResource { place, hits: of_resource } = self.resource(traces, span.resource as usize);
            let head = self.head(traces, span.scope as usize, place);
            let begin = self.write(span.field().of(&traces.bytes));
            self.spans.push(Row { trace, head, begin, len: span.field().len });
            let Some(part) = self.traces.get_mut(trace as usize) else { continue };
            let hits = part.hits() | of_resource;
            part.set_hits(hits | self.seeker.of_span(traces, index, span, hits));
            part.start = earlier(part.start, span.start);
            part.end = part.end.max(span.end);
            part.has_root |= span.parent_id_at == u32::MAX;
            part.n_spans += 1;
        }
    }

    /// Writes a span into the message. Returns where it begins among the others.
    fn write(&mut self, field: &[u8]) -> u32 {
        if self.out.is_empty() {
            // All at once: what grows is copied, and memory that is not written costs nothing.
            self.out.reserve(MESSAGE_BYTES + MESSAGE_ROOM);
            self.out.put_bytes(0, SPANS_START);
        }
        let begin = self.out.len() - SPANS_START;
        self.out.put_slice(field);
        begin as u32
    }

    /// How long the message is when it is told, resources and scopes aside.
    fn encoded_bytes(&self) -> usize {
        self.out.len() + self.spans.len() * ENCODED_SPAN + self.traces.len() * ENCODED_TRACE
    }

    /// What is held here.
    fn n_bytes(&self) -> usize {
        let rows = self.spans.len() * SPAN_BYTES + self.traces.len() * TRACE_BYTES;
        self.full_bytes + self.out.len() + rows + self.head_bytes
    }

    /// Returns the place of a trace, which may be a new one.
    fn place(&mut self, id: u128) -> u32 {
        let next = self.traces.len() as u32;
        let trace = *self.places.entry(id).or_insert(next);
        if trace == next {
            let (trace_high, trace_low) = ((id >> 64) as u64, id as u64);
            self.traces.push(TracePart { trace_high, trace_low, ..TracePart::default() });
        }
        trace
    }

    /// Returns the place of a resource and what holds for it. It is read once for each request and message.
    fn resource(&mut self, traces: &Traces, at: usize) -> OfResource {
        if let Some(Some(known)) = self.facts_of_resource.get(at) {
            return *known;
        }
        let request = &traces.bytes[..];
        let found = traces.table.resources.get(at);
        let hits = self.seeker.of_resource(found.map_or(&[][..], |it| it.resource.of(request)));
        let next = self.resources.len() as u32;
        let bytes = Bytes::from(wire::edit::head_of(found.map_or(&[][..], |it| it.body.of(request))));
        let len = bytes.len();
        let place = *self.resources.entry(bytes).or_insert(next);
        if place == next {
            self.head_bytes += len;
        }
        let facts = OfResource { place, hits };
        if let Some(known) = self.facts_of_resource.get_mut(at) {
            *known = Some(facts);
        }
        facts
    }

    /// Returns the place of a scope's head. It is read once for each request and message.
    fn head(&mut self, traces: &Traces, at: usize, resource: u32) -> u32 {
        if let Some(Some(known)) = self.head_of_scope.get(at) {
            return *known;
        }
        let body = traces.table.scopes.get(at).map_or(&[][..], |it| it.body.of(&traces.bytes));
        let scope = Bytes::from(wire::edit::head_of(body));
        let len = scope.len();
        let next = self.heads.len() as u32;
        let place = *self.heads.entry((resource, scope)).or_insert(next);
        if place == next {
            self.head_bytes += len + HEAD_BYTES;
        }
        if let Some(known) = self.head_of_scope.get_mut(at) {
            *known = Some(place);
        }
        place
    }

    /// Ends the message, and begins another.
    fn close(&mut self) {
        if self.spans.is_empty() {
            return;
        }
        let spans = self.by_trace();
        let heads = self.heads.drain().map(|((resource, scope), place)| (Head { resource, scope }, place));
        let rest = TailPartial {
            version: VERSION,
            heads: by_place(heads),
            traces: std::mem::take(&mut self.traces),
            resources: by_place(self.resources.drain()),
            // Written already.
            spans: Bytes::new(),
            span_heads: spans.iter().map(|span| span.head).collect(),
            span_begins: spans.iter().map(|span| span.begin).collect(),
            span_lens: spans.iter().map(|span| span.len).collect(),
        };
        let mut out = std::mem::take(&mut self.out);
        start_spans(&mut out);
        out.reserve(rest.encoded_len());
        rest.encode(&mut out).expect("a buffer that grows has room");
        // It may wait for long, so it takes little more than it needs.
        let unused = out.capacity() - out.len();
        let bytes = if unused > out.len() / UNUSED { Bytes::copy_from_slice(&out) } else { out.freeze() };
        self.full_bytes += bytes.len();
        self.full.push((bytes, spans.len() as u64));
        self.spans.clear();
        self.places.clear();
        self.head_bytes = 0;
        // The next message has none of what this one had.
        self.head_of_scope.fill(None);
        self.facts_of_resource.fill(None);
    }

    /// Returns spans in order of their traces, in these as they came: counted and dealt, as there are about as many
    /// traces as spans.
    fn by_trace(&self) -> Vec<Row> {
        let mut n_before = 0;
        let begin = |part: &TracePart| {
            n_before += part.n_spans as usize;
            n_before - part.n_spans as usize
        };
        // Where the next span of a trace goes.
        let mut next: Vec<usize> = self.traces.iter().map(begin).collect();
        let mut all = vec![Row::default(); self.spans.len()];
        for span in &self.spans {
            let Some(at) = next.get_mut(span.trace as usize) else { continue };
            if let Some(place) = all.get_mut(*at) {
                *place = *span;
            }
            *at += 1;
        }
        all
    }
}

/// Writes tag and length of the spans that a message begins with.
fn start_spans(out: &mut [u8]) {
    let len = out.len() - SPANS_START;
    let Some((start, _)) = out.split_first_chunk_mut::<SPANS_START>() else { return };
    start[0] = 5 << 3 | encoding::WireType::LengthDelimited as u8;
    // Seven bits in each byte, all but the last marked as followed by another, though what follows may be zero.
    for (at, byte) in start.iter_mut().skip(1).enumerate() {
        *byte = (len >> (7 * at)) as u8 & 0x7f | if at + 2 < SPANS_START { 0x80 } else { 0 };
    }
}

fn by_place<T>(places: impl Iterator<Item = (T, u32)>) -> Vec<T> {
    let mut all: Vec<_> = places.collect();
    all.sort_unstable_by_key(|(_, place)| *place);
    all.into_iter().map(|(it, _)| it).collect()
}

fn earlier(a: u64, b: u64) -> u64 {
    match (a, b) {
        (0, other) | (other, 0) => other,
        _ => a.min(b),
    }
}

impl Processor for IngestHalf {
    fn want(&mut self, keys: &mut KeySet) {
        self.seeker.want(keys);
    }

    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Traces(traces) = &batch.payload {
            // One request is always taken, as else a large one never would be.
            if self.n_bytes() > 0 && self.n_bytes() + traces.bytes.len() > self.max_bytes {
                cx.reject(batch.items, "more_than_a_shard_holds");
            } else {
                self.take(traces);
            }
        }
        cx.absorb(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.close();
        self.full_bytes = 0;
        for (bytes, n_spans) in std::mem::take(&mut self.full) {
            cx.emit(Payload::Partial(Partial { bytes, at: cx.now() }), n_spans);
        }
    }

    fn untold(&self) -> u64 {
        self.full.iter().map(|(_, n_spans)| n_spans).sum::<u64>() + self.spans.len() as u64
    }
}
