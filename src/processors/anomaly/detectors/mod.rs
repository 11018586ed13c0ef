//! What looks at a row, each in its own way.
//!
//! All detectors speak on one scale: 3 is the level at which one opens an episode, and what it says is
//! in proportion to that.

mod forest;
mod iqr;
mod leak;
mod novelty;
mod pattern;
mod relation;
mod seasonal;

use super::levels::DetectorSet;

pub(crate) use forest::{Forest, Forests, LeftOut, Omen, Place};
pub(crate) use iqr::Quartiles;
pub(crate) use leak::{BLOCKS, Climb, Falls, Pace};
pub(crate) use novelty::{Glance, Novelty, Told, WINDOWS_OF_AN_AGE};
pub(crate) use pattern::{Pattern, Point};
pub(crate) use relation::{Bond, MOST_RELATIONS, Relation, Relations};
pub(crate) use seasonal::{LARGEST_Z, OneSided, Sustained};

/// Who says something of a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Detector {
    /// Departures from the expected value, at once or over several windows.
    Seasonal,
    /// Values that were not seen lately.
    Novelty,
    /// More than so many deviations from the expected value.
    Zscore,
    /// Outside the usual quartiles by so many of their distances.
    Iqr,
    /// A series that used to move stands still.
    Flatline,
    /// A climb of hours that goes on after a restart, or of which each fall leaves more.
    Leak,
    /// Spikes at equal intervals.
    PeriodicSpikes,
    /// A step that is large beside the usual ones.
    RateOfChange,
    /// Two services no longer rise and fall together.
    Relation,
    /// A combination of a service's departures that is rare.
    Forest,
    /// Silence of a series that used to be there always. Always on: the baseline says so.
    Absence,
}

impl Detector {
    pub(crate) const COUNT: usize = 11;
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Seasonal,
        Self::Novelty,
        Self::Zscore,
        Self::Iqr,
        Self::Flatline,
        Self::Leak,
        Self::PeriodicSpikes,
        Self::RateOfChange,
        Self::Relation,
        Self::Forest,
        Self::Absence,
    ];

    /// Returns the name as attributes have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Seasonal => "seasonal",
            Self::Novelty => "novelty",
            Self::Zscore => "zscore",
            Self::Iqr => "iqr",
            Self::Flatline => "flatline",
            Self::Leak => "leak",
            Self::PeriodicSpikes => "periodic_spikes",
            Self::RateOfChange => "rate_of_change",
            Self::Relation => "relation",
            Self::Forest => "forest",
            Self::Absence => "absence",
        }
    }
}

/// The score at which an episode opens.
pub(crate) const OPENS_AT: f32 = model::AnomalyColumns::OPENS_AT;

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
            if among.contains_at(at) && score > greatest {
                greatest = score;
            }
        }
        greatest
    }

    /// Returns the detector that says as much as a score is. Those that may not open can have said more.
    pub(crate) fn first_of(&self, score: f32) -> Detector {
        Detector::ALL.into_iter().find(|one| self.of(*one) == score).unwrap_or(Detector::Absence)
    }

    /// Keeps, of each detector, the most it said.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.scores.iter_mut().zip(other.scores) {
            *mine = mine.max(theirs);
        }
    }
}
