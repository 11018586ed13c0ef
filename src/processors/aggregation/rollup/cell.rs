//! What is known of one series in one window.

use model::TraceId;
use stats::{Buckets, ExponentialHistogram, Moments, quantile_of_buckets};

/// Mergeable in any order.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Cell {
    pub(super) moments: Moments,
    /// Whether the sum of squares is that of single values; not so for histograms.
    pub(super) has_squares: bool,
    /// Whether minimum and maximum are those of all values.
    pub(super) has_extremes: bool,
    pub(super) spread: Spread,
    pub(super) worst: Option<Worst>,
    /// Values among the count that nobody saw: what sampled spans stand for beside themselves.
    pub(super) unseen: u64,
    /// Whether a counter that was not read in its time is caught up with: more than came in one window.
    pub(super) is_caught_up: bool,
}

/// The greatest value that has a trace; of equal ones that of the smallest trace id, so that arrival does
/// not matter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Worst {
    pub(super) value: f64,
    pub(super) trace_id: TraceId,
}

impl Worst {
    fn of(self, other: Self) -> Self {
        let order = self.value.total_cmp(&other.value).then(other.trace_id.cmp(&self.trace_id));
        if order.is_ge() { self } else { other }
    }
}

/// How values are spread.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Spread {
    /// Not known: summaries tell only quantiles, which can not be added.
    Unknown,
    Explicit {
        bounds: Vec<f64>,
        counts: Vec<u64>,
    },
    Exponential(ExponentialHistogram),
}

/// Percentiles lie within 4.5 % of the truth at this scale, while values spread over less than 2^20.
const SCALE: i32 = 3;
const MAX_SIZE: u32 = 160;

const PERCENTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

impl Default for Cell {
    fn default() -> Self {
        let spread = Spread::Exponential(ExponentialHistogram::new(SCALE, MAX_SIZE));
        let moments = Moments::default();
        Self {
            moments,
            has_squares: true,
            has_extremes: true,
            spread,
            worst: None,
            unseen: 0,
            is_caught_up: false,
        }
    }
}

impl Cell {
    pub(super) fn of_value(value: f64) -> Self {
        let mut cell = Self::default();
        cell.add(value);
        cell
    }

    /// Makes a cell that says that something came which can not be read. It has no values, and gives way to any.
    pub(super) fn unreadable() -> Self {
        let mut cell = Self::default();
        cell.moments.sum.add(f64::NAN);
        cell
    }

    /// Whether nothing came that can be read, and something that can not.
    pub(super) fn is_unreadable(&self) -> bool {
        self.moments.count == 0 && self.moments.sum.value().is_nan()
    }

    /// Adds a value; the caller has left out NaN.
    pub(super) fn add(&mut self, value: f64) {
        self.moments.add(value);
        if let Spread::Exponential(histogram) = &mut self.spread {
            histogram.add(value, 1);
        }
    }

    /// Adds a value that stands for `weight` values, which is at least one.
    pub(super) fn add_sampled(&mut self, value: f64, weight: u64) {
        self.moments.add_times(value, weight);
        if let Spread::Exponential(histogram) = &mut self.spread {
            histogram.add(value, weight);
        }
        self.unseen = self.unseen.saturating_add(weight - 1);
    }

    /// Returns how many values were seen: what a judgement of the others rests on.
    pub(super) fn n_seen(&self) -> u64 {
        self.moments.count.saturating_sub(self.unseen)
    }

    /// Makes a cell of values that are known only in sum.
    pub(super) fn of_sums(count: u64, sum: f64, extremes: Option<(f64, f64)>, spread: Spread) -> Self {
        let mut moments = Moments { count, ..Moments::default() };
        moments.sum.add(sum);
        if let Some((min, max)) = extremes {
            (moments.min, moments.max) = (min, max);
        }
        let has_extremes = extremes.is_some();
        Self { moments, has_squares: false, has_extremes, spread, ..Self::default() }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.moments.count == 0 {
            if self.moments.count == 0 {
                self.moments.sum.merge(&other.moments.sum);
            }
            return;
        }
        if self.moments.count == 0 {
            *self = other.clone();
            return;
        }
        self.moments.merge(&other.moments);
        self.unseen = self.unseen.saturating_add(other.unseen);
        self.is_caught_up |= other.is_caught_up;
        self.has_squares &= other.has_squares;
        self.has_extremes &= other.has_extremes;
        self.spread.merge(&other.spread);
        self.worst = match (self.worst, other.worst) {
            (Some(worst), Some(theirs)) => Some(worst.of(theirs)),
            (worst, theirs) => worst.or(theirs),
        };
    }

    /// Offers the trace of a value as an example.
    pub(super) fn offer(&mut self, value: f64, trace_id: TraceId) {
        let offered = Worst { value, trace_id };
        self.worst = Some(self.worst.map_or(offered, |worst| worst.of(offered)));
    }

    /// Returns what came since `earlier`, for points that count from a common start. None when counts went
    /// down, which only a reset can do.
    pub(super) fn since(&self, earlier: &Self) -> Option<Self> {
        let count = self.moments.count.checked_sub(earlier.moments.count)?;
        let mut sum = self.moments.sum.clone();
        sum.add(-earlier.moments.sum.value());
        let moments = Moments { count, sum, ..Moments::default() };
        Some(Self {
            moments,
            has_squares: false,
            has_extremes: false,
            spread: self.spread.since(&earlier.spread)?,
            ..Self::default()
        })
    }

    /// Returns the statistics that are known, by name.
    pub(super) fn statistics(&self) -> Vec<(&'static str, f64)> {
        let moments = &self.moments;
        let mut all = vec![("count", moments.count as f64), ("sum", moments.sum.value())];
        all.extend(moments.mean().map(|mean| ("mean", mean)));
        if self.has_extremes && moments.count > 0 {
            all.extend([("min", moments.min), ("max", moments.max)]);
        }
        if self.has_squares {
            all.extend(moments.deviation().map(|deviation| ("stddev", deviation)));
        }
        for (name, share) in PERCENTILES {
            all.extend(self.percentile(share).map(|value| (name, value)));
        }
        all
    }

    /// Estimates a percentile; never outside of what was seen.
    pub(super) fn percentile(&self, share: f64) -> Option<f64> {
        let estimate = match &self.spread {
            Spread::Unknown => None,
            Spread::Explicit { bounds, counts } => quantile_of_buckets(bounds, counts, share),
            Spread::Exponential(histogram) => histogram.quantile(share),
        }?;
        Some(if self.has_extremes { estimate.max(self.moments.min).min(self.moments.max) } else { estimate })
    }
}

impl Spread {
    /// Adds; buckets with different bounds, which can not be added, become exponential.
    fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => *self = Self::Unknown,
            (Self::Explicit { bounds, counts }, Self::Explicit { bounds: theirs, counts: more })
                if bounds == theirs =>
            {
                for (count, more) in counts.iter_mut().zip(more) {
                    *count = count.saturating_add(*more);
                }
            }
            (Self::Exponential(histogram), Self::Exponential(more)) => histogram.merge(more),
            _ => {
                let mut sum = self.exponential();
                sum.merge(&other.exponential());
                *self = Self::Exponential(sum);
            }
        }
    }

    fn since(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::Explicit { bounds, counts }, Self::Explicit { bounds: before, counts: less })
                if bounds == before =>
            {
                let left: Option<Vec<u64>> =
                    counts.iter().zip(less).map(|(now, then)| now.checked_sub(*then)).collect();
                Some(Self::Explicit { bounds: bounds.clone(), counts: left? })
            }
            (Self::Exponential(now), Self::Exponential(then)) => difference(now, then).map(Self::Exponential),
            (Self::Unknown, Self::Unknown) => Some(Self::Unknown),
            _ => None,
        }
    }

    /// Puts each bucket's values at its upper bound, the last ones at the last bound.
    fn exponential(&self) -> ExponentialHistogram {
        match self {
            Self::Exponential(histogram) => histogram.clone(),
            Self::Unknown => ExponentialHistogram::new(SCALE, MAX_SIZE),
            Self::Explicit { bounds, counts } => {
                let mut histogram = ExponentialHistogram::new(SCALE, MAX_SIZE);
                for (at, &count) in counts.iter().enumerate() {
                    let bound = bounds.get(at).or(bounds.last()).copied().unwrap_or(0.0);
                    histogram.add(bound, count);
                }
                histogram
            }
        }
    }
}

fn difference(now: &ExponentialHistogram, then: &ExponentialHistogram) -> Option<ExponentialHistogram> {
    let scale = now.scale().min(then.scale());
    let at_scale = |histogram: &ExponentialHistogram| {
        let mut histogram = histogram.clone();
        histogram.downscale((histogram.scale() - scale) as u32);
        histogram
    };
    let (now, then) = (at_scale(now), at_scale(then));
    let zeros = now.zero_count().checked_sub(then.zero_count())?;
    let positive = without(now.positive(), then.positive())?;
    let negative = without(now.negative(), then.negative())?;
    ExponentialHistogram::from_parts(scale, MAX_SIZE, zeros, &positive, &negative)
}

fn without(now: &Buckets, then: &Buckets) -> Option<Buckets> {
    let mut left = now.clone();
    for (index, &count) in (i64::from(then.offset)..).zip(&then.counts).filter(|(_, count)| **count > 0) {
        let at = usize::try_from(index - i64::from(left.offset)).ok()?;
        let place = left.counts.get_mut(at)?;
        *place = place.checked_sub(count)?;
    }
    Some(left)
}
