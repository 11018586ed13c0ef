//! Counts of neighbouring slots, each number in as few bytes as the largest of the page needs.

use super::ring::Count;

/// Slots to a page.
pub(super) const SLOTS: usize = 61;

/// The widths of both numbers of a slot, then for each slot all events and the bad ones, little-endian, then room
/// for a read of eight bytes at the last number.
#[derive(Clone, Debug)]
pub(super) struct Page(Box<[u8]>);

/// How many bytes the numbers of a page have.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Widths {
    total: usize,
    bad: usize,
}

const HEAD: usize = 2;
const NUMBER: usize = size_of::<u64>();

impl Page {
    /// Nothing is counted yet.
    pub(super) fn empty() -> Self {
        Self::with(Widths { total: 0, bad: 0 })
    }

    fn with(widths: Widths) -> Self {
        let mut bytes = vec![0; HEAD + SLOTS * widths.slot() + NUMBER];
        (bytes[0], bytes[1]) = (widths.total as u8, widths.bad as u8);
        Self(bytes.into())
    }

    pub(super) fn get(&self, at: usize) -> Count {
        let widths = self.widths();
        let (total, bad) = self.numbers(widths, at);
        Count { good: total - bad.min(total), total }
    }

    /// Counts events. Where a number outgrows the page, all get wider.
    pub(super) fn add(&mut self, at: usize, count: Count) {
        let sum = self.get(at).plus(count);
        let widths = self.widths().max(Widths::of(sum));
        if widths != self.widths() {
            *self = self.copy(widths);
        }
        self.put(widths, at, sum);
    }

    pub(super) fn clear(&mut self, at: usize) {
        self.put(self.widths(), at, Count::NONE);
    }

    /// Gives back what larger numbers than those that are left have taken.
    pub(super) fn fit(&mut self) {
        let none = Widths { total: 0, bad: 0 };
        let needed = (0..SLOTS).fold(none, |widths, at| widths.max(Widths::of(self.get(at))));
        if needed != self.widths() {
            *self = self.copy(needed);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        (0..SLOTS).all(|at| self.get(at).is_none())
    }

    /// Adds up slots. Sums beyond 64 bits wrap.
    pub(super) fn sum(&self, slots: std::ops::Range<usize>) -> Count {
        let widths = self.widths();
        let (mut all, mut all_bad) = (0_u64, 0_u64);
        for at in slots {
            let (total, bad) = self.numbers(widths, at);
            (all, all_bad) = (all.wrapping_add(total), all_bad.wrapping_add(bad));
        }
        Count { good: all.wrapping_sub(all_bad), total: all }
    }

    fn widths(&self) -> Widths {
        Widths { total: usize::from(self.0[0]), bad: usize::from(self.0[1]) }
    }

    fn copy(&self, widths: Widths) -> Self {
        let mut copy = Self::with(widths);
        (0..SLOTS).for_each(|at| copy.put(widths, at, self.get(at)));
        copy
    }

    /// Returns all events of a slot and the bad ones.
    fn numbers(&self, widths: Widths, at: usize) -> (u64, u64) {
        let place = HEAD + at * widths.slot();
        (self.number(place, widths.total), self.number(place + widths.total, widths.bad))
    }

    fn number(&self, place: usize, width: usize) -> u64 {
        let (eight, _) = self.0[place..].split_first_chunk().expect("there is room behind the last number");
        u64::from_le_bytes(*eight) & mask(width)
    }

    fn put(&mut self, widths: Widths, at: usize, count: Count) {
        let place = HEAD + at * widths.slot();
        let numbers = [(place, widths.total, count.total), (place + widths.total, widths.bad, count.bad())];
        for (place, width, number) in numbers {
            self.0[place..place + width].copy_from_slice(&number.to_le_bytes()[..width]);
        }
    }

    #[cfg(test)]
    pub(super) const fn heap_bytes(&self) -> usize {
        self.0.len()
    }
}

impl Widths {
    fn of(count: Count) -> Self {
        let width = |number: u64| (u64::BITS - number.leading_zeros()).div_ceil(8) as usize;
        Self { total: width(count.total), bad: width(count.bad()) }
    }

    fn max(self, other: Self) -> Self {
        Self { total: self.total.max(other.total), bad: self.bad.max(other.bad) }
    }

    const fn slot(self) -> usize {
        self.total + self.bad
    }
}

/// The lowest bytes of a number.
const fn mask(width: usize) -> u64 {
    if width < NUMBER { (1 << (8 * width)) - 1 } else { u64::MAX }
}

/// What is counted, however wide.
impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        (0..SLOTS).all(|at| self.get(at) == other.get(at))
    }
}
