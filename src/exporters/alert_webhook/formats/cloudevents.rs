//! CloudEvents 1.0 over HTTP, structured.
//!
//! *Source*: CloudEvents 1.0.2, "JSON Event Format".

use model::Timestamp;
use serde_json::{Value, json};

use super::standard_webhook;
use crate::alert_webhook::alert::Alert;

/// Writes a transition. Source and id together name it, so whoever gets it twice can tell.
pub(super) fn event(alert: &Alert, id: &str, external_url: &str) -> Value {
    let source = if external_url.is_empty() { "urn:trueline" } else { external_url };
    json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": format!("io.trueline.{}.{}", alert.what(), alert.state.name()),
        "subject": alert.fingerprint,
        "time": Timestamp(alert.told_at).rfc3339(),
        "datacontenttype": "application/json",
        "data": standard_webhook::data(alert, external_url, usize::MAX),
    })
}
