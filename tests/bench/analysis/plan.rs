//! What one measuring process does, and what it tells.

use serde::{Deserialize, Serialize};

/// Width of the windows.
pub(super) const WIDTH_SECONDS: u64 = 10;

/// A stage of the pipeline as it is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    Baseline,
    /// `anomaly` with `seasonal` alone.
    Seasonal,
    /// `anomaly` with `seasonal` and `novelty`.
    Novelty,
    /// `anomaly` with `seasonal`, `novelty` and `pattern`, as it is by default.
    Pattern,
    /// `forecast` of every series.
    Forecast,
    /// `forecast` of what a person would look at: how much is asked of each operation.
    ForecastOfRates,
}

impl Stage {
    /// Returns the component's type.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Seasonal | Self::Novelty | Self::Pattern => "anomaly",
            Self::Forecast | Self::ForecastOfRates => "forecast",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "`baseline`",
            Self::Seasonal => "`anomaly`: `seasonal`",
            Self::Novelty => "`anomaly`: `seasonal`, `novelty`",
            Self::Pattern => "`anomaly`: `seasonal`, `novelty`, `pattern`",
            Self::Forecast => "`forecast` of every series",
            Self::ForecastOfRates => "`forecast` of each operation's rate",
        }
    }

    /// Returns the component's section, for as many series.
    pub(super) fn settings(self, plan: &Plan) -> String {
        let common = format!("window: {WIDTH_SECONDS}s, max_series: {}", plan.n_series);
        let own = match self {
            Self::Baseline if plan.with_checkpoints => "checkpoints: 2, checkpoint_interval: 1h",
            // As by default with so many series.
            Self::Baseline if plan.hours > 0 => "checkpoints: 0",
            // None is due while it runs; those that are due later are measured by themselves.
            Self::Baseline => "checkpoints: 2",
            Self::Seasonal => "detectors: [seasonal]",
            Self::Novelty => "detectors: [seasonal, novelty]",
            Self::Pattern => "detectors: [seasonal, novelty, pattern]",
            Self::Forecast => "emit: {metrics: ['*']}",
            Self::ForecastOfRates => "emit: {metrics: [span.duration], statistics: [rate]}",
        };
        format!("{{{common}, {own}}}")
    }
}

/// Which slot each row has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// As rows stand: all services were there when the process began.
    Rows,
    /// At random: services came one after the other.
    Shuffled,
}

/// What one process measures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) n_series: u32,
    pub(super) stages: Vec<Stage>,
    /// Windows an hour apart before all others, by which series grow old.
    pub(super) hours: u64,
    /// Windows before those that count.
    pub(super) warm_up: u64,
    /// Windows that count; the turn of an hour is in their middle.
    pub(super) windows: u64,
    pub(super) order: Order,
    /// Take snapshots of every stage at the end, and restore them.
    pub(super) with_snapshots: bool,
    /// Let `baseline` and the stages behind keep their checkpoints at the end; snapshots then hold them.
    pub(super) with_checkpoints: bool,
}

/// What one process told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) stages: Vec<StageFigures>,
    /// Rows of the last window that belong to an open episode.
    pub(super) n_anomalous: u64,
    /// What the process grew by since series and table were made, when the warm-up ended.
    pub(super) warm_rss_bytes: u64,
    /// And at the end, after the turn of an hour.
    pub(super) rss_bytes: u64,
    /// And at most.
    pub(super) peak_rss_bytes: u64,
    /// What it grew by once more for checkpoints, and how long the last took.
    pub(super) checkpoint_rss_bytes: u64,
    pub(super) checkpoint_seconds: f64,
}

/// Of one stage. Times are thread CPU time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct StageFigures {
    pub(super) stage: Stage,
    /// Per series and window.
    pub(super) nanos: f64,
    /// What the turn of an hour costs per series beyond that.
    pub(super) hour_turn_nanos: f64,
    pub(super) snapshot: Option<SnapshotFigures>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct SnapshotFigures {
    pub(super) bytes: u64,
    pub(super) take_seconds: f64,
    pub(super) restore_seconds: f64,
}

impl StageFigures {
    /// Returns the time per series and window over a whole hour.
    pub(super) fn hourly_mean_nanos(&self) -> f64 {
        self.nanos + self.hour_turn_nanos / (3600 / WIDTH_SECONDS) as f64
    }
}

impl Figures {
    /// Returns the time of all stages together per series and window.
    pub(super) fn all_nanos(&self) -> f64 {
        self.stages.iter().map(StageFigures::hourly_mean_nanos).sum()
    }
}
