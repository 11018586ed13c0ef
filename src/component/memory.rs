//! How much memory the process may hold before requests are refused.

use std::time::Duration;

/// A limit on the memory of the whole process: what is above `limit` less `spike` refuses new requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryLimit {
    /// How often the memory is looked at.
    pub check_interval: Duration,
    pub limit: MemorySize,
    /// What may come between two looks; none means a fifth of the limit.
    pub spike: Option<MemorySize>,
}

/// A size, or a share of what the process may use: the limit of its control group, else the memory of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemorySize {
    Bytes(u64),
    /// *Units*: hundredths.
    Percent(u32),
}

/// What may come between two looks when nothing is said.
const USUAL_SPIKE: u64 = 5;

impl MemoryLimit {
    /// Returns above how many bytes requests are refused, where the process may use so many in all.
    pub fn refuses_above(&self, total: u64) -> u64 {
        self.limit.of(total).saturating_sub(self.spike(total))
    }

    /// Returns what may come between two looks, in bytes.
    pub fn spike(&self, total: u64) -> u64 {
        let limit = self.limit.of(total);
        self.spike.map_or(limit / USUAL_SPIKE, |spike| spike.of(total)).min(limit)
    }
}

impl MemorySize {
    fn of(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => {
                let bytes = u128::from(total) * u128::from(percent) / 100;
                u64::try_from(bytes).unwrap_or(u64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_refused_above_the_limit_less_what_may_come_meanwhile() {
        let limit = |limit, spike| MemoryLimit { check_interval: Duration::from_secs(1), limit, spike };
        let gib = 1 << 30;
        assert_eq!(limit(MemorySize::Bytes(1000), None).refuses_above(gib), 800);
        assert_eq!(limit(MemorySize::Bytes(1000), Some(MemorySize::Bytes(100))).refuses_above(gib), 900);
        assert_eq!(limit(MemorySize::Percent(50), None).refuses_above(1000), 400);
        assert_eq!(limit(MemorySize::Percent(50), Some(MemorySize::Percent(10))).refuses_above(1000), 400);
        assert_eq!(limit(MemorySize::Percent(80), None).refuses_above(u64::MAX), u64::MAX / 100 * 64 + 10);
    }
}
