//! What is normal, end to end: half an hour that was recorded warms the baselines, then a service of the shop
//! becomes slow, and Prometheus, Jaeger and the log records say so, of that service first.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Jaeger, Prometheus, Trueline, Version, Watch, eventually, free_port, trueline_binary};

/// The fault: everything that this service does takes ten times as long.
const SLOW: &str = "currency";
const WINDOW: Duration = Duration::from_secs(10);

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
  anomaly: {{window: 10s, detectors: [seasonal]}}
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

    /// The episodes that were opened, as (nanoseconds since the epoch, service).
    fn episodes(&self) -> Result<Vec<(u64, String)>> {
        let told = fs::read_to_string(self.path("told.jsonl")).unwrap_or_default();
        let mut episodes = Vec::new();
        // The last line may be half written.
        for line in told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            for resource in elements(&line["resourceLogs"]) {
                let service = attribute(&resource["resource"], "service.name").unwrap_or_default();
                for scope in elements(&resource["scopeLogs"]) {
                    for record in elements(&scope["logRecords"]) {
                        let state = attribute(record, "trueline.anomaly.state");
                        if record["eventName"] == "trueline.anomaly" && state.as_deref() == Some("open") {
                            episodes.push((nanos(&record["timeUnixNano"])?, service.clone()));
                        }
                    }
                }
            }
        }
        Ok(episodes)
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
fn a_service_that_becomes_slow_is_told_first_and_found_in_jaeger_and_prometheus() {
    let watchers = Watchers::start().unwrap();
    let rate = "200";
    warm(&watchers, Duration::from_secs(1800), rate).unwrap();
    let mut trueline = watchers.run().unwrap();
    let (quiet, slow) = (3 * WINDOW, 4 * WINDOW);
    let fault = format!("{SLOW}:latency@{}s+{}s=10", quiet.as_secs(), slow.as_secs());
    let truth = watchers.path("truth.jsonl");
    let duration = format!("{}s", (quiet + slow).as_secs());
    let arguments =
        ["--endpoint", &watchers.grpc, "--rate", rate, "--signals", "traces", "--duration", &duration];
    let faulty = ["--fault", &fault, "--truth", text(&truth).unwrap()];
    let all: Vec<&str> = std::iter::once("load").chain(arguments).chain(faulty).collect();
    let mut load = Command::new(trueline_binary().unwrap())
        .args(all)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let soon = quiet + slow + 3 * WINDOW;
    eventually("an episode of the slow service", soon, || {
        let episodes = watchers.episodes()?;
        ensure!(episodes.iter().any(|(_, service)| service == SLOW), "told: {episodes:?}");
        Ok(())
    })
    .unwrap();
    eventually("spans that say so in Jaeger", soon, || {
        let found = watchers.jaeger.search(SLOW, &[("trueline.anomaly.is_anomalous", "true")])?;
        ensure!(!found.is_empty(), "no trace has the attribute");
        Ok(())
    })
    .unwrap();
    let ended = load.wait().unwrap();
    assert!(ended.success(), "{ended}");
    let band = format!(
        "count(span_duration_upper_milliseconds{{stat=\"p95\",service_name=\"{SLOW}\"}} > \
         span_duration_lower_milliseconds{{stat=\"p95\",service_name=\"{SLOW}\"}})"
    );
    eventually("the band in Prometheus", soon, || {
        let found = watchers.prometheus.value(&band)?;
        ensure!(found >= 1.0, "{found} bands");
        Ok(())
    })
    .unwrap();
    let truth: Value = serde_json::from_str(fs::read_to_string(&truth).unwrap().trim()).unwrap();
    let began = nanos(&truth["start_unix_nano"]).unwrap();
    let episodes = watchers.episodes().unwrap();
    let (first, _) = episodes[0];
    assert!(first > began, "quiet until the fault: {episodes:?}");
    let within = Duration::from_nanos(first - began);
    // The window in which the fault begins, two more, and the time that late spans have.
    assert!(within <= 3 * WINDOW + Duration::from_secs(5), "told after {within:?}");
    // Those who call it wait for it, and may be told in the same second.
    let is_first = |(at, service): &(u64, String)| *at == first && service == SLOW;
    assert!(episodes.iter().any(is_first), "{SLOW} is told first: {episodes:?}");
    trueline.terminate().unwrap();
}
