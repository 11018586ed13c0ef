//! Bottlenecks of a recorded load with faults by script: each is found where it is, and no other is made much of.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{program::trueline, rig::Folder};

const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}}
processors:
  aggregation: {windows: [10s], allowed_lateness: 5s}
  bottleneck:
exporters: {nop: }
service:
  pipelines:
    telemetry: {receivers: [otlp], processors: [aggregation, bottleneck], exporters: [nop]}
";

/// Service, fault with its times in minutes and its factor, and what it is.
const FAULTS: [(&str, &str, u64, u64, &str); 4] = [
    ("product-catalog", "slow-query@15m+6m=5", 15, 21, "slow_database"),
    ("recommendation", "latency@31m+6m=4", 31, 37, "slow_step"),
    ("quote", "latency@47m+6m=5", 47, 53, "slow_step"),
    ("email", "latency@63m+6m=5", 63, 69, "slow_step"),
];

/// Of the first span, which is midnight of a day in 2026.
const START: u64 = 1_767_225_600;

/// What was told at least as a warning: service, type, and the minute in which it began.
fn loud(events: &str) -> Result<Vec<(String, String, u64)>> {
    let mut loud = Vec::new();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line)?;
        let attribute = |key: &str| &event["attributes"][format!("trueline.bottleneck.{key}")];
        if event["name"] != "trueline.bottleneck.detected" || attribute("severity") == "info" {
            continue;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        let start = attribute("start").as_u64().context("a bottleneck has a start")?;
        let minute = (start / 1_000_000_000 - START) / 60;
        loud.push((text(&event["service"])?, text(attribute("type"))?, minute));
    }
    Ok(loud)
}

#[test]
fn faults_of_a_load_are_found_in_their_services_and_nothing_else_is_loud() -> Result<()> {
    let folder = Folder::new()?;
    let path = |name: &str| folder.file(name).display().to_string();
    let (file, config) = (path("load.jsonl.zst"), path("config.yaml"));
    std::fs::write(&config, CONFIG)?;
    let start = START.to_string();
    let faults = FAULTS.map(|(service, fault, ..)| format!("{service}:{fault}"));
    let mut load = vec!["load", "--rate", "60", "--duration", "75m", "--signals", "traces"];
    load.extend(["--start", &start, "--output", &file]);
    load.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    ensure!(trueline(&load)?.status.success(), "the load was not recorded");
    let replayed = trueline(&["replay", &file, "--config", &config, "--format", "jsonl"])?;
    assert_eq!(replayed.status.code(), Some(0), "{}", String::from_utf8_lossy(&replayed.stderr));
    let loud = loud(std::str::from_utf8(&replayed.stdout)?)?;
    let is_of = |found: &(String, String, u64), fault: &(&str, &str, u64, u64, &str)| {
        let (service, _, from, until, kind) = *fault;
        found.0 == service && found.1 == kind && (from..until).contains(&found.2)
    };
    for fault in &FAULTS {
        assert!(loud.iter().any(|found| is_of(found, fault)), "{fault:?} was not found: {loud:?}");
    }
    let strangers: Vec<_> =
        loud.iter().filter(|found| !FAULTS.iter().any(|fault| is_of(found, fault))).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    Ok(())
}
