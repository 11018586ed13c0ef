//! The 95th percentile of a day's windows.

use stats::bucket_index;

/// Sixteen bins to the octave, told apart further by interpolation.
const SCALE: i32 = 4;
pub(super) const BINS: usize = 96;
const PEAK: f64 = 0.95;

/// Values of a day by logarithmic bin, the greatest six octaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Peaks {
    /// The lowest bin holds what is smaller as well.
    pub(super) counts: [u16; BINS],
    /// Index of the highest bin.
    pub(super) top: i16,
}

impl Default for Peaks {
    fn default() -> Self {
        Self { counts: [0; BINS], top: i16::MIN }
    }
}

impl Peaks {
    pub(super) fn add(&mut self, value: f64) {
        let mut place = 0;
        if value >= f64::MIN_POSITIVE {
            let index = bucket_index(value, SCALE) as i16;
            self.reach(index);
            place = (i32::from(index) - i32::from(self.top) + BINS as i32 - 1).max(0) as usize;
        }
        self.counts[place] = self.counts[place].saturating_add(1);
    }

    /// Returns the value that 5 % exceed, 0 where that is in the lowest bin; none of nothing.
    pub(super) fn p95(&self) -> Option<f64> {
        let total: f64 = self.counts.iter().map(|&count| f64::from(count)).sum();
        let above = total * (1.0 - PEAK);
        let mut seen = 0.0;
        for (place, &count) in self.counts.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
            let count = f64::from(count);
            if place > 0 && seen + count >= above {
                let index = f64::from(self.top) - (BINS - 1 - place) as f64;
                let share = 1.0 - (above - seen) / count;
                return Some(((index + share) / f64::from(1 << SCALE)).exp2());
            }
            seen += count;
        }
        (total > 0.0).then_some(0.0)
    }

    fn reach(&mut self, index: i16) {
        if self.top == i16::MIN {
            self.top = index;
        }
        let by = i32::from(index) - i32::from(self.top);
        if by <= 0 {
            return;
        }
        let by = (by as usize).min(BINS - 1);
        let merged = self.counts[..=by].iter().fold(0_u16, |sum, &count| sum.saturating_add(count));
        self.counts.copy_within(by.., 0);
        self.counts[BINS - by..].fill(0);
        self.counts[0] = merged;
        self.top = index;
    }
}
