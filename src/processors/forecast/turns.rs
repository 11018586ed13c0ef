//! Which resources are told with a window.

use std::time::Duration;

use model::Timestamp;
use rapidhash::v3::rapidhash_v3;

/// What changes once an hour is told every four minutes, as Prometheus takes what is silent for five for gone.
const ROUND: Duration = Duration::from_secs(240);

/// The turns that come with a window.
///
/// Every resource has its turn once in a round, by its hash: so a million series are never told at once. Series of
/// one resource are told together, as right-sizing needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Turns {
    /// Windows of a round.
    n_windows: u64,
    /// The number of the window since the epoch.
    last: u64,
    /// Of that window and those before it that never came.
    n_due: u64,
}

impl Turns {
    /// Returns the turns of a window that follows one of which something was told.
    ///
    /// After a gap of a round, and where time was set back, it goes on as if there had been no gap: all that was
    /// told before is gone anyway.
    pub(super) fn new(end: Timestamp, width: Duration, told_at: Timestamp) -> Self {
        let n_windows = (ROUND.as_nanos() / width.as_nanos().max(1)).max(1) as u64;
        let number = |at: Timestamp| at.as_nanos() / (width.as_nanos() as u64).max(1);
        let passed = number(end).saturating_sub(number(told_at));
        Self { n_windows, last: number(end), n_due: if passed < n_windows { passed.max(1) } else { 1 } }
    }

    pub(super) fn is_due(&self, resource: &[u8]) -> bool {
        let turn = rapidhash_v3(resource) % self.n_windows;
        let windows_ago = (self.last % self.n_windows + self.n_windows - turn) % self.n_windows;
        windows_ago < self.n_due
    }
}
