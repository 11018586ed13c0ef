//! The whole memory in bytes, and back.
//!
//! Version 4, little-endian: a hash of all that follows u64, end of the last window that was told u64, day of the
//! last window u64, confidence of the intervals f64, number of series u64, for each its fingerprint u64 and its
//! record (`record`), end of the time that was last forgotten u64, number of earlier states u64, and for each the end of
//! its last window u64, version u32, length u64 and a snapshot without earlier states. Version 3 had none of these and more digits of months, version 2 longer records (`old_record`), version 1 no confidence beside: it was 0.95.

use bytes::Bytes;
use component::{RestoreError, Snapshot};
use model::Timestamp;

use super::{capacity, codec::Reader, old_record, processor::Memory, record, state::SeriesState};
use crate::recall::{Earlier, EarlierState};

/// The layout that is written.
pub(super) const VERSION: u32 = 4;
/// Of all intervals of version 1.
const OLD_CONFIDENCE: f64 = 0.95;
/// Bytes of a record without history, for the first allocation.
const USUAL_BYTES: usize = 285;

pub(super) fn write(memory: &Memory, confidence: f64) -> Vec<u8> {
    write_with(memory, &memory.earlier, confidence)
}

/// Writes what was learned, without earlier states.
pub(super) fn write_learned(memory: &Memory, confidence: f64) -> Vec<u8> {
    write_with(memory, &Earlier::default(), confidence)
}

fn write_with(memory: &Memory, earlier: &Earlier, confidence: f64) -> Vec<u8> {
    let states: Vec<_> = memory.states().collect();
    let mut out = Vec::with_capacity(56 + states.len() * USUAL_BYTES + earlier.size() as usize);
    for number in [0, memory.told_at.as_nanos(), memory.day, confidence.to_bits(), states.len() as u64] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for (fingerprint, state) in states {
        out.extend_from_slice(&fingerprint.to_le_bytes());
        record::write(state, &mut out);
    }
    write_earlier(earlier, &mut out);
    let hash = hash_of(&out[8..]);
    out[..8].copy_from_slice(&hash.to_le_bytes());
    out
}

fn write_earlier(earlier: &Earlier, out: &mut Vec<u8>) {
    for number in [earlier.followed.as_nanos(), earlier.states.len() as u64] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for state in &earlier.states {
        out.extend_from_slice(&state.until.as_nanos().to_le_bytes());
        out.extend_from_slice(&state.version.to_le_bytes());
        out.extend_from_slice(&(state.bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(&state.bytes);
    }
}

fn read_earlier_states(from: &mut Reader<'_>) -> Option<Earlier> {
    let mut earlier = Earlier { followed: Timestamp(from.u64()?), ..Earlier::default() };
    for _ in 0..from.u64()? {
        let (until, version) = (Timestamp(from.u64()?), from.u32()?);
        let n_bytes = usize::try_from(from.u64()?).ok()?;
        let (bytes, rest) = from.0.split_at_checked(n_bytes)?;
        from.0 = rest;
        earlier.states.push_back(EarlierState { until, version, bytes: Bytes::copy_from_slice(bytes) });
    }
    Some(earlier)
}

/// Reads an earlier state.
///
/// *Errors*: as [`read`].
pub(super) fn read_earlier(state: &EarlierState, confidence: f64) -> Result<Memory, RestoreError> {
    read_bytes(state.version, &state.bytes, confidence)
}

/// Reads a snapshot of any version that this release knows. Intervals of another confidence keep their errors and
/// begin to adapt anew.
///
/// *Errors*: the version is unknown, or the bytes are damaged.
pub(super) fn read(snapshot: &Snapshot, confidence: f64) -> Result<Memory, RestoreError> {
    read_bytes(snapshot.version, &snapshot.bytes, confidence)
}

fn read_bytes(version: u32, bytes: &[u8], confidence: f64) -> Result<Memory, RestoreError> {
    match version {
        1..=VERSION => read_known(version, bytes, confidence)
            .ok_or_else(|| RestoreError::Damaged("the forecasts are cut or changed".to_owned())),
        found => Err(RestoreError::Version { found, readable: "1 to 4" }),
    }
}

fn read_known(version: u32, bytes: &[u8], confidence: f64) -> Option<Memory> {
    let mut from = Reader(bytes);
    if from.u64()? != hash_of(from.0) {
        return None;
    }
    let mut memory = Memory { told_at: Timestamp(from.u64()?), day: from.u64()?, ..Memory::default() };
    let stored_confidence = if version == 1 { OLD_CONFIDENCE } else { from.finite()? };
    let n_states = from.u64()?;
    for _ in 0..n_states {
        let fingerprint = from.u64()?;
        let mut state = match version {
            1 | 2 => old_record::read(stored_confidence, &mut from)?,
            _ => record::read(version, stored_confidence, &mut from)?,
        };
        if stored_confidence != confidence {
            state.turn_to_confidence(confidence);
        }
        if version == 1 {
            forget_old_rises(&mut state);
        }
        if !memory.restore(fingerprint, state) {
            return None;
        }
    }
    if version > 3 {
        memory.earlier = read_earlier_states(&mut from)?;
    }
    from.0.is_empty().then_some(memory)
}

/// In version 1 demand was adapted for the confidence of intervals, not for its own.
fn forget_old_rises(state: &mut SeriesState) {
    if let Some(history) = state.history_mut() {
        history.rises.turn_to(capacity::LEVEL);
    }
}

/// Finds what was cut or changed; the same in every release.
fn hash_of(bytes: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(bytes)
}
