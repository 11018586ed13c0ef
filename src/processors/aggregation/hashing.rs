//! Hashes of keys. A hash finds candidates; the key itself decides.

const ODD: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3];

/// Multiplies to 128 bits and folds the halves: every input bit reaches every output bit.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Mixes a number into a hash.
#[inline(always)]
pub(crate) fn mix(hash: u64, number: u64) -> u64 {
    fold(hash ^ ODD[0], number ^ ODD[1])
}

#[inline(always)]
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// Splits sixteen bytes into words.
#[inline(always)]
fn words(bytes: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*bytes);
    (both as u64, (both >> 64) as u64)
}

/// Mixes a part of a key, with its length, into a hash.
///
/// *Cost*: a multiplication per 16 bytes and one more.
#[inline(always)]
pub(crate) fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let mut state = hash ^ (bytes.len() as u64).wrapping_mul(ODD[0]);
    if let Some(last) = bytes.last_chunk() {
        let mut rest = bytes;
        while let Some((block, tail)) = rest.split_first_chunk()
            && !tail.is_empty()
        {
            let (low, high) = words(block);
            state = fold(low ^ state, high ^ ODD[1]);
            rest = tail;
        }
        let (low, high) = words(last);
        return fold(low ^ state, high ^ ODD[2]);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return fold(word(first) ^ state, word(last) ^ ODD[2]);
    }
    let short = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        // The length tells apart what repeats bytes here.
        _ => match bytes {
            [] => 0,
            [first, .., last] => {
                u64::from(*first) | u64::from(bytes[bytes.len() / 2]) << 8 | u64::from(*last) << 16
            }
            [only] => u64::from(*only),
        },
    };
    fold(short ^ state, ODD[3])
}

/// Bytes that [`mix_blocks`] mixes at a time.
pub(crate) const BLOCK: usize = 16;

/// Hashes whole blocks; what is left of a block is ignored.
///
/// The seed is part of both factors, so that who does not know it can not make one of them zero.
#[inline(always)]
pub(crate) fn mix_blocks(seed: u64, bytes: &[u8]) -> u64 {
    let secret = seed.rotate_left(32) ^ ODD[1];
    bytes.as_chunks::<BLOCK>().0.iter().fold(seed, |state, block| {
        let (low, high) = words(block);
        fold(low ^ state, high ^ secret)
    })
}

/// Ranks a trace for the choice of examples: the same in every process, unlike the order of arrival.
pub(crate) fn rank(trace_id: &[u8; 16], span_id: &[u8]) -> u64 {
    mix_bytes(mix_bytes(ODD[3], trace_id), span_id)
}

/// Derives a seed that outsiders do not know, so that they can not choose colliding keys.
pub(crate) fn seed(cx: &component::BuildCx<'_>) -> u64 {
    mix(mix_bytes(ODD[1], cx.instance_id.as_bytes()), cx.started_at.as_nanos())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hashes_are_equal_when_their_bytes_are(
            bytes in prop::collection::vec(any::<u8>(), 0..50),
            change in prop::option::of((any::<prop::sample::Index>(), 1..=255_u8)),
        ) {
            let mut other = bytes.clone();
            if let (Some((at, by)), false) = (change, bytes.is_empty()) {
                other[at.index(bytes.len())] ^= by;
            }
            prop_assert_eq!(mix_bytes(1, &bytes) == mix_bytes(1, &other), bytes == other);
            let blocks = |bytes: &[u8]| [bytes, &[0; BLOCK]].concat();
            prop_assert_eq!(
                mix_blocks(1, &blocks(&bytes)[..bytes.len().next_multiple_of(BLOCK)])
                    == mix_blocks(1, &blocks(&other)[..bytes.len().next_multiple_of(BLOCK)]),
                bytes == other
            );
            other.push(0);
            prop_assert_ne!(mix_bytes(1, &bytes), mix_bytes(1, &other));
        }
    }
}
