//! Settings.

use component::{Checks, Config, Widths};
use config::Duration;
use model::{Columns, Series, Statistic};
use serde::{Deserialize, Deserializer};

use super::detectors::MOST_RELATIONS;

/// Settings of `anomaly`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct AnomalyConfig {
    /// Width of the windows that are judged; that of `baseline`.
    pub(crate) window: Duration,
    /// What looks at each row.
    pub(crate) detectors: Vec<DetectorConfig>,
    /// False alarms that a series may raise per day; sets the opening levels.
    pub(crate) false_alarms_per_series_day: f64,
    /// Incidents that are told of a service per day; more are counted in a digest.
    pub(crate) incidents_per_service_day: f64,
    pub(crate) minimum_effect: MinimumEffectConfig,
    /// Quiet windows after which an episode ends.
    pub(crate) quiet_windows: u32,
    /// Series that a person has called noise.
    pub(crate) noise: Vec<NoiseConfig>,
    /// Pairs of services whose load rises and falls together, for `relation`; all that call each other when none is named.
    pub(crate) relations: Vec<(String, String)>,
    /// Series of which something is remembered.
    pub(crate) max_series: u64,
    /// Tell episodes as log records.
    pub(crate) emit_logs: bool,
}

/// What may be listed under `detectors`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DetectorName {
    Seasonal,
    Novelty,
    Zscore,
    Iqr,
    /// Flatlines, leaks, periodic spikes and steps.
    Pattern,
    /// Services that no longer rise and fall together.
    Relation,
    /// Rare combinations of a service's departures.
    Forest,
}

/// One entry of `detectors`: a name, or a name with settings.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct DetectorConfig {
    pub(crate) name: DetectorName,
    /// The opening level on the detector's own scale; absent means what the budget gives.
    pub(crate) level: Option<f64>,
    /// Whether it opens episodes; absent means the detector's own way.
    pub(crate) opens: Option<bool>,
}

/// Departures below these are no anomaly, however rare.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct MinimumEffectConfig {
    /// Share of the expected latency.
    pub(crate) latency: f64,
    /// Difference of error ratios.
    pub(crate) error_ratio: f64,
    /// Failed requests in a window.
    pub(crate) failures: f64,
}

/// Series that were called noise, each time a false alarm against their budget.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NoiseConfig {
    /// `service.name`; absent means every one.
    pub(crate) service: Option<String>,
    /// The metric's name; absent means every one.
    pub(crate) metric: Option<String>,
    /// `rate`, `error_ratio`, `p50`, `p95`, `p99` or `mean`; absent means every one.
    pub(crate) statistic: Option<String>,
    /// How often.
    pub(crate) count: u8,
}

impl Default for AnomalyConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            detectors: [DetectorName::Seasonal, DetectorName::Novelty, DetectorName::Pattern]
                .map(DetectorConfig::of)
                .into(),
            false_alarms_per_series_day: 0.1,
            incidents_per_service_day: 2.0,
            minimum_effect: MinimumEffectConfig::default(),
            quiet_windows: 5,
            noise: Vec::new(),
            relations: Vec::new(),
            max_series: 100_000,
            emit_logs: true,
        }
    }
}

impl Default for MinimumEffectConfig {
    fn default() -> Self {
        Self { latency: 0.1, error_ratio: 0.01, failures: 5.0 }
    }
}

impl DetectorName {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Seasonal => "seasonal",
            Self::Novelty => "novelty",
            Self::Zscore => "zscore",
            Self::Iqr => "iqr",
            Self::Pattern => "pattern",
            Self::Relation => "relation",
            Self::Forest => "forest",
        }
    }
}

impl DetectorConfig {
    pub(crate) const fn of(name: DetectorName) -> Self {
        Self { name, level: None, opens: None }
    }
}

/// The entry when it is a map.
#[derive(Deserialize)]
struct DetectorSettings {
    name: DetectorName,
    #[serde(default)]
    level: Option<f64>,
    #[serde(default)]
    opens: Option<bool>,
}

impl<'de> Deserialize<'de> for DetectorConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        config::Either::deserialize(deserializer).map(|entry| match entry {
            config::Either::Short(name) => Self::of(name),
            config::Either::Long(DetectorSettings { name, level, opens }) => Self { name, level, opens },
        })
    }
}

impl Config for AnomalyConfig {
    fn validate(&self, checks: &mut Checks) {
        if self.window.get().as_secs() == 0 {
            checks.error("window", "window is shorter than 1s, give the width of the windows of `baseline`");
        }
        self.validate_detectors(checks);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(self.false_alarms_per_series_day) || self.false_alarms_per_series_day > 10.0 {
            let value = self.false_alarms_per_series_day;
            checks.error(
                "false_alarms_per_series_day",
                format!("false_alarms_per_series_day is {value}, must be above 0 and at most 10"),
            );
        }
        if !positive(self.incidents_per_service_day) {
            let value = self.incidents_per_service_day;
            checks.error(
                "incidents_per_service_day",
                format!("incidents_per_service_day is {value}, must be above 0"),
            );
        }
        self.minimum_effect.validate(checks);
        if !(1..=10_000).contains(&self.quiet_windows) {
            let message = format!("quiet_windows is {}, must be between 1 and 10000", self.quiet_windows);
            checks.error("quiet_windows", message);
        }
        for (index, noise) in self.noise.iter().enumerate() {
            noise.validate(&format!("noise.{index}"), checks);
        }
        self.validate_relations(checks);
        if self.max_series == 0 || self.max_series > 10_000_000 {
            let message = format!("max_series is {}, must be between 1 and 10000000", self.max_series);
            checks.error("max_series", message);
        }
    }

    fn read_widths(&self) -> Vec<Widths> {
        vec![Widths::one(Columns::VALUES.union(Columns::BASELINE), "window", self.window.get())]
    }

    fn added_widths(&self) -> Vec<Widths> {
        vec![Widths::one(Columns::ANOMALY, "window", self.window.get())]
    }
}

impl AnomalyConfig {
    fn validate_detectors(&self, checks: &mut Checks) {
        if self.detectors.is_empty() {
            checks.error("detectors", "detectors is empty, list at least one");
        }
        for (index, entry) in self.detectors.iter().enumerate() {
            let path = format!("detectors.{index}");
            if self.detectors[..index].iter().any(|before| before.name == entry.name) {
                checks.error(&path, format!("`{}` is listed twice, remove one", entry.name.name()));
            }
            if let Some(level) = entry.level
                && !(level.is_finite() && level > 0.0)
            {
                checks.error(&format!("{path}.level"), format!("level is {level}, must be above 0"));
            }
        }
    }

    /// Whether a detector is listed.
    pub(super) fn lists(&self, detector: DetectorName) -> bool {
        self.detectors.iter().any(|entry| entry.name == detector)
    }

    /// Whether the pairs of `relation` are those of calls.
    pub(super) fn follows_calls(&self) -> bool {
        self.relations.is_empty() && self.lists(DetectorName::Relation)
    }

    fn validate_relations(&self, checks: &mut Checks) {
        if !self.lists(DetectorName::Relation) && !self.relations.is_empty() {
            checks.warn("relations", "relations has no effect until `relation` is listed in detectors");
        }
        if self.relations.len() > MOST_RELATIONS {
            checks
                .error("relations", format!("more than {MOST_RELATIONS} relations, keep the important ones"));
        }
        for (index, (first, second)) in self.relations.iter().enumerate() {
            if first == second {
                checks.error(
                    &format!("relations.{index}"),
                    format!("`{first}` is related to itself, name two services"),
                );
            }
        }
    }
}

impl MinimumEffectConfig {
    fn validate(&self, checks: &mut Checks) {
        let all = [("latency", self.latency), ("error_ratio", self.error_ratio), ("failures", self.failures)];
        for (key, value) in all {
            if !(value.is_finite() && value >= 0.0) {
                checks.error(
                    &format!("minimum_effect.{key}"),
                    format!("{key} is {value}, must not be negative"),
                );
            }
        }
        if self.error_ratio > 1.0 {
            let message = format!("error_ratio is {}, must be a ratio up to 1", self.error_ratio);
            checks.error("minimum_effect.error_ratio", message);
        }
    }
}

impl NoiseConfig {
    pub(crate) fn covers(&self, series: &Series) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        is(&self.service, &series.service)
            && is(&self.metric, &series.metric)
            && is(&self.statistic, series.statistic.name())
    }

    fn validate(&self, path: &str, checks: &mut Checks) {
        if self.count == 0 {
            checks.error(&format!("{path}.count"), "count is 0, say how often the series was called noise");
        }
        if self.service.is_none() && self.metric.is_none() && self.statistic.is_none() {
            checks.error(path, "names no series, give service, metric or statistic");
        }
        if let Some(name) = &self.statistic
            && Statistic::of_name(name).is_none()
        {
            let message = format!("statistic is `{name}`, must be rate, error_ratio, p50, p95, p99 or mean");
            checks.error(&format!("{path}.statistic"), message);
        }
    }
}
