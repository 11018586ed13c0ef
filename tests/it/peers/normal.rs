//! What is normal, end to end: half an hour that was recorded warms the baselines, then a service of the shop
//! becomes slow, and Prometheus, Jaeger and the log records say so, of that service first. Then it is as before,
//! and so are they. Windows of ten seconds and `seasonal` alone make minutes of what takes hours by default.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Jaeger, Prometheus, Trueline, Version, Watch, eventually, free_port, trueline_binary};

/// The fault: everything that this service does takes ten times as long.
const SLOW: &str = "currency";
const WINDOW: Duration = Duration::from_secs(10);
const RATE: &str = "200";

struct Watchers {
    prometheus: Prometheus,
    jaeger: Jaeger,
    folder: tempfile::TempDir,
    grpc: String,
    watch: [u16; 2],
}

impl Watchers {
    fn start() -> Result<Self> {
        Ok(Self {
            prometheus: Prometheus::start(Version::Three)?,
            jaeger: Jaeger::start()?,
            folder: tempfile::tempdir()?,
            grpc: format!("127.0.0.1:{}", free_port()),
            watch: [free_port(), free_port()],
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> String {
        format!(
            "receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '{grpc}'}}}}}}
processors:
  aggregation: {{windows: [10s], allowed_lateness: 3s, metrics: false}}
  baseline: {{window: 10s, emit: {{metrics: [span.duration]}}}}
  anomaly: {{window: 10s, detectors: [seasonal], quiet_windows: 2}}
  enrichment:
exporters:
  otlp_grpc: {{endpoint: '{jaeger}', tls: {{insecure: true}}}}
  prometheus_remote_write: {{endpoint: '{prometheus}', protobuf_message: io.prometheus.write.v2.Request}}
  otlp_file: {{path: '{told}'}}
extensions: {{health_check: {{endpoint: '127.0.0.1:{health}'}}, file_storage: {{directory: '{state}', create_directory: true}}}}
service:
  extensions: [health_check, file_storage]
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {own}}}}}}}}}]}}
  pipelines:
    telemetry:
      receivers: [otlp]
      processors: [aggregation, baseline, anomaly, enrichment]
      exporters: [otlp_grpc, prometheus_remote_write, otlp_file]
",
            grpc = self.grpc,
            jaeger = self.jaeger.otlp_grpc(),
            prometheus = self.prometheus.remote_write_url(),
            told = self.path("told.jsonl").display(),
            state = self.path("state").display(),
            health = self.watch[0],
            own = self.watch[1],
        )
    }

    fn run(&self) -> Result<Trueline> {
        let address = |port: u16| format!("127.0.0.1:{port}").parse();
        let watch = Watch { health: address(self.watch[0])?, metrics: Some(address(self.watch[1])?) };
        Trueline::start(&self.config(), watch)
    }

    /// What was told of episodes, in its order.
    fn told(&self) -> Result<Vec<Told>> {
        let lines = fs::read_to_string(self.path("told.jsonl")).unwrap_or_default();
        let mut told = Vec::new();
        // The last line may be half written.
        for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            for resource in elements(&line["resourceLogs"]) {
                let service = attribute(&resource["resource"], "service.name").unwrap_or_default();
                for scope in elements(&resource["scopeLogs"]) {
                    for record in elements(&scope["logRecords"]) {
                        let of = |key: &str| attribute(record, &format!("trueline.anomaly.{key}"));
                        if record["eventName"] == "trueline.anomaly" {
                            let (id, state) = (of("id").context("an id")?, of("state").context("a state")?);
                            let at = nanos(&record["timeUnixNano"])?;
                            told.push(Told { at, service: service.clone(), id, state });
                        }
                    }
                }
            }
        }
        Ok(told)
    }

    /// Starts a load through which the fault comes and goes.
    fn load(&self, schedule: &Schedule) -> Result<Child> {
        let fault = format!("{SLOW}:latency@{}s+{}s=10", schedule.quiet.as_secs(), schedule.slow.as_secs());
        let truth = self.path("truth.jsonl");
        let duration = format!("{}s", schedule.whole().as_secs());
        let arguments = [
            "load",
            "--endpoint",
            &self.grpc,
            "--rate",
            RATE,
            "--signals",
            "traces",
            "--duration",
            &duration,
            "--fault",
            &fault,
            "--truth",
            text(&truth)?,
        ];
        Ok(Command::new(trueline_binary()?).args(arguments).stdout(Stdio::null()).spawn()?)
    }

    /// When the fault began and ended.
    fn fault(&self, schedule: &Schedule) -> Result<(u64, u64)> {
        let truth: Value = serde_json::from_str(fs::read_to_string(self.path("truth.jsonl"))?.trim())?;
        let began = nanos(&truth["start_unix_nano"])?;
        Ok((began, began + schedule.slow.as_nanos() as u64))
    }
}

/// A log record about an episode.
#[derive(Debug)]
struct Told {
    /// *Units*: nanoseconds since the epoch.
    at: u64,
    service: String,
    id: String,
    state: String,
}

/// What the load does, in its order.
struct Schedule {
    quiet: Duration,
    slow: Duration,
    quiet_again: Duration,
}

impl Schedule {
    fn whole(&self) -> Duration {
        self.quiet + self.slow + self.quiet_again
    }
}

/// Reads a number that JSON spells as text or as a number.
fn nanos(value: &Value) -> Result<u64> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.with_context(|| format!("{value} is no time"))
}

fn elements(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn attribute(holder: &Value, key: &str) -> Option<String> {
    let found = elements(&holder["attributes"]).find(|it| it["key"] == key)?;
    found["value"]["stringValue"].as_str().map(str::to_owned)
}

/// Runs a command of the binary to its end.
fn command(arguments: &[&str]) -> Result<()> {
    let output = Command::new(trueline_binary()?).args(arguments).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?} ended with {}: {told}", output.status);
    Ok(())
}

/// Records `length` of traffic without faults, which ends now, and lets the stages learn from it.
fn warm(watchers: &Watchers, length: Duration, rate: &str) -> Result<()> {
    let (recorded, config) = (watchers.path("recorded.jsonl"), watchers.path("config.yaml"));
    fs::write(&config, watchers.config())?;
    let start = SystemTime::now().duration_since(UNIX_EPOCH)? - length;
    command(&[
        "load",
        "--output",
        text(&recorded)?,
        "--rate",
        rate,
        "--signals",
        "traces",
        "--start",
        &start.as_secs().to_string(),
        "--duration",
        &format!("{}s", length.as_secs()),
    ])?;
    command(&["replay", text(&recorded)?, "--config", text(&config)?, "--save-state"])
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

#[test]
fn a_service_that_becomes_slow_is_told_first_and_only_while_it_is() {
    let watchers = Watchers::start().unwrap();
    warm(&watchers, Duration::from_secs(1800), RATE).unwrap();
    let mut trueline = watchers.run().unwrap();
    // After the fault: the window in which it ends, two quiet ones that end episodes, time for a busy machine to
    // tell so, and a last one to be quiet in.
    let schedule = Schedule { quiet: 2 * WINDOW, slow: 3 * WINDOW, quiet_again: 9 * WINDOW };
    let mut load = watchers.load(&schedule).unwrap();
    let patience = schedule.whole() + 6 * WINDOW;
    eventually("an episode of the slow service", patience, || {
        let told = watchers.told()?;
        ensure!(told.iter().any(|told| told.service == SLOW && told.state == "open"), "told: {told:?}");
        Ok(())
    })
    .unwrap();
    eventually("spans that say so in Jaeger", patience, || {
        let found = watchers.jaeger.search(SLOW, &[MARK])?;
        ensure!(!found.is_empty(), "no trace has the attribute");
        Ok(())
    })
    .unwrap();
    let ended = load.wait().unwrap();
    assert!(ended.success(), "{ended}");
    check_band(&watchers, patience);
    let last_sent = check_all_is_quiet_again(&watchers, &schedule, patience);
    check_told(&watchers, &schedule);
    check_marks(&watchers, &schedule, last_sent);
    trueline.terminate().unwrap();
}

const MARK: (&str, &str) = ("trueline.anomaly.is_anomalous", "true");
const ID: &str = "trueline.anomaly.id";

fn check_band(watchers: &Watchers, patience: Duration) {
    let band = format!(
        "count(span_duration_upper_milliseconds{{stat=\"p95\",service_name=\"{SLOW}\"}} > \
         span_duration_lower_milliseconds{{stat=\"p95\",service_name=\"{SLOW}\"}})"
    );
    eventually("the band in Prometheus", patience, || {
        let found = watchers.prometheus.value(&band)?;
        ensure!(found >= 1.0, "{found} bands");
        Ok(())
    })
    .unwrap();
}

/// Waits until every episode has ended. Returns when the last span came, in microseconds since the epoch.
fn check_all_is_quiet_again(watchers: &Watchers, schedule: &Schedule, patience: Duration) -> u64 {
    eventually("the end of every episode", patience, || {
        let told = watchers.told()?;
        let of_state = |state: &str| -> BTreeSet<&str> {
            told.iter().filter(|told| told.state == state).map(|told| told.id.as_str()).collect()
        };
        ensure!(of_state("open") == of_state("closed"), "told: {told:?}");
        Ok(())
    })
    .unwrap();
    let (_, fault_ended) = watchers.fault(schedule).unwrap();
    let last = Cell::new(0);
    eventually("the last spans in Jaeger", patience, || {
        let traces = watchers.jaeger.search(SLOW, &[])?;
        let starts = traces.iter().flat_map(|trace| &trace.spans).map(|span| span.start_unix_micros);
        last.set(starts.max().unwrap_or(0));
        let enough = fault_ended / 1000 + (schedule.quiet_again - WINDOW).as_micros() as u64;
        ensure!(last.get() >= enough, "the last span came at {}", last.get());
        Ok(())
    })
    .unwrap();
    last.get()
}

/// The first is told within two windows, of the slow service, and nothing new once the fault is over.
fn check_told(watchers: &Watchers, schedule: &Schedule) {
    let (began, ended) = watchers.fault(schedule).unwrap();
    let told = watchers.told().unwrap();
    let opened: Vec<&Told> = told.iter().filter(|told| told.state == "open").collect();
    let first = opened[0].at;
    assert!(first > began, "quiet until the fault: {told:?}");
    // Records bear the end of their window: that in which the fault begins ends within one window, the first
    // that is slow all along within two.
    let within = Duration::from_nanos(first - began);
    assert!(within <= 2 * WINDOW, "told after {within:?}");
    // Those who call it wait for it, and may be told in the same second.
    assert!(opened.iter().any(|told| told.at == first && told.service == SLOW), "{SLOW} is first: {told:?}");
    // The last window with slow spans ends within one window of the fault.
    let quiet_from = ended + WINDOW.as_nanos() as u64;
    let late: Vec<_> = opened.iter().filter(|told| told.at > quiet_from).collect();
    assert!(late.is_empty(), "told after the fault: {late:?}");
}

/// Spans are marked while an episode that was told is open, and by no other. What its last window says holds until the
/// next is judged, so from two windows after its end on they are not.
fn check_marks(watchers: &Watchers, schedule: &Schedule, last_sent: u64) {
    let (began, _) = watchers.fault(schedule).unwrap();
    let told = watchers.told().unwrap();
    let ids: BTreeSet<&str> = told.iter().map(|told| told.id.as_str()).collect();
    let traces = watchers.jaeger.search(SLOW, &[MARK]).unwrap();
    let spans = traces.iter().flat_map(|trace| &trace.spans);
    let marked = spans.filter(|span| span.tags.get(MARK.0).is_some_and(|value| value == MARK.1));
    let (of_told, of_others): (Vec<_>, Vec<_>) =
        marked.partition(|span| span.tags.get(ID).is_some_and(|id| ids.contains(id.as_str())));
    assert!(of_others.is_empty(), "{} spans are marked by what was not told: {told:?}", of_others.len());
    let starts: Vec<u64> = of_told.iter().map(|span| span.start_unix_micros).collect();
    assert!(!starts.is_empty(), "no span bears the id of an episode that was told: {told:?}");
    assert!(starts.iter().all(|start| *start > began / 1000), "spans from before the fault are marked");
    let closed = told.iter().filter(|told| told.state == "closed").map(|told| told.at).max().unwrap();
    let unmarked_from = (closed + 2 * WINDOW.as_nanos() as u64) / 1000;
    assert!(last_sent > unmarked_from, "no span came after the last episode: {told:?}");
    let late = starts.iter().filter(|start| **start > unmarked_from).count();
    assert_eq!(late, 0, "spans are marked that came after the last episode: {told:?}");
}
