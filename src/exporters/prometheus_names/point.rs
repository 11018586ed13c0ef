//! Data points as Prometheus knows them: names and labels translated, buckets not yet spread over series.

use std::rc::Rc;

use bytes::Bytes;

use super::{Labels, MetricNames};

/// The bit pattern by which Prometheus knows that a series has ended.
pub(crate) const STALE_NAN: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// What Prometheus calls the type of a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl FamilyKind {
    /// Returns the word of the text formats.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// A metric with its names.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Family {
    pub names: Rc<MetricNames>,
    pub kind: FamilyKind,
    pub help: Bytes,
}

/// One data point and the series it belongs to.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Point {
    pub family: Rc<Family>,
    /// Sorted, without `__name__`.
    pub labels: Labels,
    /// Tells apart sources whose series have the same labels: a hash of the resource, scope, metric and
    /// attributes as sent.
    pub origin: u64,
    /// The value is what came since the last one, not since the start.
    pub is_delta: bool,
    pub sample: Sample,
}

/// One value of a series at one time.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sample {
    /// *Units*: milliseconds since the epoch.
    pub at_ms: i64,
    /// When the value was zero; 0 means unknown. *Units*: milliseconds since the epoch.
    pub start_ms: i64,
    pub value: Value,
    /// The series has ended; the value says nothing.
    pub is_stale: bool,
    pub exemplars: Vec<Exemplar>,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    Number(f64),
    Explicit(Explicit),
    Exponential(Exponential),
    Summary(Summary),
}

/// A histogram with chosen bounds.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Explicit {
    pub count: u64,
    pub sum: Option<f64>,
    /// Finite and ascending.
    pub bounds: Vec<f64>,
    /// One more than bounds, or none where only count and sum are known. Not cumulative.
    pub counts: Vec<u64>,
}

/// A histogram whose bounds are powers of 2^(2^-scale).
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Exponential {
    pub count: u64,
    pub sum: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Dense,
    pub negative: Dense,
}

/// Buckets side by side; the first has index `offset`, which is the range (base^offset, base^(offset+1)].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Dense {
    pub offset: i64,
    pub counts: Vec<u64>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Summary {
    pub count: u64,
    pub sum: f64,
    /// Pairs of quantile and value.
    pub quantiles: Vec<(f64, f64)>,
}

/// One measurement that stands for many, with the trace it was made in.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Exemplar {
    pub labels: Labels,
    pub value: f64,
    /// *Units*: milliseconds since the epoch; 0 means unknown.
    pub at_ms: i64,
}

impl Exponential {
    /// Joins neighbouring buckets until the scale is at most `scale`.
    pub(crate) fn downscale(&mut self, scale: i32) {
        if let Ok(by) = u32::try_from(i64::from(self.scale) - i64::from(scale)) {
            self.coarsen(by);
        }
    }

    /// Lowers the scale, each step of which makes one bucket of two.
    pub(crate) fn coarsen(&mut self, by: u32) {
        if by > 0 {
            self.positive.downscale(by);
            self.negative.downscale(by);
            // Senders may name any scale; below the least one only the number of buckets matters.
            self.scale = self.scale.saturating_sub_unsigned(by);
        }
    }

    /// Adds the buckets of another histogram, at the coarser scale of the two.
    pub(crate) fn add(&mut self, mut other: Self) {
        self.downscale(other.scale);
        other.downscale(self.scale);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.zip(other.sum).map(|(a, b)| a + b);
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        self.zero_threshold = self.zero_threshold.max(other.zero_threshold);
        self.positive.add(&other.positive);
        self.negative.add(&other.negative);
    }

    /// Whether the buckets hold as many observations as are counted.
    pub(crate) fn is_consistent(&self) -> bool {
        let total = |counts: &[u64]| counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        let buckets = total(&self.positive.counts).zip(total(&self.negative.counts));
        let all = buckets.and_then(|(p, n)| p.checked_add(n)?.checked_add(self.zero_count));
        // Observations that are not a number are counted and lie in no bucket.
        let has_nan = self.sum.is_some_and(f64::is_nan);
        all.is_some_and(|all| all == self.count || (has_nan && all < self.count))
    }
}

/// More buckets than this make no histogram that anybody draws; the scale is lowered until they fit.
/// It is far above what SDKs keep (160).
const MAX_BUCKETS: i64 = 1 << 16;

impl Dense {
    fn downscale(&mut self, by: u32) {
        // Beyond 62 every index is 0 or -1 already.
        let by = by.min(62);
        let offset = self.offset >> by;
        let mut counts = Vec::with_capacity((self.counts.len() >> by) + 2);
        for (index, &count) in (self.offset..).zip(&self.counts) {
            let at = usize::try_from((index >> by) - offset).expect("indices ascend from the offset");
            if counts.len() <= at {
                counts.resize(at + 1, 0_u64);
            }
            counts[at] = counts[at].saturating_add(count);
        }
        *self = Self { offset, counts };
    }

    /// Returns the index after the last bucket.
    pub(crate) fn end(&self) -> i64 {
        self.offset + self.counts.len() as i64
    }

    /// Drops empty buckets on both sides.
    pub(crate) fn trim(&mut self) {
        let used = self.counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        self.counts.truncate(used);
        let empty = self.counts.iter().position(|&count| count > 0).unwrap_or(0);
        self.counts.drain(..empty);
        self.offset = if self.counts.is_empty() { 0 } else { self.offset + empty as i64 };
    }

    /// Adds buckets of the same scale that [`fit`] has made to fit.
    fn add(&mut self, other: &Self) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            *self = other.clone();
            return;
        }
        let (start, end) = (self.offset.min(other.offset), self.end().max(other.end()));
        let mut counts = vec![0_u64; usize::try_from(end - start).expect("end is after start")];
        for dense in [&*self, other] {
            for (index, &count) in (dense.offset - start..).zip(&dense.counts) {
                let slot = &mut counts[usize::try_from(index).expect("start is the least offset")];
                *slot = slot.saturating_add(count);
            }
        }
        *self = Self { offset: start, counts };
    }
}

/// Lowers the scale of both until their buckets, laid side by side, are few enough to hold.
pub(crate) fn fit(a: &mut Exponential, b: &mut Exponential) {
    let width = |a: &Dense, b: &Dense| {
        if a.counts.is_empty() || b.counts.is_empty() {
            return 0;
        }
        a.end().max(b.end()) - a.offset.min(b.offset)
    };
    let scale = a.scale.min(b.scale);
    a.downscale(scale);
    b.downscale(scale);
    while width(&a.positive, &b.positive).max(width(&a.negative, &b.negative)) > MAX_BUCKETS {
        a.coarsen(1);
        b.coarsen(1);
    }
}
