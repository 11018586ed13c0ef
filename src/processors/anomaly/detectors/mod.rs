//! What looks at a row, each in its own way.
//!
//! All detectors speak on one scale: 3 is the level at which one opens an episode, and what it says is
//! in proportion to that.

mod novelty;
mod seasonal;

use serde::Deserialize;

pub(crate) use novelty::Novelty;
pub(crate) use seasonal::{LARGEST_Z, OneSided, Sustained};

/// The names of the detectors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Detector {
    /// Departures from the expected value, at once or over several windows.
    Seasonal,
    /// Values that were not seen lately.
    Novelty,
    /// More than so many deviations from the expected value.
    Zscore,
    /// Outside the usual quartiles by so many of their distances.
    Iqr,
    /// Flatlines, leaks, periodic spikes and jumps.
    Pattern,
    /// Services that no longer rise and fall together.
    Relation,
    /// Combinations of a service's departures that are rare.
    Forest,
    /// Silence of a series that used to be there always. Always on: the baseline says so.
    #[serde(skip)]
    Absence,
}

impl Detector {
    pub(crate) const COUNT: usize = 8;
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Seasonal,
        Self::Novelty,
        Self::Zscore,
        Self::Iqr,
        Self::Pattern,
        Self::Relation,
        Self::Forest,
        Self::Absence,
    ];

    /// Returns the name as the configuration has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Seasonal => "seasonal",
            Self::Novelty => "novelty",
            Self::Zscore => "zscore",
            Self::Iqr => "iqr",
            Self::Pattern => "pattern",
            Self::Relation => "relation",
            Self::Forest => "forest",
            Self::Absence => "absence",
        }
    }
}

/// The score at which an episode opens.
pub(crate) const OPENS_AT: f32 = 3.0;

/// What each detector says of one row; 0 where it says nothing.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Evidence {
    /// By [`Detector`], on the scale of [`OPENS_AT`].
    pub(crate) scores: [f32; Detector::COUNT],
}

impl Evidence {
    #[inline]
    pub(crate) fn say(&mut self, detector: Detector, strength: f64, level: f64) {
        self.scores[detector as usize] = (strength / level) as f32 * OPENS_AT;
    }

    pub(crate) const fn of(&self, detector: Detector) -> f32 {
        self.scores[detector as usize]
    }

    /// Returns the greatest score among some detectors.
    #[inline]
    pub(crate) fn score(&self, among: DetectorSet) -> f32 {
        let mut greatest = 0.0_f32;
        for (at, &score) in self.scores.iter().enumerate() {
            if among.0 & 1 << at != 0 && score > greatest {
                greatest = score;
            }
        }
        greatest
    }

    /// Keeps, of each detector, the most it said.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.scores.iter_mut().zip(other.scores) {
            *mine = mine.max(theirs);
        }
    }
}

/// A set of detectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct DetectorSet(u16);

impl DetectorSet {
    pub(crate) fn insert(&mut self, detector: Detector) {
        self.0 |= 1 << detector as u16;
    }

    #[inline]
    pub(crate) const fn contains(self, detector: Detector) -> bool {
        self.0 & 1 << detector as u16 != 0
    }
}
