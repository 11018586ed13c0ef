//! The wall clock of the generator, read in one place.

use std::time::{Duration, Instant, SystemTime};

#[expect(clippy::disallowed_methods, reason = "load is paced by real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns nanoseconds since the epoch.
pub(crate) fn unix_nanos() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64)
}

pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
