//! A series' memory in bytes: version 1.
//!
//! Everything is little-endian and has its place:
//! ```text
//!   0  end of the last window, ns  u64      72  seconds of shift         f32
//!   8  level                       f64      76  drift up, down           2 × f32
//!  16  aside, see below         24 bytes    84  exponent of the unit     i16
//!  40  weekly offset               f32      86  level shifts             u16
//!  44  fast level                  f32      88  flags, bin, part, aside  4 × u8
//!  48  spread                      f32      92  season                   48 × f16
//!  52  wander                      f32     188  visits of bins           12 × u8
//!  56  recent                      f32     200  week                     28 × f16
//!  60  recent spread               f32     256  visits of parts          14 × u8
//!  64  samples                     u32     270  hours                    24 × f16
//!  68  seconds covered             u32     318  presence                 f32
//!                                          322  active at, s             u32
//! ```
//! Aside 1 is a step: last f64, step f64, greatest difference f32, agreeing u16, seen u8, continuous u8.
//! Aside 2 is a pool: errors f64, support f64, seconds f32. The rest is zero.
//!
//! A next version appends fields, raises [`RECORD_BYTES`] and keeps a reader of this length.

use model::Timestamp;
use stats::{Half, PageHinkley, Quantum};

use super::{
    calendar::{HOURS, PARTS_OF_WEEK},
    rhythm::{DayProfile, MAX_BINS, MAX_EXPONENT, WeekProfile},
    state::{Aside, NOWHERE, SeriesState},
};

/// Length of a record of version 1.
pub(super) const RECORD_BYTES: usize = 326;
const ASIDE_BYTES: usize = 24;
/// A record behind its fingerprint.
pub(super) const ENTRY_BYTES: usize = 8 + RECORD_BYTES;

/// Writes states behind their fingerprints.
pub(super) fn write_all<'a>(states: impl Iterator<Item = (u64, &'a SeriesState)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(states.size_hint().0 * ENTRY_BYTES);
    for (fingerprint, state) in states {
        out.extend_from_slice(&fingerprint.to_le_bytes());
        write(state, &mut out);
    }
    out
}

/// Reads what [`write_all`] wrote; none when a record is damaged.
pub(super) fn read_all(bytes: &[u8]) -> impl Iterator<Item = Option<(u64, SeriesState)>> {
    bytes.chunks(ENTRY_BYTES).map(|entry| {
        let mut rest = entry;
        Some((u64::from_le_bytes(take(&mut rest)?), read(&mut rest)?))
    })
}

pub(super) fn write(state: &SeriesState, out: &mut Vec<u8>) {
    out.extend_from_slice(&state.seen_at.as_nanos().to_le_bytes());
    out.extend_from_slice(&state.level.to_le_bytes());
    let (kind, aside) = encode_aside(&state.aside);
    out.extend_from_slice(&aside);
    let floats =
        [state.weekly_offset, state.fast, state.spread, state.wander, state.recent, state.recent_spread];
    floats.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    out.extend_from_slice(&state.n_samples.to_le_bytes());
    out.extend_from_slice(&state.covered_seconds.to_le_bytes());
    let floats = [state.shifted_seconds, state.drift.up, state.drift.down];
    floats.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    out.extend_from_slice(&state.unit_exponent.to_le_bytes());
    out.extend_from_slice(&state.n_shifts.to_le_bytes());
    out.extend_from_slice(&[state.flags, state.bin, state.part, kind]);
    put_halves(&state.day.values, out);
    out.extend_from_slice(&state.day.visits);
    put_halves(&state.week.values, out);
    out.extend_from_slice(&state.week.visits);
    put_halves(&state.hours, out);
    out.extend_from_slice(&state.presence.to_le_bytes());
    out.extend_from_slice(&state.active_at.to_le_bytes());
}

fn put_halves(halves: &[Half], out: &mut Vec<u8>) {
    for half in halves {
        out.extend_from_slice(&half.bits.to_le_bytes());
    }
}

fn encode_aside(aside: &Aside) -> (u8, [u8; ASIDE_BYTES]) {
    let mut bytes = [0; ASIDE_BYTES];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    };
    let kind = match aside {
        Aside::Nothing => 0,
        Aside::Step(quantum) => {
            put(&quantum.last.to_le_bytes());
            put(&quantum.step.to_le_bytes());
            put(&quantum.greatest_difference.to_le_bytes());
            put(&quantum.agreeing.to_le_bytes());
            put(&[u8::from(quantum.seen), u8::from(quantum.continuous)]);
            1
        }
        Aside::Pool { errors, support, seconds } => {
            put(&errors.to_le_bytes());
            put(&f64::from(*support).to_le_bytes());
            put(&seconds.to_le_bytes());
            2
        }
    };
    (kind, bytes)
}

/// Reads a record and moves behind it; none when it is cut or says what no state can be.
pub(super) fn read(rest: &mut &[u8]) -> Option<SeriesState> {
    let seen_at = Timestamp(u64::from_le_bytes(take(rest)?));
    let level = f64::from_le_bytes(take(rest)?);
    let aside: [u8; ASIDE_BYTES] = take(rest)?;
    let [weekly_offset, fast, spread, wander, recent, recent_spread] = floats(rest)?;
    let (n_samples, covered_seconds) = (u32::from_le_bytes(take(rest)?), u32::from_le_bytes(take(rest)?));
    let [shifted_seconds, up, down] = floats(rest)?;
    let (unit_exponent, n_shifts) = (i16::from_le_bytes(take(rest)?), u16::from_le_bytes(take(rest)?));
    let [flags, bin, part, kind] = take(rest)?;
    let day = DayProfile { values: halves::<MAX_BINS>(rest)?, visits: take(rest)? };
    let week = WeekProfile { values: halves::<PARTS_OF_WEEK>(rest)?, visits: take(rest)? };
    let hours = halves::<HOURS>(rest)?;
    let [presence] = floats(rest)?;
    let active_at = u32::from_le_bytes(take(rest)?);
    let aside = decode_aside(kind, &aside)?;
    let is_place = |place: u8, n_places: usize| place == NOWHERE || usize::from(place) < n_places;
    let is_unit = (-MAX_EXPONENT..=MAX_EXPONENT).contains(&unit_exponent);
    let is_possible =
        is_place(bin, MAX_BINS) && is_place(part, PARTS_OF_WEEK) && is_unit && level.is_finite();
    is_possible.then_some(SeriesState {
        seen_at,
        level,
        aside,
        weekly_offset,
        fast,
        spread,
        wander,
        recent,
        recent_spread,
        n_samples,
        covered_seconds,
        presence,
        active_at,
        shifted_seconds,
        drift: PageHinkley { up, down },
        unit_exponent,
        n_shifts,
        flags,
        bin,
        part,
        day,
        week,
        hours,
    })
}

fn decode_aside(kind: u8, mut bytes: &[u8]) -> Option<Aside> {
    let rest = &mut bytes;
    match kind {
        0 => Some(Aside::Nothing),
        1 => {
            let (last, step) = (f64::from_le_bytes(take(rest)?), f64::from_le_bytes(take(rest)?));
            let [greatest_difference] = floats(rest)?;
            let agreeing = u16::from_le_bytes(take(rest)?);
            let [seen, continuous] = take(rest)?.map(|flag: u8| flag != 0);
            Some(Aside::Step(Quantum { last, step, greatest_difference, agreeing, seen, continuous }))
        }
        2 => {
            let (errors, support) = (f64::from_le_bytes(take(rest)?), f64::from_le_bytes(take(rest)?));
            let [seconds] = floats(rest)?;
            Some(Aside::Pool { errors, support: support as f32, seconds })
        }
        _ => None,
    }
}

/// Takes bytes from the front.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

/// Takes numbers, which are finite in every state.
fn floats<const N: usize>(rest: &mut &[u8]) -> Option<[f32; N]> {
    let mut values = [0.0; N];
    for value in &mut values {
        *value = f32::from_le_bytes(take(rest)?);
        if !value.is_finite() {
            return None;
        }
    }
    Some(values)
}

fn halves<const N: usize>(rest: &mut &[u8]) -> Option<[Half; N]> {
    let mut values = [Half::default(); N];
    for value in &mut values {
        *value = Half { bits: u16::from_le_bytes(take(rest)?) };
    }
    Some(values)
}
