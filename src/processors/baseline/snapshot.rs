//! The whole memory in bytes, and back.
//!
//! Version 2, little-endian:
//! ```text
//! u64  hash of all that follows
//! u64  width of the windows in ns, u64 bins of the day, i64 offset of the time zone in ns
//! u64  end of the last window, u64 start of the first, u32 seconds with data, u32 when last swept
//! u64  end of the last older window, u32 older windows in a row
//! u8   1 where something was forgotten, and then u64 from when, u64 until when; version 1 did not have this
//! list ranges that were left out:  u64 from, u64 to
//! list recent deployments, list announced ones:  u64 until, list of u8 service
//! list donors:      u64 key, record
//! list candidates:  u64 key, u64 fingerprint, record
//! list series:      u64 fingerprint, record
//! list checkpoints: u64 end, list of series
//! ```
//! A list begins with its length as u64. Records are those of `record`.

use std::{collections::BTreeMap, sync::Arc};

use component::{RestoreError, Snapshot};
use model::{Forgotten, Timestamp};

use super::{
    BaselineConfig,
    calendar::Calendar,
    exclusion::Exclusion,
    record::{self, ENTRY_BYTES, read_all, take, write_all},
    window::{Behind, Checkpoint, Memory, Tracked},
};

/// The layout that is written.
pub(super) const VERSION: u32 = 2;

/// Writes all that is remembered.
pub(super) fn write(memory: &Memory, config: &BaselineConfig, calendar: &Calendar) -> Vec<u8> {
    let n_bytes = 4096 + memory.slots.len() * ENTRY_BYTES + memory.checkpoint_bytes() as usize;
    let mut out = Vec::with_capacity(n_bytes);
    put(&mut out, 0);
    put(&mut out, config.window.get().as_nanos() as u64);
    put(&mut out, calendar.bins_of_day as u64);
    put(&mut out, config.time_zone_offset.nanoseconds as u64);
    put(&mut out, memory.open_until.as_nanos());
    put(&mut out, memory.learned_since.as_nanos());
    out.extend_from_slice(&memory.active_seconds.to_le_bytes());
    out.extend_from_slice(&memory.swept_at.to_le_bytes());
    put(&mut out, memory.behind.until.as_nanos());
    out.extend_from_slice(&memory.behind.n_windows.to_le_bytes());
    out.push(u8::from(memory.forgotten.is_some()));
    if let Some(forgotten) = &memory.forgotten {
        put(&mut out, forgotten.from.as_nanos());
        put(&mut out, forgotten.until.as_nanos());
    }
    put(&mut out, config.exclude.len() as u64);
    for exclusion in &config.exclude {
        put(&mut out, exclusion.from.as_nanos());
        put(&mut out, exclusion.to.as_nanos());
    }
    put_deployments(&mut out, &memory.deployments.recent);
    put_deployments(&mut out, &memory.deployments.announced);
    put(&mut out, memory.priors.known.len() as u64);
    for (key, state) in &memory.priors.known {
        put(&mut out, *key);
        record::write(state, &mut out);
    }
    put(&mut out, memory.priors.candidates.len() as u64);
    for (key, (fingerprint, state)) in &memory.priors.candidates {
        put(&mut out, *key);
        put(&mut out, *fingerprint);
        record::write(state, &mut out);
    }
    put(&mut out, memory.slots.len() as u64);
    out.extend(write_all(memory.slots.iter().map(|(id, tracked)| (id, &tracked.state))));
    put(&mut out, memory.checkpoints.len() as u64);
    for checkpoint in &memory.checkpoints {
        put(&mut out, checkpoint.until.as_nanos());
        put(&mut out, (checkpoint.records.len() / ENTRY_BYTES) as u64);
        out.extend_from_slice(&checkpoint.records);
    }
    let hash = hash_of(&out[8..]);
    out[..8].copy_from_slice(&hash.to_le_bytes());
    out
}

/// Reads a snapshot of any version that this release knows. When a range that was learned from is to be left
/// out now, this goes back to a state before it, and returns how many windows are lost with it.
///
/// *Errors*: the version is unknown, the bytes are damaged, or they are of other windows or days.
pub(super) fn read(
    snapshot: &Snapshot,
    config: &BaselineConfig,
    calendar: &Calendar,
) -> Result<(Memory, Option<u64>), RestoreError> {
    let stored = match snapshot.version {
        1..=VERSION => read_known(snapshot.version, &snapshot.bytes),
        found => return Err(RestoreError::Version { found, readable: "1 and 2" }),
    };
    let stored =
        stored.ok_or_else(|| RestoreError::Damaged("the baselines are cut or changed".to_owned()))?;
    let width = config.window.get().as_nanos() as u64;
    let offset = config.time_zone_offset.nanoseconds;
    if (stored.width, stored.bins_of_day, stored.offset) != (width, calendar.bins_of_day as u64, offset) {
        return Err(RestoreError::Damaged(
            "the baselines were learned with another window, season_bins or time_zone_offset".to_owned(),
        ));
    }
    let mut memory = stored.memory;
    let lost = rewind(&mut memory, &stored.excluded, config)
        .map_err(|()| RestoreError::Damaged("a checkpoint of the baselines is damaged".to_owned()))?;
    Ok((memory, lost))
}

/// What a snapshot holds, whatever its version.
struct Stored {
    width: u64,
    bins_of_day: u64,
    offset: i64,
    excluded: Vec<Exclusion>,
    memory: Memory,
}

fn read_known(version: u32, bytes: &[u8]) -> Option<Stored> {
    let mut rest = bytes;
    let hash = number(&mut rest)?;
    if hash != hash_of(rest) {
        return None;
    }
    let rest = &mut rest;
    let (width, bins_of_day, offset) = (number(rest)?, number(rest)?, number(rest)? as i64);
    let mut memory = Memory { open_until: time(rest)?, learned_since: time(rest)?, ..Memory::default() };
    memory.active_seconds = u32::from_le_bytes(take(rest)?);
    memory.swept_at = u32::from_le_bytes(take(rest)?);
    memory.behind = Behind { until: time(rest)?, n_windows: u32::from_le_bytes(take(rest)?) };
    if version > 1 {
        let [is_some] = take(rest)?;
        let forgotten = |rest: &mut &[u8]| Some(Forgotten { from: time(rest)?, until: time(rest)? });
        memory.forgotten = if is_some == 0 { None } else { Some(forgotten(rest)?) };
    }
    let mut excluded = Vec::new();
    for _ in 0..number(rest)? {
        excluded.push(Exclusion { from: time(rest)?, to: time(rest)? });
    }
    memory.deployments.recent = deployments(rest)?;
    memory.deployments.announced = deployments(rest)?;
    for _ in 0..number(rest)? {
        memory.priors.known.insert(number(rest)?, record::read(rest)?);
    }
    for _ in 0..number(rest)? {
        memory.priors.candidates.insert(number(rest)?, (number(rest)?, record::read(rest)?));
    }
    let records = series(rest)?;
    restore_series(&mut memory, records)?;
    for _ in 0..number(rest)? {
        let until = time(rest)?;
        memory.checkpoints.push_back(Checkpoint { until, records: series(rest)?.into() });
    }
    rest.is_empty().then_some(Stored { width, bins_of_day, offset, excluded, memory })
}

fn restore_series(memory: &mut Memory, records: &[u8]) -> Option<()> {
    for entry in read_all(records) {
        let (fingerprint, state) = entry?;
        memory.slots.restore(fingerprint, Tracked { state, identity: None });
    }
    Some(())
}

/// Goes back to before the first range that is newly left out. Without a checkpoint from before it, all is
/// learned anew.
fn rewind(memory: &mut Memory, excluded: &[Exclusion], config: &BaselineConfig) -> Result<Option<u64>, ()> {
    let is_new = |it: &&Exclusion| !excluded.iter().any(|known| known.holds(it));
    let learned = |it: &&Exclusion| it.touches(memory.learned_since, memory.open_until);
    let Some(from) = config.exclude.iter().filter(is_new).filter(learned).map(|it| it.from).min() else {
        return Ok(None);
    };
    let until = memory.open_until;
    memory.checkpoints.retain(|checkpoint| checkpoint.until <= from);
    let back_to = memory.checkpoints.back().cloned();
    let lost_since = back_to.as_ref().map_or(memory.learned_since, |checkpoint| checkpoint.until);
    let n_lost = until.since(lost_since).as_nanos() / config.window.get().as_nanos().max(1);
    *memory = match back_to {
        Some(checkpoint) => {
            let mut earlier = Memory {
                open_until: checkpoint.until,
                learned_since: memory.learned_since,
                active_seconds: memory.active_seconds,
                swept_at: memory.active_seconds,
                forgotten: Some(Forgotten { from: checkpoint.until, until }),
                checkpoints: std::mem::take(&mut memory.checkpoints),
                ..Memory::default()
            };
            restore_series(&mut earlier, &checkpoint.records).ok_or(())?;
            earlier
        }
        None => {
            Memory { forgotten: Some(Forgotten { from: Timestamp::default(), until }), ..Memory::default() }
        }
    };
    Ok(Some(n_lost as u64))
}

/// Returns the records of a list of series, unread.
fn series<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let n_bytes = usize::try_from(number(rest)?).ok()?.checked_mul(ENTRY_BYTES)?;
    let (records, tail) = rest.split_at_checked(n_bytes)?;
    *rest = tail;
    Some(records)
}

fn deployments(rest: &mut &[u8]) -> Option<BTreeMap<Arc<str>, Timestamp>> {
    let mut all = BTreeMap::new();
    for _ in 0..number(rest)? {
        let until = time(rest)?;
        let n_bytes = usize::try_from(number(rest)?).ok()?;
        let (service, tail) = rest.split_at_checked(n_bytes)?;
        *rest = tail;
        all.insert(Arc::from(std::str::from_utf8(service).ok()?), until);
    }
    Some(all)
}

fn put_deployments(out: &mut Vec<u8>, deployments: &BTreeMap<Arc<str>, Timestamp>) {
    put(out, deployments.len() as u64);
    for (service, until) in deployments {
        put(out, until.as_nanos());
        put(out, service.len() as u64);
        out.extend_from_slice(service.as_bytes());
    }
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

fn time(rest: &mut &[u8]) -> Option<Timestamp> {
    number(rest).map(Timestamp)
}

/// Finds what was cut or changed; the same in every release.
fn hash_of(bytes: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(bytes)
}
