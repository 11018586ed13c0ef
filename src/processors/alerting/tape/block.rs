//! Neighbouring evaluations: exactly while they are the last ones, then each in a byte.

use crate::alerting::record::BlockRecord;

/// Evaluations to a block.
pub(super) const BLOCK: u64 = 24;
const N: usize = BLOCK as usize;

/// The block that is being filled.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Open {
    /// NaN for none.
    values: [f32; N],
    /// A bit for each.
    is_true: u32,
}

/// A block that is full. Its least and greatest values are told exactly, the others by one of the equal parts of what
/// lies between, which is no more than is known: a rounded value might lie on the wrong side of a threshold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Block {
    least: f32,
    greatest: f32,
    /// The number of the part; the highest bit says whether the condition held.
    parts: [u8; N],
}

const HELD: u8 = 0x80;
const LEAST: u8 = 0;
const GREATEST: u8 = 126;
const NONE: u8 = 127;
/// Parts between the least and the greatest value, from 1 on.
const PARTS: f64 = (GREATEST - 1) as f64;

impl Open {
    pub(super) const EMPTY: Self = Self { values: [f32::NAN; N], is_true: 0 };

    pub(super) fn note(&mut self, place: usize, value: f64, is_true: bool) {
        let value = if value.is_finite() { value as f32 } else { f32::NAN };
        self.values[place] = value.clamp(f32::MIN, f32::MAX);
        self.is_true = self.is_true & !(1 << place) | u32::from(is_true) << place;
    }

    /// Returns a value twice, as [`Block::get`] has a range, and whether the condition held.
    pub(super) fn get(&self, place: usize) -> Option<(f64, f64, bool)> {
        let value = f64::from(self.values[place]);
        (!value.is_nan()).then_some((value, value, self.held(place)))
    }

    fn held(&self, place: usize) -> bool {
        self.is_true & (1 << place) != 0
    }

    pub(super) const fn values(&self) -> &[f32; N] {
        &self.values
    }

    pub(super) const fn is_true(&self) -> u32 {
        self.is_true
    }

    /// Takes back what was noted, as far as it goes; none for more than there is room for.
    pub(super) fn restored(values: &[f32], is_true: u32) -> Option<Self> {
        let mut open = Self { is_true, ..Self::EMPTY };
        open.values.get_mut(..values.len())?.copy_from_slice(values);
        Some(open)
    }
}

impl Block {
    pub(super) const EMPTY: Self = Self { least: f32::NAN, greatest: f32::NAN, parts: [NONE; N] };

    pub(super) fn of(open: &Open) -> Self {
        // Whatever is not a number is passed over.
        let least = open.values.iter().copied().fold(f32::NAN, f32::min);
        let greatest = open.values.iter().copied().fold(f32::NAN, f32::max);
        let mut block = Self { least, greatest, parts: [NONE; N] };
        for (place, value) in open.values.iter().enumerate() {
            let held = if open.held(place) { HELD } else { 0 };
            block.parts[place] = held | block.part_of(*value);
        }
        block
    }

    /// Returns it as one that is stored; parts that are all alike stand once.
    pub(super) fn record(&self) -> BlockRecord {
        let is_level = self.parts.iter().all(|part| *part == self.parts[0]);
        let parts = self.parts[..if is_level { 1 } else { N }].to_vec();
        BlockRecord { n: 1, least: self.least.to_bits(), greatest: self.greatest.to_bits(), parts }
    }

    /// Takes one back; none when it has not as many parts as a block.
    pub(super) fn restored(record: &BlockRecord) -> Option<Self> {
        let parts = match *record.parts {
            [part] => [part; N],
            ref parts => parts.try_into().ok()?,
        };
        let (least, greatest) = (f32::from_bits(record.least), f32::from_bits(record.greatest));
        Some(Self { least, greatest, parts })
    }

    fn part_of(&self, value: f32) -> u8 {
        if value.is_nan() {
            return NONE;
        }
        if value == self.least {
            return LEAST;
        }
        if value == self.greatest {
            return GREATEST;
        }
        let value = f64::from(value);
        let share = (value - f64::from(self.least)) / (f64::from(self.greatest) - f64::from(self.least));
        let part = 1 + (share * PARTS) as u8;
        // The division may have rounded it over an edge.
        let near = [part, part - 1, part + 1].into_iter().filter(|part| (1..GREATEST).contains(part));
        near.into_iter().find(|part| (self.edge(*part)..=self.edge(part + 1)).contains(&value)).unwrap_or(1)
    }

    /// Returns where a part begins.
    fn edge(&self, part: u8) -> f64 {
        let (least, greatest) = (f64::from(self.least), f64::from(self.greatest));
        if part == GREATEST { greatest } else { least + (greatest - least) * (f64::from(part - 1) / PARTS) }
    }

    /// Returns between which values one lies, and whether the condition held.
    pub(super) fn get(&self, place: usize) -> Option<(f64, f64, bool)> {
        let (part, held) = (self.parts[place] & !HELD, self.parts[place] & HELD != 0);
        let (least, greatest) = match part {
            NONE => return None,
            LEAST => (f64::from(self.least), f64::from(self.least)),
            GREATEST => (f64::from(self.greatest), f64::from(self.greatest)),
            part => (self.edge(part), self.edge(part + 1)),
        };
        Some((least, greatest, held))
    }
}
