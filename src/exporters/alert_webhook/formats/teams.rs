//! Workflows of Microsoft Teams, which take Adaptive Cards.
//!
//! *Source*: Microsoft's "Create incoming webhooks with Workflows" and the schema of Adaptive Cards 1.4.

use serde_json::{Value, json};

use super::{Notification, alertmanager::link, cut, slack::heading};
use crate::alert_webhook::alert::Alert;

/// A message has at most 28 KB; this leaves room for what is around the text.
const MAX_BYTES: usize = 20_000;
const MAX_FACTS: usize = 12;

/// Writes a group as one card.
pub(super) fn message(group: &Notification, truncated: usize, external_url: &str) -> Value {
    let color = if group.n_firing() > 0 { "attention" } else { "good" };
    let mut body = vec![json!({
        "type": "TextBlock", "size": "large", "weight": "bolder", "wrap": true, "color": color,
        "text": cut(&plain(&heading(group, truncated)), 250),
    })];
    let (mut length, mut shown) = (0, 0);
    for alert in &group.alerts {
        let blocks = [text(alert), facts(alert)];
        length += blocks.iter().map(|block| block.to_string().len()).sum::<usize>();
        if length > MAX_BYTES {
            break;
        }
        body.extend(blocks);
        shown += 1;
    }
    let left_out = group.alerts.len() - shown + truncated;
    if left_out > 0 {
        body.push(json!({"type": "TextBlock", "wrap": true, "text": format!("… and {left_out} more")}));
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    });
    if let Some(url) = group.alerts.first().and_then(|alert| link(alert, external_url)) {
        card["actions"] = json!([{"type": "Action.OpenUrl", "title": "Open in trueline", "url": url}]);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn text(alert: &Alert) -> Value {
    let mut text = format!("**{}**", plain(&cut(&alert.summary(), 1000)));
    if let Some(description) = alert.annotations.get("description") {
        text.push_str("\n\n");
        text.push_str(&plain(&cut(description, 2000)));
    }
    json!({"type": "TextBlock", "wrap": true, "separator": true, "text": text})
}

fn facts(alert: &Alert) -> Value {
    let state = if alert.is_firing() { "firing since" } else { "resolved, began" };
    let fact = |title: &str, value: &str| json!({"title": cut(title, 100), "value": plain(&cut(value, 300))});
    let mut facts =
        vec![fact("severity", alert.severity.0.name()), fact(state, &alert.starts_at().rfc3339())];
    facts.extend(alert.incident().map(|incident| fact("incident", incident)));
    let (title, description) = alert.of_incident();
    facts.extend(title.map(|title| fact("what is wrong", title)));
    facts.extend(
        description.map(|description| json!({"title": "why", "value": plain(&cut(description, 1000))})),
    );
    let labels = alert.labels.iter().filter(|(name, _)| *name != "alertname" && *name != "severity");
    facts.extend(labels.take(MAX_FACTS).map(|(name, value)| fact(name, value)));
    json!({"type": "FactSet", "facts": facts})
}

/// Cards read Markdown, and telemetry may hold links that look like the operator's.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '[' | ']' | '*' | '_' | '`' | '\\') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}
