//! The collector's keys.

use std::time::Duration;

use component::{Checks, Config, MemoryLimit, MemorySize};
use serde::Deserialize;

/// Settings of `memory_limiter`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MemoryLimiterConfig {
    /// How often the memory is looked at.
    pub(crate) check_interval: config::Duration,
    /// *Units*: 2^20 bytes; 0 means `limit_percentage`.
    pub(crate) limit_mib: u32,
    /// *Units*: 2^20 bytes; 0 means a fifth of the limit.
    pub(crate) spike_limit_mib: u32,
    /// Of what the process may use, in hundredths; 0 means `limit_mib`.
    pub(crate) limit_percentage: u32,
    /// Of what the process may use, in hundredths; 0 means a fifth of the limit.
    pub(crate) spike_limit_percentage: u32,
    /// These four say when garbage is collected. There is none.
    pub(crate) min_gc_interval_when_soft_limited: config::Duration,
    pub(crate) min_gc_interval_when_hard_limited: config::Duration,
    pub(crate) max_gc_interval_when_soft_limited: config::Duration,
    pub(crate) max_gc_interval_when_hard_limited: config::Duration,
}

impl MemoryLimiterConfig {
    pub(super) fn to_limit(&self) -> MemoryLimit {
        let (limit, spike) = match self.limit_mib {
            0 => (MemorySize::Percent(self.limit_percentage), percent(self.spike_limit_percentage)),
            limit => (mib(limit), (self.spike_limit_mib > 0).then(|| mib(self.spike_limit_mib))),
        };
        MemoryLimit { check_interval: self.check_interval.get(), limit, spike }
    }
}

fn mib(mib: u32) -> MemorySize {
    MemorySize::Bytes(u64::from(mib) << 20)
}

fn percent(percent: u32) -> Option<MemorySize> {
    (percent > 0).then_some(MemorySize::Percent(percent))
}

/// Looking costs a read of a file of the kernel.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

impl Config for MemoryLimiterConfig {
    fn validate(&self, checks: &mut Checks) {
        if self.check_interval.get() < SHORTEST_INTERVAL {
            checks.error(
                "check_interval",
                format!(
                    "check_interval is {}, 'check_interval' must be greater than zero: at least 10ms\nwrite `check_interval: 1s`",
                    self.check_interval
                ),
            );
        }
        if self.limit_mib == 0 && self.limit_percentage == 0 {
            checks.error("", "'limit_mib' or 'limit_percentage' must be greater than zero");
        }
        for (key, percent) in [
            ("limit_percentage", self.limit_percentage),
            ("spike_limit_percentage", self.spike_limit_percentage),
        ] {
            if percent > 100 {
                checks.error(key, format!("{key} is {percent}, must be less than or equal to hundred"));
            }
        }
        if self.limit_mib > 0 && self.spike_limit_mib >= self.limit_mib {
            let (spike, limit) = (self.spike_limit_mib, self.limit_mib);
            checks.error(
                "spike_limit_mib",
                format!(
                    "spike_limit_mib is {spike}, 'spike_limit_mib' must be smaller than 'limit_mib' ({limit})"
                ),
            );
        }
        let (spike, limit) = (self.spike_limit_percentage, self.limit_percentage);
        if limit > 0 && spike >= limit {
            checks.error(
                "spike_limit_percentage",
                format!("spike_limit_percentage is {spike}, must be smaller than limit_percentage ({limit})"),
            );
        }
        if self.limit_mib > 0 && self.limit_percentage > 0 {
            checks.warn("limit_percentage", "limit_mib is given too and counts alone\nremove one of them");
        }
    }
}
