//! From where counts of the past come.

use std::collections::BTreeMap;

use component::PastTls;
use config::{Duration, Secret};
use serde::Deserialize;

/// A Prometheus that is asked for times that were not observed.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct BackfillConfig {
    /// `http://prometheus:9090`; without it nothing is asked.
    pub(crate) prometheus: Option<String>,
    /// Of every request, such as a tenant or a token.
    #[serde(deserialize_with = "config::headers")]
    pub(crate) headers: BTreeMap<String, Secret>,
    pub(crate) tls: PastTls,
    /// Width of the parts of the last three days; older ones are an hour wide.
    pub(crate) step: Duration,
    /// How long an answer is waited for.
    pub(crate) timeout: Duration,
}

impl Default for BackfillConfig {
    fn default() -> Self {
        Self {
            prometheus: None,
            headers: BTreeMap::new(),
            tls: PastTls::default(),
            step: Duration::from_secs(300),
            timeout: Duration::from_secs(120),
        }
    }
}

/// What was counted before, as queries with `[{{.window}}]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct PastConfig {
    pub(crate) total: String,
    #[serde(default)]
    pub(crate) good: Option<String>,
    #[serde(default)]
    pub(crate) bad: Option<String>,
}
