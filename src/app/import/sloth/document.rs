//! What Sloth's documents hold, as it names it. Objects of Kubernetes have the same keys in another spelling.

use serde::{Deserialize, de::IgnoredAny};

use crate::import::settings::Texts;

#[derive(Deserialize)]
pub(super) struct Service {
    #[serde(default, rename = "version")]
    _version: Option<String>,
    pub(super) service: String,
    #[serde(default)]
    pub(super) labels: Texts,
    #[serde(default)]
    pub(super) slos: Vec<Slo>,
    #[serde(default, alias = "sloPlugins")]
    pub(super) slo_plugins: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Slo {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    /// In percent.
    pub(super) objective: f64,
    #[serde(default)]
    pub(super) labels: Texts,
    pub(super) sli: Sli,
    #[serde(default)]
    pub(super) alerting: Alerting,
    #[serde(default)]
    pub(super) plugins: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Sli {
    #[serde(default)]
    pub(super) events: Option<Events>,
    #[serde(default)]
    pub(super) raw: Option<Raw>,
    #[serde(default)]
    pub(super) plugin: Option<Plugin>,
}

#[derive(Deserialize)]
pub(super) struct Events {
    #[serde(alias = "errorQuery")]
    pub(super) error_query: String,
    #[serde(alias = "totalQuery")]
    pub(super) total_query: String,
}

#[derive(Deserialize)]
pub(super) struct Raw {
    #[serde(alias = "errorRatioQuery")]
    pub(super) error_ratio_query: String,
}

#[derive(Deserialize)]
pub(super) struct Plugin {
    pub(super) id: String,
    #[serde(default, rename = "options")]
    _options: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Alerting {
    pub(super) name: String,
    pub(super) labels: Texts,
    pub(super) annotations: Texts,
    #[serde(alias = "pageAlert")]
    pub(super) page_alert: Alert,
    #[serde(alias = "ticketAlert")]
    pub(super) ticket_alert: Alert,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Alert {
    pub(super) disable: bool,
    pub(super) labels: Texts,
    pub(super) annotations: Texts,
}

/// When a budget burns too fast.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Windows {
    pub(super) slo_period: String,
    pub(super) page: Pair,
    pub(super) ticket: Pair,
}

#[derive(Deserialize)]
pub(super) struct Pair {
    pub(super) quick: Burn,
    pub(super) slow: Burn,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Burn {
    pub(super) error_budget_percent: f64,
    pub(super) short_window: String,
    pub(super) long_window: String,
}
