//! Labels and times as Prometheus and Alertmanager write them.

use std::collections::BTreeMap;

use crate::prometheus_names::{TranslationStrategy, label_name};

/// Returns labels with names that every Alertmanager takes: `service.name` becomes `service_name`. What comes to the
/// same name is joined by `;`; empty values are no labels.
pub(super) fn legal(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        let Some(name) = legal_name(name) else { continue };
        all.entry(name)
            .and_modify(|known| {
                if known != value {
                    known.push(';');
                    known.push_str(value);
                }
            })
            .or_insert_with(|| value.clone());
    }
    all
}

/// Returns the legal form of one label's name.
pub(super) fn legal_name(name: &str) -> Option<String> {
    label_name(name, TranslationStrategy::UnderscoreEscapingWithoutSuffixes)
}
