//! From a table of spans to counters.
//!
//! The work is staged per request: hashes of all keys, then the places of all series, then the dense
//! counters, then the buckets. Cache misses of one stage overlap instead of waiting for each other, and
//! a key is only spelled out for a series that is new.

use model::{KeySet, Slot, SpanRec, SpanTable};
use wire::view::{KeyValue, Scope, Span};

use super::{
    buckets::{Layout, exponential_bucket},
    exemplars::Exemplar,
    key::Key,
    partial::{ExemplarRow, ResourceRow, Row},
    resources::Resources,
    spec::{Head, SeriesSpec, UNKNOWN_KIND, UNKNOWN_STATUS},
    table::{Candidate, Hot, Place, SeriesTable},
    weight::weight_of,
};

/// Folds the spans of requests into the series of one family.
pub(crate) struct Fold {
    shape: Shape,
    series: SeriesTable,
    /// Per span of a block: its key but for the parts, then what that points to.
    probes: Vec<Probe>,
    candidates: Vec<Candidate>,
    /// Per span of the request: its series.
    places: Vec<Place>,
    /// Spans since the last flush; bounds what a bucket holds.
    spans: u64,
}

/// What keys are made of.
struct Shape {
    spec: SeriesSpec,
    slots: Vec<Slot>,
    resources: Resources,
}

/// A request while it is folded.
struct Request<'r> {
    bytes: &'r [u8],
    table: &'r SpanTable,
    /// Name and version of each scope, where they are asked for.
    scopes: Vec<[Option<&'r [u8]>; 2]>,
}

/// A span's key but for its parts, and their hash.
#[derive(Clone, Copy)]
struct Probe {
    hash: u64,
    identity: u32,
    head: Head,
}

/// The series of so many spans are looked for at once: enough for their cache misses to overlap, few enough
/// for what their keys are made of to stay in the first-level cache.
const BLOCK: usize = 32;
/// The parts of a key before its dimensions: name, scope's name, scope's version.
const FIXED_PARTS: usize = 3;
/// So many rows are spelled out at once: some hundred kilobytes.
const ROWS_OF_RUN: usize = 512;
/// Buckets count in 32 bits. A shard that has folded so many spans tells them before the next request.
const SPANS_BEFORE_FLUSH: u64 = 1 << 31;
/// Counts beside the dense buckets, which are dearer.
const WIDE_BEFORE_FLUSH: usize = 1 << 16;

impl Fold {
    pub(crate) fn new(spec: SeriesSpec, seed: u64) -> Self {
        let resources = Resources::new(seed, spec.limit);
        let series = SeriesTable::new(seed, &spec);
        let shape = Shape { spec, slots: Vec::new(), resources };
        Self { shape, series, probes: Vec::new(), candidates: Vec::new(), places: Vec::new(), spans: 0 }
    }

    pub(crate) fn want(&mut self, keys: &mut KeySet) {
        self.shape.slots = self.shape.spec.want(keys);
    }

    /// Counts the spans of a request.
    ///
    /// *Cost*: some 60 ns per span with three dimensions, once its series is known.
    pub(crate) fn fold(&mut self, bytes: &[u8], table: &SpanTable) {
        let request = self.shape.begin(bytes, table);
        self.find_series(&request);
        self.add_counts(table);
        self.add_to_buckets(table);
        self.add_weights(&request);
        if self.shape.spec.max_exemplars > 0 {
            self.offer_exemplars(&request);
        }
        self.spans += table.spans.len() as u64;
    }

    /// Counts the events of a request's spans instead of the spans.
    pub(crate) fn fold_events(&mut self, bytes: &[u8], table: &SpanTable) {
        let request = self.shape.begin(bytes, table);
        for (index, span) in table.spans.iter().enumerate().filter(|(_, span)| span.has_events) {
            let weight = weight_of(span, request.bytes).unwrap_or(1);
            for event in (Span { body: span.body.of(bytes) }).events() {
                let attributes: Vec<KeyValue<'_>> = event.attributes().collect();
                self.fold_event(&request, index, &attributes, weight);
            }
        }
    }

    fn fold_event(&mut self, request: &Request<'_>, index: usize, attributes: &[KeyValue<'_>], weight: u64) {
        let span = &request.table.spans[index];
        let mut parts = Vec::new();
        let (identity, head) = self.shape.push_parts(request, index, &mut parts);
        let values = request.table.values_of(index);
        let dimensions = self.shape.spec.dimensions.iter().zip(&self.shape.slots);
        for (part, (dimension, slot)) in parts[FIXED_PARTS..].iter_mut().zip(dimensions) {
            let of_event = attributes.iter().find(|attribute| attribute.key == dimension.key.as_bytes());
            // The span's own value comes first, then the event's, then the resource's, then the default.
            if let (true, Some(attribute)) =
                (values.get(slot.0).is_none_or(|value| value.is_absent()), of_event)
            {
                *part = Some(attribute.value);
            }
        }
        let key = Key { identity, head, overflow: false, parts: &parts };
        let nanos = span.duration_nanos();
        let hash = key.hash(self.series.seed());
        let place = match self.series.find(hash, &key) {
            Some(place) => place,
            None => self.series.begin(&key, nanos, &self.shape.spec, &self.shape.resources),
        };
        let hot = &mut self.series.hot[place as usize];
        hot.calls = hot.calls.saturating_add(weight);
        if let (true, Some(exemplar)) = (self.shape.spec.max_exemplars > 0, request.exemplar(span, 0)) {
            self.series.offer_exemplar(place, exemplar, self.shape.spec.max_exemplars);
        }
    }

    /// Whether the counters should be told before they grow further.
    pub(crate) fn is_full(&self) -> bool {
        self.spans >= SPANS_BEFORE_FLUSH || self.series.wide.len() >= WIDE_BEFORE_FLUSH
    }

    pub(crate) fn n_series(&self) -> usize {
        self.series.len()
    }

    /// Tells what was counted since the last time, in runs of rows that `tell` is handed one by one, and
    /// begins anew. Runs keep what is spelled out at once small, however many series there are. Returns
    /// how many spans had to share an overflow series.
    pub(crate) fn flush(&mut self, family: u32, mut tell: impl FnMut(Vec<ResourceRow>, Vec<Row>)) -> u64 {
        for run in self.counted_places().chunks(ROWS_OF_RUN) {
            let (mut resources, mut rows) = (Vec::new(), Vec::with_capacity(run.len()));
            let mut last_identity = None;
            for &place in run {
                let series = self.series.series[place as usize].as_ref().expect("a counted series is there");
                if last_identity.replace(series.identity) != Some(series.identity) {
                    resources.push(self.resource_row(series.identity));
                }
                let resource = resources.len() as u32 - 1;
                rows.push(self.row(family, resource, place, &self.series.hot[place as usize]));
            }
            tell(resources, rows);
        }
        let overflowed = self.series.overflowed;
        self.series.reset();
        let live: std::collections::BTreeSet<u32> =
            self.series.series.iter().flatten().map(|series| series.identity).collect();
        self.shape.resources.prune(|id| live.contains(&id));
        self.spans = 0;
        overflowed
    }

    /// Returns the series that counted anything, ascending by resource and attributes.
    fn counted_places(&self) -> Vec<Place> {
        let is_counted = |place: &Place| {
            self.series.hot[*place as usize].calls > 0 && self.series.series[*place as usize].is_some()
        };
        let mut places: Vec<Place> = (0..self.series.hot.len() as Place).filter(is_counted).collect();
        let order = |place: Place| {
            let series = self.series.series[place as usize].as_ref()?;
            let resource = self.shape.resources.identity(series.identity);
            Some((&resource.attributes, series.identity, &series.attributes))
        };
        places.sort_by(|&a, &b| order(a).cmp(&order(b)));
        places
    }

    fn resource_row(&self, identity: u32) -> ResourceRow {
        let identity = self.shape.resources.identity(identity);
        let service = self.shape.resources.identity(identity.service_identity);
        ResourceRow { attributes: identity.attributes.to_vec(), service: service.attributes.to_vec() }
    }

    fn row(&self, family: u32, resource: u32, place: Place, hot: &Hot) -> Row {
        let series = self.series.series[place as usize].as_ref().expect("a counted series is there");
        let (buckets, counts) = self.series.buckets_of(place);
        let mut row = Row {
            family,
            resource,
            attributes: series.attributes.to_vec(),
            calls: hot.calls,
            min_nanos: hot.min_nanos,
            max_nanos: hot.max_nanos,
            size_bytes: hot.size_bytes,
            buckets,
            counts,
            exemplars: series.exemplars.iter().map(ExemplarRow::from).collect(),
            overflow: series.overflow,
            kind: u32::from(series.head.kind),
            status: u32::from(series.head.status),
            ..Row::default()
        };
        row.set_sum_nanos(hot.sum_nanos);
        row
    }

    fn find_series(&mut self, request: &Request<'_>) {
        let Self { shape, series, probes, candidates, places, .. } = self;
        let spans = &request.table.spans;
        let n_parts = FIXED_PARTS + shape.slots.len();
        let mut parts = Vec::with_capacity(BLOCK.min(spans.len()) * n_parts);
        places.clear();
        for from in (0..spans.len()).step_by(BLOCK) {
            let block = from..spans.len().min(from + BLOCK);
            parts.clear();
            probes.clear();
            for index in block.clone() {
                let (identity, head) = shape.push_parts(request, index, &mut parts);
                let key = Key { identity, head, overflow: false, parts: &parts[parts.len() - n_parts..] };
                probes.push(Probe { hash: key.hash(series.seed()), identity, head });
            }
            candidates.clear();
            candidates.extend(probes.iter().map(|probe| series.candidate(probe.hash)));
            let found = probes.iter().zip(candidates.iter()).zip(parts.chunks_exact(n_parts));
            for (index, ((probe, &candidate), parts)) in block.zip(found) {
                let &Probe { hash, identity, head } = probe;
                let key = Key { identity, head, overflow: false, parts };
                let place = series.confirm(candidate, hash, &key).unwrap_or_else(|| {
                    series.begin(&key, spans[index].duration_nanos(), &shape.spec, &shape.resources)
                });
                places.push(place);
            }
        }
    }

    fn add_counts(&mut self, table: &SpanTable) {
        for (&place, span) in self.places.iter().zip(&table.spans) {
            let nanos = span.duration_nanos();
            let hot = &mut self.series.hot[place as usize];
            hot.calls += 1;
            hot.sum_nanos += u128::from(nanos);
            hot.min_nanos = hot.min_nanos.min(nanos);
            hot.max_nanos = hot.max_nanos.max(nanos);
            hot.size_bytes = hot.size_bytes.saturating_add(u64::from(span.body.len));
        }
    }

    fn add_to_buckets(&mut self, table: &SpanTable) {
        let unit = self.shape.spec.unit;
        let spans = self.places.iter().zip(&table.spans);
        match &self.shape.spec.layout {
            Layout::None => {}
            Layout::Explicit(bounds) => {
                for (&place, span) in spans {
                    self.series.count_explicit(place, bounds.bucket(span.duration_nanos()));
                }
            }
            Layout::Exponential { .. } => {
                for (&place, span) in spans.filter(|(_, span)| span.end > span.start) {
                    self.series.count_exponential(place, exponential_bucket(span.duration_nanos(), unit));
                }
            }
        }
    }

    /// Adds what sampled spans stand for beside themselves.
    fn add_weights(&mut self, request: &Request<'_>) {
        for (&place, span) in self.places.iter().zip(&request.table.spans) {
            let more = weight_of(span, request.bytes).unwrap_or(1) - 1;
            if more == 0 {
                continue;
            }
            let nanos = span.duration_nanos();
            let hot = &mut self.series.hot[place as usize];
            hot.calls = hot.calls.saturating_add(more);
            hot.sum_nanos = hot.sum_nanos.saturating_add(u128::from(nanos) * u128::from(more));
            hot.size_bytes = hot.size_bytes.saturating_add(u64::from(span.body.len).saturating_mul(more));
            if let Some(bucket) = self.shape.spec.layout.bucket(nanos, self.shape.spec.unit) {
                self.series.count_wide(place, bucket, more);
            }
        }
    }

    fn offer_exemplars(&mut self, request: &Request<'_>) {
        let spec = &self.shape.spec;
        for (&place, span) in self.places.iter().zip(&request.table.spans) {
            let bucket = spec.layout.bucket(span.duration_nanos(), spec.unit).unwrap_or(i32::MIN);
            if let Some(exemplar) = request.exemplar(span, bucket) {
                self.series.offer_exemplar(place, exemplar, spec.max_exemplars);
            }
        }
    }
}

impl Shape {
    fn begin<'r>(&mut self, bytes: &'r [u8], table: &'r SpanTable) -> Request<'r> {
        self.resources.resolve(bytes, table, &self.spec);
        let mut scopes = Vec::new();
        if !self.spec.scopes.is_empty() {
            scopes
                .extend(table.scopes.iter().map(|scope| self.scope_parts(Scope::of(scope.scope.of(bytes)))));
        }
        Request { bytes, table, scopes }
    }

    fn scope_parts<'r>(&self, scope: Scope<'r>) -> [Option<&'r [u8]>; 2] {
        let is_wanted = self.spec.scopes.iter().any(|name| name.as_bytes() == scope.name);
        [is_wanted.then_some(scope.name), is_wanted.then_some(scope.version)]
    }

    /// Appends the parts of a span's key: name, scope, dimensions.
    #[inline(always)]
    fn push_parts<'a>(
        &'a self,
        request: &Request<'a>,
        index: usize,
        parts: &mut Vec<Option<&'a [u8]>>,
    ) -> (u32, Head) {
        let span = &request.table.spans[index];
        let intrinsics = &self.spec.intrinsics;
        let name = intrinsics.span_name.is_some().then(|| span.name.of(request.bytes));
        let [scope_name, scope_version] =
            request.scopes.get(span.scope as usize).copied().unwrap_or_default();
        parts.extend::<[_; FIXED_PARTS]>([name, scope_name, scope_version]);
        let values = request.table.values_of(index);
        for (dimension, slot) in self.slots.iter().enumerate() {
            parts.push(match values.get(slot.0).filter(|value| !value.is_absent()) {
                Some(value) => Some(value.of(request.bytes)),
                None => self.resources.fallback(span.resource, dimension),
            });
        }
        let is_extrapolated = self.spec.sampling_method && weight_of(span, request.bytes).is_some();
        let kind = if intrinsics.kind.is_some() { span.kind.min(UNKNOWN_KIND) } else { 0 };
        let status = if intrinsics.status.is_some() { span.status.min(UNKNOWN_STATUS) } else { 0 };
        (self.resources.identity_of(span.resource), Head { kind, status, is_extrapolated })
    }
}

impl Request<'_> {
    fn exemplar(&self, span: &SpanRec, bucket: i32) -> Option<Exemplar> {
        let trace_id = span.trace_id(self.bytes).filter(|id| **id != [0; 16])?;
        let span_id = span.span_id(self.bytes).copied().unwrap_or_default();
        Some(Exemplar::new(*trace_id, span_id, span.duration_nanos(), bucket))
    }
}
