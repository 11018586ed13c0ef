//! Whether one histogram's values are greater than another's.

use crate::{ExponentialHistogram, normal_two_sided};

#[cfg(test)]
mod tests;

/// How the values of a second histogram compare with those of a first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MannWhitney {
    /// Chance that a value of the second exceeds one of the first, values of one bucket being halved:
    /// 0.5 when neither is greater.
    pub superiority: f64,
    /// Standardised; above 0 when the second is greater.
    pub z: f64,
    /// Of the hypothesis that neither is greater, two-sided.
    pub p_value: f64,
}

/// Compares two histograms by ranks. None when either is empty or all values share one bucket.
///
/// Values of one bucket are tied, at the coarser of the two scales. The values are taken as independent:
/// requests of one instance are not, and millions of them make any difference significant. Ask for an
/// effect as well.
///
/// *Cost*: one pass over the buckets; a copy of the finer histogram when the scales differ.
/// *Source*: H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables is
/// stochastically larger than the other", 1947, with mid-ranks and the correction for ties.
pub fn mann_whitney(first: &ExponentialHistogram, second: &ExponentialHistogram) -> Option<MannWhitney> {
    let scale = first.scale().min(second.scale());
    let (first, second) = (at_scale(first, scale), at_scale(second, scale));
    let (mut a, mut b) = (ascending(&first).peekable(), ascending(&second).peekable());
    let (n_a, n_b) = (first.count() as f64, second.count() as f64);
    let (mut a_below, mut wins, mut ties) = (0.0, 0.0, 0.0);
    while let Some(bucket) = a.peek().into_iter().chain(b.peek()).map(|(bucket, _)| *bucket).min() {
        let in_bucket = |next: &(Place, u64)| next.0 == bucket;
        let in_a = a.next_if(in_bucket).map_or(0.0, |(_, count)| count as f64);
        let in_b = b.next_if(in_bucket).map_or(0.0, |(_, count)| count as f64);
        wins += in_b * (a_below + 0.5 * in_a);
        a_below += in_a;
        let tied: f64 = in_a + in_b;
        ties += tied * (tied * tied - 1.0);
    }
    let total = n_a + n_b;
    let variance = n_a * n_b / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if n_a == 0.0 || n_b == 0.0 || !variance.is_finite() || variance <= 0.0 {
        return None;
    }
    let excess = wins - 0.5 * n_a * n_b;
    let z = (excess.abs() - 0.5).max(0.0).copysign(excess) / variance.sqrt();
    Some(MannWhitney { superiority: wins / (n_a * n_b), z, p_value: normal_two_sided(z) })
}

/// A bucket in the order of its values: side (−1, 0 for zero itself, 1), then index towards greater.
type Place = (i32, i64);

fn ascending(histogram: &ExponentialHistogram) -> impl Iterator<Item = (Place, u64)> {
    let (negative, positive) = (histogram.negative(), histogram.positive());
    let below =
        (i64::from(negative.offset)..).zip(&negative.counts).map(|(index, &count)| ((-1, -index), count));
    let above =
        (i64::from(positive.offset)..).zip(&positive.counts).map(|(index, &count)| ((1, index), count));
    let mut below: Vec<_> = below.collect();
    below.reverse();
    let zeros = std::iter::once(((0, 0), histogram.zero_count()));
    below.into_iter().chain(zeros).chain(above).filter(|(_, count)| *count > 0)
}

fn at_scale(histogram: &ExponentialHistogram, scale: i32) -> std::borrow::Cow<'_, ExponentialHistogram> {
    if histogram.scale() == scale {
        return std::borrow::Cow::Borrowed(histogram);
    }
    let mut coarser = histogram.clone();
    coarser.downscale((histogram.scale() - scale) as u32);
    std::borrow::Cow::Owned(coarser)
}
