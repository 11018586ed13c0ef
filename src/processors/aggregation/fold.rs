//! From a table of spans to counters.
//!
//! The work is staged: the keys of a block of spans, then what their hashes point to, then the places of
//! their series; then the dense counters of the request, then the buckets. Cache misses of one stage overlap
//! instead of waiting for each other; so a loop that misses computes as little as it can.

use model::{KeySet, Slot, SpanRec, SpanTable};
use wire::view::{KeyValue, Scope, Span};

use super::{
    buckets::{Layout, exponential_bucket},
    exemplars::Exemplar,
    key::{KeyAt, Keys},
    partial::{ExemplarRow, RefusedRow, ResourceRow, Row},
    resources::Resources,
    spec::{Dimension, Head, SeriesSpec, UNKNOWN_KIND, UNKNOWN_STATUS},
    table::{Candidate, Hot, Place, SeriesTable},
    weight::weight_of,
};

/// Folds the spans of requests into the series of one family.
pub(crate) struct Fold {
    shape: Shape,
    series: SeriesTable,
    /// The keys of a block of spans.
    keys: Keys,
    /// Per span of a block: its key, the hash of that, and what the hash points to.
    key_places: Vec<KeyAt>,
    hashes: Vec<u64>,
    candidates: Vec<Candidate>,
    /// Per span of the request: its series, and its bucket there.
    places: Vec<Place>,
    buckets: Vec<i32>,
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

/// The series of so many spans are looked for at once: enough for their cache misses to overlap, few enough
/// for what their keys are made of to stay in the first-level cache.
const BLOCK: usize = 32;
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
        Self {
            shape,
            series,
            keys: Keys::default(),
            key_places: Vec::new(),
            hashes: Vec::new(),
            candidates: Vec::new(),
            places: Vec::new(),
            buckets: Vec::new(),
            spans: 0,
        }
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
        self.keys.clear();
        let at = self.shape.spell(request, index, &mut self.keys, |dimension| {
            let of_event = attributes.iter().find(|attribute| attribute.key == dimension.key.as_bytes());
            of_event.map(|attribute| attribute.value)
        });
        let key = self.keys.at(at);
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

    /// Spells what found no room since the last time. To be called before [`Self::flush`], which forgets resources.
    pub(crate) fn refused(&mut self) -> Vec<RefusedRow> {
        self.series.refused.take(&self.shape.spec, &self.shape.resources)
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
        let Self { shape, series, keys, key_places, hashes, candidates, places, .. } = self;
        let spans = &request.table.spans;
        places.clear();
        for from in (0..spans.len()).step_by(BLOCK) {
            let block = from..spans.len().min(from + BLOCK);
            keys.clear();
            key_places.clear();
            key_places.extend(block.clone().map(|index| shape.spell(request, index, keys, |_| None)));
            hashes.clear();
            hashes.extend(key_places.iter().map(|&at| keys.at(at).hash(series.seed())));
            candidates.clear();
            candidates.extend(hashes.iter().map(|&hash| series.candidate(hash)));
            let found = key_places.iter().zip(hashes.iter().zip(candidates.iter()));
            for (index, (&at, (&hash, &candidate))) in block.zip(found) {
                let key = keys.at(at);
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
                let bucket = |span: &SpanRec| exponential_bucket(span.duration_nanos().max(1), unit);
                self.buckets.clear();
                self.buckets.extend(table.spans.iter().map(bucket));
                for ((&place, span), &bucket) in spans.zip(&self.buckets) {
                    if span.duration_nanos() > 0 {
                        self.series.count_exponential(place, bucket);
                    }
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

    /// Spells the key of a span. Of a dimension the span's own value comes first, then the event's, then
    /// the resource's, then the default.
    #[inline(always)]
    fn spell<'a>(
        &self,
        request: &Request<'_>,
        index: usize,
        keys: &mut Keys,
        of_event: impl Fn(&Dimension) -> Option<&'a [u8]>,
    ) -> KeyAt {
        let span = &request.table.spans[index];
        let intrinsics = &self.spec.intrinsics;
        let is_extrapolated = self.spec.sampling_method && weight_of(span, request.bytes).is_some();
        let kind = if intrinsics.kind.is_some() { span.kind.min(UNKNOWN_KIND) } else { 0 };
        let status = if intrinsics.status.is_some() { span.status.min(UNKNOWN_STATUS) } else { 0 };
        let identity = self.resources.identity_of(span.resource);
        let from = keys.begin(identity, Head { kind, status, is_extrapolated });
        match intrinsics.span_name {
            Some(_) => keys.push_slice(request.bytes, span.name),
            None => keys.push(None),
        }
        let [scope_name, scope_version] =
            request.scopes.get(span.scope as usize).copied().unwrap_or_default();
        keys.push(scope_name);
        keys.push(scope_version);
        let values = request.table.values_of(index);
        for (number, (dimension, slot)) in self.spec.dimensions.iter().zip(&self.slots).enumerate() {
            match values.get(slot.0) {
                Some(value) if !value.is_absent() => keys.push_slice(request.bytes, *value),
                _ => {
                    keys.push(of_event(dimension).or_else(|| self.resources.fallback(span.resource, number)))
                }
            }
        }
        keys.end(from)
    }
}

impl Request<'_> {
    fn exemplar(&self, span: &SpanRec, bucket: i32) -> Option<Exemplar> {
        let trace_id = span.trace_id(self.bytes).filter(|id| **id != [0; 16])?;
        let span_id = span.span_id(self.bytes).copied().unwrap_or_default();
        Some(Exemplar::new(*trace_id, span_id, span.duration_nanos(), bucket))
    }
}
