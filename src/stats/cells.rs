//! Whether a value has been seen lately.

#[cfg(test)]
mod tests;

/// The bits of a cell that are its age; the others are the upper ones of its value.
const AGE: u32 = 0xff;
/// Of the lowest bit of a value, for rounding.
const HALF_A_STEP: u32 = 0x80;
/// An age that no cell in use has.
const NEVER: u32 = 0xff;

/// The values a series has taken lately, each with how long ago it was last near.
///
/// At most `N` stand for all: a value near one moves it, any other takes the place of the one that was
/// seen the longest ago. `N` is a power of two and at most 256.
///
/// A cell keeps 16 significant bits of its value: what differs by less than one part in 65,536 is the same.
///
/// *Cost*: 4 bytes per cell; 32 cells take 128 bytes and about 40 ns, in loops without branches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ValueCells<const N: usize> {
    /// Of each the upper 24 bits of the value as a single, and the age in the lower 8: 255 for a cell that was
    /// never used, or not for so long.
    pub cells: [u32; N],
}

impl<const N: usize> Default for ValueCells<N> {
    fn default() -> Self {
        Self { cells: [NEVER; N] }
    }
}

impl<const N: usize> ValueCells<N> {
    /// Bits of a key that name the cell.
    const PLACE: i32 = {
        assert!(N.is_power_of_two() && N <= 256, "the number of cells must be a power of two up to 256");
        N as i32 - 1
    };

    /// Makes cells of values with their ages, 255 for those that were never used. What is not finite is none.
    pub fn of(values: [(f32, u8); N]) -> Self {
        let cell = |(value, age): (f32, u8)| {
            if value.is_finite() { young(value) | u32::from(age) } else { NEVER }
        };
        Self { cells: values.map(cell) }
    }

    /// Makes all cells older by one. The caller does so once in a fixed number of values.
    #[inline]
    pub fn grow_older(&mut self) {
        for cell in &mut self.cells {
            *cell += u32::from(*cell & AGE != NEVER);
        }
    }

    /// Returns the distance to the nearest value seen within the last `time_to_live`, then learns the
    /// value.
    ///
    /// None when no cell is that young, and for what is not finite, which teaches nothing. A value
    /// within `merge_radius` of the nearest moves that cell by a tenth of the way.
    ///
    /// *Units*: `time_to_live` in calls of [`Self::grow_older`], below 255.
    #[inline]
    pub fn update(&mut self, value: f32, merge_radius: f32, time_to_live: u8) -> Option<f32> {
        if !value.is_finite() {
            return None;
        }
        let nearest = self.nearest(value, time_to_live);
        let distance = nearest.map(|place| (value - value_of(self.cells[place])).abs());
        match (nearest, distance) {
            (Some(place), Some(distance)) if distance <= merge_radius => {
                let before = value_of(self.cells[place]);
                self.cells[place] = young(before + MOVE * (value - before));
            }
            _ => self.cells[self.oldest()] = young(value),
        }
        distance
    }

    /// Finds the young cell with the nearest value.
    ///
    /// Distances are not negative, so their bits order as they do. The lowest bits give way to the
    /// cell's place: one minimum of integers, which vectorises as a minimum of floats would not, finds
    /// the cell as well. Cells that are equally near to one part in 2^18 may be taken for each other.
    #[inline]
    fn nearest(&self, value: f32, time_to_live: u8) -> Option<usize> {
        let time_to_live = u32::from(time_to_live).min(NEVER - 1);
        let mut least = i32::MAX;
        for (place, &cell) in self.cells.iter().enumerate() {
            let bits = (value - value_of(cell)).abs().to_bits() as i32;
            let key = (bits & !Self::PLACE) | place as i32;
            let key = if cell & AGE <= time_to_live { key } else { i32::MAX };
            least = if key < least { key } else { least };
        }
        (least != i32::MAX).then_some((least & Self::PLACE) as usize)
    }

    /// Finds the cell that was seen the longest ago, cells never used before all others.
    #[inline]
    fn oldest(&self) -> usize {
        let mut greatest = 0;
        for (place, &cell) in self.cells.iter().enumerate() {
            let key = ((cell & AGE) as i32 * N as i32) | place as i32;
            greatest = if key > greatest { key } else { greatest };
        }
        (greatest & Self::PLACE) as usize
    }
}

/// By which part of the way a cell moves to a value near it.
const MOVE: f32 = 0.1;

#[inline]
fn value_of(cell: u32) -> f32 {
    f32::from_bits(cell & !AGE)
}

/// Returns a cell of age 0 with a finite value, rounded to the nearest that a cell can have.
#[inline]
fn young(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = (bits + HALF_A_STEP) & !AGE;
    // The greatest singles would become infinite.
    if f32::from_bits(rounded).is_finite() { rounded } else { bits & !AGE }
}
