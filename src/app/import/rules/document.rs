//! What files of rules hold, as Prometheus names it.

use serde::{Deserialize, de::IgnoredAny};

use crate::import::settings::Texts;

#[derive(Deserialize)]
pub(super) struct Groups {
    #[serde(default)]
    pub(super) groups: Vec<Group>,
}

#[derive(Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
    #[serde(default, rename = "interval")]
    _interval: Option<String>,
    #[serde(default, rename = "query_offset")]
    _query_offset: Option<String>,
    #[serde(default)]
    pub(super) limit: Option<u64>,
    #[serde(default)]
    pub(super) labels: Texts,
    /// Thanos's and Mimir's.
    #[serde(default, rename = "partial_response_strategy")]
    _partial_response_strategy: Option<IgnoredAny>,
    #[serde(default, rename = "source_tenants")]
    _source_tenants: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
}

#[derive(Deserialize)]
pub(super) struct Rule {
    #[serde(default)]
    pub(super) record: Option<String>,
    #[serde(default)]
    pub(super) alert: Option<String>,
    #[serde(default)]
    pub(super) expr: String,
    #[serde(default)]
    pub(super) r#for: Option<String>,
    #[serde(default)]
    pub(super) keep_firing_for: Option<String>,
    #[serde(default)]
    pub(super) labels: Texts,
    #[serde(default)]
    pub(super) annotations: Texts,
}
