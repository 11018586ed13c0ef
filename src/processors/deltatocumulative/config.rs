//! The collector's keys, and the bound on what streams take.

use component::{Checks, Config};
use config::{ByteSize, Duration};
use serde::Deserialize;

/// Settings of `deltatocumulative`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct DeltaToCumulativeConfig {
    /// How long a stream without points is known.
    pub(crate) max_stale: Duration,
    /// Streams that are known at once.
    pub(crate) max_streams: u64,
    /// What they may take.
    pub(crate) max_bytes: ByteSize,
}

const LEAST_BYTES: u64 = 1 << 20;

impl Default for DeltaToCumulativeConfig {
    fn default() -> Self {
        Self { max_stale: Duration::from_secs(300), max_streams: 1_000_000, max_bytes: ByteSize(512 << 20) }
    }
}

impl Config for DeltaToCumulativeConfig {
    fn validate(&self, checks: &mut Checks) {
        if self.max_stale.get().is_zero() {
            checks.error("max_stale", "max_stale must be a positive duration (got 0s)");
        }
        if self.max_streams == 0 {
            let message =
                "max_streams is 0, so that every delta point is dropped, as in the collector; remove it";
            checks.warn("max_streams", message);
        }
        if self.max_bytes.0 < LEAST_BYTES {
            checks.error("max_bytes", format!("max_bytes is {}, must be at least 1MiB", self.max_bytes));
        }
    }
}
