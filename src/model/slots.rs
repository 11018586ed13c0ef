//! State for each series, found by its dense number.

use std::collections::HashMap;

/// What a stage remembers of each series of [`crate::Rollups`].
///
/// A slot may be given to another series once the first is forgotten; the fingerprint tells. What a
/// snapshot brought back waits until its series is seen, whatever its slot is now: it stands in any place that
/// is free and changes it for that of its slot then, so that nothing is ever held twice.
///
/// *Cost*: an index and a compare per row; a look-up when a slot is first used.
#[derive(Clone, Debug)]
pub struct Slots<T> {
    /// In pages, so that growth never holds everything twice.
    pages: Vec<Vec<Option<(u64, T)>>>,
    /// By fingerprint: the places of what was restored and not seen since.
    waiting: HashMap<u64, usize>,
    /// By place, whether what is there waits; of no length when nothing does.
    waits: Vec<bool>,
    n_used: usize,
}

const PAGE: usize = 1024;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), waiting: HashMap::new(), waits: Vec::new(), n_used: 0 }
    }
}

impl<T> Slots<T> {
    /// Returns the state of a series, made anew when there is none.
    pub fn get_or_insert_with(&mut self, slot: u32, fingerprint: u64, make: impl FnOnce() -> T) -> &mut T {
        let place = slot as usize;
        self.reach(place);
        let is_here = self.place(place).as_ref().is_some_and(|(owner, _)| *owner == fingerprint);
        if !is_here || self.waits_at(place) {
            self.settle(place, fingerprint, make);
        }
        let (_, state) =
            self.place(place).as_mut().expect("the place is that of the series, or was filled just now");
        state
    }

    /// Returns the state of a series that was seen.
    pub fn get(&self, slot: u32, fingerprint: u64) -> Option<&T> {
        let place = slot as usize;
        let (owner, state) = self.pages.get(place / PAGE)?.get(place % PAGE)?.as_ref()?;
        (*owner == fingerprint && !self.waits_at(place)).then_some(state)
    }

    /// Whether there is a state of a series, seen or restored.
    pub fn contains(&self, slot: u32, fingerprint: u64) -> bool {
        self.get(slot, fingerprint).is_some() || self.waiting.contains_key(&fingerprint)
    }

    /// Puts back a state that a snapshot held.
    pub fn restore(&mut self, fingerprint: u64, state: T) {
        match self.waiting.get(&fingerprint) {
            Some(&place) => *self.place(place) = Some((fingerprint, state)),
            None => {
                self.n_used += 1;
                self.append(fingerprint, state);
            }
        }
    }

    /// Returns every state with its fingerprint, in the order of fingerprints.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let all = self.pages.iter().flatten().flatten().map(|(fingerprint, state)| (*fingerprint, state));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        all.into_iter()
    }

    /// Returns every state that was seen, with its slot and fingerprint, in the order of slots.
    pub fn seen_mut(&mut self) -> impl Iterator<Item = (u32, u64, &mut T)> {
        let waits = &self.waits;
        let pages = self.pages.iter_mut().enumerate();
        let states = pages.flat_map(|(page, states)| {
            states.iter_mut().enumerate().map(move |(at, state)| (page * PAGE + at, state))
        });
        states.filter(|(place, _)| !waits.get(*place).is_some_and(|waits| *waits)).filter_map(
            |(place, state)| {
                let (fingerprint, state) = state.as_mut()?;
                Some((place as u32, *fingerprint, state))
            },
        )
    }

    /// Forgets the states for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for (page, places) in self.pages.iter_mut().enumerate() {
            for (at, place) in places.iter_mut().enumerate() {
                let Some((fingerprint, _)) = place.as_ref().filter(|(_, state)| !keep(state)) else {
                    continue;
                };
                if let Some(waits) = self.waits.get_mut(page * PAGE + at).filter(|waits| **waits) {
                    *waits = false;
                    self.waiting.remove(fingerprint);
                }
                *place = None;
                self.n_used -= 1;
            }
        }
        self.waiting.shrink_to_fit();
        self.release();
    }

    pub fn len(&self) -> usize {
        self.n_used
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes a place the series' own: with what waits for it, or made anew.
    fn settle(&mut self, place: usize, fingerprint: u64, make: impl FnOnce() -> T) {
        let waited_at = self.waiting.remove(&fingerprint);
        let restored = waited_at.and_then(|at| {
            self.waits[at] = false;
            self.place(at).take()
        });
        let displaced = self.place(place).take();
        let is_displaced_waiting = self.waits_at(place);
        if is_displaced_waiting {
            self.waits[place] = false;
        }
        self.n_used += usize::from(restored.is_none());
        let state = restored.map_or_else(make, |(_, state)| state);
        *self.place(place) = Some((fingerprint, state));
        match displaced {
            Some((owner, state)) if is_displaced_waiting => match waited_at {
                Some(free) => self.put_waiting(free, owner, state),
                None => self.append(owner, state),
            },
            // The series before has lost its slot.
            Some(_) => self.n_used -= 1,
            None => {}
        }
        self.release();
    }

    /// Lets a state wait behind all others.
    fn append(&mut self, fingerprint: u64, state: T) {
        let n_places = match self.pages.last() {
            Some(last) => (self.pages.len() - 1) * PAGE + last.len(),
            None => 0,
        };
        self.reach(n_places);
        self.put_waiting(n_places, fingerprint, state);
    }

    fn put_waiting(&mut self, place: usize, fingerprint: u64, state: T) {
        if self.waits.len() <= place {
            self.waits.resize(place + 1, false);
        }
        self.waits[place] = true;
        self.waiting.insert(fingerprint, place);
        *self.place(place) = Some((fingerprint, state));
    }

    /// Gives back what is needed only while something waits.
    fn release(&mut self) {
        if self.waiting.is_empty() && !self.waits.is_empty() {
            (self.waiting, self.waits) = (HashMap::new(), Vec::new());
        }
    }

    #[inline]
    fn waits_at(&self, place: usize) -> bool {
        self.waits.get(place).is_some_and(|waits| *waits)
    }

    /// Makes sure that there is a place.
    #[inline]
    fn reach(&mut self, place: usize) {
        let (page, at) = (place / PAGE, place % PAGE);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, Vec::new);
        }
        let page = &mut self.pages[page];
        if page.len() <= at {
            page.reserve_exact(PAGE - page.len());
            page.resize_with(at + 1, || None);
        }
    }

    #[inline]
    fn place(&mut self, place: usize) -> &mut Option<(u64, T)> {
        &mut self.pages[place / PAGE][place % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn nothing_is_held_twice_when_all_that_was_restored_is_seen_in_another_order() {
        let mut slots = Slots::default();
        (0..5000_u64).for_each(|fingerprint| slots.restore(fingerprint, fingerprint));
        for slot in 0..5000_u32 {
            let fingerprint = u64::from(slot) * 7 % 5000;
            assert_eq!(*slots.get_or_insert_with(slot, fingerprint, || u64::MAX), fingerprint);
            assert_eq!(slots.len(), 5000);
        }
        assert_eq!((slots.pages.len(), slots.waiting.capacity(), slots.waits.capacity()), (5, 0, 0));
        let seen: Vec<_> = slots.seen_mut().map(|(slot, fingerprint, _)| (slot, fingerprint)).collect();
        assert!(seen.into_iter().eq((0..5000).map(|slot| (slot, u64::from(slot) * 7 % 5000))));
    }

    /// What slots must do, in maps.
    #[derive(Default)]
    struct Plain {
        seen: HashMap<u32, (u64, u32)>,
        waiting: HashMap<u64, u32>,
    }

    impl Plain {
        fn get_or_insert(&mut self, slot: u32, fingerprint: u64, new: u32) -> u32 {
            if self.seen.get(&slot).is_none_or(|(owner, _)| *owner != fingerprint) {
                let state = self.waiting.remove(&fingerprint).unwrap_or(new);
                self.seen.insert(slot, (fingerprint, state));
            }
            self.seen[&slot].1
        }

        fn all(&self) -> Vec<(u64, u32)> {
            let waiting = self.waiting.iter().map(|(fingerprint, state)| (*fingerprint, *state));
            let mut all: Vec<_> = self.seen.values().copied().chain(waiting).collect();
            all.sort_unstable();
            all
        }
    }

    proptest! {
        #[test]
        fn slots_do_what_two_maps_would(
            restored in 0..12_u64,
            steps in prop::collection::vec((0..10_u32, 0..12_u64, 0..8_u32), 0..60),
        ) {
            let (mut slots, mut plain) = (Slots::default(), Plain::default());
            for fingerprint in 0..restored {
                slots.restore(fingerprint, 1000 + fingerprint as u32);
                plain.waiting.insert(fingerprint, 1000 + fingerprint as u32);
            }
            for (at, (slot, fingerprint, action)) in steps.into_iter().enumerate() {
                let new = at as u32;
                // A series has one slot at a time.
                let is_elsewhere = plain.seen.iter().any(|(it, (owner, _))| *owner == fingerprint && *it != slot);
                if action == 0 {
                    slots.retain(|state| state % 3 != new % 3);
                    plain.seen.retain(|_, (_, state)| *state % 3 != new % 3);
                    plain.waiting.retain(|_, state| *state % 3 != new % 3);
                } else if !is_elsewhere {
                    let got = *slots.get_or_insert_with(slot, fingerprint, || new);
                    prop_assert_eq!(got, plain.get_or_insert(slot, fingerprint, new));
                }
                let mut all: Vec<_> = slots.iter().map(|(fingerprint, state)| (fingerprint, *state)).collect();
                all.sort_unstable();
                prop_assert_eq!(all, plain.all());
                prop_assert_eq!(slots.len(), plain.all().len());
                let seen: HashMap<_, _> = slots.seen_mut().map(|(slot, owner, state)| (slot, (owner, *state))).collect();
                prop_assert_eq!(seen, plain.seen.clone());
                for fingerprint in 0..12 {
                    let is_known = plain.all().iter().any(|(it, _)| *it == fingerprint);
                    prop_assert!(!slots.contains(slot, fingerprint) || is_known);
                }
            }
        }
    }
}
