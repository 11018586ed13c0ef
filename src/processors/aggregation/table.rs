//! The series that one shard counts: keys, dense counters, buckets.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::{
    buckets::{Layout, WINDOW, exponential_bucket},
    exemplars::{Exemplar, Exemplars},
    key::{Key, OverflowKey},
    refused::Refused,
    resources::{OTHER, Resources},
    spec::{Head, SeriesSpec},
    tally::Tally,
};

/// Index of a series in the table.
pub(crate) type Place = u32;

/// What is counted in every span, in one cache line.
#[derive(Clone, Debug)]
pub(crate) struct Hot {
    pub(crate) sum_nanos: u128,
    pub(crate) calls: u64,
    pub(crate) min_nanos: u64,
    pub(crate) max_nanos: u64,
    pub(crate) size_bytes: u64,
    /// Index of the first bucket of the window, where buckets are exponential.
    window_at: i32,
}

const NOTHING: Hot =
    Hot { sum_nanos: 0, calls: 0, min_nanos: u64::MAX, max_nanos: 0, size_bytes: 0, window_at: 0 };

/// What finding a series needs, and nothing else, so that it stays in the cache.
#[derive(Clone, Copy)]
struct Indexed {
    hash: u64,
    place: Place,
    /// Where the key begins in [`SeriesTable::keys`].
    key_at: u32,
}

/// A series that may be the one of a key.
#[derive(Clone, Copy)]
pub(crate) struct Candidate {
    place: Place,
    key_at: u32,
    first_byte: u8,
}

/// Beyond every key.
const NO_CANDIDATE: Candidate = Candidate { place: u32::MAX, key_at: u32::MAX, first_byte: 0 };

/// What is needed only when a series begins and when it is told.
pub(crate) struct Series {
    hash: u64,
    /// Where the key ends in [`SeriesTable::keys`], and how long it is.
    key_end: u32,
    key_len: u32,
    pub(crate) identity: u32,
    pub(crate) attributes: Box<[u8]>,
    pub(crate) head: Head,
    pub(crate) overflow: bool,
    pub(crate) exemplars: Exemplars,
    /// Flushes since the last span.
    idle: u32,
}

/// Counters by series.
///
/// *Cost*: per series 64 bytes, a key, its attributes and one to three bytes per bucket.
pub(crate) struct SeriesTable {
    seed: u64,
    limit: usize,
    resource_limit: usize,
    index: HashTable<Indexed>,
    /// The spelled keys one behind the other; equal keys are equal bytes.
    keys: Vec<u8>,
    pub(crate) hot: Vec<Hot>,
    buckets: Tally,
    pub(crate) series: Vec<Option<Series>>,
    free: Vec<Place>,
    /// Series that stand for those without room.
    n_overflow: usize,
    /// Series by identity, where a resource has a limit.
    of_identity: BTreeMap<u32, usize>,
    /// Counts that the dense buckets do not hold: outside a window, or of spans that stand for many.
    pub(crate) wide: BTreeMap<(Place, i32), u64>,
    /// Spans that found no room for a series of their own.
    pub(crate) overflowed: u64,
    /// What those spans were.
    pub(crate) refused: Refused,
}

/// All keys of a table together; attributes may be as long as a request.
const MAX_KEY_BYTES: usize = 256 << 20;

/// A series without spans for so many flushes is forgotten; its memory serves another.
const IDLE_FLUSHES: u32 = 5;

/// Overflow may take a tenth of the table on top: a series per service, kind and status.
pub(crate) const OVERFLOW_SHARE: usize = 10;
/// And at least so many series, which is enough when no service is told apart.
pub(crate) const OVERFLOW_FLOOR: usize = 64;

impl SeriesTable {
    pub(crate) fn new(seed: u64, spec: &SeriesSpec) -> Self {
        Self {
            seed,
            limit: spec.limit,
            resource_limit: spec.resource_limit,
            index: HashTable::new(),
            keys: Vec::new(),
            hot: Vec::new(),
            buckets: Tally::new(spec.layout.width()),
            series: Vec::new(),
            free: Vec::new(),
            n_overflow: 0,
            of_identity: BTreeMap::new(),
            wide: BTreeMap::new(),
            overflowed: 0,
            refused: Refused::default(),
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn len(&self) -> usize {
        self.series.len() - self.free.len()
    }

    /// Finds a series by the hash of its key and then the key itself.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, key: &Key<'_>) -> Option<Place> {
        let same = |known: &Indexed| {
            known.hash == hash
                && self.keys.get(known.key_at as usize..).is_some_and(|spelled| key.is(spelled))
        };
        self.index.find(hash, same).map(|known| known.place)
    }

    /// Finds what a hash points to, without looking at the key but for its first byte.
    ///
    /// A loop of nothing but this overlaps the cache misses of many spans; reading the byte brings the
    /// key's line along for [`SeriesTable::confirm`].
    #[inline(always)]
    pub(crate) fn candidate(&self, hash: u64) -> Candidate {
        let Some(known) = self.index.find(hash, |known| known.hash == hash) else { return NO_CANDIDATE };
        let first_byte = self.keys.get(known.key_at as usize).copied().unwrap_or_default();
        Candidate { place: known.place, key_at: known.key_at, first_byte }
    }

    /// Returns the series of a key, if the candidate is it or another of the same hash is.
    #[inline(always)]
    pub(crate) fn confirm(&self, candidate: Candidate, hash: u64, key: &Key<'_>) -> Option<Place> {
        let is_likely = candidate.first_byte == key.first_byte();
        let spelled = self.keys.get(candidate.key_at as usize..).filter(|_| is_likely);
        if spelled.is_some_and(|spelled| key.is(spelled)) {
            return Some(candidate.place);
        }
        self.find(hash, key)
    }

    /// Makes the series of a key that was not found, or finds the one that takes its place when there is
    /// no room. `nanos` is the duration around which the buckets will lie.
    #[cold]
    pub(crate) fn begin(
        &mut self,
        key: &Key<'_>,
        nanos: u64,
        spec: &SeriesSpec,
        resources: &Resources,
    ) -> Place {
        let identity = resources.identity(key.identity());
        let of_resource = self.of_identity.get(&key.identity()).copied().unwrap_or(0);
        let resource_is_full = self.resource_limit > 0 && of_resource >= self.resource_limit;
        let keys_are_full = self.keys.len() + key.spelled().len() > MAX_KEY_BYTES;
        let head = key.head();
        if self.len() - self.n_overflow < self.limit && !resource_is_full && !keys_are_full {
            let attributes = spec.attributes(&identity.service, head, &key.parts(spec.n_parts()));
            return self.insert(key, attributes, nanos, spec);
        }
        self.overflowed += 1;
        self.refused.note(key, spec.n_parts(), identity);
        let reserve = self.limit / OVERFLOW_SHARE + OVERFLOW_FLOOR;
        let of_service = OverflowKey::new(identity.service_identity, head);
        if let Some(place) = self.find(of_service.key().hash(self.seed), &of_service.key()) {
            return place;
        }
        let service = &resources.identity(identity.service_identity).service;
        if self.n_overflow < reserve {
            let attributes = spec.overflow_attributes(Some(service), head.kind, head.status);
            return self.insert(&of_service.key(), attributes, nanos, spec);
        }
        let of_none = OverflowKey::new(OTHER, head);
        if let Some(place) = self.find(of_none.key().hash(self.seed), &of_none.key()) {
            return place;
        }
        let attributes = spec.overflow_attributes(None, head.kind, head.status);
        self.insert(&of_none.key(), attributes, nanos, spec)
    }

    fn insert(&mut self, key: &Key<'_>, attributes: Box<[u8]>, nanos: u64, spec: &SeriesSpec) -> Place {
        let hash = key.hash(self.seed);
        let key_at = self.keys.len();
        self.keys.extend_from_slice(key.spelled());
        let series = Series {
            hash,
            key_end: self.keys.len() as u32,
            key_len: (self.keys.len() - key_at) as u32,
            identity: key.identity(),
            attributes,
            head: key.head(),
            overflow: key.is_overflow(),
            exemplars: Exemplars::default(),
            idle: 0,
        };
        let hot = Hot { window_at: window_around(nanos, spec), ..NOTHING };
        let place = match self.free.pop() {
            Some(place) => {
                self.hot[place as usize] = hot;
                self.series[place as usize] = Some(series);
                place
            }
            None => {
                self.hot.push(hot);
                self.series.push(Some(series));
                self.buckets.push_series();
                (self.series.len() - 1) as Place
            }
        };
        self.n_overflow += usize::from(key.is_overflow());
        if self.resource_limit > 0 && !key.is_overflow() {
            *self.of_identity.entry(key.identity()).or_insert(0) += 1;
        }
        let indexed = Indexed { hash, place, key_at: key_at as u32 };
        self.index.insert_unique(hash, indexed, |known| known.hash);
        place
    }

    /// Adds one to a bucket of explicit bounds.
    #[inline(always)]
    pub(crate) fn count_explicit(&mut self, place: Place, bucket: usize) {
        let over = self.buckets.add_one(place as usize, bucket);
        if over > 0 {
            self.count_wide(place, bucket as i32, over);
        }
    }

    /// Adds one to an exponential bucket.
    #[inline(always)]
    pub(crate) fn count_exponential(&mut self, place: Place, bucket: i32) {
        let at = bucket.wrapping_sub(self.hot[place as usize].window_at) as u32 as usize;
        let over = if at < WINDOW { self.buckets.add_one(place as usize, at) } else { 1 };
        if over > 0 {
            self.count_wide(place, bucket, over);
        }
    }

    /// Adds what the dense buckets do not hold.
    #[cold]
    pub(crate) fn count_wide(&mut self, place: Place, bucket: i32, count: u64) {
        let sum = self.wide.entry((place, bucket)).or_insert(0);
        *sum = sum.saturating_add(count);
    }

    pub(crate) fn offer_exemplar(&mut self, place: Place, exemplar: Exemplar, limit: usize) {
        if let Some(series) = &mut self.series[place as usize] {
            series.exemplars.offer(exemplar, limit);
        }
    }

    /// Returns the buckets of a series that hold anything, ascending.
    pub(crate) fn buckets_of(&self, place: Place) -> (Vec<i32>, Vec<u64>) {
        let first = self.hot[place as usize].window_at;
        let dense = self.buckets.counted(place as usize);
        let mut all: BTreeMap<i32, u64> =
            dense.map(|(bucket, count)| (first + bucket as i32, count)).collect();
        for (&(_, bucket), &count) in self.wide.range((place, i32::MIN)..=(place, i32::MAX)) {
            let sum = all.entry(bucket).or_insert(0);
            *sum = sum.saturating_add(count);
        }
        all.into_iter().unzip()
    }

    /// Begins a new interval: counters go to zero, series stay, unless they were idle for long.
    pub(crate) fn reset(&mut self) {
        let before = self.free.len();
        for place in 0..self.series.len() as Place {
            self.reset_series(place);
        }
        if self.free.len() > before {
            self.close_ranks();
        }
        self.wide.clear();
        self.overflowed = 0;
    }

    /// Drops the keys of series that are gone.
    fn close_ranks(&mut self) {
        let mut keys = Vec::with_capacity(self.keys.len());
        self.index.clear();
        for (series, place) in self.series.iter_mut().zip(0..) {
            let Some(series) = series else { continue };
            let (end, len) = (series.key_end as usize, series.key_len as usize);
            let key_at = keys.len() as u32;
            keys.extend_from_slice(&self.keys[end - len..end]);
            series.key_end = keys.len() as u32;
            let indexed = Indexed { hash: series.hash, place, key_at };
            self.index.insert_unique(series.hash, indexed, |known| known.hash);
        }
        self.keys = keys;
    }

    fn reset_series(&mut self, place: Place) {
        let at = place as usize;
        let Some(series) = &mut self.series[at] else { return };
        series.exemplars.clear();
        series.idle = if self.hot[at].calls > 0 { 0 } else { series.idle + 1 };
        if self.hot[at].calls > 0 {
            self.buckets.clear(at);
            self.hot[at] = Hot { window_at: self.hot[at].window_at, ..NOTHING };
        }
        if series.idle < IDLE_FLUSHES {
            return;
        }
        let (hash, identity, overflow) = (series.hash, series.identity, series.overflow);
        if let Ok(entry) = self.index.find_entry(hash, |known| known.place == place) {
            entry.remove();
        }
        self.series[at] = None;
        self.free.push(place);
        self.n_overflow -= usize::from(overflow);
        if !overflow && let Some(count) = self.of_identity.get_mut(&identity) {
            *count -= 1;
            if *count == 0 {
                self.of_identity.remove(&identity);
            }
        }
    }
}

/// Places the window so that its middle lies half way between the first value and what is usual: the first
/// may be the outlier of its series.
fn window_around(nanos: u64, spec: &SeriesSpec) -> i32 {
    match spec.layout {
        Layout::Exponential { .. } => {
            let of_first = exponential_bucket(nanos.max(1), spec.unit);
            let of_usual = exponential_bucket(USUAL_NANOS, spec.unit);
            (of_first + of_usual) / 2 - WINDOW as i32 / 2
        }
        Layout::None | Layout::Explicit(_) => 0,
    }
}

/// The middle of what requests and queries take, from some microseconds to a minute.
const USUAL_NANOS: u64 = 16_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregation::{key::Keys, spec::ResourceRule};

    const HEAD: Head = Head { kind: 2, status: 0, is_extrapolated: false };

    fn with_key<T>(head: Head, parts: &[Option<&[u8]>], look: impl FnOnce(&Key<'_>) -> T) -> T {
        let mut keys = Keys::default();
        let from = keys.begin(OTHER, head);
        parts.iter().for_each(|part| keys.push(*part));
        let at = keys.end(from);
        look(&keys.at(at))
    }

    #[test]
    fn an_equal_hash_is_not_an_equal_key() {
        let spec = SeriesSpec { limit: 10, ..SeriesSpec::of_spans(ResourceRule::All) };
        let (resources, mut table) = (Resources::new(1, 10), SeriesTable::new(1, &spec));
        let parts: [[Option<&[u8]>; 4]; 6] = [
            [Some(b"name"), None, None, None],
            [Some(b"name"), None, None, Some(b"")],
            [Some(b"nam"), None, None, Some(b"e")],
            [Some(b"name"), Some(b""), None, None],
            [None, None, None, None],
            [Some(b"other"), None, None, None],
        ];
        let (hash, place) = with_key(HEAD, &parts[0], |first| {
            let (hash, place) = (first.hash(table.seed()), table.begin(first, 1, &spec, &resources));
            assert_eq!(table.find(hash, first), Some(place));
            (hash, place)
        });
        for others in &parts[1..] {
            assert_eq!(with_key(HEAD, others, |key| table.find(hash, key)), None, "{others:?}");
        }
        let of_another_kind = Head { kind: 3, ..HEAD };
        assert_eq!(with_key(of_another_kind, &parts[0], |key| table.find(hash, key)), None);
        assert_eq!(table.find(hash, &OverflowKey::new(OTHER, HEAD).key()), None);
        assert_eq!(with_key(HEAD, &parts[0], |key| table.find(hash, key)), Some(place));
    }

    #[test]
    fn an_idle_series_gives_its_place_to_another() {
        let spec = SeriesSpec { limit: 1, ..SeriesSpec::of_spans(ResourceRule::All) };
        let (resources, mut table) = (Resources::new(1, 10), SeriesTable::new(1, &spec));
        let begin = |table: &mut SeriesTable, name: &[u8]| {
            with_key(HEAD, &[Some(name), None, None], |key| table.begin(key, 1, &spec, &resources))
        };
        let place = begin(&mut table, b"a");
        (0..IDLE_FLUSHES).for_each(|_| table.reset());
        assert_eq!(table.len(), 0);
        assert_eq!(begin(&mut table, b"b"), place);
        assert_eq!((table.len(), table.overflowed), (1, 0));
        let found = with_key(HEAD, &[Some(b"a"), None, None], |key| table.find(key.hash(1), key));
        assert_eq!(found, None);
    }

    #[test]
    fn usual_durations_stay_in_the_window_whichever_comes_first() {
        let spec = SeriesSpec {
            layout: Layout::Exponential { max_size: 160 },
            ..SeriesSpec::of_spans(ResourceRule::All)
        };
        for first in [500_000, 16_000_000, 4_000_000_000] {
            let from = window_around(first, &spec);
            for other in [1_000_000, 2_000_000_000] {
                let bucket = exponential_bucket(other, spec.unit);
                assert!((from..from + WINDOW as i32).contains(&bucket), "{other} after {first}");
            }
        }
    }
}
