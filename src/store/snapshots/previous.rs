//! The last snapshot of the release before, for a downgrade.
//!
//! Layout: magic, since when it is kept, checksum of that, and the file as that release wrote it.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    time::Duration,
};

use model::Timestamp;

use super::layout::{self, Written, checksum};

/// Who goes back later starts empty: state of a week ago says little of today.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

const MAGIC: &[u8; 8] = b"TLPREV01";
const PREAMBLE_BYTES: usize = 24;

/// A snapshot of the release before.
pub(super) struct Previous {
    pub(super) kept_at: Timestamp,
    pub(super) written: Written,
}

/// Copies a file as it is, so that no crash leaves the stage without one.
pub(super) fn keep(current: &Path, previous: &Path, now: Timestamp) -> io::Result<()> {
    let beside = previous.with_extension("previous_new");
    let mut file = File::create(&beside)?;
    file.write_all(&preamble(now))?;
    io::copy(&mut File::open(current)?, &mut file)?;
    file.sync_all()?;
    fs::rename(&beside, previous)
}

/// Returns since when a file is kept; none when there is none or it is damaged.
pub(super) fn kept_at(path: &Path) -> io::Result<Option<Timestamp>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(PREAMBLE_BYTES as u64).read_to_end(&mut bytes)?,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(problem) => return Err(problem),
    };
    Ok(split(&bytes).map(|(kept_at, _)| kept_at))
}

pub(super) fn decode(mut bytes: Vec<u8>) -> Result<Previous, &'static str> {
    let (kept_at, _) = split(&bytes).ok_or("it does not begin as a kept snapshot does")?;
    bytes.drain(..PREAMBLE_BYTES);
    Ok(Previous { kept_at, written: layout::decode(bytes)? })
}

fn preamble(kept_at: Timestamp) -> [u8; PREAMBLE_BYTES] {
    let kept_at = kept_at.as_nanos().to_le_bytes();
    let mut bytes = [0; PREAMBLE_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&kept_at);
    bytes[16..].copy_from_slice(&checksum(&[&kept_at]).to_le_bytes());
    bytes
}

fn split(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (found, file) = bytes.split_first_chunk::<PREAMBLE_BYTES>()?;
    let kept_at = Timestamp(u64::from_le_bytes(*found[8..].first_chunk()?));
    (preamble(kept_at) == *found).then_some((kept_at, file))
}
