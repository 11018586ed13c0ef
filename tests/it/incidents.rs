//! The shop of the quick start in virtual time: how soon its alert leaves for the webhook, and what the incident says.
//! And the commands that ask a running service of incidents.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use component::Telemetry;
use engine::Offline;
use model::{Signal, Timestamp, alert_event};
use testbed::{Trueline, Watch, free_port};
use wire::view::{LogRecord, groups};

use crate::rig::{Folder, plan};

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
            is_suppressed: attribute(alert_event::SUPPRESSED_BY).is_some(),
        }
    }
}

/// The requests of the shop, each with the time at which its last span ended.
fn shop() -> Result<Vec<(Timestamp, Bytes)>> {
    let folder = Folder::new()?;
    let file = folder.file("shop.jsonl");
    let told = Command::new(testbed::trueline_binary()?).args(LOAD).arg(&file).output()?;
    ensure!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let request = |line: &str| -> Result<(Timestamp, Bytes)> {
        let request = wire::json::json_to_wire(Signal::Traces, line.as_bytes())?;
        let ends = line.split(r#""endTimeUnixNano":""#).skip(1).filter_map(|rest| rest.split('"').next());
        let last = ends.filter_map(|nanos| nanos.parse().ok()).max().context("a request has spans")?;
        Ok((Timestamp(last), request.into()))
    };
    fs::read_to_string(file)?.lines().map(request).collect()
}

/// The pipeline of the quick start, with some of its stages left out of it.
fn quick_start(without: &[&str]) -> Result<String> {
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
            let records = groups(&export.bytes).flat_map(|group| group.items().collect::<Vec<_>>());
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
    assert_eq!(notified(&with), alerts);
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
    Ok(())
}

const TOKEN: &str = "0123456789abcdef";

fn serve(api: u16) -> Result<Trueline> {
    let [health, otlp] = [free_port(), free_port()];
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

#[test]
fn a_pipeline_tells_of_a_change_and_people_see_it() -> Result<()> {
    let port = free_port();
    let _trueline = serve(port)?;
    let ask = |arguments: &[&str]| -> Result<(bool, String)> {
        let mut command = Command::new(testbed::trueline_binary()?);
        let command = command.args(arguments).arg(format!("--api=http://127.0.0.1:{port}"));
        let told = command.env("TRUELINE_TOKEN", TOKEN).output()?;
        let said = [told.stdout, told.stderr].concat();
        Ok((told.status.success(), String::from_utf8_lossy(&said).into_owned()))
    };
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
