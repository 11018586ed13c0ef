//! Departures from the expected value, at once or over several windows.

use stats::departure_score;

/// The share of a new window in the sustained departure, by windows, not by time: 2 to 8 windows in a
/// row make a departure lasting at any width.
const GAIN: f32 = 0.25;

/// Departures above this teach the sustained one no more, so that it falls below the opening level two
/// windows after a single spike, however high. Alone, it opens from 10 on.
const LARGEST_LESSON: f32 = 60.0;

/// Scores tell no more of departures beyond.
pub(crate) const LARGEST_Z: f64 = 1e6;

/// How far a series has been from what is expected, over the last windows.
///
/// *Source*: the analysis of WSD's 105 held-out series, where `ln(1 + hypot(z, 2 zbar))` found 84 % of
/// labelled segments with a precision of 79 % at 0.1 false alarms per series-day, against 81 % for the
/// point alone.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Sustained {
    pub(crate) zbar: f32,
}

impl Sustained {
    /// Forgets, after a gap.
    pub(crate) fn reset(&mut self) {
        self.zbar = 0.0;
    }

    /// Learns a departure and returns how unusual it is. Of a `one_sided` series only departures above
    /// what is expected count.
    #[inline]
    pub(crate) fn update(&mut self, z: f64, one_sided: OneSided) -> f64 {
        self.zbar += GAIN * ((z as f32).clamp(-LARGEST_LESSON, LARGEST_LESSON) - self.zbar);
        let zbar = f64::from(self.zbar);
        match one_sided {
            OneSided::Up => departure_score(z.max(0.0), zbar.max(0.0)),
            OneSided::No => departure_score(z, zbar),
        }
    }
}

/// Which departures count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OneSided {
    Up,
    No,
}
