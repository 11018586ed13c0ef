//! The half that sees spans: keeps those of chosen traces, whole traces or nothing.

use std::collections::{HashMap, HashSet};

use component::{BuildCx, Counter, Cx, Processor};
use model::{Batch, KeySet, Partial, Payload, Slice, Slot, SpanRec, Traces};
use prost::Message;
use wire::view::{self, AnyValue};

use super::{
    config::{BottleneckConfig, TraceConfig},
    demand::Demand,
    errors::failed_with,
    partial::{BottleneckPartial, BottleneckVerdicts, SpanRow, VERSION},
    sampling::{Thresholds, hash_of},
};
use crate::aggregation::spec::service_of;

/// Keeps the spans of one shard until the next tick.
pub(super) struct IngestHalf {
    config: BottleneckConfig,
    databases: Vec<Slot>,
    peers: Vec<Slot>,
    demand: Demand,
    error_type: Option<Slot>,
    /// Spans kept between two ticks; more, and fewer traces are kept.
    limit: usize,
    /// The same of spans that failed, of traces that are left out.
    failed_limit: usize,
    /// What the other half published.
    published: Thresholds,
    /// What is kept; never raised between two ticks.
    thresholds: Thresholds,
    rows: Vec<SpanRow>,
    /// Spans that failed, of traces that are left out.
    failed_rows: Vec<SpanRow>,
    /// Traces with more spans since the last tick than a trace may have; no more of them are kept.
    too_long: HashSet<u128>,
    texts: Texts,
    /// By resource of the request the place of its service; 0 while not read.
    services: Vec<u32>,
    seen: u64,
    seen_failed: u64,
    left_out: Counter,
}

/// So many spans are told in one partial, so that it stays small.
const SPANS_PER_PARTIAL: usize = 4096;
/// Of a trace that is left out so many spans that failed are kept in any case, where it has that many.
const LEAST_FAILED: usize = 16;
/// Longer texts are cut: a name that long is none.
const MAX_TEXT_BYTES: usize = 256;

/// Names that say nothing of what is asked, nor of whom: a client that knows no template of the path names its spans so
/// (semantic conventions for HTTP spans, "Name").
const METHODS: [&[u8]; 11] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"QUERY",
    b"HTTP",
];

const CLIENT: u8 = 3;
const PRODUCER: u8 = 4;
const STATUS_ERROR: u8 = 2;

/// Both halves count what is not sampled.
pub(super) fn left_out_spans(cx: &BuildCx<'_>) -> Counter {
    cx.telemetry.counter(
        "otelcol_processor_bottleneck_left_out_spans",
        "Spans of traces that are not assembled, as there are more than max_spans_per_second",
        "{span}",
    )
}

impl IngestHalf {
    pub(super) fn new(config: &BottleneckConfig, cx: &BuildCx<'_>) -> Self {
        let TraceConfig { max_spans_per_second, failed_share, .. } = config.trace;
        // All traffic may come to one shard, and come in bursts.
        let limit = 2 * max_spans_per_second as usize;
        Self {
            config: config.clone(),
            databases: Vec::new(),
            peers: Vec::new(),
            demand: Demand::default(),
            error_type: None,
            limit,
            failed_limit: (limit as f64 * failed_share) as usize,
            published: Thresholds::EVERYTHING,
            thresholds: Thresholds::EVERYTHING,
            rows: Vec::new(),
            failed_rows: Vec::new(),
            too_long: HashSet::new(),
            texts: Texts::default(),
            services: Vec::new(),
            seen: 0,
            seen_failed: 0,
            left_out: left_out_spans(cx),
        }
    }

    /// Returns the spans of traces that are too long.
    fn read(&mut self, traces: &Traces) -> u64 {
        self.services.clear();
        self.services.resize(traces.table.resources.len(), 0);
        let (mut left_out, mut beyond, mut failed_beyond) = (0, 0, 0);
        for (index, span) in traces.table.spans.iter().enumerate() {
            let failed = span.status == STATUS_ERROR;
            self.seen_failed += u64::from(failed);
            let Some(trace) = span.trace_id(&traces.bytes) else { continue };
            let hash = hash_of(trace);
            if !self.thresholds.keeps(hash, failed) {
                left_out += 1;
                continue;
            }
            let trace = u128::from_be_bytes(*trace);
            if !self.too_long.is_empty() && self.too_long.contains(&trace) {
                (beyond, failed_beyond) = (beyond + 1, failed_beyond + u64::from(failed));
                continue;
            }
            let is_whole = hash <= self.thresholds.whole;
            if let Some(row) = self.row(traces, index, span, trace) {
                if is_whole { &mut self.rows } else { &mut self.failed_rows }.push(row);
            }
            if self.rows.len() > self.limit || self.failed_rows.len() > self.failed_limit {
                let (cut, failed) = self.cut_too_long();
                (beyond, failed_beyond) = (beyond + cut, failed_beyond + failed);
                left_out += self.keep_fewer();
            }
        }
        // What one trace has too much is no reason to keep fewer of the others.
        self.seen += (traces.table.spans.len() as u64).saturating_sub(beyond);
        self.seen_failed = self.seen_failed.saturating_sub(failed_beyond);
        self.left_out.add(left_out);
        beyond
    }

    /// Cuts traces that alone take the room of others. Returns the spans that left, and how many of them failed. Of each
    /// whole one span more is kept than it may have, by which the other half knows that it is not whole.
    fn cut_too_long(&mut self) -> (u64, u64) {
        let most = self.config.trace.max_spans as usize + 1;
        let (all, failed) = cut_too_long(&mut self.rows, most, &mut self.too_long);
        let most = (self.failed_limit / 8).max(LEAST_FAILED);
        let (more, _) = cut_too_long(&mut self.failed_rows, most, &mut self.too_long);
        (all + more, failed + more)
    }

    /// None for a span without an id, which has no place in a trace.
    fn row(&mut self, traces: &Traces, index: usize, span: &SpanRec, trace: u128) -> Option<SpanRow> {
        let request = &traces.bytes[..];
        let id = u64::from_be_bytes(*span.span_id(request)?);
        let values = traces.table.values_of(index);
        let mut name = self.texts.place(&String::from_utf8_lossy(span.name.of(request)));
        let (mut database, mut peer, mut cache) = (0, 0, 0);
        if matches!(span.kind, CLIENT | PRODUCER) {
            database = self.texts.first(&self.databases, values, request);
            peer = self.texts.first(&self.peers, values, request);
            cache = self.demand.of_cache(values, span.name.of(request), request, &self.config.cache_systems);
            if database == 0 && METHODS.contains(&span.name.of(request)) {
                name = self.texts.joined(name, peer);
            }
        }
        let failed = span.status == STATUS_ERROR;
        let error = match failed {
            true => self.texts.place(&failed_with(self.error_type, values, request, span.body.of(request))),
            false => 0,
        };
        Some(SpanRow {
            trace_high: (trace >> 64) as u64,
            trace_low: trace as u64,
            span: id,
            parent: span.parent_id(request).map_or(0, |id| u64::from_be_bytes(*id)),
            start: span.start,
            end: span.end.max(span.start),
            kind: u32::from(span.kind),
            failed,
            has_links: view::Span { body: span.body.of(request) }.links().next().is_some(),
            service: self.service(traces, span.resource as usize),
            name,
            database,
            peer,
            cache,
            throttled: self.demand.is_throttled(values, request),
            error,
        })
    }

    fn service(&mut self, traces: &Traces, resource: usize) -> u32 {
        let (Some(place), Some(record)) =
            (self.services.get_mut(resource), traces.table.resources.get(resource))
        else {
            return 0;
        };
        if *place == 0 {
            *place = self.texts.place(&service_of(record.resource.of(&traces.bytes)));
        }
        *place
    }

    /// Halves the traces that are kept until there is room, then the failures of others. Returns the spans that left.
    fn keep_fewer(&mut self) -> u64 {
        let before = self.untold();
        while self.rows.len() > self.limit && self.thresholds.whole > 0 {
            self.lower(Thresholds { whole: self.thresholds.whole / 2, ..self.thresholds });
        }
        while self.failed_rows.len() > self.failed_limit && self.thresholds.failed > 0 {
            self.lower(Thresholds { failed: self.thresholds.failed / 2, ..self.thresholds });
        }
        // One trace alone may be too large.
        self.rows.truncate(self.limit);
        self.failed_rows.truncate(self.failed_limit);
        before - self.untold()
    }

    /// Leaves out what is above lower thresholds. Of traces that are no longer kept the failures may be.
    fn lower(&mut self, to: Thresholds) {
        self.thresholds = self.thresholds.or_lower(to);
        let Thresholds { whole, failed } = self.thresholds;
        let left = self.rows.extract_if(.., |row| row.hash() > whole);
        self.failed_rows.extend(left.filter(|row| row.failed));
        self.failed_rows.retain(|row| row.hash() <= failed);
    }

    fn tell(&mut self, cx: &mut Cx<'_>) {
        if self.seen == 0 {
            return;
        }
        let texts = std::mem::take(&mut self.texts).all;
        self.rows.append(&mut self.failed_rows);
        let mut rows = self.rows.as_slice();
        let (mut seen, mut seen_failed) =
            (std::mem::take(&mut self.seen), std::mem::take(&mut self.seen_failed));
        loop {
            let (now, later) = rows.split_at(rows.len().min(SPANS_PER_PARTIAL));
            let message = BottleneckPartial {
                version: VERSION,
                threshold: self.thresholds.whole,
                failed_threshold: self.thresholds.failed,
                seen: std::mem::take(&mut seen),
                seen_failed: std::mem::take(&mut seen_failed),
                ..told(&texts, now)
            };
            let bytes = message.encode_to_vec().into();
            cx.emit(Payload::Partial(Partial { bytes, at: cx.now() }), now.len() as u64);
            rows = later;
            if rows.is_empty() {
                break;
            }
        }
        self.rows.clear();
    }

    fn learn(&mut self, published: &[u8]) {
        if let Ok(verdicts) = BottleneckVerdicts::decode(published)
            && verdicts.version == VERSION
        {
            self.published = Thresholds { whole: verdicts.threshold, failed: verdicts.failed_threshold };
            self.lower(self.published);
        }
    }
}

/// Leaves so many rows of each trace. Returns how many left, and how many of them failed.
fn cut_too_long(rows: &mut Vec<SpanRow>, most: usize, too_long: &mut HashSet<u128>) -> (u64, u64) {
    let mut counts: HashMap<u128, usize> = HashMap::new();
    let (before, mut failed) = (rows.len(), 0);
    rows.retain(|row| {
        let count = counts.entry(row.trace()).or_default();
        *count += 1;
        if *count > most {
            too_long.insert(row.trace());
            failed += u64::from(row.failed);
        }
        *count <= most
    });
    ((before - rows.len()) as u64, failed)
}

/// Builds a partial of some rows with the texts that they name.
fn told(texts: &[String], rows: &[SpanRow]) -> BottleneckPartial {
    let mut places = vec![0_u32; texts.len()];
    let mut chosen = Vec::new();
    let mut renumbered = |place: u32| {
        let Some(at) = (place as usize).checked_sub(1).filter(|at| *at < texts.len()) else { return 0 };
        if places[at] == 0 {
            chosen.push(texts[at].clone());
            places[at] = chosen.len() as u32;
        }
        places[at]
    };
    let spans = rows.iter().map(|row| SpanRow {
        service: renumbered(row.service),
        name: renumbered(row.name),
        database: renumbered(row.database),
        peer: renumbered(row.peer),
        error: renumbered(row.error),
        ..*row
    });
    let spans = spans.collect();
    BottleneckPartial { texts: chosen, spans, ..BottleneckPartial::default() }
}

impl Processor for IngestHalf {
    fn want(&mut self, keys: &mut KeySet) {
        let mut slots = |names: &[String]| names.iter().map(|name| keys.want(name)).collect();
        self.databases = slots(&self.config.database_name_attributes);
        self.peers = slots(&self.config.peer_attributes);
        self.demand = Demand::new(keys);
        self.error_type = Some(keys.want("error.type"));
    }

    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        match &batch.payload {
            Payload::Traces(traces) => {
                let beyond = self.read(traces);
                if beyond > 0 {
                    cx.reject(beyond, "spans_of_trace_limit");
                }
            }
            Payload::Verdicts(verdicts) => return self.learn(verdicts),
            _ => {}
        }
        cx.pass(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx);
        self.too_long.clear();
        self.thresholds = self.published;
    }

    fn untold(&self) -> u64 {
        (self.rows.len() + self.failed_rows.len()) as u64
    }
}

/// Texts of the rows, each once.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: HashMap<String, u32>,
    /// Places of two texts, and of both as one.
    joined: HashMap<(u32, u32), u32>,
}

impl Texts {
    /// Returns the place of a text plus one; 0 for an empty one.
    fn place(&mut self, text: &str) -> u32 {
        let text = text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default();
        if text.is_empty() {
            return 0;
        }
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.all.push(text.to_owned());
        let place = self.all.len() as u32;
        self.places.insert(text.to_owned(), place);
        place
    }

    /// Returns the place of two texts as one, with a blank between; of the first where there is no second.
    fn joined(&mut self, first: u32, second: u32) -> u32 {
        if let Some(place) = self.joined.get(&(first, second)) {
            return *place;
        }
        let text = |place: u32| (place as usize).checked_sub(1).and_then(|at| self.all.get(at));
        let (Some(one), Some(other)) = (text(first), text(second)) else { return first };
        let both = format!("{one} {other}");
        let place = self.place(&both);
        self.joined.insert((first, second), place);
        place
    }

    /// Returns the place of the first attribute that has a text.
    fn first(&mut self, slots: &[Slot], values: &[Slice], request: &[u8]) -> u32 {
        let values = slots.iter().filter_map(|slot| values.get(slot.0).filter(|value| !value.is_absent()));
        values
            .map(|value| self.place(&AnyValue::of(value.of(request)).to_label_string()))
            .find(|place| *place > 0)
            .unwrap_or(0)
    }
}
