//! Finds the wanted attributes among all attributes of a span.

use model::KeySet;

/// Keys shorter than this are looked up by their length; others are compared one by one.
const SHORT: usize = 128;

/// Tells wanted attribute keys from all others.
///
/// *Cost*: an unwanted key costs one look at a table of lengths, and one comparison of its last eight
/// bytes for each wanted key of the same length: keys share prefixes (`http.request.…`) more often than ends.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Where the candidates of a length begin and end.
    by_len: [(u16, u16); SHORT],
    /// Sorted by length, the short ones first.
    candidates: Vec<Candidate>,
}

#[derive(Clone, Debug)]
struct Candidate {
    key: Box<[u8]>,
    /// The last eight bytes; zero where the key is shorter.
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
        assert!(
            candidates.len() < usize::from(u16::MAX),
            "a configuration asks for fewer than 65,535 attributes"
        );
        candidates.sort_by_key(|candidate| candidate.key.len());
        let mut by_len = [(0, 0); SHORT];
        for (len, (first, end)) in by_len.iter_mut().enumerate() {
            *first = candidates.partition_point(|candidate| candidate.key.len() < len) as u16;
            *end = candidates.partition_point(|candidate| candidate.key.len() <= len) as u16;
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
        match key.len() {
            0..SHORT => self.find_short(key),
            _ => self
                .candidates
                .iter()
                .find(|candidate| *candidate.key == *key)
                .map(|candidate| candidate.slot),
        }
    }

    /// The same for keys that are known to be shorter than 128 bytes.
    #[inline(always)]
    fn find_short(&self, key: &[u8]) -> Option<usize> {
        self.find_behind::<0>(key)
    }

    /// The same for a key of less than 128 bytes behind `SKIP` other bytes: for callers that have it so.
    #[inline(always)]
    pub(crate) fn find_behind<const SKIP: usize>(&self, bytes: &[u8]) -> Option<usize> {
        let (first, end) = self.by_len[bytes.len().wrapping_sub(SKIP) & (SHORT - 1)];
        if first == end {
            return None;
        }
        let key = bytes.get(SKIP..)?;
        let last = last_word(key);
        let candidates = self.candidates.get(usize::from(first)..usize::from(end))?;
        candidates
            .iter()
            .find(|candidate| candidate.last == last && same(key, &candidate.key))
            .map(|found| found.slot)
    }
}

/// Compares two keys of one length whose last eight bytes are known to be equal, eight bytes at a time.
#[inline(always)]
fn same(key: &[u8], candidate: &[u8]) -> bool {
    let (words, tail) = key.as_chunks::<8>();
    let (wanted, wanted_tail) = candidate.as_chunks::<8>();
    if words.is_empty() {
        return tail == wanted_tail;
    }
    words.iter().zip(wanted).all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b))
}

#[inline(always)]
fn last_word(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word))
}
