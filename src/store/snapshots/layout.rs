//! The bytes of a snapshot's file.
//!
//! Magic, version of the stage's layout, lengths of the three parts that follow, checksum of all but the magic and
//! itself, then the parts: the release that wrote it, the watermark, the state; integers little-endian. Files of
//! the layout before (`TLSNAP02`: without the release) are read.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use component::Snapshot;

use super::Stored;

const MAGIC: &[u8; 8] = b"TLSNAP03";
pub(super) const MAGIC_BEFORE: &[u8; 8] = b"TLSNAP02";
/// Magic, version, three lengths, checksum.
const FIXED_BYTES: usize = 8 + 4 + 3 * 8 + 8;
const MAX_RELEASE_BYTES: usize = 256;

/// What a file holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Written {
    pub(super) stored: Stored,
    /// The release that wrote it; empty in the layout before.
    pub(super) release: String,
}

/// Who wrote a file, and in which layout of the stage.
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) release: Vec<u8>,
}

pub(super) fn encode(stored: &Stored, release: &str) -> Vec<u8> {
    let Stored { snapshot, watermark } = stored;
    let version = snapshot.version.to_le_bytes();
    let lengths =
        [release.len(), watermark.len(), snapshot.bytes.len()].map(|length| (length as u64).to_le_bytes());
    let (lengths, release) = (lengths.as_flattened(), release.as_bytes());
    let checksum = checksum(&[&version, lengths, release, watermark, &snapshot.bytes]).to_le_bytes();
    [MAGIC, version.as_slice(), lengths, &checksum, release, watermark, &snapshot.bytes].concat()
}

const TOO_SHORT: &str = "the file is too short";
const NO_MATCH: &str = "the length does not match";

pub(super) fn decode(bytes: &[u8]) -> Result<Written, &'static str> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(TOO_SHORT)?;
    match magic {
        MAGIC => {
            let (version, [release, watermark, state]) = parts(rest)?;
            let release = String::from_utf8_lossy(release).into_owned();
            Ok(Written { stored: stored(version, watermark, state), release })
        }
        MAGIC_BEFORE => {
            let (version, [watermark, state]) = parts(rest)?;
            Ok(Written { stored: stored(version, watermark, state), release: String::new() })
        }
        _ => Err("it does not begin as a snapshot does"),
    }
}

/// Reads what follows the magic in every layout: the stage's version and `N` parts.
fn parts<const N: usize>(bytes: &[u8]) -> Result<(u32, [&[u8]; N]), &'static str> {
    let (version, rest) = bytes.split_first_chunk::<4>().ok_or(TOO_SHORT)?;
    let (lengths, rest) = rest.split_at_checked(8 * N).ok_or(TOO_SHORT)?;
    let (expected, body) = rest.split_first_chunk::<8>().ok_or(TOO_SHORT)?;
    let (mut parts, mut rest) = ([&[][..]; N], body);
    for (part, length) in parts.iter_mut().zip(lengths.as_chunks::<8>().0) {
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| NO_MATCH)?;
        (*part, rest) = rest.split_at_checked(length).ok_or(NO_MATCH)?;
    }
    if !rest.is_empty() {
        return Err(NO_MATCH);
    }
    if checksum(&[version, lengths, body]) != u64::from_le_bytes(*expected) {
        return Err("the checksum does not match");
    }
    Ok((u32::from_le_bytes(*version), parts))
}

fn stored(version: u32, watermark: &[u8], state: &[u8]) -> Stored {
    Stored { snapshot: Snapshot { version, bytes: state.to_vec() }, watermark: watermark.to_vec() }
}

/// Reads who wrote a file; none when there is none or it is no snapshot. What follows is not looked at.
pub(super) fn header(path: &Path) -> io::Result<Option<Header>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let mut bytes = Vec::new();
    file.take((FIXED_BYTES + MAX_RELEASE_BYTES) as u64).read_to_end(&mut bytes)?;
    Ok(header_of(&bytes))
}

fn header_of(bytes: &[u8]) -> Option<Header> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let version = u32::from_le_bytes(*version);
    match magic {
        MAGIC => {
            let length = usize::try_from(u64::from_le_bytes(*rest.first_chunk::<8>()?)).ok()?;
            let release = bytes.get(FIXED_BYTES..)?.get(..length)?.to_vec();
            Some(Header { version, release })
        }
        MAGIC_BEFORE => Some(Header { version, release: Vec::new() }),
        _ => None,
    }
}

/// FNV-1a: finds torn and flipped bytes; it need not resist an enemy who can write the directory.
pub(super) fn checksum(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().copied().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
