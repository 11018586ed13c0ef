//! Closed windows of series: what the stages after `aggregation` read and add to.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::{Calls, Timestamp};

/// One window of many series: a columnar table, one row per series that has something to tell.
///
/// *Shape*: every column has as many entries as `series`; a stage is a loop over slices. Rows are in
/// the order of their [`Series`], so that nothing depends on the order of arrival.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rollups {
    pub start: Timestamp,
    pub width: Duration,
    pub series: Vec<Arc<Series>>,
    /// A dense number of each series; it is given to another once the series is forgotten.
    pub slots: Vec<u32>,
    /// In the unit of the series; rates are per second, ratios in 0 to 1.
    pub values: Vec<f64>,
    /// Observations behind a value.
    pub support: Vec<u64>,
    /// By row: traces that are typical of an unusual value, the worst first.
    pub exemplars: BTreeMap<u32, Vec<TraceId>>,
    /// What was deployed in this window.
    pub deployments: Vec<Deployment>,
    /// Resources whose counters began anew in this window or in the one before, as [`Series::resource`] has them and in
    /// their order: their processes started again.
    pub restarts: Vec<Arc<[u8]>>,
    /// Added by `baseline`.
    pub baseline: Option<BaselineColumns>,
    /// Added by `anomaly`.
    pub anomaly: Option<AnomalyColumns>,
    /// Added by `bottleneck`: not by row, but of the traces that were assembled in this window.
    pub calls: Option<Arc<Calls>>,
}

impl Rollups {
    /// Returns the end of the window, to which its values are dated.
    pub fn end(&self) -> Timestamp {
        self.start + self.width
    }

    pub fn len(&self) -> usize {
        self.series.len()
    }

    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Adds a row, before any stage has added columns.
    pub fn push(&mut self, series: Arc<Series>, slot: u32, value: f64, support: u64) {
        debug_assert!(self.baseline.is_none() && self.anomaly.is_none());
        self.series.push(series);
        self.slots.push(slot);
        self.values.push(value);
        self.support.push(support);
    }
}

/// A trace as OTLP names it.
pub type TraceId = [u8; 16];

/// What tells one series from another, and what a person must read to know it.
///
/// Ordered by its fields from the first to the last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Series {
    /// The attributes of the resource, encoded as in a `Resource` message.
    pub resource: Arc<[u8]>,
    /// The metric it is made of; `span.duration` for what comes from spans.
    pub metric: Arc<str>,
    /// The metric's unit.
    pub unit: Arc<str>,
    /// The attributes of the point, encoded as in a `Resource` message.
    pub attributes: Arc<[u8]>,
    pub statistic: Statistic,
    /// `service.name` of the resource.
    pub service: Arc<str>,
    /// A hash of all above that is the same in every process and release.
    pub fingerprint: u64,
}

/// What one number tells of a window.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Statistic {
    /// Observations, or what a counter grew by, per second.
    Rate,
    /// Failed observations among all.
    ErrorRatio,
    P50,
    P95,
    P99,
    /// The mean of a gauge or of a counter that may fall.
    Mean,
}

impl Statistic {
    /// Returns the value of the attribute `stat`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::ErrorRatio => "error_ratio",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Mean => "mean",
        }
    }

    /// Returns the statistic of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|statistic| statistic.name() == name)
    }

    pub const ALL: [Self; 6] = [Self::Rate, Self::ErrorRatio, Self::P50, Self::P95, Self::P99, Self::Mean];
}

/// A service that runs another version than before.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Deployment {
    pub service: Arc<str>,
    /// The attribute that tells the version, as `service.version` or `k8s.replicaset.name`.
    pub what: Arc<str>,
    pub version: Arc<str>,
    /// When the first telemetry of this version came, or the first after it had been gone.
    pub at: Timestamp,
}

/// What is normal for each row.
///
/// The *working scale* is that on which deviations are alike at every level: the root of the count for
/// rates, the logarithm for percentiles, the value itself otherwise.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BaselineColumns {
    /// In the unit of the series; NaN until something is known.
    pub expected: Vec<f64>,
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
    /// The value on the working scale; NaN when the row is not to be scored.
    pub observed: Vec<f64>,
    /// The expectation on the working scale.
    pub predicted: Vec<f64>,
    /// The part of the expectation that repeats daily and weekly, on the working scale.
    pub seasonal: Vec<f64>,
    /// The usual deviation, on the working scale; above zero.
    pub scale: Vec<f64>,
    pub maturity: Vec<Maturity>,
    /// Whether the series was silent and the row stands for its absence.
    pub is_absent: Vec<bool>,
    /// Whether the last hour was slower, or had more errors, than expected by the share that the configuration says.
    pub is_degraded: Vec<bool>,
    /// Whether the window has a part in a range of time that was excluded: no stage learns from it, and none tells
    /// of it.
    pub is_excluded: bool,
    /// What the stages behind do with their own memory before they take this window.
    pub recall: Recall,
}

/// How `baseline` keeps earlier states of itself and goes back to them, for the stages behind it to do likewise: they
/// learn from the same windows, and an exclusion takes all of them back to the same moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recall {
    /// The state before this window is one of those that are kept.
    pub checkpoint: Option<Checkpoint>,
    /// What was last forgotten; told with every window from then on, so that a stage can not miss it.
    pub forgotten: Option<Forgotten>,
}

/// A state that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// End of the last window that was learned.
    pub until: Timestamp,
    /// How many are kept, this one included.
    pub most: u64,
}

/// Time of which an exclusion took the memory: there was data, so that it is no gap, and nothing is known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forgotten {
    /// End of the last window that is remembered; 0 when none is.
    pub from: Timestamp,
    pub until: Timestamp,
}

/// How much is known of a series; later is more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Maturity {
    /// Too few windows, or too few observations in this one: not scored.
    #[default]
    Insufficient,
    /// Only gross faults can be told.
    Gross,
    /// The level is known, its daily course is not.
    Level,
    /// The daily course is known.
    Daily,
    /// The course of the week is known.
    Weekly,
}

impl Maturity {
    /// Returns the number that metrics show: 0 for nothing, 1 for a known week.
    pub const fn ratio(self) -> f64 {
        match self {
            Self::Insufficient => 0.0,
            Self::Gross => 0.25,
            Self::Level => 0.5,
            Self::Daily => 0.75,
            Self::Weekly => 1.0,
        }
    }
}

/// How unusual each row is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AnomalyColumns {
    /// One scale for all detectors: 0 for as expected, from 3 on worth an episode. NaN when the row was not
    /// scored.
    ///
    /// Of spans it stays high while the departure lasts. Of metrics it speaks once, at the opening and when the
    /// episode is half as bad again: who counts values from 3 on counts alarms.
    pub score: Vec<f32>,
    /// Whether an episode is open.
    pub is_anomalous: Vec<bool>,
    /// Whether it was told: the budget of false alarms withholds others, which are a record and no alarm.
    pub is_told: Vec<bool>,
    /// The number of the open episode, 0 for none.
    pub episode: Vec<u64>,
    /// How often an episode like the open one was right where that was measured, 0 for none. It never falls while the
    /// episode is open.
    pub confidence: Vec<f32>,
}

impl AnomalyColumns {
    /// The score at which a departure deserves attention.
    pub const OPENS_AT: f32 = 3.0;
    /// No confidence is greater.
    pub const SUREST: f32 = 0.91;
}

/// A set of columns of [`Rollups`].
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Columns(u8);

impl Columns {
    pub const NONE: Self = Self(0);
    /// Windows of series, as `Rollups` has them from the start.
    pub const VALUES: Self = Self(1);
    pub const BASELINE: Self = Self(2);
    pub const ANOMALY: Self = Self(4);
    /// Not a column: what [`crate::Conditions`] hold, which travel beside.
    pub const CONDITIONS: Self = Self(8);
    /// Not a column either: [`Rollups::calls`].
    pub const CALLS: Self = Self(16);
    /// Not a column either: [`crate::OpenIncidents`], which travel beside.
    pub const INCIDENTS: Self = Self(32);
    /// Whatever travels with [`Rollups`].
    pub const WINDOWS: Self = Self(7 | 16);

    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns what is in this set and not in the other.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the sets have any in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (Self::VALUES, "windows of series"),
            (Self::BASELINE, "baselines"),
            (Self::ANOMALY, "anomalies"),
            (Self::CONDITIONS, "conditions"),
            (Self::CALLS, "calls between services"),
            (Self::INCIDENTS, "incidents"),
        ];
        let names: Vec<_> =
            all.iter().filter(|(set, _)| set.0 & self.0 != 0).map(|(_, name)| *name).collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}
