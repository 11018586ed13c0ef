//! Finds entries by their keys, so that a map of a hundred thousand entries, which a sender may choose, costs no more for each
//! of them than a small one.

use std::collections::{HashMap, hash_map::Entry};

/// Where keys stand in a list that only grows. Of keys that stand there twice the first place counts.
#[derive(Default)]
pub(super) struct Places(HashMap<Vec<u8>, usize, rapidhash::fast::RandomState>);

impl Places {
    pub(super) fn of<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Self {
        let mut places = Self::default();
        for (at, key) in keys.enumerate() {
            places.add(key, at);
        }
        places
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<usize> {
        self.0.get(key).copied()
    }

    /// Notes where a key stands. Returns where it stood already.
    pub(super) fn add(&mut self, key: &[u8], at: usize) -> Option<usize> {
        match self.0.entry(key.to_vec()) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(place) => {
                place.insert(at);
                None
            }
        }
    }
}
