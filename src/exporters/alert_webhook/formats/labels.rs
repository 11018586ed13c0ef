//! Labels and times as Prometheus and Alertmanager write them.

use std::collections::BTreeMap;

use model::{Civil, Timestamp};

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

/// Writes a time as RFC 3339 has it, in UTC.
pub(in super::super) fn time(at: Timestamp) -> String {
    let civil = Civil::of(at);
    let mut text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
    );
    if civil.nanosecond > 0 {
        let fraction = format!("{:09}", civil.nanosecond);
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    text
}
