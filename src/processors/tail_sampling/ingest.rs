//! The half that sees spans: notes to which trace each belongs and what it is, and hands them over at ticks.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use component::{BuildCx, Counter, Cx, Processor};
use model::{Batch, KeySet, Partial, Payload, Slice, Traces};
use prost::encoding;

use super::{
    TailSamplingConfig,
    conditions::Seeker,
    held::HEAD_BYTES,
    partial::{Head, VERSION},
    policy::compile,
};

/// Keeps the requests of one shard until the next tick, as they came.
pub(super) struct IngestHalf {
    failures: Counter,
    seeker: Seeker,
    requests: Vec<Bytes>,
    n_bytes: usize,
    /// What may come between two ticks.
    max_bytes: usize,
    spans: Vec<Held>,
    traces: Vec<Part>,
    /// By id the place among the traces.
    places: HashMap<u128, u32, rapidhash::fast::RandomState>,
    /// The order in which spans are told; kept for its memory.
    order: Vec<Held>,
    /// By its bytes the place of a resource, and by place of its resource and bytes that of a scope.
    resources: HashMap<Bytes, u32>,
    heads: HashMap<(u32, Bytes), u32>,
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

/// A span that was taken.
#[derive(Clone, Copy)]
struct Held {
    trace: u32,
    head: u32,
    request: u32,
    field: Slice,
}

/// What is known of the part of a trace that came here.
#[derive(Default)]
struct Part {
    id: u128,
    hits: u128,
    start: u64,
    end: u64,
    has_root: bool,
}

/// A partial is closed when it is so large.
const PARTIAL_BYTES: usize = 1 << 20;
/// Room beyond that for the last trace and for what spans have in common: whoever grows copies all.
const PARTIAL_ROOM: usize = 64 << 10;
/// All traffic may come to one shard: each takes this part of what may wait in all.
const SHARE_OF_A_SHARD: u64 = 4;
const LEAST_BYTES: usize = 16 << 20;
/// What the part of a trace takes here beside its spans: itself and its entry by id.
const PART_BYTES: usize = size_of::<Part>() + 48;

impl IngestHalf {
    pub(super) fn new(config: &TailSamplingConfig, cx: &BuildCx<'_>) -> Self {
        Self {
            failures: cx.telemetry.counter(
                "otelcol_processor_tail_sampling_condition_failures",
                "Conditions in OTTL that could not be judged of a span",
                "{failure}",
            ),
            seeker: Seeker::new(compile(&config.policies).conditions),
            requests: Vec::new(),
            n_bytes: 0,
            max_bytes: ((config.max_bytes.0 / SHARE_OF_A_SHARD) as usize).max(LEAST_BYTES),
            spans: Vec::new(),
            traces: Vec::new(),
            places: HashMap::default(),
            order: Vec::new(),
            resources: HashMap::new(),
            heads: HashMap::new(),
            head_of_scope: Vec::new(),
            facts_of_resource: Vec::new(),
        }
    }

    fn take(&mut self, traces: &Traces) {
        let request = self.requests.len() as u32;
        self.requests.push(traces.bytes.clone());
        self.n_bytes += traces.bytes.len() + traces.table.spans.len() * 2 * size_of::<Held>();
        self.head_of_scope.clear();
        self.head_of_scope.resize(traces.table.scopes.len(), None);
        self.facts_of_resource.clear();
        self.facts_of_resource.resize(traces.table.resources.len(), None);
        self.failures.add(self.seeker.begin(traces));
        // Spans of a trace often follow each other.
        let mut last = None;
        for (index, span) in traces.table.spans.iter().enumerate() {
            // Spans without an id are of one trace, as in the collector.
            let id = span.trace_id(&traces.bytes).map_or(0, |id| u128::from_be_bytes(*id));
            let trace = match last {
                Some((of, trace)) if of == id => trace,
                _ => self.place(id),
            };
            last = Some((id, trace));
            let OfResource { place, hits: of_resource } = self.resource(traces, span.resource as usize);
            let head = self.head(traces, span.scope as usize, place);
            self.spans.push(Held { trace, head, request, field: span.field() });
            let Some(part) = self.traces.get_mut(trace as usize) else { continue };
            part.hits |= of_resource;
            part.hits |= self.seeker.of_span(traces, index, span, part.hits);
            part.start = earlier(part.start, span.start);
            part.end = part.end.max(span.end);
            part.has_root |= span.parent_id_at == u32::MAX;
        }
    }

    /// Returns the place of a trace, which may be a new one.
    fn place(&mut self, id: u128) -> u32 {
        let next = self.traces.len() as u32;
        let trace = *self.places.entry(id).or_insert(next);
        if trace == next {
            self.traces.push(Part { id, ..Part::default() });
            self.n_bytes += PART_BYTES;
        }
        trace
    }

    /// Returns the place of a resource and what holds for it. It is read once for each request.
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
            self.n_bytes += len;
        }
        let facts = OfResource { place, hits };
        if let Some(known) = self.facts_of_resource.get_mut(at) {
            *known = Some(facts);
        }
        facts
    }

    /// Returns the place of a scope's head. It is read once for each request.
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
            self.n_bytes += len + HEAD_BYTES;
        }
        if let Some(known) = self.head_of_scope.get_mut(at) {
            *known = Some(place);
        }
        place
    }

    fn tell(&mut self, cx: &mut Cx<'_>) {
        if self.spans.is_empty() {
            return;
        }
        self.arrange();
        let heads = self.heads.drain().map(|((resource, scope), place)| (Head { resource, scope }, place));
        let mut message = PartialWriter::new(by_place(self.resources.drain()), by_place(heads), self.n_bytes);
        for spans in self.order.chunk_by(|a, b| a.trace == b.trace) {
            let Some(part) = spans.first().and_then(|span| self.traces.get(span.trace as usize)) else {
                continue;
            };
            message.trace(part, spans, &self.requests);
            if message.out.len() >= PARTIAL_BYTES {
                message.emit(cx);
            }
        }
        message.emit(cx);
        self.spans.clear();
        self.order.clear();
        self.traces.clear();
        self.places.clear();
        self.requests.clear();
        self.n_bytes = 0;
    }

    /// Puts spans in order of their traces, in these of their heads, in these as they came: counted and dealt, as there
    /// are about as many traces as spans.
    fn arrange(&mut self) {
        let mut ends = vec![0_usize; self.traces.len()];
        for span in &self.spans {
            if let Some(end) = ends.get_mut(span.trace as usize) {
                *end += 1;
            }
        }
        let mut n_before = 0;
        for end in &mut ends {
            n_before += *end;
            *end = n_before - *end;
        }
        // From here on, where the next span of a trace goes.
        self.order.clear();
        self.order.resize(self.spans.len(), NOBODY);
        for span in &self.spans {
            let Some(at) = ends.get_mut(span.trace as usize) else { continue };
            if let Some(place) = self.order.get_mut(*at) {
                *place = *span;
            }
            *at += 1;
        }
        for spans in self.order.chunk_by_mut(|a, b| a.trace == b.trace) {
            spans.sort_by_key(|span| span.head);
        }
    }
}

/// A place that a span will take.
const NOBODY: Held = Held { trace: u32::MAX, head: 0, request: 0, field: Slice::ABSENT };

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
            if self.n_bytes > 0 && self.n_bytes + traces.bytes.len() > self.max_bytes {
                cx.reject(batch.items, "more_than_a_shard_holds");
            } else {
                self.take(traces);
            }
        }
        cx.absorb(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx);
    }

    fn untold(&self) -> u64 {
        self.spans.len() as u64
    }
}

/// Writes partials, with only the heads and resources that their spans have.
struct PartialWriter {
    resources: Chosen<Bytes>,
    heads: Chosen<Head>,
    out: BytesMut,
    n_spans: u64,
    /// What is still to be written, roughly.
    left: usize,
}

/// What a message may need, and what it does need.
struct Chosen<T> {
    all: Vec<T>,
    /// By place in `all` the place in this message plus one; 0 while it has none.
    places: Vec<u32>,
    chosen: Vec<u32>,
}

impl<T> Chosen<T> {
    fn new(all: Vec<T>) -> Self {
        Self { places: vec![0; all.len()], all, chosen: Vec::new() }
    }

    /// Returns the place in this message.
    fn place(&mut self, at: u32) -> u32 {
        let Some(place) = self.places.get_mut(at as usize) else { return 0 };
        if *place == 0 {
            self.chosen.push(at);
            *place = self.chosen.len() as u32;
        }
        *place - 1
    }

    /// Begins a new message. Returns what the last one needs.
    fn take(&mut self) -> impl Iterator<Item = &T> {
        for at in &self.chosen {
            if let Some(place) = self.places.get_mut(*at as usize) {
                *place = 0;
            }
        }
        std::mem::take(&mut self.chosen).into_iter().filter_map(|at| self.all.get(at as usize))
    }
}

impl PartialWriter {
    fn new(resources: Vec<Bytes>, heads: Vec<Head>, n_bytes: usize) -> Self {
        let (resources, heads) = (Chosen::new(resources), Chosen::new(heads));
        Self { resources, heads, out: BytesMut::new(), n_spans: 0, left: n_bytes }
    }

    /// Writes a trace's part; field by field, so that a span is copied once.
    fn trace(&mut self, part: &Part, spans: &[Held], requests: &[Bytes]) {
        if self.out.is_empty() {
            self.out.reserve(self.left.min(PARTIAL_BYTES) + PARTIAL_ROOM);
        }
        let numbers = [
            (part.id >> 64) as u64,
            part.id as u64,
            (part.hits >> 64) as u64,
            part.hits as u64,
            part.start,
            part.end,
        ];
        let pieces: Vec<Measured<'_>> =
            spans.chunk_by(|a, b| a.head == b.head).map(|spans| self.measured(spans)).collect();
        let len: usize =
            pieces.iter().map(|piece| 1 + encoding::encoded_len_varint(piece.len as u64) + piece.len).sum();
        encoding::encode_key(3, encoding::WireType::LengthDelimited, &mut self.out);
        encoding::encode_varint((len + numbers.len() * 9 + 2) as u64, &mut self.out);
        for (tag, number) in (1..).zip(numbers) {
            encoding::encode_key(tag, encoding::WireType::SixtyFourBit, &mut self.out);
            self.out.put_u64_le(number);
        }
        encoding::bool::encode(7, &part.has_root, &mut self.out);
        for piece in pieces {
            encoding::encode_key(8, encoding::WireType::LengthDelimited, &mut self.out);
            encoding::encode_varint(piece.len as u64, &mut self.out);
            encoding::uint32::encode(1, &piece.head, &mut self.out);
            encoding::uint32::encode(2, &(piece.spans.len() as u32), &mut self.out);
            encoding::encode_key(3, encoding::WireType::LengthDelimited, &mut self.out);
            encoding::encode_varint(piece.spans_len as u64, &mut self.out);
            for span in piece.spans {
                let request = requests.get(span.request as usize).map_or(&[][..], |request| &request[..]);
                self.out.put_slice(span.field.of(request));
            }
            self.n_spans += piece.spans.len() as u64;
        }
    }

    fn measured<'a>(&mut self, spans: &'a [Held]) -> Measured<'a> {
        let head = spans.first().map_or(0, |span| span.head);
        let place = self.heads.place(head);
        let spans_len: usize = spans.iter().map(|span| span.field.len as usize).sum();
        let numbers = encoding::uint32::encoded_len(1, &place)
            + encoding::uint32::encoded_len(2, &(spans.len() as u32));
        let len = numbers + 1 + encoding::encoded_len_varint(spans_len as u64) + spans_len;
        Measured { head: place, spans, spans_len, len }
    }

    fn emit(&mut self, cx: &mut Cx<'_>) {
        if self.n_spans == 0 {
            return;
        }
        let mut start = BytesMut::new();
        encoding::uint32::encode(1, &VERSION, &mut start);
        for head in self.heads.take() {
            let resource = self.resources.place(head.resource);
            encoding::message::encode(2, &Head { resource, scope: head.scope.clone() }, &mut start);
        }
        for resource in self.resources.take() {
            encoding::bytes::encode(4, resource, &mut start);
        }
        // Fields may come in any order; the heads are known last and cost less to move.
        self.out.extend_from_slice(&start);
        // The rest of the buffer is given up with it: it is too small for another.
        let bytes = std::mem::take(&mut self.out).freeze();
        self.left = self.left.saturating_sub(bytes.len());
        let items = std::mem::take(&mut self.n_spans);
        cx.emit(Payload::Partial(Partial { bytes, at: cx.now() }), items);
    }
}

/// Spans of a trace in one scope, and how long their message is.
struct Measured<'a> {
    head: u32,
    spans: &'a [Held],
    spans_len: usize,
    len: usize,
}
