//! What OpenSLO's documents hold, as its schema names it.

use std::collections::BTreeMap;

use config::Duration;
use serde::Deserialize;

use super::alerts::Policy;

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    pub(in crate::sla::config::openslo) kind: Kind,
    pub(in crate::sla::config::openslo) metadata: Metadata,
    pub(in crate::sla::config::openslo) spec: Spec,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) enum Kind {
    #[serde(rename = "SLO")]
    Slo,
    #[serde(rename = "SLI")]
    Sli,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(in crate::sla::config::openslo) name: String,
    display_name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// Of an objective and of an indicator, as both stand under `spec`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(in crate::sla::config::openslo) description: String,
    pub(in crate::sla::config::openslo) service: String,
    pub(in crate::sla::config::openslo) indicator: Option<Indicator>,
    pub(in crate::sla::config::openslo) indicator_ref: Option<String>,
    pub(in crate::sla::config::openslo) time_window: Vec<TimeWindow>,
    pub(in crate::sla::config::openslo) budgeting_method: Option<String>,
    pub(in crate::sla::config::openslo) objectives: Vec<Objective>,
    pub(in crate::sla::config::openslo) alert_policies: Option<Vec<Policy>>,
    pub(in crate::sla::config::openslo) ratio_metric: Option<RatioMetric>,
    pub(in crate::sla::config::openslo) threshold_metric: Option<Metric>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Indicator {
    metadata: Metadata,
    pub(in crate::sla::config::openslo) spec: IndicatorSpec,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct IndicatorSpec {
    description: String,
    pub(in crate::sla::config::openslo) ratio_metric: Option<RatioMetric>,
    pub(in crate::sla::config::openslo) threshold_metric: Option<Metric>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RatioMetric {
    counter: bool,
    pub(in crate::sla::config::openslo) good: Option<Metric>,
    pub(in crate::sla::config::openslo) bad: Option<Metric>,
    pub(in crate::sla::config::openslo) total: Option<Metric>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metric {
    pub(in crate::sla::config::openslo) metric_source: MetricSource,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct MetricSource {
    #[serde(rename = "type")]
    pub(in crate::sla::config::openslo) kind: String,
    metric_source_ref: String,
    pub(in crate::sla::config::openslo) spec: SourceSpec,
}

/// A query of Prometheus, or a series as `sla` names it.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SourceSpec {
    pub(in crate::sla::config::openslo) query: Option<String>,
    pub(in crate::sla::config::openslo) metric: Option<crate::sla::config::MetricConfig>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TimeWindow {
    pub(in crate::sla::config::openslo) duration: String,
    pub(in crate::sla::config::openslo) is_rolling: bool,
    pub(in crate::sla::config::openslo) calendar: Option<Calendar>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Calendar {
    start_time: String,
    pub(in crate::sla::config::openslo) time_zone: String,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Objective {
    display_name: String,
    pub(in crate::sla::config::openslo) op: Option<String>,
    pub(in crate::sla::config::openslo) value: Option<f64>,
    pub(in crate::sla::config::openslo) target: Option<f64>,
    pub(in crate::sla::config::openslo) target_percent: Option<f64>,
    pub(in crate::sla::config::openslo) time_slice_target: Option<f64>,
    pub(in crate::sla::config::openslo) time_slice_window: Option<Duration>,
}

impl Metadata {
    pub(in crate::sla::config::openslo) fn name(&self) -> &str {
        if self.name.is_empty() { &self.display_name } else { &self.name }
    }
}

impl Document {
    /// Returns the indicator that objectives may refer to.
    pub(in crate::sla::config::openslo) fn indicator(&self) -> Option<(String, IndicatorSpec)> {
        let Spec { ratio_metric, threshold_metric, description, .. } = self.spec.clone();
        let spec = IndicatorSpec { description, ratio_metric, threshold_metric };
        (self.kind == Kind::Sli).then(|| (self.metadata.name.clone(), spec))
    }
}
