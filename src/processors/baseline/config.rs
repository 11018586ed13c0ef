//! Settings.

use component::{Checks, Config, Widths};
use config::{Duration, NotSupported, NotSupportedKeys, SignedDuration};
use model::{Columns, Statistic};
use serde::Deserialize;

use super::{exclusion::Exclusion, rhythm::MAX_BINS};
use crate::glob::fits;

/// Settings of `baseline`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct BaselineConfig {
    /// Width of the windows that are learned from; others pass by.
    pub(crate) window: Duration,
    /// Statistics that are learned: `rate`, `error_ratio`, `p50`, `p95`, `p99`, `mean`, or `all`.
    pub(crate) statistics: Vec<String>,
    /// Half the width of the band around the expectation, in scales.
    pub(crate) band: f64,
    /// Series that are remembered; more pass by unscored.
    pub(crate) max_series: u64,
    /// How long a series without data is remembered.
    pub(crate) series_retention: Duration,
    /// Parts of a day that are told apart.
    pub(crate) season_bins: u64,
    /// How far the local time, by which days begin, is ahead of UTC.
    pub(crate) time_zone_offset: SignedDuration,
    /// Series whose band is emitted as metrics.
    pub(crate) emit: EmitConfig,
    /// Ranges of time that are neither learned nor scored, now or afterwards.
    pub(crate) exclude: Vec<Exclusion>,
    /// Earlier states that are kept, to which an exclusion can go back; see [`Self::n_checkpoints`].
    pub(crate) checkpoints: Option<u64>,
    /// Time from one of them to the next.
    pub(crate) checkpoint_interval: Duration,
    /// How much worse than expected the last hour must be to count as degraded.
    pub(crate) degradation_ratio: f64,
}

/// Which bands become metrics.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EmitConfig {
    /// Names of metrics; `*` stands for any text.
    pub(crate) metrics: Vec<String>,
    /// Statistics; none means all that are learned.
    pub(crate) statistics: Vec<String>,
}

const ALL: &str = "all";
const DAY_SECONDS: u64 = 86_400;
const MAX_SERIES: u64 = 10_000_000;
const MAX_CHECKPOINTS: u64 = 30;
const USUAL_CHECKPOINTS: u64 = 2;
/// Checkpoints of so many series take 67 MB; of more nobody gets them who did not ask for them.
const FEW_SERIES: u64 = 100_000;
const MAX_EXCLUSIONS: usize = 256;

impl Default for BaselineConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            statistics: vec![ALL.to_owned()],
            band: 3.0,
            max_series: FEW_SERIES,
            series_retention: Duration::from_secs(30 * DAY_SECONDS),
            season_bins: MAX_BINS as u64,
            time_zone_offset: SignedDuration { nanoseconds: 0 },
            emit: EmitConfig::default(),
            exclude: Vec::new(),
            checkpoints: None,
            checkpoint_interval: Duration::from_secs(3 * DAY_SECONDS),
            degradation_ratio: 0.2,
        }
    }
}

impl Config for BaselineConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[(
        "",
        &[NotSupported::new(
            "backfill",
            "a stage asks nobody for data",
            "learn from the past before the start with `trueline replay --save-state`, from recorded files or \
             from a Prometheus with `--prometheus`, and remove the key",
        )],
    )];

    fn validate(&self, checks: &mut Checks) {
        self.check_times(checks);
        check_statistics("statistics", &self.statistics, checks);
        check_statistics("emit.statistics", &self.emit.statistics, checks);
        if self.statistics.is_empty() {
            checks.error("statistics", "statistics is empty, list at least one or write `all`");
        }
        let ranges = [
            ("max_series", self.max_series, 1, MAX_SERIES),
            ("season_bins", self.season_bins, 24, MAX_BINS as u64),
            ("checkpoints", self.n_checkpoints(), 0, MAX_CHECKPOINTS),
        ];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                checks.error(key, format!("{key} is {value}, must be between {least} and {most}"));
            }
        }
        for (key, value) in [("band", self.band), ("degradation_ratio", self.degradation_ratio)] {
            if !(value.is_finite() && value > 0.0) {
                checks.error(key, format!("{key} is {value}, must be above 0"));
            }
        }
    }

    fn read_widths(&self) -> Vec<Widths> {
        vec![Widths::one(Columns::VALUES, "window", self.window.get())]
    }

    fn added_widths(&self) -> Vec<Widths> {
        vec![Widths::one(Columns::BASELINE, "window", self.window.get())]
    }
}

impl BaselineConfig {
    fn check_times(&self, checks: &mut Checks) {
        if self.window.get().as_secs() == 0 {
            checks.error("window", "window is shorter than 1s, the shortest that `aggregation` makes");
        }
        if self.window.get().as_secs() > DAY_SECONDS {
            checks.error("window", "window is longer than a day, of whose course nothing would be seen");
        }
        for (key, duration) in
            [("series_retention", self.series_retention), ("checkpoint_interval", self.checkpoint_interval)]
        {
            if duration.get().as_secs() < 3600 {
                checks.error(key, format!("{key} is shorter than an hour"));
            }
        }
        if self.time_zone_offset.nanoseconds.unsigned_abs() > DAY_SECONDS * 1_000_000_000 {
            checks.error("time_zone_offset", "time_zone_offset is longer than a day");
        }
        if self.exclude.len() > MAX_EXCLUSIONS {
            checks.error("exclude", format!("exclude has more than {MAX_EXCLUSIONS} ranges, join some"));
        }
        for (index, exclusion) in self.exclude.iter().enumerate() {
            if exclusion.from >= exclusion.to {
                checks.error(&format!("exclude.{index}.to"), "to is not after from: the range is empty");
            }
        }
    }

    /// Returns how many earlier states are kept: what is configured, or 2, or none with a `max_series` above 100,000.
    pub(super) fn n_checkpoints(&self) -> u64 {
        let usual = if self.max_series <= FEW_SERIES { USUAL_CHECKPOINTS } else { 0 };
        self.checkpoints.unwrap_or(usual)
    }

    pub(super) fn learns(&self, statistic: Statistic) -> bool {
        self.statistics.iter().any(|name| name == ALL || name == statistic.name())
    }

    /// Whether the band of a series becomes metrics.
    pub(super) fn emits(&self, metric: &str, statistic: Statistic) -> bool {
        let statistics = &self.emit.statistics;
        let is_chosen =
            statistics.is_empty() || statistics.iter().any(|name| name == ALL || name == statistic.name());
        is_chosen && self.emit.metrics.iter().any(|pattern| fits(pattern, metric))
    }
}

fn check_statistics(key: &str, names: &[String], checks: &mut Checks) {
    for (index, name) in names.iter().enumerate() {
        if name != ALL && Statistic::of_name(name).is_none() {
            let known: Vec<_> = std::iter::once(ALL).chain(Statistic::ALL.map(Statistic::name)).collect();
            checks.unknown(&format!("{key}.{index}"), "statistic", name, &known);
        }
    }
}
