//! `health_check`: what probers are told.

use anyhow::{Result, ensure};
use serde_json::Value;
use testbed::{eventually, get};

use super::run::{Collector, address};
use crate::peers::SOON;

/// What is asked: the setting of the extension, and the path of the request.
pub(super) const PROBES: [(&str, &str); 13] = [
    ("", "/"),
    ("", "/healthz"),
    ("", "/health/status?full=1"),
    ("", "//healthz"),
    ("", "/a/../healthz/"),
    (", path: /health", "/health"),
    (", path: /health", "/health/"),
    (", path: /health", "/healthz"),
    (", path: /health", "/"),
    (", path: /health/", "/health/live"),
    (", path: /health/", "/health"),
    (", path: /health/", "/healthz"),
    (", response_body: {healthy: fine, unhealthy: ill}", "/healthz"),
];

/// An answer as far as it is the same everywhere: status, content type, the keys of what is JSON and else the body.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    content_type: String,
    body: String,
}

/// Starts a collector with an extension for each setting, and asks.
fn answers(is_ours: bool) -> Result<Vec<Told>> {
    let addresses: Vec<String> = PROBES.iter().map(|_| address()).collect();
    let (mut extensions, mut names) = (String::new(), Vec::new());
    for (index, ((settings, _), address)) in PROBES.iter().zip(&addresses).enumerate() {
        extensions += &format!("  health_check/{index}: {{endpoint: '{address}'{settings}}}\n");
        names.push(format!("health_check/{index}"));
    }
    let yaml = format!(
        "extensions:\n{extensions}receivers: {{otlp: {{protocols: {{http: {{endpoint: '{}'}}}}}}}}
exporters: {{nop: {{}}}}
service:
  extensions: [{}]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}
",
        address(),
        names.join(", ")
    );
    let _collector = Collector::start(is_ours, &yaml, &addresses[0])?;
    let probes = PROBES.iter().zip(&addresses);
    probes
        .map(|((_, path), address)| {
            eventually(path, SOON, || {
                let answer = get(&format!("http://{address}{path}"))?;
                ensure!(answer.status != 503, "it is not ready");
                let json: Option<Value> = serde_json::from_str(&answer.body).ok();
                let keys = json.as_ref().and_then(Value::as_object).map(|map| {
                    let keys = map.keys().map(String::as_str);
                    // Which configuration is in force is told here alone.
                    keys.filter(|key| *key != "config").collect::<Vec<_>>().join(", ")
                });
                let body = keys.unwrap_or(answer.body);
                Ok(Told { status: answer.status, content_type: answer.content_type, body })
            })
        })
        .collect()
}

#[test]
fn probers_are_told_the_same() {
    let (ours, theirs) = (answers(true).unwrap(), answers(false).unwrap());
    let mut wrong = Vec::new();
    for ((probe, own), other) in PROBES.iter().zip(&ours).zip(&theirs) {
        if own != other {
            wrong.push(format!("{probe:?}: ours {own:?}, theirs {other:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(theirs.iter().any(|told| told.status == 200) && theirs.iter().any(|told| told.status == 404));
}
