//! Where in the day and in the week a window lies.

use std::time::Duration;

use model::Timestamp;

pub(super) const DAY_SECONDS: u64 = 86_400;
const WEEK_SECONDS: u64 = 7 * DAY_SECONDS;
/// The Unix epoch was a Thursday; weeks begin on Mondays.
const EPOCH_IN_WEEK_SECONDS: u64 = 3 * DAY_SECONDS;
/// Four parts of each day.
pub(super) const PARTS_OF_WEEK: usize = 28;
pub(super) const HOURS: usize = 24;

/// A place between the centres of two neighbouring bins of a cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Place {
    /// The bin that holds the moment.
    pub(super) bin: usize,
    /// The bins whose centres lie around it; the shares add up to 1.
    pub(super) ends: [(usize, f64); 2],
}

/// A moment by the hands of three clocks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Moment {
    pub(super) of_day: Place,
    pub(super) of_week: Place,
    pub(super) hour: usize,
}

/// Cuts days and weeks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Calendar {
    pub(super) bins_of_day: usize,
    offset_nanos: i64,
}

impl Calendar {
    /// A window longer than a bin leaves bins unvisited; there are then fewer bins.
    pub(super) fn new(season_bins: usize, width: Duration, offset_nanos: i64) -> Self {
        let windows_per_day = (DAY_SECONDS as f64 / width.as_secs_f64()).floor().max(1.0) as usize;
        Self { bins_of_day: season_bins.min(windows_per_day), offset_nanos }
    }

    /// Returns the moment in the middle of a window.
    pub(super) fn moment(&self, start: Timestamp, width: Duration) -> Moment {
        let middle = (start + width / 2).as_nanos();
        let local = middle.saturating_add_signed(self.offset_nanos);
        let seconds = local / 1_000_000_000;
        let fraction = (local % 1_000_000_000) as f64 / 1e9;
        let of_day = (seconds % DAY_SECONDS) as f64 + fraction;
        let of_week = ((seconds + EPOCH_IN_WEEK_SECONDS) % WEEK_SECONDS) as f64 + fraction;
        Moment {
            of_day: place(of_day / DAY_SECONDS as f64, self.bins_of_day),
            of_week: place(of_week / WEEK_SECONDS as f64, PARTS_OF_WEEK),
            hour: (of_day / 3600.0) as usize % HOURS,
        }
    }
}

/// *Units*: `phase` is the part of the cycle that is over, from 0 to 1.
fn place(phase: f64, n_bins: usize) -> Place {
    let at = phase * n_bins as f64;
    let bin = (at as usize).min(n_bins - 1);
    let beyond_centre = at - bin as f64 - 0.5;
    let neighbour = if beyond_centre < 0.0 { bin + n_bins - 1 } else { bin + 1 } % n_bins;
    let share = beyond_centre.abs();
    Place { bin, ends: [(bin, 1.0 - share), (neighbour, share)] }
}
