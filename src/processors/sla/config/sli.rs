//! What makes an event good.

use std::{collections::BTreeMap, fmt};

use config::Duration;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// An indicator. Which keys it takes depends on its `type`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SliConfig {
    #[serde(rename = "type")]
    pub(crate) r#type: SliType,
    /// Events for which one of these holds do not count.
    pub(crate) exclude: Vec<String>,
    /// success_rate, availability: an event for which one of these holds is bad.
    pub(crate) bad: Vec<String>,
    /// success_rate: counters in place of spans.
    pub(crate) counters: Option<CounterConfig>,
    /// latency: percentiles, and what each must not exceed.
    pub(crate) targets: BTreeMap<String, Duration>,
    /// latency: what the share `target` must not exceed. workflow: how long one may take.
    pub(crate) within: Option<Duration>,
    /// value: the attribute that is compared. metric: see `metric`.
    pub(crate) attribute: Option<String>,
    /// value, metric: good below.
    pub(crate) lt: Option<f64>,
    /// value, metric: good above.
    pub(crate) gt: Option<f64>,
    /// value, metric: good from the first to the second.
    pub(crate) between: Option<[f64; 2]>,
    /// metric: whose windows are compared.
    pub(crate) metric: Option<MetricConfig>,
    /// throughput: the least and the most events in time.
    pub(crate) min: Option<Rate>,
    pub(crate) max: Option<Rate>,
    /// throughput, availability, freshness: the width of a slice of time.
    pub(crate) slice: Option<Duration>,
    /// availability: the share of good events from which on a slice is up.
    pub(crate) up_from: Option<f64>,
    /// availability: whether a slice without events is down; otherwise it is not counted.
    pub(crate) silence_is_down: bool,
    /// freshness: how old the newest event may be.
    pub(crate) max_age: Option<Duration>,
    /// workflow: which spans begin and end one.
    pub(crate) start: Vec<String>,
    pub(crate) end: Vec<String>,
    /// workflow: names of log records that begin and end one.
    pub(crate) started_event: Option<String>,
    pub(crate) ended_event: Option<String>,
    /// workflow: what names one, `trace_id` or an attribute.
    pub(crate) key: Option<String>,
    /// workflow: from which age on it is an alert that one still runs.
    pub(crate) escalate_after: Option<Duration>,
    /// workflow: one that has not ended by then failed.
    pub(crate) give_up_after: Option<Duration>,
    /// workflow: counters of those that began and of those that ended, in place of spans.
    pub(crate) started: Option<MetricConfig>,
    pub(crate) completed: Option<MetricConfig>,
    /// composite: other objectives, by name.
    pub(crate) of: Vec<PartConfig>,
    /// composite: how they are combined.
    pub(crate) combine: CombineConfig,
}

impl SliConfig {
    /// Returns the series whose windows are read, by the keys at which they stand.
    pub(super) fn series(&self) -> impl Iterator<Item = (&'static str, &MetricConfig)> {
        let counters = self.counters.as_ref();
        [
            ("counters.total", counters.map(|counters| &counters.total)),
            ("counters.good", counters.and_then(|counters| counters.good.as_ref())),
            ("counters.bad", counters.and_then(|counters| counters.bad.as_ref())),
            ("metric", self.metric.as_ref()),
            ("started", self.started.as_ref()),
            ("completed", self.completed.as_ref()),
        ]
        .into_iter()
        .filter_map(|(key, series)| Some((key, series?)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SliType {
    #[default]
    SuccessRate,
    Latency,
    Workflow,
    Value,
    Availability,
    Throughput,
    Freshness,
    Metric,
    Composite,
}

impl SliType {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SuccessRate => "success_rate",
            Self::Latency => "latency",
            Self::Workflow => "workflow",
            Self::Value => "value",
            Self::Availability => "availability",
            Self::Throughput => "throughput",
            Self::Freshness => "freshness",
            Self::Metric => "metric",
            Self::Composite => "composite",
        }
    }
}

/// Counters of events: all of them, and the good or the bad.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct CounterConfig {
    pub(crate) total: MetricConfig,
    #[serde(default)]
    pub(crate) good: Option<MetricConfig>,
    #[serde(default)]
    pub(crate) bad: Option<MetricConfig>,
}

/// Series of a metric.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct MetricConfig {
    /// Its name; `*` stands for any text.
    #[serde(default)]
    pub(crate) name: String,
    /// In place of name and attributes: a selector as Prometheus has it.
    #[serde(default)]
    pub(crate) prometheus: Option<String>,
    /// `rate`, `error_ratio`, `p50`, `p95`, `p99` or `mean`.
    #[serde(default)]
    pub(crate) statistic: Option<String>,
    /// Attributes of the point or its resource, and what they must be.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    /// Width of the windows that are read.
    #[serde(default)]
    pub(crate) window: Option<Duration>,
}

impl MetricConfig {
    /// Returns how wide the windows are that are read: by default the first that `aggregation` makes by default.
    pub(in crate::sla) fn width(&self) -> std::time::Duration {
        self.window.map_or(std::time::Duration::from_secs(10), Duration::get)
    }
}

/// A part of a composite objective.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct PartConfig {
    pub(crate) slo: String,
    #[serde(default = "one")]
    pub(crate) weight: f64,
}

const fn one() -> f64 {
    1.0
}

/// How parts make a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CombineConfig {
    /// The mean by weight.
    #[default]
    Weighted,
    /// The worst.
    Min,
}

/// Events per second, written as a number or as `50/s`, `3000/m`, `10/h`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
}

impl Rate {
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once('/')?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Some(Self { per_second: number.trim().parse::<f64>().ok()? / seconds })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RateVisitor)
    }
}

struct RateVisitor;

impl Visitor<'_> for RateVisitor {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate such as `50/s`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Rate, E> {
        Rate::parse(text).ok_or_else(|| {
            E::custom(format!("`{text}` is no rate\nwrite a number and a unit of time: `50/s`, `3000/m`"))
        })
    }

    fn visit_f64<E: Error>(self, per_second: f64) -> Result<Rate, E> {
        Ok(Rate { per_second })
    }

    fn visit_u64<E: Error>(self, per_second: u64) -> Result<Rate, E> {
        Ok(Rate { per_second: per_second as f64 })
    }

    fn visit_i64<E: Error>(self, per_second: i64) -> Result<Rate, E> {
        Ok(Rate { per_second: per_second as f64 })
    }
}
