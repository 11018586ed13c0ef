//! Baselines that are warmed by a real Prometheus: what was written to it for a day is known at the start.

use std::{
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::{Prometheus, Trueline, Version, Watch, free_port, post, trueline_binary};

use super::{
    SOON,
    gateway::{Gateway, Recipe},
};
use crate::rig::Folder;

/// After 24 hours of data a level is known.
const PAST_SECONDS: u64 = 26 * 3600;
const STEP_SECONDS: u64 = 60;
const INSTANCES: [&str; 2] = ["a", "b"];
/// Maturity of a series whose level is known.
const LEVEL: f64 = 0.5;

/// A request of the gauge `queue.depth` of each instance at these times.
fn depths(times: &[u64]) -> Value {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let of_instance = |(instance, number): (&&str, u64)| {
        let point = |at: &u64| {
            // Three values in turn, so that a level and a scale can be learned.
            let depth = 100 * (number + 1) + at / STEP_SECONDS % 3;
            json!({"timeUnixNano": format!("{at}000000000"), "asDouble": depth as f64})
        };
        let gauge = json!({"dataPoints": times.iter().map(point).collect::<Vec<_>>()});
        json!({
            "resource": {"attributes": [text("service.name", "shop"), text("service.instance.id", instance)]},
            "scopeMetrics": [{"metrics": [{"name": "queue.depth", "gauge": gauge}]}],
        })
    };
    let all: Vec<Value> = INSTANCES.iter().zip(0..).map(of_instance).collect();
    json!({ "resourceMetrics": all })
}

fn send(address: &str, times: &[u64]) -> Result<()> {
    let url = format!("http://{address}/v1/metrics");
    post(&url, "application/json", &[], depths(times).to_string().as_bytes())?.success().map(drop)
}

/// Lets Prometheus have the past by remote write, from its beginning on.
fn write_past(prometheus: &Prometheus, begin: u64, end: u64) -> Result<()> {
    let exporter = format!(
        "exporters: {{prometheus_remote_write: {{endpoint: '{}', protobuf_message: io.prometheus.write.v2.Request}}}}",
        prometheus.remote_write_url()
    );
    let gateway = Gateway::start(&Recipe {
        components: &exporter,
        pipelines: "metrics: {receivers: [otlp], exporters: [prometheus_remote_write]}",
        ..Recipe::default()
    })?;
    let times: Vec<u64> = (begin..end).step_by(STEP_SECONDS as usize).collect();
    for part in times.chunks(120) {
        send(&gateway.http, part)?;
    }
    let all = format!("sum(count_over_time(queue_depth[{}s]))", end - begin + 2 * STEP_SECONDS);
    let wanted = (times.len() * INSTANCES.len()) as f64;
    prometheus.query_until(&all, SOON, |found| {
        found.first().is_some_and(|count| count.float().is_ok_and(|count| count >= wanted))
    })?;
    Ok(())
}

#[test]
fn what_prometheus_knows_of_a_day_is_known_from_the_start() -> Result<()> {
    let prometheus = Prometheus::start(Version::Three)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let end = now - now % STEP_SECONDS;
    write_past(&prometheus, end - PAST_SECONDS, end)?;

    let folder = Folder::new()?;
    let [otlp, health] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{otlp}'}}}}}}}}
extensions:
  health_check: {{endpoint: '{health}'}}
  file_storage: {{directory: '{state}', create_directory: true}}
processors:
  aggregation: {{windows: [10s], allowed_lateness: 3s, spans: false}}
  baseline: {{window: 10s, emit: {{metrics: [queue.depth]}}}}
exporters: {{prometheus_remote_write: {{endpoint: '{prometheus}'}}}}
service:
  extensions: [health_check, file_storage]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, baseline], exporters: [prometheus_remote_write]}}
",
        state = folder.file("state").display(),
        prometheus = prometheus.remote_write_url(),
    );
    let config = folder.file("config.yaml");
    fs::write(&config, &yaml)?;
    let [begin, until] = [end - PAST_SECONDS, end].map(|at| at.to_string());
    let output = Command::new(trueline_binary()?)
        .args(["replay", "--prometheus", prometheus.url(), "--query", "queue_depth"])
        .args(["--rename", "queue_depth=queue.depth", "--start", &begin, "--end", &until, "--step", "10s"])
        .args(["--save-state", "--config"])
        .arg(&config)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.contains("stored the state of"), "{said}");

    let trueline = Trueline::start(&yaml, Watch { health: health.parse()?, metrics: None })?;
    let latest = || -> Result<u64> { Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()) };
    send(&otlp, &[latest()?])?;
    let told = prometheus.query_until("{__name__=~'queue_depth_(maturity|samples).*'}", SOON, |found| {
        // A window closes with what comes after it.
        latest().and_then(|now| send(&otlp, &[now])).is_ok() && found.len() >= 2 * INSTANCES.len()
    })?;
    for of in ["maturity", "samples"] {
        let least = if of == "maturity" { LEVEL } else { 24.0 * 360.0 };
        let values: Vec<_> = told.iter().filter(|sample| sample.label("__name__").contains(of)).collect();
        ensure!(values.len() == INSTANCES.len(), "{told:?}");
        for (sample, instance) in values.iter().zip(INSTANCES) {
            let instances: Vec<_> = values.iter().map(|sample| sample.label("instance")).collect();
            ensure!(instances.contains(&instance), "the series are those of before: {told:?}");
            ensure!(sample.float()? >= least, "{sample:?}, it is at least {least} after a day");
        }
    }
    drop(trueline);
    Ok(())
}
