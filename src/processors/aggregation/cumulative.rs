//! The series as they are told to the world: what the partials of all shards add up to.

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;
use stats::ExponentialHistogram;

use super::{
    buckets::Layout,
    exemplars::Exemplars,
    partial::{ExemplarRow, ResourceRow, Row},
    refused::Demand,
    spec::{SeriesSpec, service_of},
    table::{OVERFLOW_FLOOR, OVERFLOW_SHARE},
};

/// The histogram of a series.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Counts {
    None,
    Explicit(Vec<u64>),
    Exponential(ExponentialHistogram),
}

/// One series, since its start.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Point {
    /// The flush before the first span: the series was zero then.
    pub(crate) start: Timestamp,
    pub(crate) last_seen: Timestamp,
    pub(crate) calls: u64,
    pub(crate) sum_nanos: u128,
    pub(crate) min_nanos: u64,
    pub(crate) max_nanos: u64,
    pub(crate) size_bytes: u64,
    pub(crate) counts: Counts,
    /// Of the present interval.
    pub(crate) exemplars: Exemplars,
    pub(crate) kind: u8,
    pub(crate) status: u8,
    pub(crate) overflow: bool,
}

/// The series of one resource, by encoded attributes, one map for each family.
#[derive(Default)]
pub(crate) struct OfResource {
    pub(crate) service: Vec<u8>,
    pub(crate) families: Vec<BTreeMap<Box<[u8]>, Point>>,
}

/// All series, by encoded resource.
///
/// Series are admitted at flushes, in the order of their keys, so that which of them find room does not
/// depend on the order in which partials came.
pub(crate) struct Cumulative {
    pub(crate) specs: Vec<SeriesSpec>,
    pub(crate) resources: BTreeMap<Box<[u8]>, OfResource>,
    waiting: BTreeMap<WaitingKey, Waiting>,
    limit: usize,
    resource_limit: usize,
    /// Series that stand for themselves.
    n_own: usize,
    /// Series that stand for those without room.
    n_overflow: usize,
}

/// Encoded resource, family, encoded attributes.
type WaitingKey = (Box<[u8]>, u32, Box<[u8]>);

/// A series that is not admitted yet.
struct Waiting {
    service: Vec<u8>,
    point: Point,
}

/// How long series live without spans; zero means for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Expiry {
    pub(crate) series: Duration,
    /// Of all series of a resource together.
    pub(crate) resource: Duration,
}

impl Cumulative {
    /// Makes an empty table with one family for each spec.
    pub(crate) fn new(specs: Vec<SeriesSpec>) -> Self {
        let limit = specs.iter().map(|spec| spec.limit).max().unwrap_or(0);
        let resource_limit = specs.iter().map(|spec| spec.resource_limit).max().unwrap_or(0);
        let (resources, waiting) = (BTreeMap::new(), BTreeMap::new());
        Self { specs, resources, waiting, limit, resource_limit, n_own: 0, n_overflow: 0 }
    }

    pub(crate) fn n_series(&self) -> usize {
        self.n_own + self.n_overflow
    }

    /// Adds a row of a partial. Returns whether it was one that the layout allows.
    pub(crate) fn add(
        &mut self,
        resource: &ResourceRow,
        row: &Row,
        previous_flush: Timestamp,
        at: Timestamp,
    ) -> bool {
        let family = row.family as usize;
        let Some(spec) = self.specs.get(family) else { return false };
        let Some(point) = Point::of(row, spec, previous_flush, at) else { return false };
        let known = self.resources.get_mut(&resource.attributes[..]);
        let known = known.and_then(|known| known.families.get_mut(family)?.get_mut(&row.attributes[..]));
        if let Some(known) = known {
            known.merge(&point, spec.max_exemplars);
            return true;
        }
        let key = (resource.attributes.clone().into(), row.family, row.attributes.clone().into());
        match self.waiting.entry(key) {
            std::collections::btree_map::Entry::Occupied(mut waiting) => {
                waiting.get_mut().point.merge(&point, spec.max_exemplars);
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                // Only what is new can be unsound: what is known was looked at when it was new.
                if !is_sound(resource, row) {
                    return false;
                }
                place.insert(Waiting { service: resource.service.clone(), point });
            }
        }
        true
    }

    /// Gives room to the series that wait, and folds those that find none into the overflow of their
    /// service, of which `demand` takes note. Returns how many spans went there.
    pub(crate) fn admit(&mut self, demand: &mut Demand) -> u64 {
        let mut overflowed = 0;
        for ((resource, family, attributes), waiting) in std::mem::take(&mut self.waiting) {
            let family = family as usize;
            if waiting.point.overflow || self.has_room(&resource, family) {
                self.insert(resource, family, attributes, waiting);
                continue;
            }
            overflowed += waiting.point.calls;
            demand.note(&waiting.service, &resource, &attributes);
            let mut waiting = waiting;
            waiting.point.overflow = true;
            let (kind, status) = (waiting.point.kind, waiting.point.status);
            let service = service_of(&waiting.service);
            let attributes = self.specs[family].overflow_of(&attributes, &service, kind, status);
            let resource = waiting.service.clone().into();
            self.insert(resource, family, attributes, waiting);
        }
        overflowed
    }

    fn has_room(&self, resource: &[u8], family: usize) -> bool {
        let of_resource = self.resources.get(resource).and_then(|known| known.families.get(family));
        let of_resource = of_resource.map_or(0, BTreeMap::len);
        self.n_own < self.limit && (self.resource_limit == 0 || of_resource < self.resource_limit)
    }

    /// Inserts or merges. Overflow series have room of their own, bounded by a tenth of the table; past
    /// that, services are no longer told apart.
    fn insert(&mut self, resource: Box<[u8]>, family: usize, attributes: Box<[u8]>, waiting: Waiting) {
        let Waiting { service, point } = waiting;
        let is_known = self
            .resources
            .get(&resource)
            .is_some_and(|known| known.families[family].contains_key(&attributes));
        let reserve = self.limit / OVERFLOW_SHARE + OVERFLOW_FLOOR;
        let (resource, attributes) = if is_known || !point.overflow || self.n_overflow < reserve {
            (resource, attributes)
        } else {
            (Box::default(), self.specs[family].overflow_attributes(None, point.kind, point.status))
        };
        let n_families = self.specs.len();
        let of_resource = self.resources.entry(resource).or_insert_with(|| OfResource {
            service,
            families: (0..n_families).map(|_| BTreeMap::new()).collect(),
        });
        match of_resource.families[family].entry(attributes) {
            std::collections::btree_map::Entry::Occupied(mut known) => {
                known.get_mut().merge(&point, self.specs[family].max_exemplars);
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                self.n_own += usize::from(!point.overflow);
                self.n_overflow += usize::from(point.overflow);
                place.insert(point);
            }
        }
    }

    /// Ends an interval: examples go, and series and resources that were idle too long. Returns how many
    /// series went.
    pub(crate) fn expire(&mut self, now: Timestamp, expiry: Expiry) -> usize {
        let is_stale = |last: Timestamp, limit: Duration| !limit.is_zero() && now.since(last) >= limit;
        self.resources.retain(|_, of_resource| {
            let last = of_resource.points().map(|point| point.last_seen).max().unwrap_or_default();
            if is_stale(last, expiry.resource) {
                return false;
            }
            for family in &mut of_resource.families {
                family.retain(|_, point| !is_stale(point.last_seen, expiry.series));
                family.values_mut().for_each(|point| point.exemplars.clear());
            }
            of_resource.points().next().is_some()
        });
        let before = self.n_series();
        let points = || self.resources.values().flat_map(OfResource::points);
        self.n_overflow = points().filter(|point| point.overflow).count();
        self.n_own = points().count() - self.n_overflow;
        before - self.n_series()
    }

    /// Forgets all series: what delta temporality does at every flush.
    pub(crate) fn clear(&mut self) {
        self.resources.clear();
        (self.n_own, self.n_overflow) = (0, 0);
    }

    /// Walks all series, those that wait for room among them: resource, service, family, attributes, point.
    pub(crate) fn every_point(&self) -> impl Iterator<Item = (&[u8], &[u8], usize, &[u8], &Point)> {
        let admitted = self.resources.iter().flat_map(|(resource, known)| {
            known.families.iter().enumerate().flat_map(move |(family, points)| {
                points
                    .iter()
                    .map(move |(key, point)| (&resource[..], &known.service[..], family, &key[..], point))
            })
        });
        let waiting = self.waiting.iter().map(|((resource, family, key), waiting)| {
            (&resource[..], &waiting.service[..], *family as usize, &key[..], &waiting.point)
        });
        admitted.chain(waiting)
    }

    /// Takes back a series from a snapshot.
    pub(crate) fn restore(&mut self, resource: &ResourceRow, family: usize, attributes: &[u8], point: Point) {
        let waiting = Waiting { service: resource.service.clone(), point };
        self.insert(resource.attributes.clone().into(), family, attributes.into(), waiting);
    }
}

/// Whether the lists of a row can be written into a request; those of a damaged message may be anything.
pub(crate) fn is_sound(resource: &ResourceRow, row: &Row) -> bool {
    [&resource.attributes, &resource.service, &row.attributes]
        .into_iter()
        .all(|list| wire::is_attribute_list(list))
}

impl OfResource {
    fn points(&self) -> impl Iterator<Item = &Point> {
        self.families.iter().flat_map(BTreeMap::values)
    }
}

impl Point {
    /// Reads a row; none when its buckets are not of the layout.
    fn of(row: &Row, spec: &SeriesSpec, start: Timestamp, last_seen: Timestamp) -> Option<Self> {
        Self::restored(row, spec, SCALE, start, last_seen)
    }

    /// Reads a row whose exponential buckets are of a scale of their own.
    pub(crate) fn restored(
        row: &Row,
        spec: &SeriesSpec,
        scale: i32,
        start: Timestamp,
        last_seen: Timestamp,
    ) -> Option<Self> {
        if row.buckets.len() != row.counts.len() {
            return None;
        }
        Some(Self {
            start,
            last_seen,
            calls: row.calls,
            sum_nanos: row.sum_nanos(),
            min_nanos: row.min_nanos,
            max_nanos: row.max_nanos,
            size_bytes: row.size_bytes,
            counts: Counts::of(row, spec, scale)?,
            exemplars: exemplars_of(row, spec.max_exemplars),
            kind: row.kind.min(u32::from(u8::MAX)) as u8,
            status: row.status.min(u32::from(u8::MAX)) as u8,
            overflow: row.overflow,
        })
    }

    /// Spells the point as a row of no resource yet.
    pub(crate) fn row(&self, family: u32, attributes: &[u8]) -> Row {
        let (buckets, counts) = self.counts.filled();
        let mut row = Row {
            family,
            attributes: attributes.to_vec(),
            calls: self.calls,
            min_nanos: self.min_nanos,
            max_nanos: self.max_nanos,
            size_bytes: self.size_bytes,
            buckets,
            counts,
            exemplars: self.exemplars.iter().map(ExemplarRow::from).collect(),
            overflow: self.overflow,
            kind: u32::from(self.kind),
            status: u32::from(self.status),
            ..Row::default()
        };
        row.set_sum_nanos(self.sum_nanos);
        row
    }

    fn merge(&mut self, other: &Self, max_exemplars: usize) {
        self.last_seen = self.last_seen.max(other.last_seen);
        self.calls = self.calls.saturating_add(other.calls);
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
        self.min_nanos = self.min_nanos.min(other.min_nanos);
        self.max_nanos = self.max_nanos.max(other.max_nanos);
        self.size_bytes = self.size_bytes.saturating_add(other.size_bytes);
        self.counts.merge(&other.counts);
        for exemplar in other.exemplars.iter() {
            self.exemplars.offer(*exemplar, max_exemplars);
        }
    }
}

fn exemplars_of(row: &Row, limit: usize) -> Exemplars {
    let mut exemplars = Exemplars::default();
    for exemplar in row.exemplars.iter().filter_map(|row| row.exemplar()) {
        exemplars.offer(exemplar, limit);
    }
    exemplars
}

impl Counts {
    fn of(row: &Row, spec: &SeriesSpec, scale: i32) -> Option<Self> {
        let filled = row.buckets.iter().copied().zip(row.counts.iter().copied());
        match &spec.layout {
            Layout::None => row.buckets.is_empty().then_some(Self::None),
            Layout::Explicit(_) => {
                let mut counts = vec![0; spec.layout.width()];
                for (bucket, count) in filled {
                    let place: &mut u64 = counts.get_mut(usize::try_from(bucket).ok()?)?;
                    *place = place.saturating_add(count);
                }
                Some(Self::Explicit(counts))
            }
            Layout::Exponential { max_size } => {
                let mut histogram = ExponentialHistogram::new(SCALE, *max_size);
                // The last and then the first: the histogram takes its room at once, and no more of it.
                let last = filled.clone().rev().take(1);
                let others = filled.take(row.buckets.len().saturating_sub(1));
                for (bucket, count) in last.chain(others) {
                    if !histogram.add_bucket(scale, bucket, count) {
                        return None;
                    }
                }
                // Durations of zero belong to no bucket.
                histogram.add_zeros(row.calls.saturating_sub(histogram.count()));
                Some(Self::Exponential(histogram))
            }
        }
    }

    /// Returns the buckets that hold anything, ascending.
    fn filled(&self) -> (Vec<i32>, Vec<u64>) {
        let (offset, counts): (i32, &[u64]) = match self {
            Self::None => (0, &[]),
            Self::Explicit(counts) => (0, counts),
            Self::Exponential(histogram) => (histogram.positive().offset, &histogram.positive().counts),
        };
        (offset..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0).unzip()
    }

    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Explicit(counts), Self::Explicit(more)) => {
                for (count, more) in counts.iter_mut().zip(more) {
                    *count = count.saturating_add(*more);
                }
            }
            (Self::Exponential(histogram), Self::Exponential(more)) => histogram.merge(more),
            _ => {}
        }
    }
}

/// The scale at which the ingest half counts.
pub(crate) const SCALE: i32 = 3;
