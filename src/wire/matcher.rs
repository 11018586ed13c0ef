//! Finds the wanted attributes among all attributes of a span.

use model::KeySet;

const NONE: u16 = u16::MAX;

/// Tells wanted attribute keys from all others.
///
/// *Cost*: an unwanted key costs one look at a table of lengths, or one comparison of its last eight
/// bytes where a wanted key has the same length: keys share prefixes (`http.request.…`) more often than ends.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// First candidate of a length, or [`NONE`]; keys of 128 bytes and more are looked for one by one.
    by_len: [u16; 128],
    /// Sorted by length.
    candidates: Vec<Candidate>,
}

#[derive(Clone, Debug)]
struct Candidate {
    key: Box<[u8]>,
    /// The last eight bytes; zero for shorter keys.
    last: u64,
    slot: usize,
}

impl Matcher {
    pub fn new(keys: &KeySet) -> Self {
        Self::of(keys.keys().iter().map(String::as_bytes))
    }

    /// Builds a matcher whose slots are the positions in `keys`.
    pub(crate) fn of<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut candidates: Vec<_> = keys
            .enumerate()
            .map(|(slot, key)| Candidate { key: key.into(), last: last_word(key), slot })
            .collect();
        candidates.sort_by_key(|candidate| candidate.key.len());
        let mut by_len = [NONE; 128];
        for (index, candidate) in candidates.iter().enumerate().rev() {
            if let Some(first) = by_len.get_mut(candidate.key.len()) {
                // More wanted keys than that are looked for one by one, like long keys.
                *first = u16::try_from(index).unwrap_or(NONE - 1);
            }
        }
        Self { by_len, candidates }
    }

    /// Returns how many keys are wanted.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Returns the slot of a wanted key.
    #[inline(always)]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        match self.by_len.get(key.len()) {
            Some(&NONE) => None,
            Some(&first) => self.find_from(usize::from(first), key),
            None => self.find_from(0, key),
        }
    }

    #[inline(always)]
    fn find_from(&self, first: usize, key: &[u8]) -> Option<usize> {
        let last = last_word(key);
        for candidate in self.candidates.get(first..)? {
            if candidate.last == last && same(key, &candidate.key) {
                return Some(candidate.slot);
            }
            if candidate.key.len() > key.len() {
                break;
            }
        }
        None
    }
}

#[inline(always)]
fn last_word(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word))
}

/// Compares by words of eight bytes; the last word has been compared already.
#[inline(always)]
fn same(key: &[u8], candidate: &[u8]) -> bool {
    if key.len() != candidate.len() {
        return false;
    }
    let (words, tail) = key.as_chunks::<8>();
    let (wanted, wanted_tail) = candidate.as_chunks::<8>();
    let heads_equal = words.iter().zip(wanted).all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b));
    heads_equal && (!words.is_empty() || tail == wanted_tail)
}
