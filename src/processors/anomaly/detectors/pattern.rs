//! Courses over many windows: flatlines, leaks, periodic spikes, and steps.

use std::time::Duration;

use stats::Half;

use super::{Detector, Evidence};

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

/// Windows in which the share of those that move is forgotten to a third.
const MOVING_WINDOWS: u16 = 1_440;
/// A flatline is longer than so many windows more than three of the longest before it.
const LEAST_STILL: f64 = 10.0;
const STILL_FACTOR: f64 = 3.0;
/// And as improbable as this, were each window to move by itself: −log10.
const STILL_IMPROBABILITY: f64 = 8.0;

/// A spike lies so many usual deviations off, and ends within so many windows.
const SPIKE_Z: f64 = 6.0;
const SPIKE_WINDOWS: u16 = 2;
/// Fewer windows between spikes are noise; intervals differ by a tenth at most, or a window.
const LEAST_INTERVAL: u16 = 5;
/// Equal intervals in a row that make spikes periodic.
const REGULAR: u8 = 5;

/// Of a new step in the usual step, which a single one moves by no more than this factor.
const STEP_GAIN: f32 = 0.01;
const LARGEST_STEP: f32 = 10.0;
/// A step of so many usual ones is large.
const STEPS: f64 = 20.0;

/// No course is worth more than twice the opening level.
const MOST: f64 = 2.0;

/// What is remembered of a series' course.
///
/// *Cost*: 52 bytes, 10 ns; every 45 minutes 60 ns.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pattern {
    /// The last value; NaN before the first and after a gap.
    pub(crate) previous: f32,
    pub(crate) usual_step: f32,
    /// Share of windows whose value differs from the one before.
    pub(crate) moving: f32,
    pub(crate) seen: u16,
    /// Windows without a move, now and at most before.
    pub(crate) still: u16,
    pub(crate) longest_still: u16,
    pub(crate) since_spike: u16,
    pub(crate) interval: u16,
    pub(crate) regular: u8,
    pub(crate) n_blocks: u8,
    pub(crate) falls: u8,
    pub(crate) in_block: u16,
    pub(crate) sum: f32,
    pub(crate) means: BlockMeans,
}

/// Means of the last blocks. Those before the last are differences from it in half precision: climbs are
/// asked for, whatever the level, and of them one part in 2,048 is enough.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct BlockMeans {
    pub(crate) last: f32,
    /// From the last to those before it, the latest first, in units of two to the power of `exponent`.
    pub(crate) differences: [Half; BLOCKS - 1],
    pub(crate) exponent: i8,
}

/// By how many powers of two the greatest difference exceeds a unit: halves tell 2,048 from 2,049.
const UNITS: f32 = 10.0;

impl BlockMeans {
    /// Stores means, the last first.
    pub(crate) fn of(means: [f32; BLOCKS]) -> Self {
        let [last, before @ ..] = means;
        let differences = before.map(|mean| (mean - last).clamp(f32::MIN, f32::MAX));
        let greatest = differences.iter().fold(f32::MIN_POSITIVE, |most, it| most.max(it.abs()));
        let exponent = (greatest.log2().floor() - UNITS) as i8;
        let unit = f64::from(exponent).exp2();
        let half = |difference: f32| Half::nearest((f64::from(difference) / unit) as f32);
        Self { last, differences: differences.map(half), exponent }
    }

    /// Returns the means, the last first.
    fn all(&self) -> [f32; BLOCKS] {
        let unit = f64::from(self.exponent).exp2();
        let before = |half: Half| (f64::from(self.last) + f64::from(half.to_f32()) * unit) as f32;
        let mut means = [self.last; BLOCKS];
        for (mean, &half) in means[1..].iter_mut().zip(&self.differences) {
            *mean = before(half);
        }
        means
    }

    pub(crate) fn push(&mut self, mean: f32) {
        let mut means = self.all();
        means.copy_within(..BLOCKS - 1, 1);
        means[0] = mean;
        *self = Self::of(means);
    }

    /// Returns by how much the last mean lies above that of `blocks` blocks before it.
    pub(crate) fn climbed(&self, blocks: usize) -> f32 {
        match blocks {
            0 => 0.0,
            _ => -(f64::from(self.differences[blocks - 1].to_f32()) * f64::from(self.exponent).exp2()) as f32,
        }
    }
}

impl Default for Pattern {
    fn default() -> Self {
        Self {
            previous: f32::NAN,
            usual_step: 0.0,
            moving: 0.0,
            seen: 0,
            still: 0,
            longest_still: 0,
            since_spike: u16::MAX,
            interval: 0,
            regular: 0,
            n_blocks: 0,
            falls: 0,
            in_block: 0,
            sum: 0.0,
            means: BlockMeans::default(),
        }
    }
}

/// One window, as courses are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) observed: f64,
    pub(crate) seasonal: f64,
    pub(crate) scale: f64,
    pub(crate) z: f64,
    /// Whether values mean something by themselves: a ratio that stays at zero is no flatline.
    pub(crate) is_level: bool,
}

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

impl Pattern {
    /// Begins anew what must be without gaps.
    pub(crate) fn reset(&mut self) {
        self.previous = f32::NAN;
        self.still = 0;
        self.since_spike = u16::MAX;
        self.regular = 0;
        self.forget_climb();
    }

    /// Learns a window, and says what course it completes. Returns whether such a course goes on.
    pub(crate) fn update(&mut self, point: &Point, pace: Pace, evidence: &mut Evidence) -> bool {
        let (flat, leak) =
            if point.is_level { (self.flatline(point), self.leak(point, pace)) } else { (0.0, 0.0) };
        let (spikes, goes_on) = self.spikes(point.z);
        evidence.say(Detector::Flatline, flat.min(MOST), 1.0);
        evidence.say(Detector::Leak, leak.min(MOST), 1.0);
        evidence.say(Detector::PeriodicSpikes, spikes.min(MOST), 1.0);
        evidence.say(Detector::RateOfChange, self.step(point).min(MOST), 1.0);
        self.previous = point.observed as f32;
        flat >= 1.0 || leak >= 1.0 || goes_on
    }

    /// A flatline is longer than those before, and improbable for a series that moves so often.
    fn flatline(&mut self, point: &Point) -> f64 {
        if self.previous.is_nan() {
            return 0.0;
        }
        let has_moved = point.observed as f32 != self.previous;
        self.seen = self.seen.saturating_add(1);
        let said = if has_moved {
            self.longest_still = self.longest_still.max(self.still);
            self.still = 0;
            0.0
        } else {
            self.still = self.still.saturating_add(1);
            let still = f64::from(self.still);
            let improbability = -still * (1.0 - f64::from(self.moving)).max(1e-3).log10();
            let longest = STILL_FACTOR * f64::from(self.longest_still) + LEAST_STILL;
            (still / longest).min(improbability / STILL_IMPROBABILITY)
        };
        let moved = if has_moved { 1.0 } else { 0.0 };
        self.moving += (moved - self.moving) / f32::from(self.seen.min(MOVING_WINDOWS));
        if self.seen < MOVING_WINDOWS / 4 { 0.0 } else { said }
    }

    /// A leak climbs for hours, not having fallen by half of its climb, after it has done so before.
    fn leak(&mut self, point: &Point, pace: Pace) -> f64 {
        let value = (point.observed - point.seasonal) as f32;
        let climbed = self.climbed();
        let least = CLIMB_SCALES * point.scale as f32;
        if self.n_blocks >= LEAST_BLOCKS && climbed > least && self.means.last - value > climbed / 2.0 {
            self.falls = self.falls.saturating_add(1);
            self.forget_climb();
            return 0.0;
        }
        self.sum += value;
        self.in_block = self.in_block.saturating_add(1);
        if self.in_block >= pace.block {
            self.end_block();
        }
        if usize::from(self.n_blocks) < BLOCKS || self.falls == 0 || self.climbed() <= least {
            return 0.0;
        }
        self.slope_t() / CLIMB_T
    }

    fn end_block(&mut self) {
        self.means.push(self.sum / f32::from(self.in_block));
        self.n_blocks = (self.n_blocks + 1).min(BLOCKS as u8);
        (self.sum, self.in_block) = (0.0, 0);
        let is_level = usize::from(self.n_blocks) == BLOCKS && self.slope_t() <= 0.0;
        if is_level {
            self.falls = 0;
        }
    }

    fn forget_climb(&mut self) {
        (self.n_blocks, self.in_block, self.sum) = (0, 0, 0.0);
    }

    fn climbed(&self) -> f32 {
        self.means.climbed(usize::from(self.n_blocks.saturating_sub(1)))
    }

    /// Student's t of the line of least squares through the blocks.
    fn slope_t(&self) -> f64 {
        let n = BLOCKS as f64;
        let means = self.means.all();
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

    /// Spikes are periodic when so many intervals in a row are equal; between two they go on.
    fn spikes(&mut self, z: f64) -> (f64, bool) {
        let since = self.since_spike.saturating_add(1);
        if z.abs() < SPIKE_Z {
            self.since_spike = since;
            let patience = self.interval.saturating_add(self.tolerance());
            let goes_on = self.regular >= REGULAR && since <= patience;
            if since > patience {
                self.regular = 0;
            }
            return (0.0, goes_on);
        }
        self.since_spike = 0;
        if since <= SPIKE_WINDOWS {
            // The same spike; its end is what the next one is measured from.
            return (0.0, self.regular >= REGULAR);
        }
        let is_equal = since.abs_diff(self.interval) <= self.tolerance() && since >= LEAST_INTERVAL;
        self.regular = if is_equal { self.regular.saturating_add(1) } else { 0 };
        if !is_equal {
            self.interval = since.min(u16::MAX / 2);
        }
        let said = f64::from(self.regular) / f64::from(REGULAR);
        (said, said >= 1.0)
    }

    fn tolerance(&self) -> u16 {
        (self.interval / 10).max(1)
    }

    /// Steps are evidence: on their own they say no more than a departure does.
    fn step(&mut self, point: &Point) -> f64 {
        if self.previous.is_nan() {
            return 0.0;
        }
        let step = (point.observed as f32 - self.previous).abs();
        let usual = self.usual_step.max(point.scale as f32);
        self.usual_step += STEP_GAIN * (step.min(LARGEST_STEP * usual) - self.usual_step);
        f64::from(step / usual).ln_1p() / STEPS.ln_1p()
    }
}
