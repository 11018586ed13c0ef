//! The whole memory in bytes, and back.
//!
//! Version 1, little-endian: a hash of all that follows u64, end of the last window that was told u64, day of the
//! last window u64, number of series u64, and for each its fingerprint u64 and its record (`record`).

use component::{RestoreError, Snapshot};
use model::Timestamp;

use super::{
    codec::Reader,
    processor::{Memory, Tracked},
    record,
};

/// The layout that is written.
pub(super) const VERSION: u32 = 1;
/// Bytes of a record without history, for the first allocation.
const USUAL_BYTES: usize = 340;

pub(super) fn write(memory: &Memory) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + memory.n_states as usize * USUAL_BYTES);
    for number in [0, memory.told_at.as_nanos(), memory.day, memory.n_states] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for (fingerprint, tracked) in memory.slots.iter() {
        if let Some(state) = &tracked.state {
            out.extend_from_slice(&fingerprint.to_le_bytes());
            record::write(state, &mut out);
        }
    }
    let hash = hash_of(&out[8..]);
    out[..8].copy_from_slice(&hash.to_le_bytes());
    out
}

/// Reads a snapshot of any version that this release knows.
///
/// *Errors*: the version is unknown, or the bytes are damaged.
pub(super) fn read(snapshot: &Snapshot) -> Result<Memory, RestoreError> {
    match snapshot.version {
        VERSION => read_v1(&snapshot.bytes)
            .ok_or_else(|| RestoreError::Damaged("the forecasts are cut or changed".to_owned())),
        found => Err(RestoreError::Version { found, readable: "1" }),
    }
}

fn read_v1(bytes: &[u8]) -> Option<Memory> {
    let mut from = Reader(bytes);
    if from.u64()? != hash_of(from.0) {
        return None;
    }
    let mut memory = Memory { told_at: Timestamp(from.u64()?), day: from.u64()?, ..Memory::default() };
    memory.n_states = from.u64()?;
    for _ in 0..memory.n_states {
        let fingerprint = from.u64()?;
        let state = record::read(&mut from)?;
        memory.slots.restore(fingerprint, Tracked { role: None, state: Some(Box::new(state)) });
    }
    let is_whole = from.0.is_empty() && memory.slots.len() as u64 == memory.n_states;
    is_whole.then_some(memory)
}

/// Finds what was cut or changed; the same in every release.
fn hash_of(bytes: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(bytes)
}
