//! The body that Standard Webhooks recommends: a type, a time and the data.
//!
//! *Source*: Standard Webhooks 1.0, "Payload structure" and "Payload size".

use std::collections::BTreeMap;

use model::Timestamp;
use serde_json::{Value, json};

use super::{alertmanager::link, cut};
use crate::alert_webhook::alert::Alert;

const MAX_BYTES: usize = 20 * 1024;

/// Writes a transition. When it is too long, texts are cut, the longest first to go.
pub(super) fn body(alert: &Alert, external_url: &str) -> Vec<u8> {
    let mut most = usize::MAX;
    loop {
        let body = json!({
            "type": format!("{}.{}", alert.what(), alert.state.name()),
            "timestamp": Timestamp(alert.told_at).rfc3339(),
            "data": data(alert, external_url, most),
        });
        let body = body.to_string().into_bytes();
        // With no more than eight characters of each text it fits, as there are at most 64 of each kind.
        if body.len() <= MAX_BYTES || most <= 8 {
            return body;
        }
        most = most.min(8192) / 2;
    }
}

/// What is known of the alert; also the data of a CloudEvent.
pub(super) fn data(alert: &Alert, external_url: &str, most: usize) -> Value {
    let texts = |all: &BTreeMap<String, String>| {
        let cut = |(name, text): (&String, &String)| (cut(name, most), cut(text, most));
        all.iter().map(cut).collect::<BTreeMap<_, _>>()
    };
    json!({
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "sequence": alert.sequence,
        "name": alert.name(),
        "state": alert.state.name(),
        "severity": alert.severity.0.name(),
        "summary": cut(&alert.summary(), most),
        "labels": texts(&alert.labels),
        "annotations": texts(&alert.annotations),
        "value": alert.value,
        "threshold": alert.threshold,
        "starts_at": alert.starts_at().rfc3339(),
        "ends_at": alert.ends_at().map(Timestamp::rfc3339),
        "url": link(alert, external_url),
    })
}
