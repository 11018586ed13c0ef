//! Faults of a recorded load by script: each is one incident that names its service, and nothing else is one.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{program::trueline, rig::Folder};

const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}}
processors:
  aggregation: {windows: [10s, 1m]}
  baseline:
  anomaly:
  bottleneck:
  correlation:
exporters: {nop: }
service:
  pipelines:
    telemetry:
      receivers: [otlp]
      processors: [aggregation, baseline, anomaly, bottleneck, correlation]
      exporters: [nop]
";

/// Service, fault, and the minute in which it begins; the next comes when the one before can not be opened again.
const FAULTS: [(&str, &str, u64); 5] = [
    ("recommendation", "latency@20m+5m=10", 20),
    ("product-catalog", "errors@42m+5m=0.5", 42),
    ("currency", "dead@64m+5m", 64),
    ("inventory", "slow-query@86m+5m=20", 86),
    ("frontend", "surge@108m+5m=4", 108),
];
const MINUTES: u64 = 130;
/// So soon an incident stands after the beginning of its fault. *Units*: seconds.
const SOON: u64 = 240;

/// Of the first span, which is midnight of a day in 2026.
const START: u64 = 1_767_225_600;

/// What was told of an incident at its end, and when it was opened.
struct Incident {
    /// Seconds since the first span.
    opened: u64,
    last: Value,
}

fn incidents(told: &str) -> Result<Vec<Incident>> {
    let mut all: BTreeMap<String, Incident> = BTreeMap::new();
    for line in told.lines() {
        let event: Value = serde_json::from_str(line)?;
        if !event["name"].as_str().context("an event has a name")?.starts_with("trueline.incident.") {
            continue;
        }
        let id = event["id"].as_str().context("an incident has an id")?.to_owned();
        let time: jiff::Timestamp = event["time"].as_str().context("an event has a time")?.parse()?;
        let opened = u64::try_from(time.as_second())?.saturating_sub(START);
        for merged in event["merged"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            all.remove(merged);
        }
        all.entry(id).or_insert(Incident { opened, last: Value::Null }).last = event;
    }
    Ok(all.into_values().collect())
}

#[test]
fn each_fault_of_a_load_is_one_incident_that_names_its_service_and_nothing_else_is_one() -> Result<()> {
    let folder = Folder::new()?;
    let path = |name: &str| folder.file(name).display().to_string();
    let (file, config) = (path("load.jsonl.zst"), path("config.yaml"));
    std::fs::write(&config, CONFIG)?;
    let (start, duration) = (START.to_string(), format!("{MINUTES}m"));
    let mut load =
        vec!["load", "--output", &file, "--rate", "60", "--duration", &duration, "--start", &start];
    load.extend(["--signals", "traces", "--seed", "3"]);
    let faults: Vec<String> =
        FAULTS.iter().map(|(service, fault, _)| format!("--fault={service}:{fault}")).collect();
    load.extend(faults.iter().map(String::as_str));
    let made = trueline(&load)?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let replayed = trueline(&["replay", "--config", &config, "--format", "jsonl", &file])?;
    ensure!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));

    let told = incidents(&String::from_utf8(replayed.stdout)?)?;
    let line =
        |one: &Incident| (one.opened, one.last["causes"][0]["service"].clone(), one.last["title"].clone());
    let seen: Vec<_> = told.iter().map(line).collect();
    ensure!(told.len() == FAULTS.len(), "{seen:?}");
    for (service, fault, minute) in FAULTS {
        let own: Vec<_> =
            told.iter().filter(|one| (60 * minute..60 * minute + SOON).contains(&one.opened)).collect();
        ensure!(own.len() == 1, "{service}:{fault} has {} incidents of {seen:?}", own.len());
        let last = &own[0].last;
        ensure!(last["causes"][0]["service"] == service, "{service}:{fault} is {last:#}");
        ensure!(["resolved", "closed"].contains(&last["state"].as_str().unwrap_or("")), "{last:#}");
    }
    Ok(())
}
