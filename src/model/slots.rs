//! State for each series, found by its dense number.

use std::collections::HashMap;

/// What a stage remembers of each series of [`crate::Rollups`].
///
/// A slot may be given to another series once the first is forgotten; the fingerprint tells. What a
/// snapshot brought back waits until its series is seen, whatever its slot is now.
///
/// *Cost*: an index and a compare per row; a look-up when a slot is first used.
#[derive(Clone, Debug)]
pub struct Slots<T> {
    /// In pages, so that growth never holds everything twice.
    pages: Vec<Vec<Option<(u64, T)>>>,
    /// By fingerprint: what was restored and not seen since.
    waiting: HashMap<u64, T>,
    n_used: usize,
}

const PAGE: usize = 1024;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), waiting: HashMap::new(), n_used: 0 }
    }
}

impl<T> Slots<T> {
    /// Returns the state of a series, made anew when there is none.
    pub fn get_or_insert_with(&mut self, slot: u32, fingerprint: u64, make: impl FnOnce() -> T) -> &mut T {
        let (page, at) = (slot as usize / PAGE, slot as usize % PAGE);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, Vec::new);
        }
        let page = &mut self.pages[page];
        if page.len() <= at {
            page.reserve_exact(PAGE - page.len());
            page.resize_with(at + 1, || None);
        }
        let place = &mut page[at];
        if place.as_ref().is_none_or(|(owner, _)| *owner != fingerprint) {
            self.n_used += usize::from(place.is_none());
            let state = self.waiting.remove(&fingerprint).unwrap_or_else(make);
            *place = Some((fingerprint, state));
        }
        let (_, state) = place.as_mut().expect("the place was filled just now");
        state
    }

    /// Returns the state of a series that was seen.
    pub fn get(&self, slot: u32, fingerprint: u64) -> Option<&T> {
        let (owner, state) = self.pages.get(slot as usize / PAGE)?.get(slot as usize % PAGE)?.as_ref()?;
        (*owner == fingerprint).then_some(state)
    }

    /// Whether there is a state of a series, seen or restored.
    pub fn contains(&self, slot: u32, fingerprint: u64) -> bool {
        self.get(slot, fingerprint).is_some() || self.waiting.contains_key(&fingerprint)
    }

    /// Puts back a state that a snapshot held.
    pub fn restore(&mut self, fingerprint: u64, state: T) {
        self.waiting.insert(fingerprint, state);
    }

    /// Returns every state with its fingerprint, in the order of fingerprints.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let seen = self.pages.iter().flatten().flatten().map(|(fingerprint, state)| (*fingerprint, state));
        let waiting = self.waiting.iter().map(|(fingerprint, state)| (*fingerprint, state));
        let mut all: Vec<_> = seen.chain(waiting).collect();
        all.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        all.into_iter()
    }

    /// Returns every state that was seen, with its slot and fingerprint, in the order of slots.
    pub fn seen_mut(&mut self) -> impl Iterator<Item = (u32, u64, &mut T)> {
        let pages = self.pages.iter_mut().enumerate();
        let states = pages.flat_map(|(page, states)| {
            states.iter_mut().enumerate().map(move |(at, state)| (page * PAGE + at, state))
        });
        states.filter_map(|(slot, state)| {
            let (fingerprint, state) = state.as_mut()?;
            Some((slot as u32, *fingerprint, state))
        })
    }

    /// Forgets the states for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for place in self.pages.iter_mut().flatten() {
            if place.as_ref().is_some_and(|(_, state)| !keep(state)) {
                *place = None;
                self.n_used -= 1;
            }
        }
        self.waiting.retain(|_, state| keep(state));
    }

    pub fn len(&self) -> usize {
        self.n_used + self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_given_to_another_series_begins_anew() {
        let mut slots = Slots::default();
        *slots.get_or_insert_with(3, 10, || 0) += 7;
        assert_eq!(slots.get(3, 10), Some(&7));
        assert_eq!(*slots.get_or_insert_with(3, 11, || 1), 1);
        assert_eq!(slots.get(3, 10), None);
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn what_was_restored_is_found_under_any_slot() {
        let mut slots = Slots::default();
        slots.restore(10, 'a');
        slots.restore(11, 'b');
        assert_eq!(*slots.get_or_insert_with(0, 11, || 'z'), 'b');
        assert_eq!(slots.iter().collect::<Vec<_>>(), [(10, &'a'), (11, &'b')]);
        slots.retain(|state| *state == 'b');
        assert_eq!(slots.len(), 1);
        assert_eq!(slots.seen_mut().map(|(slot, ..)| slot).collect::<Vec<_>>(), [0]);
    }
}
