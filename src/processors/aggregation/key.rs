//! What tells series apart within a table.

use model::Slice;

use super::{
    hashing::{BLOCK, mix_blocks},
    spec::Head,
};

/// The key of a span, spelled out: a word of identity, kind and status, then the length and the bytes of
/// each part, which are name, scope and dimensions, then zeros up to a whole block.
///
/// Lengths differ from span to span, so to branch on them costs more than to copy the parts together: what
/// is together is hashed and compared block by block.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a>(&'a [u8]);

impl<'a> Key<'a> {
    #[inline(always)]
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        mix_blocks(seed, self.0)
    }

    /// Whether `spelled` begins with this key. All keys of a table have the same number of parts, so none
    /// is the beginning of another; overflow keys, which have none, differ in their first word.
    #[inline(always)]
    pub(crate) fn is(&self, spelled: &[u8]) -> bool {
        spelled.get(..self.0.len()) == Some(self.0)
    }

    pub(crate) fn spelled(&self) -> &'a [u8] {
        self.0
    }

    #[inline(always)]
    pub(crate) fn first_byte(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    fn word(&self) -> u64 {
        self.0.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
    }

    pub(crate) fn identity(&self) -> u32 {
        self.word() as u32
    }

    pub(crate) fn head(&self) -> Head {
        let [.., kind, status, flags, _] = self.word().to_le_bytes();
        Head { kind, status, is_extrapolated: flags & EXTRAPOLATED != 0 }
    }

    pub(crate) fn is_overflow(&self) -> bool {
        self.word() >> FLAGS_AT & u64::from(OVERFLOW) != 0
    }

    /// Reads the parts, of which there are `n`.
    pub(crate) fn parts(&self, n: usize) -> Vec<Option<&'a [u8]>> {
        let mut rest = self.0.get(WORD..).unwrap_or_default();
        let next = |_| {
            let (len, tail) = rest.split_first_chunk::<4>()?;
            rest = tail;
            let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            rest = tail;
            Some(part)
        };
        (0..n).map(next).collect()
    }
}

/// Bytes of the first word of a key.
const WORD: usize = 8;
const KIND_AT: u32 = 32;
const STATUS_AT: u32 = 40;
const FLAGS_AT: u32 = 48;
const EXTRAPOLATED: u8 = 1;
const OVERFLOW: u8 = 2;

/// The length of a part that is not there; none is as long.
const ABSENT: u32 = u32::MAX;

/// Parts up to this length are copied as if they had it, and cut: a copy of a known length is two moves.
const SHORT: usize = 32;

fn word(identity: u32, head: Head, flags: u8) -> u64 {
    let flags = flags | if head.is_extrapolated { EXTRAPOLATED } else { 0 };
    u64::from(identity)
        | u64::from(head.kind) << KIND_AT
        | u64::from(head.status) << STATUS_AT
        | u64::from(flags) << FLAGS_AT
}

/// The key of the series that stands for those of an identity that found no room.
pub(crate) struct OverflowKey([u8; BLOCK]);

impl OverflowKey {
    pub(crate) fn new(identity: u32, head: Head) -> Self {
        let mut spelled = [0; BLOCK];
        spelled[..WORD].copy_from_slice(&word(identity, head, OVERFLOW).to_le_bytes());
        Self(spelled)
    }

    pub(crate) fn key(&self) -> Key<'_> {
        Key(&self.0)
    }
}

/// Where a key stands among [`Keys`].
#[derive(Clone, Copy)]
pub(crate) struct KeyAt {
    from: u32,
    end: u32,
}

/// Keys that are spelled one behind the other.
#[derive(Default)]
pub(crate) struct Keys(Vec<u8>);

impl Keys {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Begins a key; its parts follow.
    #[inline(always)]
    pub(crate) fn begin(&mut self, identity: u32, head: Head) -> usize {
        let from = self.0.len();
        self.0.extend_from_slice(&word(identity, head, 0).to_le_bytes());
        from
    }

    /// Appends a part that stands in a request.
    #[inline(always)]
    pub(crate) fn push_slice(&mut self, request: &[u8], part: Slice) {
        let len = part.len as usize;
        match request.get(part.at as usize..).and_then(<[u8]>::first_chunk::<SHORT>) {
            Some(bytes) if len <= SHORT => {
                self.0.extend_from_slice(&part.len.to_le_bytes());
                self.0.extend_from_slice(bytes);
                self.0.truncate(self.0.len() - (SHORT - len));
            }
            _ => self.push(Some(part.of(request))),
        }
    }

    /// Appends a part.
    pub(crate) fn push(&mut self, part: Option<&[u8]>) {
        let len = part.map_or(ABSENT, |bytes| bytes.len() as u32);
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(part.unwrap_or_default());
    }

    /// Ends the key that began at `from`.
    #[inline(always)]
    pub(crate) fn end(&mut self, from: usize) -> KeyAt {
        let len = (self.0.len() - from).next_multiple_of(BLOCK);
        self.0.extend_from_slice(&[0; BLOCK]);
        self.0.truncate(from + len);
        KeyAt { from: from as u32, end: (from + len) as u32 }
    }

    /// Returns a key that was ended and not cleared since.
    #[inline(always)]
    pub(crate) fn at(&self, at: KeyAt) -> Key<'_> {
        Key(self.0.get(at.from as usize..at.end as usize).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: Head = Head { kind: 3, status: 2, is_extrapolated: true };

    proptest! {
        #[test]
        fn what_is_spelled_is_read_back_and_tells_parts_apart(
            parts in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), 4),
            others in prop::collection::vec(prop::option::of(prop::collection::vec(0..2_u8, 0..2)), 4),
        ) {
            let spell = |parts: &[Option<Vec<u8>>]| {
                let mut keys = Keys::default();
                let from = keys.begin(7, HEAD);
                parts.iter().for_each(|part| keys.push(part.as_deref()));
                let at = keys.end(from);
                keys.at(at).spelled().to_vec()
            };
            let (one, other) = (spell(&parts), spell(&others));
            let key = Key(&one);
            prop_assert_eq!((key.identity(), key.head(), key.is_overflow()), (7, HEAD, false));
            let read: Vec<_> = key.parts(4).into_iter().map(|part| part.map(<[u8]>::to_vec)).collect();
            prop_assert_eq!(&read, &parts);
            prop_assert_eq!(key.is(&other), parts == others);
            prop_assert!(key.is(&[&one[..], &other].concat()));
        }

        #[test]
        fn a_part_of_a_request_is_spelled_like_the_same_bytes(
            request in prop::collection::vec(any::<u8>(), 0..100),
            at in 0..100_usize,
            len in 0..60_usize,
        ) {
            let at = at.min(request.len());
            let len = len.min(request.len() - at);
            let (mut slices, mut bytes) = (Keys::default(), Keys::default());
            slices.push_slice(&request, Slice { at: at as u32, len: len as u32 });
            bytes.push(Some(&request[at..at + len]));
            prop_assert_eq!(slices.0, bytes.0);
        }
    }

    #[test]
    fn an_overflow_key_tells_its_identity_and_head() {
        let spelled = OverflowKey::new(9, HEAD);
        let key = spelled.key();
        assert_eq!((key.identity(), key.head(), key.is_overflow()), (9, HEAD, true));
    }
}
