//! Alerts as a stage tells them, and an exporter that runs.

use std::{cell::RefCell, rc::Rc, time::Duration};

use bytes::Bytes;
use component::{
    Checks, Clock, Config, Delivered, Desk, ExportError, Exporter, Finding, Stop, Telemetry,
    testing::ManualClock,
};
use config::{Problems, Source};
use model::{Export, Severity, Signal, Timestamp, alert_event as name};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::{AlertWebhookConfig, exporter::AlertExporter};
use crate::http::testing::{NOW, exporter_cx};

/// One transition, as a test wants it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) state: &'static str,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) annotations: Vec<(&'static str, String)>,
    pub(super) severity: Severity,
    pub(super) sequence: u64,
    pub(super) destination: Option<&'static str>,
    pub(super) suppressed_by: Option<&'static str>,
    pub(super) incident: Option<&'static str>,
    /// The incident's title and description.
    pub(super) of_incident: Option<(&'static str, &'static str)>,
    pub(super) is_reminder: bool,
    pub(super) at: Timestamp,
}

impl Told {
    /// A critical alert of a service.
    pub(super) fn new(state: &'static str, alert: &str, service: &str) -> Self {
        Self {
            state,
            labels: vec![("alertname", alert.to_owned()), ("service.name", service.to_owned())],
            annotations: vec![("summary", format!("{alert} of {service}"))],
            severity: Severity::Critical,
            sequence: if state == "resolved" { 2 } else { 1 },
            destination: None,
            suppressed_by: None,
            incident: None,
            of_incident: None,
            is_reminder: false,
            at: NOW,
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn fingerprint(&self) -> String {
        let text: String = self.labels.iter().map(|(name, value)| format!("{name}={value},")).collect();
        format!("{:016x}", rapidhash::v3::rapidhash_v3(text.as_bytes()))
    }

    pub(super) fn id(&self) -> String {
        format!("{}-{}-{}", self.fingerprint(), self.sequence, self.state)
    }

    fn record(&self) -> Value {
        let text = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
        let whole = |key: &str, number: u64| json!({"key": key, "value": {"intValue": number.to_string()}});
        let map = |key: &str, entries: &[(&str, String)]| {
            let values: Vec<Value> = entries.iter().map(|(name, value)| text(name, value)).collect();
            json!({"key": key, "value": {"kvlistValue": {"values": values}}})
        };
        let mut attributes = vec![
            text(name::STATE, self.state),
            text(name::ID, &self.id()),
            text(name::FINGERPRINT, &self.fingerprint()),
            whole(name::SEQUENCE, self.sequence),
            text(name::SEVERITY, self.severity.name()),
            text(name::RULE_TYPE, "gt"),
            map(name::LABELS, &self.labels),
            map(name::ANNOTATIONS, &self.annotations),
            json!({"key": name::VALUE, "value": {"doubleValue": 0.25}}),
            json!({"key": name::THRESHOLD, "value": {"doubleValue": 0.05}}),
            json!({"key": name::IS_REMINDER, "value": {"boolValue": self.is_reminder}}),
            whole(name::STARTS_AT, NOW.as_nanos()),
        ];
        if self.state == "resolved" {
            attributes.push(whole(name::ENDS_AT, self.at.as_nanos()));
        }
        attributes.extend(self.destination.map(|only| text(name::DESTINATION, only)));
        attributes.extend(self.incident.map(|id| text(name::INCIDENT_ID, id)));
        if let Some((title, description)) = self.of_incident {
            attributes.push(text(name::INCIDENT_TITLE, title));
            attributes.push(text(name::INCIDENT_DESCRIPTION, description));
        }
        if let Some(silence) = self.suppressed_by {
            let values = json!([{"stringValue": silence}]);
            attributes.push(json!({"key": name::SUPPRESSED_BY, "value": {"arrayValue": {"values": values}}}));
        }
        json!({
            "timeUnixNano": self.at.as_nanos().to_string(),
            "severityNumber": self.severity.number(),
            "eventName": format!("{}{}", name::PREFIX, self.state),
            "attributes": attributes,
        })
    }
}

/// A request that tells of alerts.
pub(super) fn request(all: &[Told]) -> Export {
    let records: Vec<Value> = all.iter().map(Told::record).collect();
    request_of(records)
}

pub(super) fn request_of(records: Vec<Value>) -> Export {
    let items = records.len() as u64;
    let json = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string();
    let bytes = Bytes::from(wire::json::json_to_wire(Signal::Logs, json.as_bytes()).unwrap());
    Export { signal: Signal::Logs, bytes: bytes.into(), items }
}

/// Reads settings as the program does, and what is wrong with them.
pub(super) fn parse(yaml: &str) -> (AlertWebhookConfig, Vec<Finding>) {
    let node = config::parse(&Source::new("test.yaml", yaml)).unwrap();
    let mut problems = Problems::default();
    let read: Option<AlertWebhookConfig> =
        config::decode_telling(&node, "alert_webhook", AlertWebhookConfig::NOT_SUPPORTED, &mut problems);
    let told: Vec<String> = problems.iter().map(|problem| problem.title()).collect();
    assert!(told.is_empty(), "{told:?}");
    let read = read.unwrap();
    let mut checks = Checks::default();
    read.validate(&mut checks);
    (read, checks.into_findings())
}

/// Settings without a mistake; that the queue is in memory is none in a test.
pub(super) fn good(yaml: &str) -> AlertWebhookConfig {
    let (config, findings) = parse(yaml);
    let errors: Vec<&Finding> = findings.iter().filter(|finding| !finding.is_warning).collect();
    assert!(errors.is_empty(), "{errors:?}");
    config
}

/// Turns of the event loop after which an exchange over loopback is over.
const TURNS: u32 = 60;

/// An exporter that runs until it is dropped, which is what a crash does.
pub(super) struct Running {
    pub(super) exporter: Rc<AlertExporter>,
    pub(super) clock: ManualClock,
    pub(super) telemetry: Telemetry,
    pub(super) desk: Desk,
    stop: Stop,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(yaml: &str) -> Self {
        Self::start_at(yaml, &ManualClock::new(NOW))
    }

    pub(super) fn start_at(yaml: &str, clock: &ManualClock) -> Self {
        let cx = exporter_cx(clock);
        let exporter = Rc::new(AlertExporter::new(&good(yaml), &cx));
        let (running, stop) = (Rc::clone(&exporter), Stop::new());
        let until = stop.clone();
        let task = tokio::task::spawn_local(async move { running.run(until).await.unwrap() });
        Self { exporter, clock: clock.clone(), telemetry: cx.telemetry, desk: cx.desk, stop, task }
    }

    pub(super) async fn tell(&self, all: &[Told]) {
        self.export(request(all)).await.unwrap();
    }

    pub(super) async fn export(&self, export: Export) -> Result<Delivered, ExportError> {
        self.exporter.export(export).await
    }

    /// Moves the time on, once what is under way on this thread has gone on: an answer that a server has given is
    /// taken before, however busy the machine is.
    pub(super) async fn pass(&self, time: Duration) {
        for _ in 0..TURNS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.clock.advance_to(self.clock.now() + time);
        tokio::task::yield_now().await;
    }

    /// Reads a metric, added up over all labels but those given.
    pub(super) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let name = format!("trueline_alert_webhook_{name}");
        let has = |row: &component::Instrument| {
            labels.iter().all(|(name, value)| row.labels.iter().any(|(n, v)| n == name && v == value))
        };
        self.telemetry.read().iter().filter(|row| row.name == name && has(row)).map(|row| row.value).sum()
    }

    /// Ends it at whatever it is doing, as a crash does.
    pub(super) async fn crash(self) {
        self.task.abort();
        // An abort ends the task at its next step; nothing of it may run on beside the next exporter.
        drop(self.task.await);
    }

    /// Ends it in order.
    pub(super) async fn stop(self) {
        self.exporter.shutdown().await.unwrap();
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// Waits with the patience of a test; each turn lets everything else on this thread go on.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), waited).await.is_ok(), "not in time: {what}");
}

/// The JSON bodies that a server got.
pub(super) fn bodies(seen: &RefCell<Vec<crate::http::testing::Seen>>) -> Vec<Value> {
    seen.borrow().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect()
}
