//! Changes of a mean.

#[cfg(test)]
mod tests;

/// Departures below this are part of no change: they pay for the noise around a mean that stays.
const TOLERATED: f32 = 0.25;
/// At 1 σ beyond what is tolerated a change is told after 50 points, at 4 σ after 14.
const THRESHOLD: f32 = 50.0;
/// So that no single point makes more than a twelfth of a change.
const CLIP: f32 = 4.0;

/// To which side a mean has moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shift {
    Up,
    Down,
}

/// Page's and Hinkley's test for a lasting shift, on both sides, of standardised departures.
///
/// *Cost*: 8 bytes, 8 ns.
/// *Source*: E. S. Page, "Continuous inspection schemes", 1954. The reference is the mean that the
/// departures are measured from, so that the cumulative sums need no mean of their own.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PageHinkley {
    pub up: f32,
    pub down: f32,
}

impl PageHinkley {
    /// Adds a departure. Returns the shift it completes, after which the test begins anew; NaN changes
    /// nothing.
    ///
    /// *Units*: standard deviations from the expected value.
    #[inline]
    pub fn update(&mut self, z: f64) -> Option<Shift> {
        if z.is_nan() {
            return None;
        }
        let z = (z as f32).clamp(-CLIP, CLIP);
        self.up = (self.up + z - TOLERATED).max(0.0);
        self.down = (self.down - z - TOLERATED).max(0.0);
        let shift = match (self.up > THRESHOLD, self.down > THRESHOLD) {
            (true, _) => Shift::Up,
            (_, true) => Shift::Down,
            _ => return None,
        };
        *self = Self::default();
        Some(shift)
    }
}
