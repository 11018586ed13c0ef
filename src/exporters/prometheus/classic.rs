//! Exponential histograms as classic ones: the text formats have no other.

use crate::prometheus_names::{Dense, Explicit, Exponential};

/// Bounds lie a factor of 2^(1/4), some 19 %, apart: the same for every series, whatever its own scale, so that
/// they can be added up by `le`.
const SCALE: i32 = 2;
/// More bounds than this make too many series; the scale is lowered until they fit.
const MAX_BUCKETS: usize = 160;

/// Returns the histogram with every bound from its lowest bucket to its highest.
pub(super) fn classic(histogram: &Exponential) -> Explicit {
    let mut coarse = histogram.clone();
    coarse.downscale(SCALE);
    while coarse.positive.counts.len() + coarse.negative.counts.len() > MAX_BUCKETS {
        coarse.coarsen(1);
    }
    coarse.positive.trim();
    coarse.negative.trim();
    let mut buckets = Ascending { bounds: Vec::new(), counts: Vec::new(), pending: 0 };
    push_negative(&coarse, &mut buckets);
    if coarse.zero_count > 0 || !coarse.negative.counts.is_empty() {
        buckets.push(coarse.zero_threshold, coarse.zero_count);
    }
    let Dense { offset, counts } = &coarse.positive;
    for (index, &count) in (*offset..).zip(counts) {
        buckets.push(power(index + 1, coarse.scale), count);
    }
    buckets.counts.push(buckets.pending);
    let Ascending { bounds, counts, .. } = buckets;
    Explicit { count: histogram.count, sum: histogram.sum, bounds, counts }
}

/// The bucket farthest from zero comes first; its upper bound is the one nearer to zero.
fn push_negative(histogram: &Exponential, buckets: &mut Ascending) {
    let Dense { offset, counts } = &histogram.negative;
    for (at, &count) in counts.iter().enumerate().rev() {
        let index = offset + i64::try_from(at).expect("a histogram has fewer than 2^63 buckets");
        buckets.push(-power(index, histogram.scale), count);
    }
}

/// Returns base^index for the base 2^(2^-scale).
fn power(index: i64, scale: i32) -> f64 {
    (index as f64 * (-f64::from(scale)).exp2()).exp2()
}

/// Buckets with finite bounds that ascend; what has no such bound falls into the next.
struct Ascending {
    bounds: Vec<f64>,
    counts: Vec<u64>,
    pending: u64,
}

impl Ascending {
    fn push(&mut self, bound: f64, count: u64) {
        let count = count.saturating_add(self.pending);
        if bound.is_finite() && self.bounds.last().is_none_or(|last| *last < bound) {
            self.bounds.push(bound);
            self.counts.push(count);
            self.pending = 0;
        } else {
            self.pending = count;
        }
    }
}
