//! What a stream has come to, and how a point is added to it.

use crate::temporality::{Buckets, bucket_start, last_bucket_below};

/// A point's value, as it came or as it is to leave.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Int(i64),
    Double(f64),
    Histogram(Histogram),
    Exponential(Exponential),
}

#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Histogram {
    pub(super) count: u64,
    pub(super) spread: Spread,
    pub(super) bounds: Vec<f64>,
    pub(super) counts: Vec<u64>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Exponential {
    pub(super) count: u64,
    pub(super) spread: Spread,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) zero_threshold: f64,
    pub(super) positive: Buckets,
    pub(super) negative: Buckets,
}

/// What histograms tell beside their buckets, each if all points had it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Spread {
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

/// Whether a point went on with what was known or began anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Added {
    GoesOn,
    BeginsAnew,
}

/// Buckets on one side of a total, as many as the collector keeps.
const MOST_BUCKETS: i64 = 160;

impl Value {
    pub(super) fn heap_bytes(&self) -> usize {
        let of_numbers = |n: usize| n * size_of::<u64>();
        match self {
            Self::Int(_) | Self::Double(_) => 0,
            Self::Histogram(it) => of_numbers(it.bounds.len() + it.counts.len()),
            Self::Exponential(it) => of_numbers(it.positive.counts.len() + it.negative.counts.len()),
        }
    }

    pub(super) fn add(&mut self, point: Self) -> Added {
        match (&mut *self, point) {
            (Self::Int(total), Self::Int(more)) => *total = total.saturating_add(more),
            (Self::Double(total), Self::Double(more)) => *total += more,
            (Self::Double(total), Self::Int(more)) => *total += more as f64,
            (Self::Int(total), Self::Double(more)) => *self = Self::Double(*total as f64 + more),
            (Self::Histogram(total), Self::Histogram(more)) => return total.add(more),
            (Self::Exponential(total), Self::Exponential(more)) => total.add(more),
            // The kind is part of the key.
            (_, more) => {
                *self = more;
                return Added::BeginsAnew;
            }
        }
        Added::GoesOn
    }
}

impl Spread {
    fn add(&mut self, more: Self) {
        let both = |total: Option<f64>, more: Option<f64>, of: fn(f64, f64) -> f64| Some(of(total?, more?));
        self.sum = both(self.sum, more.sum, |total, more| total + more);
        self.min = both(self.min, more.min, f64::min);
        self.max = both(self.max, more.max, f64::max);
    }
}

impl Histogram {
    /// Other bounds can not be added to: the total begins anew with them.
    fn add(&mut self, more: Self) -> Added {
        if self.bounds != more.bounds || self.counts.len() != more.counts.len() {
            *self = more;
            return Added::BeginsAnew;
        }
        self.count = self.count.saturating_add(more.count);
        self.spread.add(more.spread);
        for (total, more) in self.counts.iter_mut().zip(more.counts) {
            *total = total.saturating_add(more);
        }
        Added::GoesOn
    }
}

impl Exponential {
    /// Adds at the coarser of both scales, or at one that is coarser still where there would be too many buckets.
    fn add(&mut self, mut more: Self) {
        let scale = self.scale.min(more.scale);
        self.coarsen_to(scale);
        more.coarsen_to(scale);
        let by = shifts(&self.positive, &more.positive).max(shifts(&self.negative, &more.negative));
        let scale = scale.saturating_sub(by as i32);
        self.coarsen_to(scale);
        more.coarsen_to(scale);
        // What is widened may end in the middle of a bucket, whose end is then the threshold of both.
        loop {
            let threshold = known(self.zero_threshold).max(known(more.zero_threshold));
            self.widen_zero(threshold);
            more.widen_zero(threshold);
            if self.zero_threshold == more.zero_threshold {
                break;
            }
        }
        self.count = self.count.saturating_add(more.count);
        self.zero_count = self.zero_count.saturating_add(more.zero_count);
        self.spread.add(more.spread);
        self.positive.add(&more.positive);
        self.negative.add(&more.negative);
    }

    fn coarsen_to(&mut self, scale: i32) {
        let by = (i64::from(self.scale) - i64::from(scale)).clamp(0, 31) as u32;
        if by > 0 {
            self.positive = self.positive.coarser(by);
            self.negative = self.negative.coarser(by);
        }
        self.scale = scale;
    }

    /// Counts what is nearer to zero than a threshold as zero, with the whole of the bucket that the threshold is in.
    fn widen_zero(&mut self, threshold: f64) {
        if threshold <= known(self.zero_threshold) {
            self.zero_threshold = known(self.zero_threshold);
            return;
        }
        self.zero_threshold = threshold;
        let last = last_bucket_below(threshold, self.scale);
        let is_cut = self.positive.holds(last) || self.negative.holds(last);
        let moved = self.positive.cut_through(last).saturating_add(self.negative.cut_through(last));
        self.zero_count = self.zero_count.saturating_add(moved);
        let end = bucket_start(last.saturating_add(1), self.scale);
        if is_cut && end.is_finite() {
            self.zero_threshold = threshold.max(end);
        }
    }
}

/// What no sender means is no threshold.
fn known(threshold: f64) -> f64 {
    if threshold.is_finite() { threshold.max(0.0) } else { 0.0 }
}

/// Returns how many scales two sides must fall to have room in one.
fn shifts(one: &Buckets, other: &Buckets) -> u32 {
    let sides = [one, other].into_iter().filter(|side| !side.counts.is_empty());
    let ends = sides.map(|side| {
        let first = i64::from(side.offset);
        (first, first + side.counts.len() as i64 - 1)
    });
    let Some((first, last)) = ends.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))) else {
        return 0;
    };
    (0..31).find(|by| (last >> by) - (first >> by) < MOST_BUCKETS).unwrap_or(31)
}

impl Buckets {
    fn holds(&self, index: i32) -> bool {
        let place = usize::try_from(i64::from(index) - i64::from(self.offset)).ok();
        place.and_then(|place| self.counts.get(place)).is_some_and(|count| *count > 0)
    }

    /// Adds buckets that together have been found to have room.
    fn add(&mut self, more: &Self) {
        if more.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            return self.clone_from(more);
        }
        let first = self.offset.min(more.offset);
        let before = (i64::from(self.offset) - i64::from(first)) as usize;
        self.counts.splice(0..0, std::iter::repeat_n(0, before));
        self.offset = first;
        let from = (i64::from(more.offset) - i64::from(first)) as usize;
        if self.counts.len() < from + more.counts.len() {
            self.counts.resize(from + more.counts.len(), 0);
        }
        for (total, more) in self.counts.iter_mut().skip(from).zip(&more.counts) {
            *total = total.saturating_add(*more);
        }
    }
}
