//! Real time for real programs: the one place of the testbed that reads the system's clocks.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(25);

/// A moment after which waiting is given up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    pub fn after(limit: Duration) -> Self {
        Self { end: monotonic() + limit, limit }
    }

    pub fn has_passed(self) -> bool {
        monotonic() >= self.end
    }

    /// Sleeps until the next look at a condition.
    pub fn pause(self) {
        sleep(POLL);
    }

    /// Returns the time that was given in all.
    pub fn limit(self) -> Duration {
        self.limit
    }
}

/// Repeats `attempt` until it answers, or returns its last complaint after `limit`.
///
/// `what` names the thing waited for in the error.
pub fn eventually<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Deadline::after(limit);
    loop {
        match attempt() {
            Ok(answer) => return Ok(answer),
            Err(error) if deadline.has_passed() => bail!("{what}: not within {limit:?}: {error:#}"),
            Err(_) => deadline.pause(),
        }
    }
}

/// Returns the wall clock as time since 1970: a query's range is told in it.
pub(crate) fn since_epoch() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "other programs' clocks are the system's")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).expect("the clock is past 1970")
}

fn monotonic() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "other programs start in real time")]
    let now = Instant::now();
    now
}
