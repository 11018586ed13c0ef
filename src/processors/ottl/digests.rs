//! Digests of texts.

use aws_lc_rs::digest;
use md5::{Digest as _, Md5};

use super::value::hexadecimal;

/// A digest that is written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    pub(crate) fn of(self, text: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return hexadecimal(&Md5::digest(text)),
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        hexadecimal(digest::digest(algorithm, text).as_ref())
    }
}

/// Returns the FNV-1a hash of 64 bits, as the integer that has the same bits.
pub(super) fn fnv(text: &[u8]) -> i64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    text.iter().fold(0xcbf2_9ce4_8422_2325, step) as i64
}
