//! A promise on latency that is broken wakes somebody once: from spans to a real Alertmanager.

use anyhow::{Result, ensure};
use serde_json::Value;
use testbed::{Alertmanager, AlertmanagerVersion, eventually};

use super::{
    SOON,
    gateway::{Gateway, Recipe},
    spans::{MILLISECOND, SpanKind, request, service, span},
};
use crate::rig::Folder;

const ROUTES: &str = "
route: {receiver: none, group_by: [alertname], group_wait: 1s, group_interval: 1s}
receivers: [{name: none}]
";

fn start(queue: &std::path::Path, alertmanager: &str) -> Result<Gateway> {
    Gateway::start(&Recipe {
        components: &format!(
            "processors:
  sla:
    evaluation_interval: 1s
    slos:
      - name: latency
        service: shop
        match: {{span.kind: server}}
        sli: {{type: latency, within: 100ms}}
        target: 0.99
        burn_alerts: google
  alerting:
    evaluation_interval: 1s
    window: 1s
exporters:
  alert_webhook:
    queue: {{directory: '{}'}}
    destinations: [{{name: am, format: alertmanager_v2, urls: ['{alertmanager}'], resend: 1s}}]",
            queue.display(),
        ),
        pipelines: "
telemetry: {receivers: [otlp], processors: [sla, alerting], exporters: [alert_webhook]}",
        ..Recipe::default()
    })
}

/// The alerts of a kind of severity that Alertmanager has.
fn alerts_of(alertmanager: &Alertmanager, severity: &str) -> Result<Vec<Value>> {
    let mut all = alertmanager.alerts()?;
    all.retain(|alert| alert["labels"]["sloth_severity"] == severity);
    Ok(all)
}

#[test]
fn a_broken_promise_on_latency_is_one_page_in_alertmanager() -> Result<()> {
    let alertmanager = Alertmanager::start(AlertmanagerVersion::Current, ROUTES)?;
    let folder = Folder::new()?;
    let gateway = start(&folder.file("queue"), alertmanager.url())?;
    let mut n_sent = 0;
    let mut send = |millis: u64| -> Result<()> {
        n_sent += 1;
        let server = |id| span("GET /cart", n_sent, id, millis * MILLISECOND).kind(SpanKind::Server);
        gateway.send(&request([service("shop", (1..=20).map(server))]))
    };
    // Good at first: nothing but the alert that always fires may come.
    send(50)?;
    eventually("the alert that always fires", SOON, || {
        let all = alertmanager.alerts()?;
        ensure!(all.iter().any(|alert| alert["labels"]["alertname"] == "Watchdog"), "{all:?}");
        Ok(())
    })?;
    ensure!(alerts_of(&alertmanager, "page")?.is_empty(), "a promise that is kept pages");
    eventually("the page of a promise that is broken", SOON, || {
        send(900)?;
        let pages = alerts_of(&alertmanager, "page")?;
        ensure!(pages.len() == 1, "{pages:?}");
        let labels = &pages[0]["labels"];
        ensure!(labels["sloth_id"] == "shop-latency" && labels["sloth_service"] == "shop", "{labels}");
        ensure!(labels["severity"] == "critical" && labels["sloth_slo"] == "latency", "{labels}");
        Ok(())
    })?;
    let starts_at = alerts_of(&alertmanager, "page")?[0]["startsAt"].clone();
    // It burns on, and stays the one alert that it was.
    for _ in 0..3 {
        send(900)?;
    }
    eventually("the ticket beside it", SOON, || {
        ensure!(alerts_of(&alertmanager, "ticket")?.len() == 1, "no ticket yet");
        Ok(())
    })?;
    let pages = alerts_of(&alertmanager, "page")?;
    ensure!(pages.len() == 1 && pages[0]["startsAt"] == starts_at, "{pages:?}");
    Ok(())
}
