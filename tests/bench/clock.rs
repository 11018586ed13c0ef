//! The wall clock, read in one place.

use std::time::{Duration, Instant, SystemTime};

/// Returns a monotonic instant.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns nanoseconds since the epoch.
pub(crate) fn unix_nanos() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64)
}

/// Returns once `at` has come.
///
/// *Cost*: the timer has a resolution of one millisecond and never fires early.
pub(crate) async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}

pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
