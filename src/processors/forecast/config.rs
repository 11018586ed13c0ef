//! Settings.

use std::collections::BTreeMap;

use component::{Checks, Config, Widths};
use config::Duration;
use model::{Columns, Statistic};
use serde::Deserialize;

use super::trend::Target;
use crate::glob::fits;

/// Settings of `forecast`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct ForecastConfig {
    /// Width of the windows that are learned from; others pass by.
    pub(crate) window: Duration,
    /// How far ahead: of `1h`, `24h` and `720h`.
    pub(crate) horizons: Vec<Duration>,
    /// Share of values that are to lie within the intervals.
    pub(crate) confidence: f64,
    /// Series that are forecast.
    pub(crate) emit: EmitConfig,
    /// Values of which it is told when they are reached.
    pub(crate) thresholds: Vec<ThresholdConfig>,
    /// What there is of something, and the series that says how much of it is used.
    pub(crate) capacity: Vec<CapacityConfig>,
    /// Series that are forecast at most; more are not and are told in `overflowed_series`.
    pub(crate) max_series: u64,
    /// How long a series without data is remembered.
    pub(crate) series_retention: Duration,
}

/// Which series are forecast beside those with a threshold or a capacity.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EmitConfig {
    /// Names of metrics; `*` stands for any text.
    pub(crate) metrics: Vec<String>,
    /// Statistics; none means all.
    pub(crate) statistics: Vec<String>,
}

/// A value that some series must not reach.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct ThresholdConfig {
    pub(crate) metric: String,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) statistic: String,
    #[serde(default)]
    pub(crate) above: Option<f64>,
    #[serde(default)]
    pub(crate) below: Option<f64>,
}

/// How much there is of what some series uses.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct CapacityConfig {
    pub(crate) metric: String,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) statistic: String,
    /// In the unit of the series.
    pub(crate) capacity: f64,
    pub(crate) name: String,
    /// Of what, for right-sizing, which takes both of the same OpenTelemetry resource.
    #[serde(default)]
    pub(crate) kind: Option<CapacityKind>,
}

/// What right-sizing looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CapacityKind {
    Cpu,
    Memory,
}

/// The part of an entry that chooses series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selector<'a> {
    pub(super) metric: &'a str,
    pub(super) attributes: &'a BTreeMap<String, String>,
    pub(super) statistic: &'a str,
}

const ALL: &str = "all";
const HORIZON_HOURS: [u64; 3] = [1, 24, 720];
const MAX_SERIES: u64 = 10_000_000;
const MAX_THRESHOLDS: usize = 1000;
const MAX_CAPACITIES: usize = 1000;

impl Default for ForecastConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            horizons: HORIZON_HOURS.map(hours).to_vec(),
            confidence: 0.95,
            emit: EmitConfig::default(),
            thresholds: Vec::new(),
            capacity: Vec::new(),
            max_series: 100_000,
            series_retention: hours(720),
        }
    }
}

impl Config for ForecastConfig {
    fn validate(&self, checks: &mut Checks) {
        self.check_times(checks);
        if !(self.confidence >= 0.5 && self.confidence <= 0.99) {
            let message = format!("confidence is {}, must be between 0.5 and 0.99", self.confidence);
            checks.error("confidence", message);
        }
        for (index, name) in self.emit.statistics.iter().enumerate() {
            if name != ALL {
                check_statistic(&format!("emit.statistics.{index}"), name, checks);
            }
        }
        if !(1..=MAX_SERIES).contains(&self.max_series) {
            let message = format!("max_series is {}, must be between 1 and {MAX_SERIES}", self.max_series);
            checks.error("max_series", message);
        }
        if self.chooses_nothing() {
            let message = "nothing is forecast: name metrics here, or list thresholds or capacity";
            checks.warn("emit.metrics", message);
        }
        for (key, count, most) in [
            ("thresholds", self.thresholds.len(), MAX_THRESHOLDS),
            ("capacity", self.capacity.len(), MAX_CAPACITIES),
        ] {
            if count > most {
                checks.error(key, format!("{key} has {count} entries, at most {most} are taken"));
            }
        }
        for (index, threshold) in self.thresholds.iter().enumerate() {
            threshold.validate(&format!("thresholds.{index}"), checks);
        }
        for (index, capacity) in self.capacity.iter().enumerate() {
            capacity.validate(&format!("capacity.{index}"), checks);
            if self.capacity[..index].iter().any(|before| before.name == capacity.name) {
                let message = format!("name `{}` is used twice, give each its own", capacity.name);
                checks.error(&format!("capacity.{index}.name"), message);
            }
        }
    }

    fn read_widths(&self) -> Vec<Widths> {
        vec![Widths::one(Columns::VALUES.union(Columns::BASELINE), "window", self.window.get())]
    }
}

impl ForecastConfig {
    fn check_times(&self, checks: &mut Checks) {
        let window = self.window.get();
        if window.as_secs() == 0 || window > hours(1).get() {
            let message = format!("window is {}, must be between 1s and 1h: hours are foretold", self.window);
            checks.error("window", message);
        }
        if self.series_retention < hours(24) {
            let message = format!("series_retention is {}, must be at least 24h", self.series_retention);
            checks.error("series_retention", message);
        }
        if self.horizons.is_empty() {
            checks.error("horizons", "horizons is empty, list at least one of 1h, 24h, 720h");
        }
        for (index, horizon) in self.horizons.iter().enumerate() {
            let path = format!("horizons.{index}");
            if !HORIZON_HOURS.map(hours).contains(horizon) {
                checks.error(&path, format!("horizon is {horizon}, must be 1h, 24h or 720h"));
            } else if self.horizons[..index].contains(horizon) {
                checks.error(&path, format!("horizon {horizon} is listed twice, remove one"));
            }
        }
    }

    pub(super) fn chooses_nothing(&self) -> bool {
        self.emit.metrics.is_empty() && self.thresholds.is_empty() && self.capacity.is_empty()
    }

    /// Whether each of [`HORIZON_HOURS`] is told.
    pub(super) fn tells(&self) -> [bool; 3] {
        HORIZON_HOURS.map(|horizon| self.horizons.contains(&hours(horizon)))
    }

    /// Whether a series is forecast beside those with a threshold or a capacity.
    pub(super) fn emits(&self, metric: &str, statistic: Statistic) -> bool {
        let statistics = &self.emit.statistics;
        let is_chosen =
            statistics.is_empty() || statistics.iter().any(|name| name == ALL || name == statistic.name());
        is_chosen && self.emit.metrics.iter().any(|pattern| fits(pattern, metric))
    }
}

impl ThresholdConfig {
    pub(super) fn selector(&self) -> Selector<'_> {
        Selector { metric: &self.metric, attributes: &self.attributes, statistic: &self.statistic }
    }

    /// Returns the value with its side; `validate` has seen to it that there is one.
    pub(super) fn target(&self) -> Option<Target> {
        self.above.map(Target::Above).or(self.below.map(Target::Below))
    }

    fn validate(&self, path: &str, checks: &mut Checks) {
        check_selector(path, &self.selector(), checks);
        match (self.above, self.below) {
            (Some(value), None) | (None, Some(value)) if value.is_finite() => {}
            (Some(_), None) => checks.error(&format!("{path}.above"), "above is not a finite number"),
            (None, Some(_)) => checks.error(&format!("{path}.below"), "below is not a finite number"),
            (Some(_), Some(_)) => {
                checks.error(path, "has both above and below, make two entries of it");
            }
            (None, None) => checks.error(path, "has neither above nor below, give the value as one of them"),
        }
    }
}

impl CapacityConfig {
    pub(super) fn selector(&self) -> Selector<'_> {
        Selector { metric: &self.metric, attributes: &self.attributes, statistic: &self.statistic }
    }

    fn validate(&self, path: &str, checks: &mut Checks) {
        check_selector(path, &self.selector(), checks);
        if !(self.capacity.is_finite() && self.capacity > 0.0) {
            let message =
                format!("capacity is {}, must be above 0, in the unit of the series", self.capacity);
            checks.error(&format!("{path}.capacity"), message);
        }
        if self.name.is_empty() {
            checks.error(&format!("{path}.name"), "name is empty, say what this is the capacity of");
        }
    }
}

fn check_selector(path: &str, selector: &Selector<'_>, checks: &mut Checks) {
    if selector.metric.is_empty() {
        checks.error(&format!("{path}.metric"), "metric is empty, name the metric of the series");
    }
    check_statistic(&format!("{path}.statistic"), selector.statistic, checks);
}

fn check_statistic(path: &str, name: &str, checks: &mut Checks) {
    if Statistic::of_name(name).is_none() {
        checks.unknown(path, "statistic", name, &Statistic::ALL.map(Statistic::name));
    }
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}
