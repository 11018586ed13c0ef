//! What repeats with the day and with the week: profiles in half precision, and how often each part was seen.

use stats::Half;

use super::calendar::{PARTS_OF_WEEK, Place};

/// The most bins that a day may have.
pub(super) const MAX_BINS: usize = 48;
/// Visits after which a bin counts as known.
const KNOWN: u8 = 2;
const MOST_DAY_VISITS: u8 = 3;
const MOST_WEEK_VISITS: u8 = 15;
/// Halves reach to 65,504; beyond half of it the unit must grow.
const REACH: f64 = 32_768.0;
/// By which the unit grows, as a power of two: values keep their eleven bits.
const GROWTH: i16 = 8;
/// Units are within what a double can tell.
pub(super) const MAX_EXPONENT: i16 = 1000;

/// The course of a day, one value for each bin.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct DayProfile {
    pub(super) values: [Half; MAX_BINS],
    /// Two bits for each bin: days on which it was seen, 3 for more.
    pub(super) visits: [u8; MAX_BINS / 4],
}

/// The offsets of the parts of the week.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct WeekProfile {
    pub(super) values: [Half; PARTS_OF_WEEK],
    /// Four bits for each part: weeks in which it was seen, 15 for more.
    pub(super) visits: [u8; PARTS_OF_WEEK / 2],
}

impl Default for DayProfile {
    fn default() -> Self {
        Self { values: [Half::default(); MAX_BINS], visits: [0; MAX_BINS / 4] }
    }
}

impl Default for WeekProfile {
    fn default() -> Self {
        Self { values: [Half::default(); PARTS_OF_WEEK], visits: [0; PARTS_OF_WEEK / 2] }
    }
}

impl DayProfile {
    /// Returns the value between two bins, in units.
    pub(super) fn at(&self, place: &Place) -> f64 {
        place.ends.iter().map(|&(bin, share)| share * value(self.values[bin])).sum()
    }

    pub(super) fn visits_of(&self, bin: usize) -> u8 {
        self.visits[bin / 4] >> (bin % 4 * 2) & MOST_DAY_VISITS
    }

    /// Notes that a bin is entered on another day.
    pub(super) fn enter(&mut self, bin: usize) {
        if self.visits_of(bin) < MOST_DAY_VISITS {
            self.visits[bin / 4] += 1 << (bin % 4 * 2);
        }
    }

    /// Whether both bins around a place were seen on two days that are over.
    pub(super) fn is_known(&self, place: &Place) -> bool {
        place
            .ends
            .iter()
            .all(|&(bin, share)| share < SOME || self.visits_of(bin) >= KNOWN + u8::from(bin == place.bin))
    }

    /// Moves the bins around a place by `error`, each by its share and by the gain of its visits.
    pub(super) fn learn(&mut self, place: &Place, error: f64, gains: impl Fn(usize) -> f64, random: u64) {
        for (&(bin, share), random) in place.ends.iter().zip([random as u32, (random >> 32) as u32]) {
            let gain = gains(usize::from(self.visits_of(bin).max(1)));
            nudge(&mut self.values[bin], gain * share * error, random);
        }
    }

    /// Makes the profile's mean zero and returns what it was, over the bins that were seen.
    pub(super) fn centre(&mut self, n_bins: usize) -> f64 {
        let seen = |profile: &Self, bin| profile.visits_of(bin) > 0;
        let n_seen = (0..n_bins).filter(|&bin| seen(self, bin)).count();
        if n_seen == 0 {
            return 0.0;
        }
        let sum: f64 = (0..n_bins).filter(|&bin| seen(self, bin)).map(|bin| value(self.values[bin])).sum();
        let mean = sum / n_seen as f64;
        for bin in 0..n_bins {
            if seen(self, bin) {
                self.values[bin] = half(value(self.values[bin]) - mean);
            }
        }
        mean
    }

    /// Adds to all bins that were seen.
    pub(super) fn shift(&mut self, by: f64) {
        for bin in 0..MAX_BINS {
            if self.visits_of(bin) > 0 {
                self.values[bin] = half(value(self.values[bin]) + by);
            }
        }
    }
}

impl WeekProfile {
    /// Returns the offset between two parts, in units.
    pub(super) fn at(&self, place: &Place) -> f64 {
        place.ends.iter().map(|&(part, share)| share * value(self.values[part])).sum()
    }

    /// Returns the offset, each part's nearer to zero the fewer weeks it rests on.
    pub(super) fn shrunken(&self, place: &Place) -> f64 {
        let of_part = |&(part, share): &(usize, f64)| {
            let weeks = f64::from(self.visits_of(part));
            share * value(self.values[part]) * weeks / (weeks + 2.0)
        };
        place.ends.iter().map(of_part).sum()
    }

    pub(super) fn visits_of(&self, part: usize) -> u8 {
        self.visits[part / 2] >> (part % 2 * 4) & MOST_WEEK_VISITS
    }

    /// Notes that a part is entered in another week.
    pub(super) fn enter(&mut self, part: usize) {
        if self.visits_of(part) < MOST_WEEK_VISITS {
            self.visits[part / 2] += 1 << (part % 2 * 4);
        }
    }

    /// Whether both parts around a place were seen in two weeks that are over.
    pub(super) fn is_known(&self, place: &Place) -> bool {
        place
            .ends
            .iter()
            .all(|&(part, share)| share < SOME || self.visits_of(part) >= KNOWN + u8::from(part == place.bin))
    }

    pub(super) fn learn(&mut self, place: &Place, error: f64, gains: impl Fn(usize) -> f64, random: u64) {
        for (&(part, share), random) in place.ends.iter().zip([random as u32, (random >> 32) as u32]) {
            let gain = gains(usize::from(self.visits_of(part).clamp(1, 3)));
            nudge(&mut self.values[part], gain * share * error, random);
        }
    }

    /// Makes the mean of the parts that were seen zero and returns what it was.
    pub(super) fn centre(&mut self) -> f64 {
        let seen: Vec<usize> = (0..PARTS_OF_WEEK).filter(|&part| self.visits_of(part) > 0).collect();
        if seen.len() < PARTS_OF_WEEK {
            return 0.0;
        }
        let mean = self.values.iter().map(|&half| value(half)).sum::<f64>() / PARTS_OF_WEEK as f64;
        for half_value in &mut self.values {
            *half_value = half(value(*half_value) - mean);
        }
        mean
    }
}

/// Shares below this are rounding.
const SOME: f64 = 1e-9;

pub(super) fn value(half: Half) -> f64 {
    f64::from(half.to_f32())
}

pub(super) fn half(value: f64) -> Half {
    Half::nearest(value as f32)
}

/// Small moves would be lost to rounding: they are dithered.
pub(super) fn nudge(half: &mut Half, by: f64, random: u32) {
    if by != 0.0 {
        *half = Half::dithered((value(*half) + by) as f32, random);
    }
}

/// Returns the exponent of a unit in which `magnitude` and 2^15 times it can be told.
pub(super) fn unit_exponent(magnitude: f64) -> i16 {
    magnitude.max(f64::MIN_POSITIVE).log2().floor() as i16
}

/// Returns two to the power, within what a double can tell.
pub(super) fn unit(exponent: i16) -> f64 {
    f64::from_bits((1023 + i64::from(exponent.clamp(-MAX_EXPONENT, MAX_EXPONENT))).unsigned_abs() << 52)
}

/// Returns by how many powers of two the unit must grow before `target` can be told in it.
pub(super) fn growth_for(target: f64, exponent: i16) -> i16 {
    let mut growth = 0;
    while target > REACH * unit(exponent + growth) && exponent + growth + GROWTH <= MAX_EXPONENT {
        growth += GROWTH;
    }
    growth
}

/// Tells the same values in a unit that has grown.
pub(super) fn rescale(values: &mut [Half], growth: i16) {
    for half_value in values {
        *half_value = half(value(*half_value) * unit(-growth));
    }
}
