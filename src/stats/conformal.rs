//! Intervals that hold what they promise, whatever the errors' distribution.

use crate::bucket_index;

#[cfg(test)]
mod tests;

/// Bins above the lowest.
const BINS: usize = 15;
/// Four bins to the octave: 16 span a factor of 16, of which only the greatest errors matter.
const SCALE: i32 = 2;
/// What one error adds to a count, so that halving forgets gradually.
const UNIT: u8 = 2;
/// At so many errors all counts are halved: between 256 and 512 are remembered. 240 were enough for
/// 0.94 to 0.95 at 0.95 on hourly web traffic. Errors of nearly one size are halved at 127, more than any
/// share that is asked for needs.
const REMEMBERED: u32 = 512;
/// With fewer errors no finite interval covers 95 %; greater shares need more.
const FEWEST: f64 = 20.0;
/// While fewer are known, an error beyond the bins moves them by a factor of 4, later of 2.
const YOUNG: u32 = 64;
/// Bins above the greatest error that are left free before the bins move down.
const FREE: usize = 5;
/// Speed of adaptation, as published for errors that change slowly.
const ADAPTATION: f64 = 0.01;
/// Bounds of the adapted miscoverage: outside, the sketch of some hundred errors knows nothing.
const MISCOVERAGE: (f64, f64) = (0.001, 0.9);
/// Steps of the adapted miscoverage. What a hit adds at 0.95 is 33 of them, at 0.99 it is 7.
const STEPS: f64 = 65_536.0;

/// Recent errors of a forecast and the interval that they warrant.
///
/// The half width is a quantile of recent absolute errors, taken at a share that moves with each hit and
/// miss until the wanted share is covered, even when errors drift or depend on each other. The wanted share,
/// `level` from 0 to 1, is the caller's and the same in every call: it is not kept.
///
/// *Shape*: one per series and horizon.
/// *Cost*: 25 bytes, of no alignment; about 45 ns per error.
/// *Source*: V. Vovk et al., "Algorithmic learning in a random world", 2005 (split conformal); I. Gibbs and
/// E. Candès, "Adaptive conformal inference under distribution shift", 2021.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Conformal {
    /// Absolute errors in the lowest bin, which holds what is smaller as well.
    pub lowest: u16,
    /// And by logarithmic bin above it; the last holds what is greater as well.
    pub counts: [u8; BINS],
    /// Index of the highest bin at scale 2 of an exponential histogram.
    pub top: i16,
    /// The share that may miss, adapted, in parts of 65,536.
    pub miscoverage: u16,
    /// Errors for which there had been an interval, and those within it; both are halved when there is no room
    /// for more.
    pub judged: u16,
    pub covered: u16,
}

impl Conformal {
    /// Makes a state without errors for the share `level`.
    pub fn new(level: f64) -> Self {
        let miscoverage = in_steps(1.0 - level);
        Self { lowest: 0, counts: [0; BINS], top: i16::MIN, miscoverage, judged: 0, covered: 0 }
    }

    /// Keeps the errors and begins anew what follows from a level: adaptation and coverage.
    pub fn turn_to(&mut self, level: f64) {
        *self = Self { lowest: self.lowest, counts: self.counts, top: self.top, ..Self::new(level) };
    }

    /// Judges the present interval by an error, adapts, and learns the error. Returns whether it lay within,
    /// none when there was no interval yet. What is not finite teaches nothing.
    ///
    /// *Units*: of the forecast value.
    pub fn update(&mut self, error: f64, level: f64) -> Option<bool> {
        if !error.is_finite() {
            return None;
        }
        let error = error.abs();
        let is_covered = self.interval(level).map(|half_width| error <= half_width);
        if let Some(is_covered) = is_covered {
            self.judge(is_covered, level);
        }
        self.learn(error);
        is_covered
    }

    /// Returns the distance from the forecast within which the share `level` of values lies, or none
    /// with fewer errors than an interval of that level needs, at least 20, and for a level that is not
    /// within 0..1.
    pub fn interval(&self, level: f64) -> Option<f64> {
        let total = self.total();
        let errors = f64::from(total / u32::from(UNIT));
        if !(0.0..1.0).contains(&level) || errors < fewest(level) {
            return None;
        }
        // One more than there are: the error to come is as likely to be any of them.
        let share = ((1.0 - self.miscoverage()) * (errors + 1.0) / errors).min(1.0);
        Some(self.quantile((1.0 - share) * f64::from(total)))
    }

    /// Returns the share of errors that lay within their interval, or none before the first interval.
    pub fn coverage(&self) -> Option<f64> {
        (self.judged > 0).then(|| f64::from(self.covered) / f64::from(self.judged))
    }

    fn miscoverage(&self) -> f64 {
        f64::from(self.miscoverage) / STEPS
    }

    fn judge(&mut self, is_covered: bool, level: f64) {
        if self.judged == u16::MAX {
            self.judged /= 2;
            self.covered /= 2;
        }
        self.judged += 1;
        self.covered = self.covered.saturating_add(u16::from(is_covered));
        let missed = if is_covered { 0.0 } else { 1.0 };
        self.miscoverage = in_steps(self.miscoverage() + ADAPTATION * (1.0 - level - missed));
    }

    fn learn(&mut self, error: f64) {
        let is_full = match self.place_of(error) {
            None => {
                self.lowest = self.lowest.saturating_add(u16::from(UNIT));
                false
            }
            Some(place) => {
                self.counts[place] = self.counts[place].saturating_add(UNIT);
                self.counts[place] > u8::MAX - UNIT
            }
        };
        if is_full || self.total() >= REMEMBERED * u32::from(UNIT) {
            self.counts = self.counts.map(|count| count / 2);
            self.lowest /= 2;
        }
        if self.counts[BINS - FREE..].iter().all(|&count| count == 0) && self.top > i16::MIN {
            self.move_down();
        }
    }

    /// Finds the bin of an error, after moving the bins towards one that lies beyond them; none is the lowest.
    fn place_of(&mut self, error: f64) -> Option<usize> {
        if error < f64::MIN_POSITIVE {
            return None;
        }
        let index = bucket_index(error, SCALE);
        let total = self.total();
        if self.top == i16::MIN || (total == u32::from(self.lowest) && index > i32::from(self.top)) {
            // There is nothing but zeros yet: they are in the lowest bin wherever it lies.
            self.top = index as i16;
        }
        let beyond = index - i32::from(self.top);
        if beyond > 0 {
            self.move_up(beyond.min(self.greatest_move(total)) as usize);
        }
        let below_top = (i32::from(self.top) - index).max(0);
        usize::try_from(BINS as i32 - 1 - below_top).ok()
    }

    /// By how many bins one error may move them: a single outlier must not push the others out of sight.
    fn greatest_move(&self, total: u32) -> i32 {
        let is_young = total < YOUNG * u32::from(UNIT);
        let crowded = u32::from(self.counts[BINS - 1]) * 100 >= total;
        match (is_young, crowded) {
            (true, _) => 8,
            (false, true) => 4,
            (false, false) => 0,
        }
    }

    fn move_up(&mut self, by: usize) {
        let merged = |sum: u16, &count: &u8| sum.saturating_add(u16::from(count));
        self.lowest = self.counts[..by].iter().fold(self.lowest, merged);
        self.counts.copy_within(by.., 0);
        self.counts[BINS - by..].fill(0);
        self.top = self.top.saturating_add(by as i16);
    }

    /// What was in the lowest bin is taken for no less than it was.
    fn move_down(&mut self) {
        self.counts.copy_within(..BINS - 1, 1);
        let moved = self.lowest.min(u16::from(u8::MAX));
        self.counts[0] = moved as u8;
        self.lowest -= moved;
        self.top -= 1;
    }

    /// The error that `above` of all weight exceeds. Within a bin errors are taken as spread evenly in
    /// their logarithm, in the lowest evenly from zero.
    fn quantile(&self, above: f64) -> f64 {
        let mut seen = 0.0;
        // From above: with few misses allowed, few bins are passed.
        let mut least = None;
        for (place, &count) in self.counts.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
            let count = f64::from(count);
            if seen + count >= above {
                return self.edge(place as f64 + 1.0 - (above - seen) / count);
            }
            seen += count;
            least = Some(place);
        }
        let lowest = f64::from(self.lowest);
        match least {
            // More is exceeded than there is.
            Some(place) if lowest == 0.0 => self.edge(place as f64),
            _ if lowest == 0.0 => 0.0,
            _ => (1.0 - ((above - seen) / lowest).min(1.0)) * self.edge(0.0),
        }
    }

    /// The lower edge of a bin above the lowest, or what lies between two.
    fn edge(&self, place: f64) -> f64 {
        ((f64::from(self.top) - (BINS - 1) as f64 + place) / f64::from(1 << SCALE)).exp2()
    }

    fn total(&self) -> u32 {
        self.counts.iter().map(|&count| u32::from(count)).sum::<u32>() + u32::from(self.lowest)
    }
}

fn in_steps(miscoverage: f64) -> u16 {
    (miscoverage.clamp(MISCOVERAGE.0, MISCOVERAGE.1) * STEPS).round() as u16
}

/// Errors without which no finite interval covers a share: the greatest of n exceeds the next with 1 in n + 1.
fn fewest(level: f64) -> f64 {
    (level / (1.0 - level)).max(FEWEST)
}
