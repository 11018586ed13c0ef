//! The bytes of a snapshot's file.
//!
//! Magic, version of the stage's layout, lengths of the three parts that follow, checksum, then the parts: the release
//! that wrote it, the watermark, the state; integers little-endian. The checksum is of the parts and then of version and
//! lengths, which are known last: a state is written while it is made. Files of two layouts before are read:
//! `TLSNAP03` has the checksum of version and lengths first, `TLSNAP02` has no release either.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use component::Snapshot;

use super::Stored;

const MAGIC: &[u8; 8] = b"TLSNAP04";
pub(super) const MAGIC_03: &[u8; 8] = b"TLSNAP03";
pub(super) const MAGIC_02: &[u8; 8] = b"TLSNAP02";
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

/// Writes a file front to back, and its beginning in the end.
pub(super) struct Writer<W> {
    out: W,
    version: u32,
    /// Of release, watermark and state.
    lengths: [u64; 3],
    checksum: Checksum,
}

impl<W: Write + Seek> Writer<W> {
    pub(super) fn begin(mut out: W, version: u32, release: &str, watermark: &[u8]) -> io::Result<Self> {
        // Until it is whole, it does not begin as a snapshot does.
        out.write_all(&[0; FIXED_BYTES])?;
        let lengths = [release.len() as u64, watermark.len() as u64, 0];
        let mut writer = Self { out, version, lengths, checksum: Checksum::new() };
        writer.put(release.as_bytes())?;
        writer.put(watermark)?;
        Ok(writer)
    }

    /// Adds a piece of the state.
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.lengths[2] += piece.len() as u64;
        self.put(piece)
    }

    /// Returns the bytes of the file so far.
    pub(super) fn len(&self) -> u64 {
        FIXED_BYTES as u64 + self.lengths.iter().sum::<u64>()
    }

    pub(super) fn end(mut self) -> io::Result<W> {
        let version = self.version.to_le_bytes();
        let lengths = self.lengths.map(u64::to_le_bytes);
        self.checksum.add(&version);
        self.checksum.add(lengths.as_flattened());
        let checksum = self.checksum.0.to_le_bytes();
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&[MAGIC, version.as_slice(), lengths.as_flattened(), &checksum].concat())?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum.add(bytes);
        self.out.write_all(bytes)
    }
}

const TOO_SHORT: &str = "the file is too short";
const NO_MATCH: &str = "the length does not match";

/// Reads a file. Its bytes become the state's, so that a large one is not there twice.
pub(super) fn decode(bytes: Vec<u8>) -> Result<Written, &'static str> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(TOO_SHORT)?;
    let (version, release, watermark, n_state_bytes) = match magic {
        MAGIC | MAGIC_03 => {
            let (version, [release, watermark, state]) = parts(rest, magic == MAGIC)?;
            (version, String::from_utf8_lossy(release).into_owned(), watermark.to_vec(), state.len())
        }
        MAGIC_02 => {
            let (version, [watermark, state]) = parts(rest, false)?;
            (version, String::new(), watermark.to_vec(), state.len())
        }
        _ => return Err("it does not begin as a snapshot does"),
    };
    let mut state = bytes;
    state.drain(..state.len() - n_state_bytes);
    let snapshot = Snapshot { version, bytes: state };
    Ok(Written { stored: Stored { snapshot, watermark }, release })
}

/// Reads what follows the magic in every layout: the stage's version and `N` parts, the state last.
fn parts<const N: usize>(bytes: &[u8], sums_parts_first: bool) -> Result<(u32, [&[u8]; N]), &'static str> {
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
    let found = if sums_parts_first {
        checksum(&[body, version, lengths])
    } else {
        checksum(&[version, lengths, body])
    };
    if found != u64::from_le_bytes(*expected) {
        return Err("the checksum does not match");
    }
    Ok((u32::from_le_bytes(*version), parts))
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
        MAGIC | MAGIC_03 => {
            let length = usize::try_from(u64::from_le_bytes(*rest.first_chunk::<8>()?)).ok()?;
            let release = bytes.get(FIXED_BYTES..)?.get(..length)?.to_vec();
            Some(Header { version, release })
        }
        MAGIC_02 => Some(Header { version, release: Vec::new() }),
        _ => None,
    }
}

/// FNV-1a: finds torn and flipped bytes; it need not resist an enemy who can write the directory.
struct Checksum(u64);

impl Checksum {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

pub(super) fn checksum(parts: &[&[u8]]) -> u64 {
    let mut checksum = Checksum::new();
    parts.iter().for_each(|part| checksum.add(part));
    checksum.0
}
