//! A series' state in a fixed layout, little-endian.
//!
//! Version 1 had the means of a pattern as eight f32; version 2 has the last of them as f32, seven differences
//! from it as f16, and their exponent. Versions 1 and 2 had of each cell of novelty the value as f32 and, behind those
//! of all 32, the windows since it was last near as u16; version 3 has a cell in four bytes (`stats::ValueCells`) and,
//! before the cells, the windows since they grew older. Version 4 has what silence has been like, and of
//! patterns what was left after a fall; before, each fall after a climb was counted as if it spoke for a leak.

use model::Maturity;
use stats::{Half, Tail, ValueCells};

use super::{
    detectors::{BLOCKS, Climb, Falls, Novelty, Pattern, Quartiles, Sustained, Told, WINDOWS_OF_AN_AGE},
    silence::Silence,
    state::SeriesState,
};

const IS_OPEN: u8 = 1;
const HAS_NOVELTY: u8 = 2;
const HAS_PATTERN: u8 = 4;

/// Appends the record of a series: 43 bytes, 449 more with novelty and 52 with patterns.
pub(super) fn write(out: &mut Vec<u8>, fingerprint: u64, state: &SeriesState) {
    out.extend(fingerprint.to_le_bytes());
    let has = |is: bool, flag: u8| if is { flag } else { 0 };
    out.push(
        has(state.is_open, IS_OPEN)
            | has(state.novelty.is_some(), HAS_NOVELTY)
            | has(state.pattern.is_some(), HAS_PATTERN),
    );
    out.extend([state.marks, state.maturity as u8]);
    out.extend(state.last_window.to_le_bytes());
    put(out, &[state.sustained.zbar, state.quartiles.lower, state.quartiles.upper]);
    put(out, &[state.told.smoothed, state.told.peak, state.told.fatigue]);
    put_u16(out, &[state.silence.share]);
    out.extend([state.silence.improbability, state.silence.windows]);
    if let Some(novelty) = &state.novelty {
        out.push(state.cells_age);
        write_novelty(out, novelty);
    }
    if let Some(pattern) = &state.pattern {
        write_pattern(out, pattern);
    }
}

fn write_novelty(out: &mut Vec<u8>, novelty: &Novelty) {
    for cells in &novelty.cells {
        out.extend(cells.cells.iter().flat_map(|cell| cell.to_le_bytes()));
    }
    for tail in &novelty.tails {
        put(out, &[tail.threshold, tail.mean_excess, tail.variance]);
        put_u16(out, &[tail.values, u16::from(tail.excesses)]);
    }
}

fn write_pattern(out: &mut Vec<u8>, pattern: &Pattern) {
    let Pattern { falls, climb, .. } = pattern;
    put(out, &[pattern.previous, pattern.usual_step, pattern.moving, climb.sum, climb.last]);
    put_u16(out, &climb.differences.map(|half| half.bits));
    put_u16(out, &[pattern.seen, pattern.still, pattern.longest_still, pattern.since_spike]);
    put_u16(out, &[pattern.interval, climb.in_block]);
    out.extend([pattern.regular, climb.n_blocks, falls.bits, climb.exponent as u8]);
    put_u16(out, &[climb.base.bits]);
}

fn put(out: &mut Vec<u8>, values: &[f32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put_u16(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// Reads records of a version one after the other.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
    pub(super) version: u32,
}

impl Reader<'_> {
    /// Returns the next series; none when the bytes are no record.
    pub(super) fn series(&mut self) -> Option<(u64, SeriesState)> {
        let fingerprint = u64::from_le_bytes(self.array()?);
        let [flags, marks, maturity] = self.array()?;
        if flags > IS_OPEN | HAS_NOVELTY | HAS_PATTERN {
            return None;
        }
        let last_window = u32::from_le_bytes(self.array()?);
        let [zbar, lower, upper, smoothed, peak, fatigue] = self.floats()?;
        let silence = if self.version > 3 { self.silence()? } else { Silence::default() };
        let has_age = flags & HAS_NOVELTY != 0 && self.version > 2;
        let [cells_age] = if has_age { self.array()? } else { [0] };
        let state = SeriesState {
            sustained: Sustained { zbar },
            last_window,
            marks,
            is_open: flags & IS_OPEN != 0,
            traits: None,
            maturity: maturity_of(maturity)?,
            quartiles: Quartiles { lower, upper },
            told: Told { smoothed, peak, fatigue },
            silence,
            cells_age,
            novelty: if flags & HAS_NOVELTY != 0 { Some(Box::new(self.novelty()?)) } else { None },
            pattern: if flags & HAS_PATTERN != 0 { Some(Box::new(self.pattern()?)) } else { None },
        };
        Some((fingerprint, state))
    }

    fn silence(&mut self) -> Option<Silence> {
        let [share] = self.shorts()?;
        let [improbability, windows] = self.array()?;
        Some(Silence { share, improbability, windows })
    }

    fn novelty(&mut self) -> Option<Novelty> {
        let mut novelty = Novelty::default();
        for cells in &mut novelty.cells {
            *cells = if self.version > 2 { ValueCells { cells: self.words()? } } else { self.old_cells()? };
        }
        for tail in &mut novelty.tails {
            let [threshold, mean_excess, variance] = self.floats()?;
            let [values, excesses] = self.shorts()?;
            let excesses = u8::try_from(excesses).unwrap_or(u8::MAX);
            *tail = Tail { threshold, mean_excess, variance, values, excesses };
        }
        Some(novelty)
    }

    /// Cells of versions 1 and 2, whose ages were windows.
    fn old_cells<const N: usize>(&mut self) -> Option<ValueCells<N>> {
        let (values, ages): ([f32; N], [u16; N]) = (self.floats()?, self.shorts()?);
        let age = |windows: u16| u8::try_from(windows / u16::from(WINDOWS_OF_AN_AGE)).unwrap_or(u8::MAX);
        Some(ValueCells::of(std::array::from_fn(|at| (values[at], age(ages[at])))))
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let [previous, usual_step, moving, sum] = self.floats()?;
        let mut climb = Climb { sum, ..Climb::default() };
        if self.version == 1 {
            climb.store(self.floats()?, None);
        } else {
            [climb.last] = self.floats()?;
            climb.differences = self.shorts()?.map(|bits| Half { bits });
        }
        let [seen, still, longest_still, since_spike, interval, in_block] = self.shorts()?;
        let [regular, n_blocks, bits] = self.array()?;
        (climb.in_block, climb.n_blocks) = (in_block, n_blocks);
        if self.version > 1 {
            climb.exponent = self.array().map(i8::from_le_bytes)?;
        }
        let mut falls = Falls::default();
        if self.version > 3 {
            (falls, climb.base) = (Falls { bits }, Half { bits: u16::from_le_bytes(self.array()?) });
        }
        let is_possible = usize::from(n_blocks) <= BLOCKS;
        is_possible.then_some(Pattern {
            previous,
            usual_step,
            moving,
            seen,
            still,
            longest_still,
            since_spike,
            interval,
            regular,
            falls,
            climb,
        })
    }

    fn floats<const N: usize>(&mut self) -> Option<[f32; N]> {
        let mut out = [0.0; N];
        for value in &mut out {
            *value = f32::from_le_bytes(self.array()?);
        }
        Some(out)
    }

    fn words<const N: usize>(&mut self) -> Option<[u32; N]> {
        let mut out = [0; N];
        for value in &mut out {
            *value = u32::from_le_bytes(self.array()?);
        }
        Some(out)
    }

    fn shorts<const N: usize>(&mut self) -> Option<[u16; N]> {
        let mut out = [0; N];
        for value in &mut out {
            *value = u16::from_le_bytes(self.array()?);
        }
        Some(out)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*first)
    }
}

pub(super) fn maturity_of(number: u8) -> Option<Maturity> {
    let all = [Maturity::Insufficient, Maturity::Gross, Maturity::Level, Maturity::Daily, Maturity::Weekly];
    all.into_iter().find(|maturity| *maturity as u8 == number)
}
