//! Storing the result of double arithmetic in half the room.

/// Returns the nearest single, kept finite: a state that overflowed to infinity would never come back.
#[inline]
pub(crate) fn narrow(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}
