//! Real time, as the shop is real: the one place here that reads the system's clocks.

use std::time::{Duration, Instant};

/// Returns the time on a clock that only goes forward.
pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "real programs run in real time")]
    let now = Instant::now();
    now
}

/// Sleeps until a moment, if it is not over yet.
pub(crate) fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(now()));
}

/// Returns minutes and seconds, such as `2m05s`.
pub(crate) fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}m{:02}s", seconds / 60, seconds % 60)
}
