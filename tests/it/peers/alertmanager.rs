//! Alertmanager takes, groups and resolves what `alert_webhook` sends; `amtool` shows it.

use std::{path::Path, process::Command, time::SystemTime};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Alertmanager, AlertmanagerVersion, eventually, part, post};

use super::{
    SOON,
    gateway::{Gateway, Recipe},
};
use crate::rig::Folder;

const ROUTES: &str = "
route: {receiver: none, group_by: [alertname], group_wait: 1s, group_interval: 1s}
receivers: [{name: none}]
";

/// A transition of the alert `HighErrors` of a service.
pub(super) struct Transition<'a> {
    pub(super) state: &'a str,
    pub(super) service: &'a str,
    pub(super) sequence: u64,
}

/// Tells of an alert as the stage `alerting` does, and returns when it is accepted.
pub(super) fn tell(address: &str, told: &Transition<'_>) -> Result<()> {
    let text = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let map = |key: &str, name: &str, value: &str| {
        let values: Vec<Value> =
            [("alertname", "HighErrors"), (name, value)].map(|(key, value)| text(key, value)).into();
        json!({"key": key, "value": {"kvlistValue": {"values": values}}})
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos().to_string();
    let whole = |key: &str, number: &str| json!({"key": key, "value": {"intValue": number}});
    let fingerprint: String = told.service.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut attributes = vec![
        text("trueline.alert.state", told.state),
        text("trueline.alert.id", &format!("{fingerprint}-{}", told.sequence)),
        text("trueline.alert.fingerprint", &fingerprint),
        text("trueline.alert.severity", "critical"),
        map("trueline.alert.labels", "service.name", told.service),
        map("trueline.alert.annotations", "summary", "a quarter of all orders fails"),
        whole("trueline.alert.sequence", &told.sequence.to_string()),
        whole("trueline.alert.starts_at", "1700000000000000000"),
    ];
    if told.state == "resolved" {
        attributes.push(whole("trueline.alert.ends_at", &now));
    }
    let event_name = format!("trueline.alert.{}", told.state);
    let record = json!({"timeUnixNano": now, "eventName": event_name, "attributes": attributes});
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]});
    let url = format!("http://{address}/v1/logs");
    post(&url, "application/json", &[], request.to_string().as_bytes())?.success().map(drop)
}

/// Asks Alertmanager's own tool.
fn amtool(version: AlertmanagerVersion, alertmanager: &Alertmanager, args: &[&str]) -> Result<String> {
    let built = match version {
        AlertmanagerVersion::Current => "alertmanager",
        AlertmanagerVersion::Debian => "alertmanager-debian",
    };
    let url = format!("--alertmanager.url={}", alertmanager.url());
    let output = Command::new(part(built, "amtool")?).arg(url).args(args).output()?;
    ensure!(output.status.success(), "amtool {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn start(directory: &Path, urls: &[String]) -> Result<Gateway> {
    Gateway::start(&Recipe {
        components: &format!(
            "exporters:
  alert_webhook:
    queue: {{directory: '{}'}}
    destinations: [{{name: am, format: alertmanager_v2, urls: ['{}'], resend: 1s}}]
  nop:",
            directory.display(),
            urls.join("', '"),
        ),
        pipelines: "
logs: {receivers: [otlp], exporters: [alert_webhook]}
traces: {receivers: [otlp], exporters: [nop]}
metrics: {receivers: [otlp], exporters: [nop]}",
        ..Recipe::default()
    })
}

#[test]
fn both_versions_take_group_and_resolve_alerts_and_amtool_shows_them() -> Result<()> {
    let versions = [AlertmanagerVersion::Current, AlertmanagerVersion::Debian];
    let managers = versions.map(|version| Alertmanager::start(version, ROUTES));
    let managers = managers.into_iter().collect::<Result<Vec<_>>>()?;
    let folder = Folder::new()?;
    let urls: Vec<String> = managers.iter().map(|manager| manager.url().to_owned()).collect();
    let gateway = start(&folder.file("queue"), &urls)?;
    tell(&gateway.http, &Transition { state: "firing", service: "shop", sequence: 1 })?;
    tell(&gateway.http, &Transition { state: "firing", service: "payment", sequence: 1 })?;
    for (version, manager) in versions.into_iter().zip(&managers) {
        eventually("amtool shows both alerts", SOON, || {
            let shown = amtool(version, manager, &["alert", "query", "-o", "json", "alertname=HighErrors"])?;
            let alerts: Vec<Value> = serde_json::from_str(&shown)?;
            ensure!(alerts.len() == 2, "{shown}");
            ensure!(alerts.iter().all(|alert| alert["status"]["state"] == "active"), "{shown}");
            ensure!(alerts[0]["labels"]["service_name"].is_string(), "{shown}");
            Ok(())
        })?;
        eventually("they are one group", SOON, || {
            let groups = manager.groups()?;
            let group = groups.first().context("a group")?;
            let n_alerts = group["alerts"].as_array().map_or(0, Vec::len);
            ensure!(
                groups.len() == 1 && group["labels"]["alertname"] == "HighErrors" && n_alerts == 2,
                "{groups:?}"
            );
            Ok(())
        })?;
    }
    tell(&gateway.http, &Transition { state: "resolved", service: "shop", sequence: 2 })?;
    for (version, manager) in versions.into_iter().zip(&managers) {
        eventually("one is resolved, the other fires on", SOON, || {
            let shown = amtool(version, manager, &["alert", "query", "-o", "json", "alertname=HighErrors"])?;
            let alerts: Vec<Value> = serde_json::from_str(&shown)?;
            ensure!(alerts.len() == 1 && alerts[0]["labels"]["service_name"] == "payment", "{shown}");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn what_an_alertmanager_missed_while_it_and_we_were_away_it_gets_afterwards() -> Result<()> {
    let folder = Folder::new()?;
    let directory = folder.file("queue");
    // Nobody listens there.
    let mut gateway = start(&directory, &["http://127.0.0.1:1".to_owned()])?;
    tell(&gateway.http, &Transition { state: "firing", service: "shop", sequence: 1 })?;
    eventually("it waits", SOON, || {
        let waits = gateway.counter("trueline_alert_webhook_queue_items", &[("destination", "am")])?;
        ensure!(waits == 1.0, "{waits} wait");
        Ok(())
    })?;
    gateway.trueline.kill()?;
    let manager = Alertmanager::start(AlertmanagerVersion::Current, ROUTES)?;
    let _gateway = start(&directory, &[manager.url().to_owned()])?;
    eventually("the alert of the process before is there", SOON, || {
        let alerts = manager.alerts()?;
        ensure!(alerts.len() == 1 && alerts[0]["labels"]["service_name"] == "shop", "{alerts:?}");
        Ok(())
    })
}
