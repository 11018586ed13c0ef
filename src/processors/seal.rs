//! Stored states behind a hash that finds what was cut or changed.

use rapidhash::v3::rapidhash_v3;

/// Puts the hash of a state in front of it.
pub(crate) fn seal(state: &[u8]) -> Vec<u8> {
    [&rapidhash_v3(state).to_le_bytes()[..], state].concat()
}

/// Returns the state behind its hash; none when it is not what was sealed.
pub(crate) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (hash, state) = bytes.split_first_chunk()?;
    (u64::from_le_bytes(*hash) == rapidhash_v3(state)).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_or_changed_is_not_read() {
        let sealed = seal(b"state");
        assert_eq!(unseal(&sealed), Some(&b"state"[..]));
        for end in 0..sealed.len() {
            assert_eq!(unseal(&sealed[..end]), None);
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(unseal(&changed), None);
        }
    }
}
