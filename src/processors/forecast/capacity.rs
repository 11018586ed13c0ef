//! Whether there will be enough of something, or whether there is far too much.

use std::{collections::BTreeMap, sync::Arc};

use super::{config::CapacityKind, trend::Crossing};

/// Demand is what is not exceeded with this confidence.
pub(super) const LEVEL: f64 = 0.8;
/// Demand above this share of a capacity requires more of it.
const FULL_RATIO: f64 = 0.8;
/// What is recommended, as a multiple of the peaks in thirty days.
const RECOMMENDED: f64 = 1.2;
/// Peaks below these shares of both CPU and memory of a resource mean that it is too great.
const IDLE_CPU_RATIO: f64 = 0.3;
const IDLE_MEMORY_RATIO: f64 = 0.5;
const DAY_SECONDS: f64 = 86_400.0;

/// Peaks in thirty days: 95th percentiles of a day's windows.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Demand {
    pub(super) median: f64,
    /// Not exceeded with the confidence [`LEVEL`].
    pub(super) upper: f64,
}

/// What is known of a capacity. All but times are in the unit of its series.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Assessment {
    pub(super) capacity: f64,
    /// The peak of the last whole day.
    pub(super) used: Option<f64>,
    pub(super) demand: Option<Demand>,
    /// When peaks reach the capacity.
    pub(super) crossing: Option<Crossing>,
}

/// What a person should do about a capacity, the more pressing the later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verdict {
    Enough,
    Oversized,
    /// Required, not within thirty days.
    Low,
    /// Used up within thirty days,
    Medium,
    /// seven days,
    High,
    /// a day, or used up already.
    Critical,
}

impl Verdict {
    const ALL: [Self; 6] =
        [Self::Enough, Self::Oversized, Self::Low, Self::Medium, Self::High, Self::Critical];

    pub(super) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Enough => "none",
            Self::Oversized => "oversized",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Assessment {
    /// Returns what is needed: the upper end of the peaks in thirty days.
    pub(super) fn required(&self) -> Option<f64> {
        self.demand.map(|demand| demand.upper.max(0.0))
    }

    pub(super) fn recommended(&self) -> Option<f64> {
        self.demand.map(|demand| RECOMMENDED * demand.median.max(0.0))
    }

    pub(super) fn used_ratio(&self) -> Option<f64> {
        self.used.map(|used| used / self.capacity)
    }

    /// The greater of what was used and what will be, as a share.
    fn peak_ratio(&self) -> Option<f64> {
        Some(self.used_ratio()?.max(self.demand?.median / self.capacity))
    }

    fn requirement(&self) -> Option<Verdict> {
        let is_full = self.used_ratio().is_some_and(|used| used >= 1.0);
        let is_required = self.required().is_some_and(|required| required > FULL_RATIO * self.capacity);
        if is_full {
            return Some(Verdict::Critical);
        }
        let days = self.crossing.map_or(f64::INFINITY, |crossing| crossing.median / DAY_SECONDS);
        is_required.then_some(match days {
            ..=1.0 => Verdict::Critical,
            ..=7.0 => Verdict::High,
            ..=30.0 => Verdict::Medium,
            _ => Verdict::Low,
        })
    }

    pub(super) fn verdict(&self, is_idle: bool) -> Verdict {
        let otherwise = if is_idle { Verdict::Oversized } else { Verdict::Enough };
        self.requirement().unwrap_or(otherwise)
    }
}

/// Peaks of CPU and memory by resource, as shares of their capacities.
///
/// Not part of a snapshot: every table that is told fills it again.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources(BTreeMap<Arc<[u8]>, [Option<f64>; 2]>);

impl Resources {
    pub(super) fn note(&mut self, resource: &Arc<[u8]>, kind: CapacityKind, assessment: &Assessment) {
        let ratios = self.0.entry(Arc::clone(resource)).or_default();
        // Of several that are alike the fullest counts, of what this window said.
        let ratio = &mut ratios[kind as usize];
        *ratio = match (*ratio, assessment.peak_ratio()) {
            (Some(before), Some(now)) => Some(before.max(now)),
            (before, now) => before.or(now),
        };
    }

    /// Whether both CPU and memory of a resource are far from used up.
    pub(super) fn is_idle(&self, resource: &[u8]) -> bool {
        matches!(
            self.0.get(resource),
            Some([Some(cpu), Some(memory)]) if *cpu < IDLE_CPU_RATIO && *memory < IDLE_MEMORY_RATIO
        )
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
