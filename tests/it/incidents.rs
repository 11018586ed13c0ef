//! The shop of the quick start in virtual time: how soon its alert leaves for the webhook, and what the incident says.
//! And the commands that ask a running service of incidents.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use component::Telemetry;
use engine::Offline;
use model::{Signal, Timestamp, alert_event};
use serde_json::{Value, json};
use testbed::{Trueline, Watch, eventually, free_port, post};
use wire::view::{LogRecord, groups};

use crate::{
    program::trueline_succeeds,
    rig::{Folder, plan},
};

/// Of the first span.
const START: Timestamp = Timestamp::from_secs(1_767_225_603);
const SECOND: Duration = Duration::from_secs(1);
/// As the script has it, so that payments fail after half a minute.
const LOAD: [&str; 7] = [
    "load",
    "--rate=500",
    "--duration=160s",
    "--signals=traces",
    "--fault=payment:errors@30s+45s=0.9",
    "--start=1767225603",
    "--output",
];

/// One of our own events that left a pipeline, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Left {
    /// Whole seconds since the first span.
    second: u64,
    name: String,
    body: String,
    /// Of an alert.
    fingerprint: String,
    incident: String,
    /// Of an alert, what is wrong with its incident.
    title: String,
    /// Whether an alert is told again for another cause: its transition has a name of its own, behind that of the first.
    is_retold: bool,
    /// Of an incident, what it took of budgets, as text.
    impact: String,
    is_suppressed: bool,
}

impl Left {
    fn of(second: u64, record: &LogRecord<'_>) -> Self {
        let attribute = |key: &str| {
            let found = record.attributes().find(|attribute| attribute.key == key.as_bytes());
            found.map(|attribute| attribute.value().to_label_string())
        };
        Self {
            second,
            name: String::from_utf8_lossy(record.event_name).into_owned(),
            body: record.body.to_label_string(),
            fingerprint: attribute(alert_event::FINGERPRINT).unwrap_or_default(),
            incident: attribute(alert_event::INCIDENT_ID).unwrap_or_default(),
            title: attribute(alert_event::INCIDENT_TITLE).unwrap_or_default(),
            is_retold: attribute(alert_event::ID).is_some_and(|id| id.contains('-')),
            impact: attribute("trueline.incident.impact").unwrap_or_default(),
            is_suppressed: attribute(alert_event::SUPPRESSED_BY).is_some(),
        }
    }
}

/// The requests of the shop, each with the time at which its last span ended.
fn shop() -> Result<Vec<(Timestamp, Bytes)>> {
    recorded(&LOAD)
}

/// The requests of a load that ends with `--output`, each with the time at which its last span ended.
pub(crate) fn recorded(load: &[&str]) -> Result<Vec<(Timestamp, Bytes)>> {
    let folder = Folder::new()?;
    let file = folder.file("shop.jsonl");
    trueline_succeeds(&[load, &[&file.display().to_string()]].concat())?;
    let request = |line: &str| -> Result<(Timestamp, Bytes)> {
        let request = wire::json::json_to_wire(Signal::Traces, line.as_bytes())?;
        let ends = line.split(r#""endTimeUnixNano":""#).skip(1).filter_map(|rest| rest.split('"').next());
        let last = ends.filter_map(|nanos| nanos.parse().ok()).max().context("a request has spans")?;
        Ok((Timestamp(last), request.into()))
    };
    fs::read_to_string(file)?.lines().map(request).collect()
}

/// The pipeline of the quick start, with some of its stages left out of it.
pub(crate) fn quick_start(without: &[&str]) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/quick-start.yaml");
    let mut yaml = fs::read_to_string(path)?;
    for stage in without {
        let listed = format!(", {stage}");
        ensure!(yaml.matches(&listed).count() == 1, "{stage} is not listed once");
        yaml = yaml.replace(&listed, "");
    }
    Ok(yaml)
}

/// Plays the shop and returns what leaves for the webhook in each second: our own events.
fn played(yaml: String, shop: &[(Timestamp, Bytes)]) -> Result<Vec<Left>> {
    let mut offline = Offline::new(plan(yaml)?, &Telemetry::default(), START);
    let (mut left, mut waiting) = (Vec::new(), shop.iter().peekable());
    while waiting.peek().is_some() {
        let now = offline.now() + SECOND;
        while let Some((_, request)) = waiting.next_if(|(at, _)| *at < now) {
            offline.take(Signal::Traces, request.clone())?;
        }
        offline.advance(now);
        for export in offline.told().exports.iter().filter(|export| export.signal == Signal::Logs) {
            let request = export.bytes.whole();
            let records = groups(&request).flat_map(|group| group.items().collect::<Vec<_>>());
            let told = records.map(|record| Left::of(now.since(START).as_secs(), &LogRecord::of(record)));
            left.extend(told.filter(|left| left.name.starts_with("trueline.")));
        }
    }
    Ok(left)
}

/// What people are told of alerts: when, what, of which.
fn notified(left: &[Left]) -> Vec<(u64, String, String)> {
    let alerts = left.iter().filter(|left| left.name.starts_with(alert_event::PREFIX) && !left.is_suppressed);
    alerts.map(|left| (left.second, left.name.clone(), left.fingerprint.clone())).collect()
}

#[test]
fn an_alert_leaves_for_the_webhook_in_the_same_second_with_correlation_as_without() -> Result<()> {
    let shop = shop()?;
    let (with, without) = (quick_start(&[])?, quick_start(&["correlation"])?);
    let (with, without) = (played(with, &shop)?, played(without, &shop)?);
    let alerts = notified(&without);
    for state in ["trueline.alert.firing", "trueline.alert.resolved"] {
        assert!(alerts.iter().any(|(_, name, _)| name == state), "{state} is not among {alerts:?}");
    }
    let (retold, with): (Vec<Left>, Vec<Left>) = with.into_iter().partition(|left| left.is_retold);
    assert_eq!(notified(&with), alerts);
    // Who was told before the cause was known learns of it, once.
    let causes: Vec<_> =
        retold.iter().map(|left| (&*left.name, left.title.starts_with("payment fails"))).collect();
    assert_eq!(causes, [("trueline.alert.firing", true)], "{retold:?}");
    Ok(())
}

#[test]
fn the_fault_of_the_quick_start_is_named_within_two_minutes_and_its_alert_says_which_incident() -> Result<()>
{
    let left = played(quick_start(&[])?, &shop()?)?;
    let fired = left.iter().find(|left| left.name == "trueline.alert.firing" && left.body.contains("orders"));
    let fired = fired.context("the alert fires")?;
    let of_incident =
        |left: &&Left| left.name.starts_with("trueline.incident.") && left.incident == fired.incident;
    let told: Vec<&Left> = left.iter().filter(of_incident).collect();
    assert_eq!(told[0].name, "trueline.incident.opened");
    let named =
        told.iter().find(|left| left.body.starts_with("payment fails")).context("the cause is named")?;
    assert!(named.second < 120, "it is named after {} s", named.second);
    let last = told.last().context("something is told")?;
    assert!(last.body.starts_with("payment fails"), "when the fault is over it is told as {}", last.body);
    let opened = left.iter().filter(|left| left.name == "trueline.incident.opened").count();
    assert_eq!(opened, 1, "one fault is one incident");
    let lost: Value = serde_json::from_str(&last.impact).with_context(|| last.impact.clone())?;
    let [orders] = lost.as_array().map_or(&[][..], Vec::as_slice) else { panic!("{lost}") };
    assert_eq!(orders["slo_id"], "frontend-orders");
    let number = |key: &str| orders[key].as_f64().with_context(|| format!("{key} is missing in {orders}"));
    // Nine of ten orders failed for most of the time that is counted, where one of a hundred may.
    assert!(number("bad_events")? > 10.0 && (0.2..=1.0).contains(&number("bad_share")?), "{orders}");
    assert!(number("budget_consumed")? > 1.0 && number("budget_remaining")? < 0.0, "{orders}");
    Ok(())
}

const TOKEN: &str = "0123456789abcdef";

fn serve(api: u16, otlp: u16) -> Result<Trueline> {
    let health = free_port();
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{otlp}'}}}}}}}}
processors: {{aggregation: , bottleneck: , correlation: }}
exporters: {{nop: }}
extensions:
  health_check: {{endpoint: '127.0.0.1:{health}'}}
  api: {{endpoint: '127.0.0.1:{api}', tokens: [{{name: ci, token: {TOKEN}, access: write}}]}}
service:
  extensions: [health_check, api]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, bottleneck, correlation], exporters: [nop]}}
"
    );
    Trueline::start(&yaml, Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None })
}

/// Runs a command that asks the service, and returns whether it succeeded and what it said.
fn ask(port: u16, arguments: &[&str]) -> Result<(bool, String)> {
    let mut command = Command::new(testbed::trueline_binary()?);
    let command = command.args(arguments).arg(format!("--api=http://127.0.0.1:{port}"));
    let told = command.env("TRUELINE_TOKEN", TOKEN).output()?;
    let said = [told.stdout, told.stderr].concat();
    Ok((told.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// An episode as `anomaly` tells it, which begins now.
fn episode() -> String {
    let now = jiff::Timestamp::now().as_nanosecond().to_string();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let start = json!({"key": "trueline.anomaly.start", "value": {"intValue": now}});
    let attributes = [
        text("trueline.anomaly.id", "00000000000000ab"),
        text("trueline.anomaly.state", "open"),
        text("trueline.anomaly.severity", "warning"),
        start,
    ];
    let body = json!({"stringValue": "p95 of payment is high"});
    let record =
        json!({"timeUnixNano": now, "eventName": "trueline.anomaly", "body": body, "attributes": attributes});
    let resource = json!({"attributes": [text("service.name", "payment")]});
    json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}).to_string()
}

#[test]
fn people_say_what_to_think_of_an_incident_and_it_is_shown() -> Result<()> {
    let [port, otlp] = [free_port(), free_port()];
    let _trueline = serve(port, otlp)?;
    let url = format!("http://127.0.0.1:{otlp}/v1/logs");
    post(&url, "application/json", &[], episode().as_bytes())?.success()?;
    let id = eventually("an incident", Duration::from_secs(120), || {
        let (_, said) = ask(port, &["incidents", "--format=json"])?;
        let listed: Value = serde_json::from_str(&said)?;
        Ok(listed["incidents"][0]["id"].as_str().context("none is open yet")?.to_owned())
    })?;
    let (is_done, said) = ask(port, &["incidents", "feedback", &id, "noise"])?;
    assert!(is_done && said.contains("feedback of ci at ") && said.contains(": it was noise"), "{said}");
    let (is_done, said) = ask(port, &["incidents", "feedback", &id, "noise", "--root=cart"])?;
    assert!(!is_done && said.contains("it goes with wrong_cause alone"), "{said}");
    let (is_done, said) = ask(port, &["incidents", "feedback", &id, "wrong_cause", "--root=cart"])?;
    assert!(is_done, "{said}");
    let (_, said) = ask(port, &["incidents", "show", &id])?;
    assert!(said.contains(": the cause is cart"), "{said}");
    let (is_done, said) = ask(port, &["incidents", "feedback", "01K", "true"])?;
    assert!(!is_done && said.contains("`01K` is no incident"), "{said}");
    Ok(())
}

#[test]
fn a_pipeline_tells_of_a_change_and_people_see_it() -> Result<()> {
    let port = free_port();
    let _trueline = serve(port, free_port())?;
    let ask = |arguments: &[&str]| ask(port, arguments);
    let (is_done, said) = ask(&["changes", "add", "payment", "version 2.3 was deployed"])?;
    assert!(is_done && said.contains("version 2.3 was deployed"), "{said}");
    let (is_done, said) = ask(&["changes"])?;
    assert!(
        is_done && said.lines().any(|line| line.ends_with("payment  version 2.3 was deployed")),
        "{said}"
    );
    assert_eq!(ask(&["incidents"])?, (true, "no incident is known\n".to_owned()));
    let (is_done, said) = ask(&["incidents", "--state", "firing"])?;
    assert!(!is_done && said.contains("must be one of open, mitigating, resolved, closed"), "{said}");
    let (is_done, said) = ask(&["incidents", "show", "01K"])?;
    assert!(!is_done && said.contains("`01K` is no incident"), "{said}");
    Ok(())
}
