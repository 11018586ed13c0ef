//! Traffic without a fault, recorded as the generator sends it: the stages as they are by default say nothing.

use anyhow::{Context, Result};

use crate::{program::trueline_succeeds, rig::Folder};

/// Midnight of a day in 2026.
const START: &str = "1767225600";

/// Windows of 10 s: a series is known after ten minutes, and an hour has as many windows as six hours of minutes.
const YAML: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}}
processors:
  aggregation: {windows: [10s], allowed_lateness: 5s}
  baseline: {window: 10s}
  anomaly: {window: 10s}
exporters: {nop: }
service:
  pipelines:
    telemetry: {receivers: [otlp], processors: [aggregation, baseline, anomaly], exporters: [nop]}
";

#[test]
fn an_hour_of_clean_traffic_of_all_signals_tells_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let path = |name: &str| folder.file(name).display().to_string();
    let (recorded, config) = (path("clean.jsonl.zst"), path("config.yaml"));
    std::fs::write(&config, YAML)?;
    // Few spans: the counters of its metrics then stand still for most windows, and each increase is new.
    trueline_succeeds(&[
        "load",
        "--rate",
        "50",
        "--seed",
        "3",
        "--duration",
        "65m",
        "--start",
        START,
        "--output",
        &recorded,
    ])?;
    let replayed = trueline_succeeds(&["replay", &recorded, "--config", &config, "--format", "jsonl"])?;
    let told = String::from_utf8(replayed.stdout).context("events are text")?;
    // Some hundred series may give one false alarm a day and ten series, a tenth of an alarm in this hour.
    assert_eq!(told, "");
    Ok(())
}
