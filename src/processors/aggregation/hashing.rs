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
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}

/// Mixes a part of a key, with its length, into a hash.
///
/// *Cost*: a multiplication per 16 bytes and one more.
#[inline(always)]
pub(crate) fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let len = bytes.len();
    let mut state = hash ^ (len as u64).wrapping_mul(ODD[0]);
    if len >= 16 {
        let mut at = 0;
        while at + 16 < len {
            state = fold(word(bytes, at) ^ state, word(bytes, at + 8) ^ ODD[1]);
            at += 16;
        }
        return fold(word(bytes, len - 16) ^ state, word(bytes, len - 8) ^ ODD[2]);
    }
    if len >= 8 {
        return fold(word(bytes, 0) ^ state, word(bytes, len - 8) ^ ODD[2]);
    }
    let short = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    fold(short ^ state, ODD[3])
}

/// Mixes a part that is absent, which differs from an empty one.
#[inline(always)]
pub(crate) fn mix_part(hash: u64, part: Option<&[u8]>) -> u64 {
    match part {
        Some(bytes) => mix_bytes(hash, bytes),
        None => mix(hash, ODD[2]),
    }
}

/// Ranks a trace for the choice of examples: the same in every process, unlike the order of arrival.
pub(crate) fn rank(trace_id: &[u8; 16], span_id: &[u8]) -> u64 {
    mix_bytes(mix_bytes(ODD[3], trace_id), span_id)
}

/// Derives a seed that outsiders do not know, so that they can not choose colliding keys.
pub(crate) fn seed(cx: &component::BuildCx<'_>) -> u64 {
    mix(mix_bytes(ODD[1], cx.instance_id.as_bytes()), cx.started_at.as_nanos())
}
