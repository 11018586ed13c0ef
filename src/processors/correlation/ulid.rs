//! Names that sort by time.

use model::Timestamp;

/// Crockford's alphabet: no letter that looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARACTERS: u32 = 26;

/// Names something that began at a time: a ULID whose random part is a hash of what makes it, so that every process
/// that sees the same gives the same name.
pub(super) fn ulid(at: Timestamp, of: &[u8]) -> String {
    let low = u128::from(rapidhash::v3::rapidhash_v3(of));
    let high = u128::from(rapidhash::v3::rapidhash_v3(&low.to_le_bytes()) & 0xffff);
    let bits = u128::from(at.as_millis()) << 80 | high << 64 | low;
    let digit = |place: u32| ALPHABET[(bits >> (5 * place) & 31) as usize] as char;
    (0..CHARACTERS).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_time_in_front_and_sort_by_it() {
        // The specification's own example of a time.
        let name = ulid(Timestamp::from_millis(1_469_918_176_385), b"a");
        assert_eq!((&name[..10], name.len()), ("01ARYZ6S41", 26));
        assert!(ulid(Timestamp::from_millis(5), b"z") < ulid(Timestamp::from_millis(6), b"a"));
        assert_ne!(ulid(Timestamp::default(), b"a"), ulid(Timestamp::default(), b"b"));
    }
}
