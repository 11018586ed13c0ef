//! Points to series: each label set once, and each time of it once.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    rc::Rc,
};

use bytes::Bytes;
use hashbrown::HashTable;
use rapidhash::quality::SeedableState;

use super::{
    Family, FamilyKind, Labels, Point, Sample, Value,
    point::{Explicit, Exponential, fit},
};

/// A series (or the group of series that a histogram spreads over) with its samples in order of time.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Series {
    pub family: Rc<Family>,
    pub labels: Labels,
    /// The same for the same name and labels in every process.
    pub hash: u64,
    pub samples: Vec<Sample>,
}

/// What could not be kept apart. *Units*: data points.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Merged {
    /// Points of several sources with the same labels, made one.
    pub added: u64,
    /// Points replaced by a later one, or ended ones by one that lives.
    pub superseded: u64,
    /// Points that fit no series of their name: another type, other bounds.
    pub conflicting: u64,
}

/// Groups points by series, in the order in which series appear.
///
/// Points of one source at different times stay apart. Where several sources have come to the same
/// labels, Prometheus would see one series that jumps between them, so they are made one point at the
/// latest time: counters and histograms are added, of gauges and summaries the latest counts.
///
/// *Cost*: one hash and one comparison of labels per point.
pub(crate) fn merge(points: Vec<Point>) -> (Vec<Series>, Merged) {
    let mut merged = Merged::default();
    let taken = names_taken(&points);
    let mut groups: Vec<Group> = Vec::new();
    let mut index: HashTable<(u64, usize)> = HashTable::new();
    // Seeded anew, so that nobody can make up labels that all fall into one place.
    let seeded = rapidhash::quality::RandomState::default();
    for point in points {
        if matches!(point.sample.value, Value::Number(_)) && taken.contains(&point.family.names.name) {
            merged.conflicting += 1;
            continue;
        }
        let hash = seeded.hash_one((&point.family.names.name, &point.labels));
        let same = |&(known, at): &(u64, usize)| {
            let series: &Series = &groups[at].series;
            known == hash
                && series.family.names.name == point.family.names.name
                && series.labels == point.labels
        };
        if let Some(&(_, at)) = index.find(hash, same) {
            groups[at].push(point, &mut merged);
            continue;
        }
        index.insert_unique(hash, (hash, groups.len()), |&(hash, _)| hash);
        groups.push(Group::new(point));
    }
    let series = groups.into_iter().map(|group| group.finish(&mut merged)).collect();
    (series, merged)
}

/// Returns a hash of a series that does not change from run to run, so that it may choose a connection.
fn series_hash(name: &Bytes, labels: &Labels) -> u64 {
    SeedableState::fixed().hash_one((name, labels))
}

/// Returns the names that the series of histograms and summaries use.
fn names_taken(points: &[Point]) -> HashSet<Bytes> {
    let mut taken = HashSet::new();
    let mut last: Option<&Rc<Family>> = None;
    for Point { family, .. } in points {
        if last.is_some_and(|last| Rc::ptr_eq(last, family)) {
            continue;
        }
        last = Some(family);
        if matches!(family.kind, FamilyKind::Histogram | FamilyKind::Summary) {
            let names = &family.names;
            taken.extend([&names.bucket, &names.sum, &names.count].map(Bytes::clone));
        }
    }
    taken
}

/// One series while points are still coming.
struct Group {
    series: Series,
    /// The sources of the samples, in the same order.
    origins: Vec<u64>,
}

impl Group {
    fn new(point: Point) -> Self {
        let Point { family, labels, origin, sample, .. } = point;
        let hash = series_hash(&family.names.name, &labels);
        Self { series: Series { family, labels, hash, samples: vec![sample] }, origins: vec![origin] }
    }

    fn push(&mut self, point: Point, merged: &mut Merged) {
        let fits = self.series.family.kind == point.family.kind
            && std::mem::discriminant(&self.series.samples[0].value)
                == std::mem::discriminant(&point.sample.value);
        if !fits {
            merged.conflicting += 1;
            return;
        }
        self.origins.push(point.origin);
        self.series.samples.push(point.sample);
    }

    fn finish(mut self, merged: &mut Merged) -> Series {
        let samples = std::mem::take(&mut self.series.samples);
        let has_one_source = self.origins.iter().all(|&origin| origin == self.origins[0]);
        self.series.samples = if has_one_source {
            in_order(samples, merged)
        } else {
            vec![one_of_many(
                self.series.family.kind,
                self.origins.into_iter().zip(samples).collect(),
                merged,
            )]
        };
        self.series
    }
}

/// Sorts one source's samples; of equal times the last sent wins.
fn in_order(mut samples: Vec<Sample>, merged: &mut Merged) -> Vec<Sample> {
    if samples.len() == 1 {
        return samples;
    }
    samples.sort_by_key(|sample| sample.at_ms);
    let before = samples.len();
    samples.dedup_by(|next, kept| {
        let same = next.at_ms == kept.at_ms;
        if same {
            std::mem::swap(next, kept);
        }
        same
    });
    merged.superseded += (before - samples.len()) as u64;
    samples
}

/// Makes one sample of several sources' latest.
fn one_of_many(kind: FamilyKind, samples: Vec<(u64, Sample)>, merged: &mut Merged) -> Sample {
    // In the order in which sources appear, since sums and ties depend on the order.
    let mut latest: Vec<Sample> = Vec::new();
    let mut places: HashMap<u64, usize> = HashMap::new();
    for (origin, sample) in samples {
        let place = *places.entry(origin).or_insert(latest.len());
        match latest.get_mut(place) {
            None => latest.push(sample),
            Some(kept) => {
                merged.superseded += 1;
                if sample.at_ms >= kept.at_ms {
                    *kept = sample;
                }
            }
        }
    }
    combine(kind, latest, merged)
}

/// Makes one sample of several that stand for one series at once: the latest, with the others added
/// where adding makes sense. `samples` is not empty.
pub(crate) fn combine(kind: FamilyKind, mut samples: Vec<Sample>, merged: &mut Merged) -> Sample {
    // An ended source adds nothing while another lives.
    if samples.iter().any(|sample| !sample.is_stale) {
        let all = samples.len();
        samples.retain(|sample| !sample.is_stale);
        merged.superseded += (all - samples.len()) as u64;
    }
    samples.sort_by_key(|sample| sample.at_ms);
    let mut result = samples.pop().expect("a series has a sample");
    for sample in samples {
        if matches!(kind, FamilyKind::Gauge | FamilyKind::Summary) || result.is_stale {
            merged.superseded += 1;
        } else if add(&mut result.value, sample.value) {
            merged.added += 1;
            result.start_ms = earliest(result.start_ms, sample.start_ms);
            result.exemplars.extend(sample.exemplars);
        } else {
            merged.conflicting += 1;
        }
    }
    result
}

/// Adds a counter or histogram, or returns false when its bounds differ.
pub(crate) fn add(to: &mut Value, more: Value) -> bool {
    match (to, more) {
        (Value::Number(to), Value::Number(more)) => *to += more,
        (Value::Explicit(to), Value::Explicit(more)) => return add_explicit(to, &more),
        (Value::Exponential(to), Value::Exponential(more)) => add_exponential(to, more),
        _ => return false,
    }
    true
}

fn add_explicit(to: &mut Explicit, more: &Explicit) -> bool {
    if to.bounds != more.bounds || to.counts.len() != more.counts.len() {
        return false;
    }
    to.count = to.count.saturating_add(more.count);
    to.sum = to.sum.zip(more.sum).map(|(a, b)| a + b);
    for (to, more) in to.counts.iter_mut().zip(&more.counts) {
        *to = to.saturating_add(*more);
    }
    true
}

fn add_exponential(to: &mut Exponential, mut more: Exponential) {
    fit(to, &mut more);
    to.add(more);
}

fn earliest(a: i64, b: i64) -> i64 {
    match (a, b) {
        (0, known) | (known, 0) => known,
        (a, b) => a.min(b),
    }
}
