//! The system's clock: the only place that reads it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use component::Clock;
use futures_util::future::BoxFuture;
use model::Timestamp;

/// The wall clock.
#[derive(Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door through which time enters")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 is a machine without a clock; zero is what OTLP calls unset.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(at.since(self.now())))
    }
}
