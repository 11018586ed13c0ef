//! Alertmanager's two forms: its API v2, and the webhook of version 4 that it sends itself.
//!
//! *Source*: Alertmanager's `api/v2/openapi.yaml` and `notify/webhook`.

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;
use serde_json::{Value, json};

use super::{Notification, labels::legal};
use crate::alert_webhook::alert::Alert;

/// How Go writes a time that is not set.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Writes alerts for API v2. One that fires ends by itself unless it is told again.
pub(super) fn states(alerts: &[Alert], external_url: &str, firing_for: Duration, now: Timestamp) -> Value {
    let state = |alert: &Alert| {
        let ends_at = if alert.is_firing() { now + firing_for } else { alert.ends_at().unwrap_or(now) };
        json!({
            "labels": legal(&alert.labels),
            "annotations": annotations(alert),
            "startsAt": alert.starts_at().rfc3339(),
            "endsAt": ends_at.rfc3339(),
            "generatorURL": generator_url(alert, external_url),
        })
    };
    Value::Array(alerts.iter().map(state).collect())
}

/// Writes a group for the webhook of version 4.
pub(super) fn notification(
    group: &Notification,
    truncated: usize,
    destination: &str,
    external_url: &str,
) -> Value {
    let alert = |alert: &Alert| {
        json!({
            "status": status(alert.is_firing()),
            "labels": legal(&alert.labels),
            "annotations": annotations(alert),
            "startsAt": alert.starts_at().rfc3339(),
            "endsAt": alert.ends_at().filter(|_| !alert.is_firing()).map_or(NO_TIME.to_owned(), Timestamp::rfc3339),
            "generatorURL": generator_url(alert, external_url),
            "fingerprint": alert.fingerprint,
        })
    };
    json!({
        "version": "4",
        "groupKey": group.group.text(),
        "truncatedAlerts": truncated,
        "status": status(group.is_firing()),
        "receiver": destination,
        "groupLabels": legal(&group.group.0),
        "commonLabels": group.common(|alert| legal(&alert.labels)),
        "commonAnnotations": group.common(annotations),
        "externalURL": external_url,
        "alerts": group.alerts.iter().map(alert).collect::<Vec<Value>>(),
    })
}

pub(super) const fn status(is_firing: bool) -> &'static str {
    if is_firing { "firing" } else { "resolved" }
}

/// What changes is told in annotations, as labels are the alert's identity.
fn annotations(alert: &Alert) -> BTreeMap<String, String> {
    let mut annotations: BTreeMap<String, String> = alert
        .annotations
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name.clone(), text.clone()))
        .collect();
    annotations.entry("summary".to_owned()).or_insert_with(|| alert.summary());
    for (name, number) in [("value", alert.value), ("threshold", alert.threshold)] {
        if let Some(number) = number {
            annotations.entry(name.to_owned()).or_insert_with(|| number.to_string());
        }
    }
    legal(&annotations)
}

/// Where the extension `api` tells of it. Alertmanager wants a URL or nothing.
fn generator_url(alert: &Alert, external_url: &str) -> String {
    if external_url.is_empty() {
        return String::new();
    }
    format!("{}/api/v1/{}s/{}", external_url.trim_end_matches('/'), alert.what(), alert.fingerprint)
}

/// Returns the page of an alert, where there is one.
pub(super) fn link(alert: &Alert, external_url: &str) -> Option<String> {
    Some(generator_url(alert, external_url)).filter(|url| !url.is_empty())
}
