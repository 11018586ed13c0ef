//! What tells series apart within a table.

use super::{
    hashing::{is_equal, mix, mix_part},
    spec::Head,
};

/// The key of a span: `parts` are its name, scope and dimensions.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) identity: u32,
    pub(crate) head: Head,
    pub(crate) overflow: bool,
    pub(crate) parts: &'a [Option<&'a [u8]>],
}

impl Key<'_> {
    #[inline(always)]
    pub(crate) fn word(&self) -> u64 {
        let flags = u64::from(self.head.is_extrapolated) | u64::from(self.overflow) << 1;
        u64::from(self.identity)
            | u64::from(self.head.kind) << 32
            | u64::from(self.head.status) << 40
            | flags << 48
    }

    #[inline(always)]
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        self.parts.iter().fold(mix(seed, self.word()), |hash, part| mix_part(hash, *part))
    }

    /// Whether `spelled` begins with this key. All keys of a table have the same parts, so none is the
    /// beginning of another; overflow keys, which have none, differ in their first word.
    #[inline(always)]
    pub(crate) fn is(&self, spelled: &[u8]) -> bool {
        let Some((word, mut rest)) = spelled.split_first_chunk::<8>() else { return false };
        if u64::from_le_bytes(*word) != self.word() {
            return false;
        }
        for part in self.parts {
            let Some((len, tail)) = rest.split_first_chunk::<4>() else { return false };
            let len = u32::from_le_bytes(*len);
            let Some(part) = part else {
                if len != ABSENT {
                    return false;
                }
                rest = tail;
                continue;
            };
            let Some((bytes, tail)) = tail.split_at_checked(part.len()) else { return false };
            if len as usize != part.len() || !is_equal(bytes, part) {
                return false;
            }
            rest = tail;
        }
        true
    }

    pub(crate) fn spelled_len(&self) -> usize {
        8 + self.parts.iter().map(|part| 4 + part.map_or(0, <[u8]>::len)).sum::<usize>()
    }

    pub(crate) fn spell(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.word().to_le_bytes());
        for part in self.parts {
            let len = part.map_or(ABSENT, |bytes| bytes.len() as u32);
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(part.unwrap_or_default());
        }
    }
}

/// The length of a part that is not there.
const ABSENT: u32 = u32::MAX;
