//! Slack's incoming webhooks.
//!
//! *Source*: Slack's "Reference: Block Kit"; the limits are its own, the total is what its servers take in practice.

use serde_json::{Value, json};

use super::{Notification, alertmanager::link, cut};
use crate::alert_webhook::alert::Alert;

const MAX_HEADER: usize = 150;
const MAX_SECTION: usize = 3000;
const MAX_BLOCKS: usize = 50;
/// All texts of a message together.
const MAX_TOTAL: usize = 12_000;

/// Writes a group: a heading, and a section for each alert as long as there is room.
pub(super) fn message(group: &Notification, truncated: usize, external_url: &str) -> Value {
    let heading = heading(group, truncated);
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": cut(&heading, MAX_HEADER), "emoji": true},
    })];
    let (mut length, mut shown) = (heading.chars().count(), 0);
    for alert in &group.alerts {
        let text = cut(&section(alert, external_url), MAX_SECTION);
        length += text.chars().count();
        // One block is kept for what is left out.
        if blocks.len() + 1 >= MAX_BLOCKS || length > MAX_TOTAL {
            break;
        }
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
        shown += 1;
    }
    let left_out = group.alerts.len() - shown + truncated;
    if left_out > 0 {
        let text = format!("… and {left_out} more");
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}));
    }
    json!({"text": cut(&escaped(&heading), MAX_SECTION), "blocks": blocks})
}

/// Says what has happened in one line; also what phones show.
pub(super) fn heading(group: &Notification, truncated: usize) -> String {
    let first = group.alerts.first();
    // All incidents have one name; what is wrong says more.
    let title = first.filter(|alert| alert.is_incident).map(Alert::summary);
    let name = title.as_deref().or_else(|| group.group.0.get("alertname").map(String::as_str));
    let name = name.unwrap_or_else(|| first.map_or("alerts", Alert::name));
    let firing = group.n_firing();
    match (firing, group.alerts.len() + truncated) {
        (0, 1) => format!("✅ [RESOLVED] {name}"),
        (0, all) => format!("✅ [RESOLVED:{all}] {name}"),
        (_, 1) => format!("🔥 [FIRING] {name}"),
        (firing, _) => format!("🔥 [FIRING:{firing}] {name}"),
    }
}

fn section(alert: &Alert, external_url: &str) -> String {
    let title = escaped(&cut(&alert.summary(), 1000));
    let title = match link(alert, external_url) {
        Some(url) => format!("*<{url}|{title}>*"),
        None => format!("*{title}*"),
    };
    let state = if alert.is_firing() { "firing since" } else { "resolved, began" };
    let mut text = format!("{title}\n`{}` {state} {}", alert.severity.0.name(), alert.starts_at().rfc3339());
    if let Some(description) = alert.annotations.get("description") {
        text.push('\n');
        text.push_str(&escaped(&cut(description, 1000)));
    }
    if let Some(incident) = alert.incident() {
        text.push_str(&format!("\nincident `{}`", escaped(&cut(incident, 100))));
        let (title, description) = alert.of_incident();
        if let Some(title) = title {
            text.push_str(&format!(": {}", escaped(&cut(title, 300))));
        }
        if let Some(description) = description {
            text.push('\n');
            text.push_str(&escaped(&cut(description, 1000)));
        }
    }
    let labels = alert.labels.iter().filter(|(name, _)| *name != "alertname" && *name != "severity");
    let labels: Vec<String> =
        labels.map(|(name, value)| format!("`{}={}`", escaped(name), escaped(value))).collect();
    if !labels.is_empty() {
        text.push('\n');
        text.push_str(&labels.join(" "));
    }
    text
}

/// Slack reads three characters as its own; and nothing that telemetry says may notify a channel.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
