//! PagerDuty's Events API v2.
//!
//! *Source*: PagerDuty's developer documentation, "Send an Alert Event"; the limits are its own.

use config::Secret;
use model::{AlertState, Severity};
use serde_json::{Value, json};

use super::{alertmanager::link, cut};
use crate::alert_webhook::alert::Alert;

const MAX_SUMMARY: usize = 1024;
const MAX_SOURCE: usize = 255;

/// Writes a transition. All of one alert have one key, so a resolve finds its trigger.
pub(super) fn event(alert: &Alert, routing_key: &Secret, external_url: &str) -> Value {
    let mut event = json!({
        "routing_key": routing_key.expose(),
        "event_action": action(alert.state),
        "dedup_key": alert.fingerprint,
    });
    if action(alert.state) != "trigger" {
        return event;
    }
    event["payload"] = payload(alert);
    event["client"] = "trueline".into();
    if let Some(url) = link(alert, external_url) {
        event["client_url"] = url.clone().into();
        event["links"] = json!([{"href": url, "text": format!("the {} in trueline", alert.what())}]);
    }
    event
}

const fn action(state: AlertState) -> &'static str {
    match state {
        AlertState::Resolved => "resolve",
        AlertState::Acknowledged => "acknowledge",
        AlertState::Pending | AlertState::Firing | AlertState::Suppressed | AlertState::Escalated => {
            "trigger"
        }
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Emergency | Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn payload(alert: &Alert) -> Value {
    let label = |names: &[&str]| {
        names.iter().find_map(|name| alert.labels.get(*name)).filter(|text| !text.is_empty())
    };
    let source = label(&[
        "instance",
        "service.instance.id",
        "host.name",
        "service.name",
        "service_name",
        "service",
        "sloth_service",
        "job",
    ]);
    let mut payload = json!({
        "summary": cut(&alert.summary(), MAX_SUMMARY),
        "source": cut(source.map_or("trueline", String::as_str), MAX_SOURCE),
        "severity": severity(alert.severity.0),
        "timestamp": alert.starts_at().rfc3339(),
        "class": alert.name(),
        "custom_details": {
            "labels": alert.labels,
            "annotations": alert.annotations,
            "value": alert.value,
            "threshold": alert.threshold,
            "severity": alert.severity.0.name(),
            "alert_id": alert.id,
        },
    });
    if let Some(component) = label(&["service.name", "service_name", "service", "sloth_service"]) {
        payload["component"] = component.as_str().into();
    }
    if let Some(group) = label(&["service.namespace", "namespace", "team"]) {
        payload["group"] = group.as_str().into();
    }
    payload
}
