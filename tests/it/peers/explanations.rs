//! `trueline explain` after a restart: the same words about every moment before it.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Result, ensure};
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use testbed::{eventually, free_port, trueline_binary};

use super::{
    SOON,
    destination::Destination,
    two_instances::{BAD, GOOD, spans_at},
};
use crate::rig::{Folder, Rig};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const STEP: Duration = Duration::from_secs(10);

/// A service that keeps its state, under the clock of the test.
struct Service {
    rig: Rig,
    api: String,
}

impl Service {
    fn start(folder: &Path, hook: &Destination, clock: &ManualClock) -> Result<Self> {
        let api = format!("127.0.0.1:{}", free_port());
        let yaml = format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors:
  aggregation: {{windows: [10s], allowed_lateness: 1s}}
  sla: {{slos: [{{name: availability, service: shop, sli: {{type: success_rate}}, target: 0.99, burn_alerts: google}}]}}
  alerting:
    lateness: 10s
    rules:
      - {{name: Errors, metric: span.duration, stat: error_ratio, group_by: [service.name], for: 10s, when: {{op: gt, value: 0.05}}}}
      - {{name: Quiet, metric: span.duration, stat: rate, group_by: [service.name], when: {{op: gt, value: 1000000}}}}
exporters:
  alert_webhook:
    queue: {{directory: '{folder}/queue'}}
    destinations:
      - {{name: hook, format: cloudevents, url: '{url}'}}
      - {{name: pager, format: cloudevents, url: '{url}', min_severity: emergency}}
extensions: {{api: {{endpoint: '{api}'}}, file_storage: {{directory: '{folder}/state'}}}}
service:
  extensions: [api, file_storage]
  pipelines: {{telemetry: {{receivers: [otlp], processors: [aggregation, sla, alerting], exporters: [alert_webhook]}}}}
",
            folder = folder.display(),
            url = hook.url()
        );
        Ok(Self { rig: Rig::start(&yaml, clock)?, api })
    }

    /// What the command prints.
    fn explain(&self, subject: &str, at: Timestamp) -> Result<String> {
        let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos()))?.to_string();
        let output = Command::new(trueline_binary()?)
            .args(["explain", subject, "--at", &at, "--api", &format!("http://{}", self.api)])
            .output()?;
        let told = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        Ok(told)
    }

    /// All that can be asked about the time up to now.
    fn everything(&self) -> Result<Vec<String>> {
        let subjects = ["Errors", "Quiet", "shop-availability", "span.duration"];
        let moments = (1..20).step_by(3).map(|step| START + STEP * step + Duration::from_secs(4));
        let asked = moments.flat_map(|at| subjects.map(|subject| (subject, at)));
        asked.map(|(subject, at)| self.explain(subject, at)).collect()
    }
}

#[test]
fn trueline_explain_says_the_same_after_a_restart() -> Result<()> {
    let (folder, hook) = (Folder::new()?, Destination::good()?);
    let (clock, directory) = (ManualClock::new(START), folder.file("service"));
    let service = Service::start(&directory, &hook, &clock)?;
    let mut client = service.rig.connect()?;
    for step in 0..20 {
        let status = if (5..12).contains(&step) { BAD } else { GOOD };
        let answer = client.send(Signal::Traces, &spans_at(START + STEP * step, 50, status))?;
        ensure!(answer == 200, "status {answer}");
        for second in 1..=10 {
            service.rig.advance_to(START + STEP * step + Duration::from_secs(second))?;
        }
    }
    // Until everything has been counted, judged and told.
    for second in 1..=110 {
        service.rig.advance_to(START + STEP * 20 + Duration::from_secs(second))?;
    }
    let stored = std::fs::read_dir(directory.join("state"))?;
    let names: Vec<_> = stored.map(|file| Ok(file?.file_name().into_string().ok())).collect::<Result<_>>()?;
    let is_archive = |name: &Option<String>| name.as_deref().is_some_and(|name| name.starts_with("archive"));
    ensure!(names.iter().any(is_archive), "a crash takes no more than five minutes of values: {names:?}");
    let fired = START + STEP * 10 + Duration::from_secs(4);
    let is_all_delivered = |service: &Service| {
        let told = service.explain("Errors", fired)?;
        ensure!(told.matches("delivered").count() == 2, "{told}");
        Ok(())
    };
    eventually("the hook has been told of the beginning and the end", SOON, || is_all_delivered(&service))?;
    let before = service.everything()?;
    for (subject, expected) in [
        ("Errors", "then firing: it fired at 2027-01-15T08:01:"),
        ("Quiet", "then inactive: it did not fire: 5 compared with 1000000 does not hold"),
        ("shop-availability", "sloth_severity=page"),
        ("Errors", "not wanted"),
    ] {
        let told = service.explain(subject, fired)?;
        ensure!(told.contains(expected), "{subject}: {told}");
    }
    service.rig.stop();
    let service = Service::start(&directory, &hook, &clock)?;
    eventually("the exporter has read what it wrote", SOON, || is_all_delivered(&service))?;
    for (then, now) in before.iter().zip(service.everything()?) {
        assert_eq!(*then, now);
    }
    Ok(())
}
