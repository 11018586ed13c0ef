//! The binary with a rule and one destination, and what it knows of its alerts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::Result;
use serde_json::Value;
use testbed::{free_port, get_json, trueline_binary};

use super::{
    Traffic,
    formats::{Format, Word},
};
use crate::{
    peers::{
        destination::Destination,
        gateway,
        spans::{MILLISECOND, SpanKind, request, service, span},
    },
    rig::Folder,
};

/// By alert, what was to be told of it: by its service, or by its fingerprint where the format has no other name.
pub(super) type Truth = BTreeMap<String, BTreeSet<Word>>;

pub(super) struct Subject {
    program: PathBuf,
    folder: Folder,
    http: String,
    api: String,
    is_by_fingerprint: bool,
}

impl Subject {
    pub(super) fn new(format: &Format, destination: &Destination) -> Result<Self> {
        let address = || format!("127.0.0.1:{}", free_port());
        let (folder, http, api) = (Folder::new()?, address(), address());
        let file = |name: &str, text: &str| -> Result<String> {
            std::fs::write(folder.file(name), text)?;
            Ok(folder.file(name).display().to_string())
        };
        let settings = format
            .settings
            .replace("{secret}", &file("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?)
            .replace("{key}", &file("key", "0123456789abcdef0123456789abcdef")?);
        let url = match format.name {
            "alertmanager_v2" => format!("urls: ['{}']", destination.url()),
            _ => format!("url: '{}'", destination.url()),
        };
        let yaml = format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}}}}}}}
processors:
  aggregation: {{windows: [1s], allowed_lateness: 0s}}
  alerting:
    evaluation_interval: 1s
    window: 1s
    lateness: 10s
    resend_interval: 1h
    watchdog: {{enabled: false}}
    defaults: {{for: 0s, keep_firing_for: 0s, cooldown: 0s}}
    rules:
      - {{name: Fails, metric: span.duration, stat: error_ratio, group_by: [service.name], hold_flapping: false, when: {{op: gt, value: 0.5}}}}
  bottleneck: {{window: 1s}}
  correlation: {{rca: {{window: 1s}}}}
exporters:
  alert_webhook:
    queue: {{directory: '{queue}'}}
    retry: {{initial_interval: 20ms, max_interval: 200ms}}
    circuit_breaker: {{failures: 0}}
    destinations: [{{name: people, format: {name}, {url}, timeout: 500ms, {settings}}}]
extensions: {{api: {{endpoint: '{api}'}}, file_storage: {{directory: '{state}'}}}}
service:
  extensions: [api, file_storage]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{telemetry: {{receivers: [otlp], processors: [{stages}], exporters: [alert_webhook]}}}}
",
            queue = folder.file("queue").display(),
            state = folder.file("state").display(),
            name = format.name,
            stages = match format.is_correlated {
                true => "aggregation, bottleneck, alerting, correlation",
                false => "aggregation, alerting",
            },
        );
        std::fs::write(folder.file("config.yaml"), yaml)?;
        let is_by_fingerprint = format.name == "pagerduty_v2";
        Ok(Self { program: trueline_binary()?, folder, http, api, is_by_fingerprint })
    }

    /// Starts it and returns at once.
    pub(super) fn start(&self) -> Result<Running> {
        let log = File::create(self.folder.file("log"))?;
        let child = Command::new(&self.program)
            .arg(format!("--config={}", self.folder.file("config.yaml").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Running(child))
    }

    /// Sends spans of all services, which it takes.
    pub(super) fn send(&self, running: &mut Running, traffic: &Traffic) -> Result<()> {
        self.check_lives(running)?;
        let of_service = traffic.iter().map(|(name, status)| {
            let spans =
                (1..=3).map(|id| span("GET /", id, id, MILLISECOND).kind(SpanKind::Server).status(*status));
            service(name, spans)
        });
        gateway::send(&self.http, &request(of_service.collect::<Vec<_>>()))
    }

    /// Sends them to one that may be dead.
    pub(super) fn send_anyway(&self, traffic: &Traffic) {
        let spans = traffic.iter().map(|(name, status)| {
            service(name, [span("GET /", 1, 1, MILLISECOND).kind(SpanKind::Server).status(*status)])
        });
        let _refused = gateway::send(&self.http, &request(spans.collect::<Vec<_>>()));
    }

    /// Returns what the stage has told, as far as it remembers.
    pub(super) fn truth(&self, running: &mut Running) -> Result<Truth> {
        self.check_lives(running)?;
        let url = format!("http://{}/api/v1/alerts", self.api);
        let mut truth = Truth::new();
        for alert in list(&get_json(&format!("{url}?state=all"))?["alerts"]) {
            let fingerprint = alert["fingerprint"].as_str().unwrap_or_default();
            let service = alert["labels"]["service.name"].as_str().unwrap_or_default();
            let name = if self.is_by_fingerprint { fingerprint } else { service };
            let events = get_json(&format!("{url}/{fingerprint}"))?;
            truth.entry(name.to_owned()).or_default().extend(told(&events["events"]));
        }
        truth.retain(|_, words| !words.is_empty());
        Ok(truth)
    }

    fn check_lives(&self, running: &mut Running) -> Result<()> {
        let log = || std::fs::read_to_string(self.folder.file("log")).unwrap_or_default();
        // Waiting longer would not help.
        assert!(running.0.try_wait()?.is_none(), "it ended by itself: {}", log());
        Ok(())
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What was told is what fired, or ended, last before it.
fn told(events: &Value) -> Vec<Word> {
    let (mut words, mut starts_at) = (Vec::new(), None);
    for event in list(events) {
        match (event["event"].as_str(), event["detail"].as_str()) {
            (Some("firing"), _) => starts_at = event["at"].as_str().and_then(|at| at.parse().ok()),
            (Some("told"), Some(detail)) => {
                words.extend(starts_at.map(|starts_at| Word { starts_at, is_end: detail == "resolved" }));
            }
            _ => {}
        }
    }
    words
}

/// A process that does not outlive its value.
pub(super) struct Running(Child);

impl Running {
    /// Ends it as `kill -9` does.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it is gone already.
        self.kill().ok();
    }
}
