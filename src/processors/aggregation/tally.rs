//! The buckets of all series of a shard, in as little memory as they allow.
//!
//! Every span adds one to a bucket that is rarely in the cache. A byte per bucket keeps the tables of some
//! thousand series within the second-level cache; each 256th count of a bucket is carried to a second table,
//! which most buckets never need.

/// Counts by series and bucket.
///
/// *Cost*: a byte per bucket, and two more for all of them once one has counted to 256.
pub(crate) struct Tally {
    /// Buckets of a series.
    width: usize,
    low: Vec<u8>,
    /// How often the byte in the same place began anew. Empty until one has.
    carried: Vec<u16>,
}

impl Tally {
    pub(crate) fn new(width: usize) -> Self {
        Self { width, low: Vec::new(), carried: Vec::new() }
    }

    /// Makes room for one more series.
    pub(crate) fn push_series(&mut self) {
        self.low.resize(self.low.len() + self.width, 0);
        if !self.carried.is_empty() {
            self.carried.resize(self.low.len(), 0);
        }
    }

    /// Adds one to a bucket, and returns what did not fit, which is 0 but for one count of 2²⁴.
    ///
    /// *Precondition*: the series was pushed and `bucket` is less than the width.
    #[inline(always)]
    #[must_use]
    pub(crate) fn add_one(&mut self, series: usize, bucket: usize) -> u64 {
        let at = series * self.width + bucket;
        let low = &mut self.low[at];
        *low = low.wrapping_add(1);
        if *low == 0 { self.carry(at) } else { 0 }
    }

    #[cold]
    #[inline(never)]
    fn carry(&mut self, at: usize) -> u64 {
        if self.carried.is_empty() {
            self.carried.resize(self.low.len(), 0);
        }
        let carried = &mut self.carried[at];
        *carried = carried.wrapping_add(1);
        if *carried == 0 { 1 << (u8::BITS + u16::BITS) } else { 0 }
    }

    /// Returns the buckets of a series that hold anything, with their counts, ascending.
    pub(crate) fn counted(&self, series: usize) -> impl Iterator<Item = (usize, u64)> {
        let from = series * self.width;
        let counts = self.low[from..from + self.width].iter().enumerate().map(move |(bucket, &low)| {
            let carried = self.carried.get(from + bucket).copied().unwrap_or(0);
            (bucket, u64::from(carried) << u8::BITS | u64::from(low))
        });
        counts.filter(|(_, count)| *count > 0)
    }

    /// Sets all buckets of a series to zero.
    pub(crate) fn clear(&mut self, series: usize) {
        let range = series * self.width..(series + 1) * self.width;
        self.low[range.clone()].fill(0);
        if let Some(carried) = self.carried.get_mut(range) {
            carried.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_on_beyond_its_byte_and_tells_what_exceeds_its_carry() {
        let mut tally = Tally::new(3);
        tally.push_series();
        for bucket in [0, 2, 2] {
            assert_eq!(tally.add_one(0, bucket), 0);
        }
        tally.push_series();
        let over: u64 = (0..(1 << 24) + 300).map(|_| tally.add_one(1, 1)).sum();
        assert_eq!(over, 1 << 24);
        tally.push_series();
        assert_eq!(tally.add_one(2, 1), 0);
        let all = |tally: &Tally| [0, 1, 2].map(|series| tally.counted(series).collect::<Vec<_>>());
        assert_eq!(all(&tally), [vec![(0, 1), (2, 2)], vec![(1, 300)], vec![(1, 1)]]);
        tally.clear(1);
        assert_eq!(all(&tally), [vec![(0, 1), (2, 2)], vec![], vec![(1, 1)]]);
    }
}
