//! How many events were good, over ninety days, in tiers of growing slots.

use std::time::Duration;

use model::Timestamp;

use super::page::{Page, SLOTS as PAGE};

/// Events and how many of them were good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Count {
    pub(super) good: u64,
    pub(super) total: u64,
}

impl Count {
    pub(super) const NONE: Self = Self { good: 0, total: 0 };

    pub(super) const fn bad(self) -> u64 {
        self.total.saturating_sub(self.good)
    }

    /// Returns the share of bad events; none without events.
    pub(super) fn error_ratio(self) -> Option<f64> {
        (self.total > 0).then(|| self.bad() as f64 / self.total as f64)
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self { good: self.good.saturating_add(other.good), total: self.total.saturating_add(other.total) }
    }

    /// Returns so many parts of all, good and bad ones each rounded to whole events.
    const fn share(self, parts: u64, of: u64) -> Self {
        let total = rounded(self.total, parts, of);
        let bad = rounded(self.bad(), parts, of);
        Self { good: total.saturating_sub(bad), total }
    }

    pub(super) const fn is_none(self) -> bool {
        self.total == 0 && self.good == 0
    }
}

const fn rounded(whole: u64, parts: u64, of: u64) -> u64 {
    let share = (whole as u128 * parts as u128 + of as u128 / 2) / of as u128;
    // Not more than the whole, as no part is.
    share as u64
}

/// The width of the finest slots: events are told apart no further.
pub(super) const SLOT: Duration = Duration::from_secs(10);

/// Widths in seconds and how many slots are kept: an hour, six hours, three days, ninety days, and the slot
/// that is being filled.
const TIERS: [(u64, usize); 4] = [(10, 361), (60, 361), (300, 865), (3600, 2161)];

/// How far back the counts reach.
pub(super) const RETENTION: Duration = Duration::from_secs(90 * 86_400);

/// Exact counts of one objective.
///
/// Every event is counted in each tier, so that a window is the sum of slots of one tier: of the finest that
/// reaches back to its start.
///
/// *Cost*: 18 KB with a hundred thousand events in an hour of which a fifth is bad, 12 KB with fewer of both, at most
/// 63 KB; adding is four additions, a sum at most 865 up to three days and 2,160 above.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Ring {
    tiers: [Tier; TIERS.len()],
}

#[derive(Clone, PartialEq, Debug)]
struct Tier {
    /// Seconds.
    width: u64,
    n_slots: usize,
    /// The number of the newest slot, counted from the epoch; none before the first event.
    newest: Option<u64>,
    /// A page of nothing takes no memory.
    pages: Vec<Option<Page>>,
}

/// A slot that holds something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Filled {
    pub(super) tier: usize,
    /// Counted from the epoch in widths of the tier.
    pub(super) number: u64,
    pub(super) count: Count,
}

impl Default for Ring {
    fn default() -> Self {
        Self { tiers: TIERS.map(|(width, n_slots)| Tier::new(width, n_slots)) }
    }
}

impl Ring {
    /// Counts events at an instant. Returns whether any tier still reaches back so far.
    pub(super) fn add(&mut self, at: Timestamp, count: Count) -> bool {
        let seconds = at.as_nanos() / 1_000_000_000;
        let mut is_kept = false;
        for tier in &mut self.tiers {
            is_kept |= tier.add(seconds / tier.width, count);
        }
        is_kept
    }

    /// Returns the events of the window that ends at `until`.
    ///
    /// A window is exact when its start is a whole slot of the tier that is read. Otherwise of the slot in which it
    /// begins so great a share counts as lies within: a window that moves on keeps its length, or a ratio near a
    /// threshold would cross it to and fro.
    pub(super) fn sum(&self, until: Timestamp, width: Duration) -> Count {
        self.between(until - width, until)
    }

    /// Returns the events from one instant to before another, which is not long past.
    pub(super) fn between(&self, from: Timestamp, until: Timestamp) -> Count {
        let (from, until) = (from.as_nanos() / 1_000_000_000, until.as_nanos().div_ceil(1_000_000_000));
        let reaches = |tier: &&Tier| tier.reaches(from, until);
        let tier = self.tiers.iter().find(reaches).unwrap_or(&self.tiers[TIERS.len() - 1]);
        let first = from.div_ceil(tier.width);
        let cut = tier.sum(first.saturating_sub(1), first).share(first * tier.width - from, tier.width);
        cut.plus(tier.sum(first, until.div_ceil(tier.width)))
    }

    /// Returns the end of the newest slot.
    pub(super) fn end(&self) -> Timestamp {
        let finest = &self.tiers[0];
        Timestamp::from_secs(finest.newest.map_or(0, |newest| (newest + 1) * finest.width))
    }

    /// Adds what a snapshot held, a slot of one tier alone.
    pub(super) fn restore(&mut self, slot: Filled) -> bool {
        self.tiers.get_mut(slot.tier).is_some_and(|tier| tier.add(slot.number, slot.count))
    }

    /// Returns every slot that holds something, by tier and time.
    pub(super) fn filled(&self) -> impl Iterator<Item = Filled> {
        self.tiers.iter().enumerate().flat_map(|(tier, it)| {
            let slots = it.numbers().map(move |number| Filled { tier, number, count: it.get(number) });
            slots.filter(|slot| !slot.count.is_none())
        })
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let pages = self.tiers.iter().flat_map(|tier| &tier.pages).flatten();
        let places: usize = self.tiers.iter().map(|tier| tier.pages.capacity()).sum();
        pages.map(Page::heap_bytes).sum::<usize>() + places * size_of::<Option<Page>>()
    }
}

impl Tier {
    fn new(width: u64, n_slots: usize) -> Self {
        Self { width, n_slots, newest: None, pages: Vec::new() }
    }

    /// Whether the tier keeps all from `from` on, as seen at `until`. What the newest event pushed out is gone.
    fn reaches(&self, from: u64, until: u64) -> bool {
        let newest = self.newest.map_or(0, |newest| newest * self.width).max(until.saturating_sub(1));
        from / self.width + self.n_slots as u64 > newest / self.width
    }

    fn add(&mut self, number: u64, count: Count) -> bool {
        match self.newest {
            Some(newest) if number + self.n_slots as u64 <= newest => return false,
            Some(newest) if number > newest => self.advance(newest, number),
            Some(_) => {}
            None => self.newest = Some(number),
        }
        let (page, at) = self.place(number);
        if self.pages.is_empty() {
            self.pages.resize_with(self.n_slots.div_ceil(PAGE), || None);
        }
        self.pages[page].get_or_insert_with(Page::empty).add(at, count);
        true
    }

    /// Empties the slots that a later time takes over.
    fn advance(&mut self, newest: u64, to: u64) {
        self.newest = Some(to);
        if to - newest >= self.n_slots as u64 {
            self.pages.iter_mut().for_each(|page| *page = None);
            return;
        }
        for number in newest + 1..=to {
            let (page, at) = self.place(number);
            let is_last = at == PAGE - 1 || number == to;
            if let Some(slots) = self.pages.get_mut(page).and_then(Option::as_mut) {
                slots.clear(at);
                if is_last && slots.is_empty() {
                    self.pages[page] = None;
                } else if at == PAGE - 1 {
                    slots.fit();
                }
            }
        }
    }

    fn place(&self, number: u64) -> (usize, usize) {
        let at = (number % self.n_slots as u64) as usize;
        (at / PAGE, at % PAGE)
    }

    fn get(&self, number: u64) -> Count {
        let (page, at) = self.place(number);
        self.pages.get(page).and_then(Option::as_ref).map_or(Count::NONE, |page| page.get(at))
    }

    /// Returns the numbers of the slots that are kept.
    fn numbers(&self) -> std::ops::Range<u64> {
        self.newest.map_or(0..0, |newest| (newest + 1).saturating_sub(self.n_slots as u64)..newest + 1)
    }

    /// Adds up the slots from one number to before another.
    fn sum(&self, first: u64, end: u64) -> Count {
        let kept = self.numbers();
        let (mut number, end) = (first.max(kept.start), end.min(kept.end));
        let mut sum = Count::NONE;
        while number < end {
            let (page, at) = self.place(number);
            // A run ends with its page, and where the ring begins anew.
            let position = page * PAGE + at;
            let run = (PAGE - at).min(self.n_slots - position).min((end - number) as usize);
            if let Some(Some(slots)) = self.pages.get(page) {
                let part = slots.sum(at..at + run);
                sum.good = sum.good.wrapping_add(part.good);
                sum.total = sum.total.wrapping_add(part.total);
            }
            number += run as u64;
        }
        sum
    }
}
