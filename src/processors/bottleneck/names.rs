//! Values by names, of which every span brings its own handles.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use hashbrown::HashTable;
use model::EdgeKind;

use super::subject::{Operation, Subject};
use crate::aggregation::hashing::mix;

/// Values in the order of their names, found by where the names lie in memory.
///
/// Most names come again and again as handles of the same text, so that comparing them letter by letter is needed only
/// when a handle is new. *Cost*: a hash of three numbers for a handle that is known.
pub(super) struct ByName<K, V> {
    places: BTreeMap<K, usize>,
    values: Vec<V>,
    known: HashTable<Known<K>>,
}

struct Known<K> {
    identity: Identity,
    place: usize,
    /// Keeps the handles alive: nothing else can come to lie where they do.
    _key: K,
}

/// Where two texts begin, and a number. No two live texts of different content begin at one address but empty ones.
type Identity = [u64; 3];

/// What holds texts by handles.
pub(super) trait Named: Ord + Clone {
    fn identity(&self) -> Identity;
}

impl<K: Named, V: Default> ByName<K, V> {
    pub(super) fn new() -> Self {
        Self { places: BTreeMap::new(), values: Vec::new(), known: HashTable::new() }
    }

    /// Returns the value of a name, a new one if there is room for it among so many.
    pub(super) fn of(&mut self, key: K, most: usize) -> Option<&mut V> {
        let identity = key.identity();
        if let Some(known) = self.known.find(hash(&identity), |it| it.identity == identity) {
            return self.values.get_mut(known.place);
        }
        let n = self.values.len();
        let place = match self.places.entry(key.clone()) {
            Entry::Vacant(_) if n >= most => return None,
            Entry::Vacant(new) => {
                self.values.push(V::default());
                *new.insert(n)
            }
            Entry::Occupied(known) => *known.get(),
        };
        // Texts that always come as new handles find no room here, and are compared.
        if self.known.len() < 2 * most {
            let known = Known { identity, place, _key: key };
            self.known.insert_unique(hash(&identity), known, |it| hash(&it.identity));
        }
        self.values.get_mut(place)
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.places.get(key).and_then(|place| self.values.get(*place))
    }

    /// Returns all in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.places.iter().filter_map(|(key, place)| Some((key, self.values.get(*place)?)))
    }
}

impl<K: Named, V: Default> Default for ByName<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

fn hash([first, second, number]: &Identity) -> u64 {
    mix(mix(*first, *second), *number)
}

fn address(text: &Arc<str>) -> u64 {
    // Where an empty text begins says nothing, but all of them are alike.
    if text.is_empty() { 0 } else { text.as_ptr().addr() as u64 }
}

impl Named for Operation {
    fn identity(&self) -> Identity {
        [address(&self.0), address(&self.1), 0]
    }
}

impl Named for Subject {
    fn identity(&self) -> Identity {
        [address(&self.service), address(&self.operation), self.kind as u64]
    }
}

impl Named for (Arc<str>, Arc<str>, EdgeKind) {
    fn identity(&self) -> Identity {
        [address(&self.0), address(&self.1), self.2 as u64]
    }
}
