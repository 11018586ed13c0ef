//! What `alert_webhook` sends, read by vendors' own libraries.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{
    Alertmanager, AlertmanagerVersion, Trueline, Watch, clients, eventually, free_port, get_json, post,
};

use super::{
    SOON,
    alertmanager::{Transition, tell},
    destination::Destination,
    gateway::{Gateway, Recipe},
};
use crate::rig::Folder;

const PIPELINES: &str = "
logs: {receivers: [otlp], exporters: [alert_webhook]}
traces: {receivers: [otlp], exporters: [nop]}
metrics: {receivers: [otlp], exporters: [nop]}";

/// Where messages go, and what its format tells of.
const DESTINATIONS: [(&str, &[&str]); 5] = [
    ("standard", &["firing", "acknowledged", "resolved"]),
    ("cloudevents", &["firing", "acknowledged", "resolved"]),
    ("pagerduty", &["firing", "acknowledged", "resolved"]),
    ("slack", &["firing", "resolved"]),
    ("teams", &["firing", "resolved"]),
];

/// Starts a gateway whose destinations are the receivers.
fn start(folder: &Folder, webhooks: u16, cards: u16) -> Result<Gateway> {
    let file = |name: &str, content: &str| -> Result<String> {
        std::fs::write(folder.file(name), content)?;
        Ok(folder.file(name).display().to_string())
    };
    Gateway::start(&Recipe {
        components: &format!(
            "exporters:
  alert_webhook:
    queue: {{directory: '{queue}'}}
    external_url: https://trueline.example.com
    destinations:
      - name: standard
        format: standard_webhook
        url: http://127.0.0.1:{webhooks}/standard
        signing: {{secret_file: '{secret}', rotate_secret_file: '{rotated}'}}
      - {{name: cloudevents, format: cloudevents, url: 'http://127.0.0.1:{webhooks}/cloudevents'}}
      - {{name: pagerduty, format: pagerduty_v2, url: 'http://127.0.0.1:{webhooks}/pagerduty', routing_key_file: '{key}'}}
      - {{name: slack, format: slack, url: 'http://127.0.0.1:{webhooks}/slack', group_wait: 0s, group_interval: 1s}}
      - {{name: teams, format: teams_workflow, url: 'http://127.0.0.1:{cards}/teams', group_wait: 0s, group_interval: 1s}}
  nop:",
            queue = folder.file("queue").display(),
            secret = file("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?,
            rotated = file("rotated", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")?,
            key = file("key", "0123456789abcdef0123456789abcdef")?,
        ),
        pipelines: PIPELINES,
        ..Recipe::default()
    })
}

#[test]
fn vendors_own_libraries_take_what_is_sent() -> Result<()> {
    let (webhooks, cards) = (free_port(), free_port());
    let receivers = [clients::webhook_receiver(webhooks)?, clients::card_receiver(cards)?];
    let folder = Folder::new()?;
    let gateway = start(&folder, webhooks, cards)?;
    let mut expected = DESTINATIONS.map(|(name, _)| (name, 0.0));
    for (state, sequence) in [("firing", 1), ("acknowledged", 2), ("resolved", 3)] {
        tell(&gateway.http, &Transition { state, service: "shop <b> & \"co\" [*](x)", sequence })?;
        for ((name, n_sent), (_, states)) in expected.iter_mut().zip(DESTINATIONS) {
            *n_sent += if states.contains(&state) { 1.0 } else { 0.0 };
            eventually("the library has taken it", SOON, || {
                let sent =
                    gateway.counter("trueline_alert_webhook_sent_messages", &[("destination", name)])?;
                let said = receivers.each_ref().map(|receiver| receiver.log());
                ensure!(sent == *n_sent, "{name} took {sent}, must be {n_sent}; they say: {said:?}");
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Sends what a format is known to write.
fn send_golden(file: &str, url: &str, content_type: &str) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/exporters/alert_webhook/tests/golden");
    let body = std::fs::read(folder.join(file)).with_context(|| file.to_owned())?;
    post(url, content_type, &[], &body)?.success().with_context(|| file.to_owned())?;
    Ok(())
}

#[test]
fn vendors_own_libraries_take_what_formats_are_known_to_write() -> Result<()> {
    let (webhooks, cards) = (free_port(), free_port());
    let _receivers = [clients::webhook_receiver(webhooks)?, clients::card_receiver(cards)?];
    for (file, path) in [
        ("pagerduty_trigger.json", "pagerduty"),
        ("pagerduty_acknowledge.json", "pagerduty"),
        ("pagerduty_resolve.json", "pagerduty"),
        ("slack.json", "slack"),
    ] {
        send_golden(file, &format!("http://127.0.0.1:{webhooks}/{path}"), "application/json")?;
    }
    let url = format!("http://127.0.0.1:{webhooks}/cloudevents");
    send_golden("cloudevents.json", &url, "application/cloudevents+json")?;
    send_golden("teams_workflow.json", &format!("http://127.0.0.1:{cards}/teams"), "application/json")?;
    // Alertmanager checks what it is sent by its published schema.
    for version in [AlertmanagerVersion::Current, AlertmanagerVersion::Debian] {
        let manager = Alertmanager::start(version, NO_ROUTES)?;
        let url = format!("{}/api/v2/alerts", manager.url());
        send_golden("alertmanager_v2.json", &url, "application/json")?;
    }
    Ok(())
}

const NO_ROUTES: &str = "
route: {receiver: none}
receivers: [{name: none}]
";

/// The newest webhook of a destination that has a status.
fn newest(destination: &Destination, status: &str) -> Result<Value> {
    destination.look(|seen| {
        let of_status = seen.iter().filter(|seen| seen.body["status"] == status);
        of_status.map(|seen| seen.body.clone()).next_back().context("nothing has come yet")
    })
}

/// Takes out what is each sender's own, and checks that it is there.
fn without_names(mut webhook: Value) -> Value {
    let mut take = |pointer: &str| {
        let value = webhook.pointer_mut(pointer).map(Value::take);
        assert!(value.is_some_and(|value| value.is_string()), "{pointer} is no text in {webhook}");
    };
    for pointer in ["/receiver", "/externalURL", "/alerts/0/fingerprint", "/alerts/0/generatorURL"] {
        take(pointer);
    }
    webhook
}

#[test]
fn the_webhook_of_version_4_is_what_alertmanager_itself_sends() -> Result<()> {
    let (theirs, ours) = (Destination::good()?, Destination::good()?);
    let manager = Alertmanager::start(
        AlertmanagerVersion::Current,
        &format!(
            "
route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]
",
            theirs.url()
        ),
    )?;
    let folder = Folder::new()?;
    let gateway = Gateway::start(&Recipe {
        components: &format!(
            "exporters:
  alert_webhook:
    queue: {{directory: '{}'}}
    destinations:
      - {{name: am, format: alertmanager_v2, urls: ['{}']}}
      - {{name: hook, url: '{}', group_wait: 0s, group_interval: 1s}}
  nop:",
            folder.file("queue").display(),
            manager.url(),
            ours.url(),
        ),
        pipelines: PIPELINES,
        ..Recipe::default()
    })?;
    for (state, sequence) in [("firing", 1), ("resolved", 2)] {
        tell(&gateway.http, &Transition { state, service: "shop", sequence })?;
        let of =
            |destination| eventually("the webhook", SOON, || newest(destination, state)).map(without_names);
        assert_eq!(of(&ours)?, of(&theirs)?, "{state}");
    }
    Ok(())
}

/// The alert that always fires is told with a link, and whoever follows it is told of that alert.
#[test]
fn the_link_of_a_message_leads_to_the_alert() -> Result<()> {
    let folder = Folder::new()?;
    let hook = Destination::good()?;
    let (otlp, health, api) = (free_port(), free_port(), free_port());
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{otlp}'}}}}}}}}
processors: {{aggregation: , alerting: }}
exporters:
  alert_webhook:
    queue: {{directory: '{}'}}
    external_url: http://127.0.0.1:{api}/
    destinations: [{{name: hook, format: cloudevents, url: '{}', match: {{alertname: Watchdog}}}}]
extensions: {{health_check: {{endpoint: '127.0.0.1:{health}'}}, api: {{endpoint: '127.0.0.1:{api}'}}}}
service:
  extensions: [health_check, api]
  pipelines: {{telemetry: {{receivers: [otlp], processors: [aggregation, alerting], exporters: [alert_webhook]}}}}
",
        folder.file("queue").display(),
        hook.url(),
    );
    let watch = Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None };
    let trueline = Trueline::start(&yaml, watch).with_context(|| yaml.clone())?;
    let told = eventually("the alert is told", SOON, || {
        let first = hook.look(|seen| seen.first().map(|seen| seen.body["data"].clone()));
        first.with_context(|| format!("nothing has come: {}", trueline.log()))
    })?;
    let link = told["url"].as_str().with_context(|| format!("no link in {told}"))?;
    let answer = get_json(link)?;
    ensure!(answer["labels"]["alertname"] == "Watchdog", "{link} answers {answer}");
    ensure!(answer["fingerprint"] == told["fingerprint"], "{answer} is not {told}");
    Ok(())
}
