//! By how much a counter grew.

#[cfg(test)]
mod tests;

/// A cumulative value and when its counting began.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reading {
    pub value: f64,
    /// *Units*: nanoseconds since 1970; 0 when unknown, as in OpenTelemetry.
    pub start_time: u64,
}

/// What two readings of a counter say.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Increase {
    /// The counter went on.
    By(f64),
    /// The counter began anew within the window: all it holds came since.
    Reset(f64),
    /// How much came within the window cannot be told.
    Unknown,
}

impl Increase {
    /// Returns the increase, or none when it cannot be told. Never negative.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::By(value) | Self::Reset(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

/// Returns by how much a counter grew in a window that reaches from `window_start` to `now`.
///
/// A counter began anew when its start time changed or its value fell. Then its value is the increase if
/// it began within the window; had it begun before, what it counted outside would be added too. The same
/// holds for a counter seen for the first time. A start time of 0 lies in no window.
///
/// *Units*: `window_start` as [`Reading::start_time`].
pub fn increase(previous: Option<Reading>, now: Reading, window_start: u64) -> Increase {
    if !now.value.is_finite() || now.value < 0.0 {
        return Increase::Unknown;
    }
    if let Some(previous) = previous {
        let same_start = previous.start_time == now.start_time;
        // NaN before makes the comparison fail, and the counter is taken as begun anew.
        if same_start && now.value >= previous.value {
            let grown = now.value - previous.value;
            return if grown.is_finite() { Increase::By(grown) } else { Increase::Unknown };
        }
    }
    let began_within = now.start_time > 0 && now.start_time >= window_start;
    if began_within { Increase::Reset(now.value) } else { Increase::Unknown }
}
