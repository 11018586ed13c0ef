//! Two instances that are fed alike: people are told once, also when one of them dies in the middle.

use std::{collections::BTreeSet, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use serde_json::{Value, json};
use testbed::{Alertmanager, AlertmanagerVersion, eventually};
use wire::build::{Attributes, Span, SpansWriter};

use super::{
    SOON,
    destination::Destination,
    gateway::{Gateway, Recipe},
    spans::{MILLISECOND, SpanKind, StatusCode, request, service, span},
};
use crate::rig::{Client, Folder, Rig};

/// How often alerts are told again: an Alertmanager holds them for four times as long.
const RESEND: Duration = Duration::from_secs(4);

fn start(queue: &Path, alertmanager: &str) -> Result<Gateway> {
    Gateway::start(&Recipe {
        components: &format!(
            "processors:
  sla:
    evaluation_interval: 1s
    slos: [{{name: availability, service: shop, sli: {{type: success_rate}}, target: 0.99, burn_alerts: google}}]
  alerting: {{evaluation_interval: 1s, window: 1s}}
exporters:
  alert_webhook:
    queue: {{directory: '{}'}}
    destinations: [{{name: am, format: alertmanager_v2, urls: ['{alertmanager}'], resend: {}s}}]",
            queue.display(),
            RESEND.as_secs(),
        ),
        pipelines: "
telemetry: {receivers: [otlp], processors: [sla, alerting], exporters: [alert_webhook]}",
        ..Recipe::default()
    })
}

/// Sends the same spans to all instances.
fn feed(gateways: &[&Gateway], n_spans: u64, status: StatusCode) -> Result<()> {
    let spans =
        (1..=n_spans).map(|id| span("GET /cart", 1, id, MILLISECOND).kind(SpanKind::Server).status(status));
    let request = request([service("shop", spans)]);
    gateways.iter().try_for_each(|gateway| gateway.send(&request))
}

/// The notifications of an alert that Alertmanager has sent, by their status.
fn notifications(pager: &Destination, alert: &str) -> Vec<String> {
    pager.look(|seen| {
        let of_alert = seen.iter().filter(|seen| seen.body["commonLabels"]["alertname"] == alert);
        of_alert.map(|seen| seen.body["status"].as_str().unwrap_or_default().to_owned()).collect()
    })
}

/// The one page that Alertmanager has.
fn page(alertmanager: &Alertmanager) -> Result<Value> {
    let mut pages = alertmanager.alerts()?;
    pages.retain(|alert| alert["labels"]["sloth_severity"] == "page");
    ensure!(pages.len() == 1, "{pages:?}");
    Ok(pages.remove(0))
}

#[test]
fn alertmanager_pages_once_though_one_of_two_instances_is_killed_in_the_middle() -> Result<()> {
    let pager = Destination::good()?;
    let routes = format!(
        "
route:
  receiver: none
  group_by: [alertname, sloth_severity]
  group_wait: 1s
  group_interval: 1s
  routes: [{{receiver: pager, matchers: ['sloth_severity=page']}}]
receivers: [{{name: none}}, {{name: pager, webhook_configs: [{{url: '{}'}}]}}]
",
        pager.url()
    );
    let alertmanager = Alertmanager::start(AlertmanagerVersion::Current, &routes)?;
    let folder = Folder::new()?;
    let mut one = start(&folder.file("one"), alertmanager.url())?;
    let two = start(&folder.file("two"), alertmanager.url())?;
    feed(&[&one, &two], 50, StatusCode::Error)?;
    let paged = || -> Result<String> {
        let name = page(&alertmanager)?["labels"]["alertname"].as_str().context("a name")?.to_owned();
        ensure!(notifications(&pager, &name) == ["firing"], "{:?}", notifications(&pager, &name));
        Ok(name)
    };
    let alert = eventually("the page", SOON, paged)?;
    both_have_told(&[&one, &two])?;
    one.trueline.kill()?;
    // When the survivor has told it so often again, what the dead one told has ended long ago.
    let mut times_told = BTreeSet::new();
    eventually("the survivor tells on", SOON, || {
        let page = page(&alertmanager).expect("there is no gap");
        assert_eq!(page["status"]["state"], "active", "{page}");
        assert_eq!(notifications(&pager, &alert), ["firing"]);
        times_told.insert(page["updatedAt"].to_string());
        ensure!(times_told.len() > 6, "{times_told:?}");
        Ok(())
    })?;
    feed(&[&two], 1200, StatusCode::Unset)?;
    eventually("it is resolved", SOON, || {
        ensure!(notifications(&pager, &alert).len() > 1, "it still fires");
        Ok(())
    })?;
    // What comes after another alert's page would have come before it, too.
    let labels = json!({"alertname": "Sentinel", "sloth_severity": "page"});
    alertmanager.post_alerts(&json!([{"labels": labels}]))?;
    eventually("the page of the sentinel", SOON, || {
        ensure!(!notifications(&pager, "Sentinel").is_empty(), "not yet");
        Ok(())
    })?;
    assert_eq!(notifications(&pager, &alert), ["firing", "resolved"]);
    Ok(())
}

/// Waits until each instance has told Alertmanager of the page and what else fires.
fn both_have_told(gateways: &[&Gateway]) -> Result<()> {
    for gateway in gateways {
        eventually("each instance tells", SOON, || {
            let sent = gateway.counter("trueline_alert_webhook_sent_alerts", &[("destination", "am")])?;
            // The watchdog, the page and the ticket.
            ensure!(sent >= 3.0, "{sent} are told");
            Ok(())
        })?;
    }
    Ok(())
}

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const STEP_SECONDS: u64 = 10;

/// An instance that tells a webhook by itself, under the clock of the test.
struct Instance {
    rig: Rig,
    client: Client,
}

impl Instance {
    fn start(queue: &Path, pager: &Destination, at: Timestamp) -> Result<Self> {
        let yaml = format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors:
  sla: {{slos: [{{name: availability, service: shop, sli: {{type: success_rate}}, target: 0.99, burn_alerts: google}}]}}
  alerting: {{watchdog: {{enabled: false}}}}
exporters:
  alert_webhook:
    queue: {{directory: '{}'}}
    destinations: [{{name: pager, format: cloudevents, url: '{}', min_severity: critical}}]
service: {{pipelines: {{telemetry: {{receivers: [otlp], processors: [sla, alerting], exporters: [alert_webhook]}}}}}}
",
            queue.display(),
            pager.url()
        );
        let rig = Rig::start(&yaml, &ManualClock::new(at))?;
        let client = rig.connect()?;
        Ok(Self { rig, client })
    }

    /// Serves for ten seconds, and lives on until all is told that follows.
    fn serve(&mut self, step: u64, n_spans: u64, status: u8) -> Result<()> {
        let answer = self.client.send(Signal::Traces, &spans(step, n_spans, status))?;
        ensure!(answer == 200, "status {answer}");
        for second in 1..=STEP_SECONDS {
            self.rig.advance_to(at(step) + Duration::from_secs(second))?;
        }
        Ok(())
    }
}

fn at(step: u64) -> Timestamp {
    START + Duration::from_secs(step * STEP_SECONDS)
}

fn spans(step: u64, n_spans: u64, status: u8) -> Vec<u8> {
    spans_at(at(step), n_spans, status)
}

/// Spans of `shop` that end then.
pub(super) fn spans_at(at: Timestamp, n_spans: u64, status: u8) -> Vec<u8> {
    let (none, mut resource, mut writer) = (Attributes::new(), Attributes::new(), SpansWriter::new());
    resource.push_str("service.name", "shop");
    writer.resource(&resource);
    writer.scope("test", "");
    for id in 1..=n_spans {
        let end = at.as_nanos() + id;
        writer.span(&Span {
            trace_id: u128::from(end).to_be_bytes(),
            span_id: end.to_be_bytes(),
            trace_state: "",
            parent_id: None,
            name: "GET /cart",
            kind: 2,
            start: end - MILLISECOND,
            end,
            attributes: &none,
            events: &[],
            links: &[],
            status,
            status_message: "",
            flags: 0,
        });
    }
    writer.take()
}

/// A notification: fingerprint, state and id.
type Told = (String, String, String);

fn told(pager: &Destination) -> Vec<Told> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |event: &Value| (text(&event["subject"]), text(&event["data"]["state"]), text(&event["id"]));
    pager.look(|seen| seen.iter().map(|seen| told(&seen.body)).collect())
}

/// Waits for so many notifications.
fn tells(pager: &Destination, n_told: usize) -> Result<Vec<Told>> {
    eventually("notifications", SOON, || {
        let told = told(pager);
        ensure!(told.len() == n_told, "{told:?}, must be {n_told}");
        Ok(told)
    })
}

pub(super) const GOOD: u8 = 0;
pub(super) const BAD: u8 = 2;

#[test]
fn two_instances_tell_webhooks_the_same_by_the_same_ids_and_the_survivor_goes_on() -> Result<()> {
    let (pagers, folder) =
        ([Destination::good()?, Destination::good()?, Destination::good()?], Folder::new()?);
    let start = |name: usize, step| Instance::start(&folder.file(&name.to_string()), &pagers[name], at(step));
    let (mut one, mut two) = (start(0, 0)?, start(1, 0)?);
    for (steps, n_spans, status) in [(0..2, 20, GOOD), (2..6, 20, BAD), (6..20, 100, GOOD), (20..30, 50, BAD)]
    {
        for step in steps {
            one.serve(step, n_spans, status)?;
            two.serve(step, n_spans, status)?;
        }
    }
    let of_one = tells(&pagers[0], 3)?;
    assert_eq!(of_one, tells(&pagers[1], 3)?, "who has heard an id can leave out what says it again");
    one.rig.stop();
    // One that begins in the middle does not know when it began, nor what was before.
    let mut late = start(2, 30)?;
    for (steps, n_spans, status) in [(30..34, 50, BAD), (34..54, 600, GOOD)] {
        for step in steps {
            two.serve(step, n_spans, status)?;
            late.serve(step, n_spans, status)?;
        }
    }
    let (of_two, of_late) = (tells(&pagers[1], 4)?, tells(&pagers[2], 2)?);
    assert_eq!(of_two[..3], of_one);
    let states: Vec<_> = of_two.iter().map(|told| told.1.as_str()).collect();
    assert_eq!(states, ["firing", "resolved", "firing", "resolved"]);
    let ids: BTreeSet<_> = of_two.iter().map(|told| &told.2).collect();
    assert_eq!(ids.len(), 4, "each has an id of its own: {of_two:?}");
    let all = of_two.iter().chain(&of_late);
    assert!(
        all.clone().all(|told| told.0 == of_one[0].0),
        "one alert, whoever tells of it: {:?}",
        all.collect::<Vec<_>>()
    );
    assert_eq!(tells(&pagers[0], 3)?, of_one);
    Ok(())
}
