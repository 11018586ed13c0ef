//! What a translation depends on, and what it leaves out.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Label, TranslationStrategy};

/// The collector's `resource_to_telemetry_conversion`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResourceLabelsConfig {
    /// Every resource attribute becomes a label of every series.
    pub enabled: bool,
    /// All but those that `job` and `instance` hold already.
    pub exclude_service_attributes: bool,
}

/// What a [`super::Translator`] is made with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub strategy: TranslationStrategy,
    pub namespace: String,
    /// Labels of every series that does not have them; names are legal.
    pub external_labels: Vec<Label>,
    pub resource_labels: ResourceLabelsConfig,
    pub has_scope_labels: bool,
    pub has_target_info: bool,
    /// Whether the caller accumulates deltas; without, they are dropped and counted.
    pub takes_deltas: bool,
}

/// Data points that were left out, by why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Dropped {
    pub by_reason: BTreeMap<&'static str, u64>,
}

impl Dropped {
    pub(crate) fn add(&mut self, reason: &'static str, points: u64) {
        if points > 0 {
            *self.by_reason.entry(reason).or_default() += points;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.by_reason.values().sum()
    }

    /// Tells people what was dropped; empty when nothing was.
    pub(crate) fn message(&self) -> String {
        let parts: Vec<String> =
            self.by_reason.iter().map(|(reason, points)| format!("{points} {reason}")).collect();
        if parts.is_empty() { String::new() } else { format!("data points dropped: {}", parts.join(", ")) }
    }
}
