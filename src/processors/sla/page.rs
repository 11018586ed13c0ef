//! Counts of neighbouring slots, in half of the memory as long as 32 bits are enough.
//!
//! An hour of more than a million events per second needs the wide form.

use super::ring::Count;

/// Slots to a page.
pub(super) const SLOTS: usize = 61;

#[derive(Clone, Debug)]
pub(super) enum Page {
    /// Good events and all.
    Narrow(Box<[[u32; 2]; SLOTS]>),
    Wide(Box<[Count; SLOTS]>),
}

impl Page {
    /// Nothing is counted yet.
    pub(super) fn empty() -> Self {
        Self::Narrow(Box::new([[0; 2]; SLOTS]))
    }

    pub(super) fn get(&self, at: usize) -> Count {
        match self {
            Self::Narrow(slots) => widened(slots[at]),
            Self::Wide(slots) => slots[at],
        }
    }

    pub(super) fn add(&mut self, at: usize, count: Count) {
        let sum = self.get(at).plus(count);
        match (&mut *self, u32::try_from(sum.good), u32::try_from(sum.total)) {
            (Self::Narrow(slots), Ok(good), Ok(total)) => slots[at] = [good, total],
            (Self::Narrow(slots), ..) => {
                let mut wide = Box::new(slots.map(widened));
                wide[at] = sum;
                *self = Self::Wide(wide);
            }
            (Self::Wide(slots), ..) => slots[at] = sum,
        }
    }

    pub(super) fn clear(&mut self, at: usize) {
        match self {
            Self::Narrow(slots) => slots[at] = [0; 2],
            Self::Wide(slots) => slots[at] = Count::NONE,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        (0..SLOTS).all(|at| self.get(at).is_none())
    }

    /// Adds up slots. Sums beyond 64 bits wrap.
    pub(super) fn sum(&self, slots: std::ops::Range<usize>) -> Count {
        let mut sum = Count::NONE;
        match self {
            Self::Narrow(all) => {
                for [good, total] in &all[slots] {
                    sum.good += u64::from(*good);
                    sum.total += u64::from(*total);
                }
            }
            Self::Wide(all) => {
                for count in &all[slots] {
                    sum.good = sum.good.wrapping_add(count.good);
                    sum.total = sum.total.wrapping_add(count.total);
                }
            }
        }
        sum
    }

    #[cfg(test)]
    pub(super) const fn heap_bytes(&self) -> usize {
        match self {
            Self::Narrow(_) => size_of::<[[u32; 2]; SLOTS]>(),
            Self::Wide(_) => size_of::<[Count; SLOTS]>(),
        }
    }
}

fn widened([good, total]: [u32; 2]) -> Count {
    Count { good: u64::from(good), total: u64::from(total) }
}

/// What is counted, whatever the form.
impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        (0..SLOTS).all(|at| self.get(at) == other.get(at))
    }
}
