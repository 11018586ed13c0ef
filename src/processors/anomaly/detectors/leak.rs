//! Climbs of hours between falls, and whether a leak makes them.
//!
//! What is collected climbs and falls for ever, and each tooth of that saw begins where those before did. Two things tell a
//! leak from it: the fall came because the process started again, and the climb goes on after that; or what is left after
//! each fall grows.

use std::time::Duration;

use stats::Half;

use super::pattern::Point;

/// Means over blocks of time that a climb is looked for in.
pub(crate) const BLOCKS: usize = 8;
/// Time in which a climb is looked for.
const CLIMB: Duration = Duration::from_secs(6 * 3600);
/// Student's t of a climb, of eight means: 6 degrees of freedom.
const CLIMB_T: f64 = 6.0;
/// A climb rises by so many usual deviations, and a fall after it by half of the climb.
const CLIMB_SCALES: f32 = 6.0;
/// Blocks after which a fall ends a climb that counts.
const LEAST_BLOCKS: u8 = 4;
/// After each fall more is left, by so much of the fall in the mean,
const LEAST_RISE: f32 = 0.2;
/// and so often in a row. What is left and scatters by a tenth of the fall never does that; by a third, in one of some
/// hundred falls.
const RISES: u8 = 4;
/// A climb that nothing speaks against is evidence below what stands out.
const MOST_OF_A_CLIMB: f64 = 0.66;

/// How many windows make a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    block: u16,
}

impl Pace {
    pub(crate) fn new(width: Duration) -> Self {
        let windows = CLIMB.as_nanos() / BLOCKS as u128 / width.as_nanos().max(1);
        Self { block: windows.clamp(1, 60_000) as u16 }
    }
}

/// What the falls before were like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Falls {
    /// Whether the last came with a restart in the lowest bit, and above it how often in a row more was left.
    pub(crate) bits: u8,
}

impl Falls {
    const AT_RESTART: u8 = 1;
    const A_RISE: u8 = 2;

    const fn at_restart(self) -> bool {
        self.bits & Self::AT_RESTART != 0
    }

    const fn rises(self) -> u8 {
        self.bits / Self::A_RISE
    }

    fn fall(&mut self, is_restarted: bool) {
        self.bits = self.bits & !Self::AT_RESTART | u8::from(is_restarted);
    }

    fn rise(&mut self) {
        self.bits = self.bits.checked_add(Self::A_RISE).unwrap_or(self.bits);
    }

    fn forget_rises(&mut self) {
        self.bits &= Self::AT_RESTART;
    }
}

/// The climb that goes on, in means of blocks. Those before the last are differences from it in half precision: climbs
/// are asked for, whatever the level, and of them one part in 2,048 is enough.
///
/// *Cost*: 28 bytes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Climb {
    /// Of the values in the block that is not full.
    pub(crate) sum: f32,
    pub(crate) last: f32,
    /// From the last to those before it, the latest first, in units of two to the power of `exponent`.
    pub(crate) differences: [Half; BLOCKS - 1],
    /// Likewise to what was left after the fall that others are compared with; NaN when there was none.
    pub(crate) base: Half,
    pub(crate) in_block: u16,
    pub(crate) exponent: i8,
    pub(crate) n_blocks: u8,
}

const NONE: Half = Half { bits: 0x7e00 };
/// By how many powers of two the greatest difference exceeds a unit: halves tell 2,048 from 2,049.
const UNITS: f32 = 10.0;

impl Default for Climb {
    fn default() -> Self {
        Self {
            sum: 0.0,
            last: 0.0,
            differences: Default::default(),
            base: NONE,
            in_block: 0,
            exponent: 0,
            n_blocks: 0,
        }
    }
}

impl Climb {
    /// Adds a window. Returns how strongly it is a leak; from 1 on it is one.
    pub(crate) fn update(&mut self, point: &Point, pace: Pace, falls: &mut Falls) -> f64 {
        let value = (point.observed - point.seasonal) as f32;
        let climbed = self.climbed();
        let least = CLIMB_SCALES * point.scale as f32;
        if self.n_blocks >= LEAST_BLOCKS && climbed > least && self.last - value > climbed / 2.0 {
            falls.fall(point.is_restarted);
            self.begin();
            return 0.0;
        }
        self.sum += value;
        self.in_block = self.in_block.saturating_add(1);
        if self.in_block >= pace.block {
            self.end_block(point.is_daily, falls);
        }
        let by_rises = f64::from(falls.rises()) / f64::from(RISES);
        let by_rises = if by_rises < 1.0 { 0.0 } else { by_rises };
        if usize::from(self.n_blocks) < BLOCKS || self.climbed() <= least {
            return by_rises;
        }
        let climb = self.slope_t() / CLIMB_T;
        by_rises.max(if falls.at_restart() { climb } else { climb.min(MOST_OF_A_CLIMB) })
    }

    /// Begins anew behind a fall.
    fn begin(&mut self) {
        (self.n_blocks, self.in_block, self.sum) = (0, 0, 0.0);
    }

    /// Begins anew where what comes can not be compared with what was.
    pub(crate) fn forget(&mut self, falls: &mut Falls) {
        self.begin();
        self.base = NONE;
        falls.forget_rises();
    }

    fn end_block(&mut self, is_daily: bool, falls: &mut Falls) {
        let mean = self.sum / f32::from(self.in_block);
        if self.n_blocks == 0 && is_daily {
            // Without the course of the day, what is left in the morning is more than at night.
            self.compare(mean, falls);
        }
        self.push(mean);
        self.n_blocks = (self.n_blocks + 1).min(BLOCKS as u8);
        (self.sum, self.in_block) = (0.0, 0);
        if usize::from(self.n_blocks) == BLOCKS && self.slope_t() <= 0.0 {
            *falls = Falls::default();
            self.base = NONE;
        }
    }

    /// Compares what is left after a fall with what was left before.
    fn compare(&mut self, left: f32, falls: &mut Falls) {
        let Some(base) = self.base() else {
            self.store(self.means(), Some(left));
            return;
        };
        let fell = self.last - left;
        if fell < self.climbed_in(usize::from(LEAST_BLOCKS) - 1) / 2.0 {
            // No more than a dip.
            return;
        }
        let least = LEAST_RISE * f32::from(falls.rises() + 1) * fell;
        if left - base >= least {
            falls.rise();
        } else {
            falls.forget_rises();
            self.store(self.means(), Some(left));
        }
    }

    fn base(&self) -> Option<f32> {
        Some(self.value(self.base)).filter(|base| !base.is_nan())
    }

    fn value(&self, half: Half) -> f32 {
        (f64::from(self.last) + f64::from(half.to_f32()) * f64::from(self.exponent).exp2()) as f32
    }

    /// Returns the means, the last first.
    fn means(&self) -> [f32; BLOCKS] {
        let mut means = [self.last; BLOCKS];
        for (mean, &half) in means[1..].iter_mut().zip(&self.differences) {
            *mean = self.value(half);
        }
        means
    }

    /// Stores means, the last first, and the base.
    pub(crate) fn store(&mut self, means: [f32; BLOCKS], base: Option<f32>) {
        let [last, before @ ..] = means;
        let difference = |mean: f32| (mean - last).clamp(f32::MIN, f32::MAX);
        let differences = before.map(difference);
        let base = base.map(difference);
        let greatest = differences.iter().chain(&base).fold(f32::MIN_POSITIVE, |most, it| most.max(it.abs()));
        let exponent = (greatest.log2().floor() - UNITS) as i8;
        let unit = f64::from(exponent).exp2();
        let half = |difference: f32| Half::nearest((f64::from(difference) / unit) as f32);
        (self.last, self.exponent) = (last, exponent);
        self.differences = differences.map(half);
        self.base = base.map_or(NONE, half);
    }

    pub(crate) fn push(&mut self, mean: f32) {
        let mut means = self.means();
        means.copy_within(..BLOCKS - 1, 1);
        means[0] = mean;
        self.store(means, self.base());
    }

    fn climbed(&self) -> f32 {
        self.climbed_in(usize::from(self.n_blocks.saturating_sub(1)))
    }

    /// Returns by how much the last mean lies above that of `blocks` blocks before it.
    pub(crate) fn climbed_in(&self, blocks: usize) -> f32 {
        match blocks {
            0 => 0.0,
            _ => -(f64::from(self.differences[blocks - 1].to_f32()) * f64::from(self.exponent).exp2()) as f32,
        }
    }

    /// Student's t of the line of least squares through the blocks.
    fn slope_t(&self) -> f64 {
        let n = BLOCKS as f64;
        let means = self.means();
        let mean = means.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
        let (mut times, mut products, mut values) = (0.0, 0.0, 0.0);
        for (at, &value) in means.iter().enumerate() {
            let time = (n - 1.0) / 2.0 - at as f64;
            let difference = f64::from(value) - mean;
            times += time * time;
            products += time * difference;
            values += difference * difference;
        }
        let slope = products / times;
        let unexplained = (values - slope * products).max(0.0);
        if slope == 0.0 {
            0.0
        } else {
            slope / (unexplained / (n - 2.0) / times).sqrt().max(f64::MIN_POSITIVE)
        }
    }
}
