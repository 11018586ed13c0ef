//! Buckets of exponential histograms.

/// One side of an exponential histogram.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Buckets {
    pub(crate) offset: i32,
    pub(crate) counts: Vec<u64>,
}

/// Returns the index of the last bucket that begins below a threshold: the greatest i with 2^(i / 2^scale) below it.
pub(crate) fn last_bucket_below(threshold: f64, scale: i32) -> i32 {
    let factor = std::f64::consts::LOG2_E * 2_f64.powi(scale);
    let index = ((threshold.ln() * factor).ceil() - 1.0) as i32;
    // The logarithm of a bucket's own end may be rounded into the next one, or just short of it.
    let next = index.saturating_add(1);
    if bucket_start(index, scale) >= threshold {
        index.saturating_sub(1)
    } else if bucket_start(next, scale) < threshold {
        next
    } else {
        index
    }
}

/// Returns where a bucket begins, which is where the one before ends.
pub(crate) fn bucket_start(index: i32, scale: i32) -> f64 {
    (f64::from(index) * 2_f64.powi(scale.saturating_neg())).exp2()
}

impl Buckets {
    /// Removes the buckets up to an index and returns how much was in them.
    pub(crate) fn cut_through(&mut self, last: i32) -> u64 {
        let Ok(place) = usize::try_from(i64::from(last) - i64::from(self.offset)) else { return 0 };
        let n_cut = place.saturating_add(1).min(self.counts.len());
        self.offset = self.offset.saturating_add(n_cut as i32);
        self.counts.drain(..n_cut).fold(0, u64::wrapping_add)
    }

    /// Returns the same at a scale that is lower by so much: pairs of buckets become one, so often.
    pub(crate) fn coarser(&self, by: u32) -> Self {
        let by = by.min(31);
        let mut counts: Vec<u64> = Vec::new();
        for (index, count) in (i64::from(self.offset)..).zip(&self.counts) {
            let place = ((index >> by) - i64::from(self.offset >> by)) as usize;
            if counts.len() <= place {
                counts.resize(place + 1, 0);
            }
            counts[place] = counts[place].wrapping_add(*count);
        }
        Self { offset: self.offset >> by, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_bucket_is_in_it_whatever_its_logarithm_is_rounded_to() {
        for scale in -3..=20 {
            for index in (-400..400).chain([-5000, 4999]) {
                let end = bucket_start(index + 1, scale);
                if end > 1e-300 && end < 1e300 {
                    assert_eq!(last_bucket_below(end, scale), index, "{scale}");
                    assert_eq!(last_bucket_below(end * 1.000_000_000_000_1, scale), index + 1, "{scale}");
                }
            }
        }
    }
}
