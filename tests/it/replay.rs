//! `trueline replay` and `backtest` as people run them: a recorded load with a fault by script.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{program::trueline, rig::Folder};

/// Of the first span, which is midnight of a day in 2026.
const START: u64 = 1_767_225_600;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Windows of 10 s, so that a series is known after ten minutes.
fn yaml(state: &Path, anomaly: &str) -> String {
    format!(
        "
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}}}
extensions: {{file_storage: {{directory: {state:?}}}}}
processors:
  aggregation: {{windows: [10s], allowed_lateness: 5s}}
  baseline: {{window: 10s}}
  anomaly: {{window: 10s{anomaly}}}
exporters: {{nop: }}
service:
  extensions: [file_storage]
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, baseline, anomaly], exporters: [nop]}}
"
    )
}

struct Recording {
    folder: Folder,
    file: String,
    truth: String,
    config: String,
    silent: String,
}

/// Where the parts of a test lie.
fn prepare() -> Result<Recording> {
    let folder = Folder::new()?;
    let path = |name: &str| folder.file(name).display().to_string();
    let (file, truth) = (path("load.jsonl.zst"), path("truth.jsonl"));
    let (config, silent) = (path("config.yaml"), path("silent.yaml"));
    std::fs::write(&config, yaml(&folder.file("state"), ""))?;
    std::fs::write(&silent, yaml(&folder.file("unused"), ", emit_logs: false"))?;
    Ok(Recording { folder, file, truth, config, silent })
}

/// Records a load whose service `cart` becomes slow after twelve minutes.
fn record() -> Result<Recording> {
    let recording = prepare()?;
    let start = START.to_string();
    let load = ["load", "--rate", "150", "--duration", "14m", "--fault", "cart:latency@12m+90s=30"];
    let into = ["--start", &start, "--output", &recording.file, "--truth", &recording.truth];
    ensure!(trueline(&[&load[..], &into].concat())?.status.success(), "the load was not recorded");
    Ok(recording)
}

#[test]
fn a_replay_tells_of_a_fault_and_of_nothing_before_it_and_leaves_warm_baselines() -> Result<()> {
    let recording = record()?;
    let replay =
        ["replay", &recording.file, "--config", &recording.config, "--format", "jsonl", "--save-state"];
    let replayed = trueline(&replay)?;
    let told = text(&replayed.stderr);
    assert_eq!(replayed.status.code(), Some(0), "{told}");
    assert!(told.contains("times real time") && told.contains("stored the state of"), "{told}");
    let events = text(&replayed.stdout);
    let events: Vec<Value> = events.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let early: Vec<_> =
        events.iter().filter(|it| it["time"].as_str() < Some("2026-01-01T00:12:00Z")).collect();
    assert!(early.is_empty(), "{early:?}");
    assert!(events.iter().any(|it| it["service"] == "cart" && it["name"] == "trueline.anomaly"), "{told}");
    assert!(events.iter().all(|it| it["attributes"]["trueline.anomaly.score"].is_f64()));
    let snapshot = recording.folder.file("state/pipeline%2ftelemetry%2fbaseline.snapshot");
    assert!(snapshot.metadata()?.len() > 1_000);
    let again = trueline(&replay)?;
    assert_eq!((again.status.code(), again.stdout.len()), (Some(1), 0));
    assert!(text(&again.stderr).contains("would be replaced"));
    let if_empty = trueline(&[&replay[..], &["--if-empty"]].concat())?;
    assert_eq!((if_empty.status.code(), if_empty.stdout.len()), (Some(0), 0));
    assert!(text(&if_empty.stderr).contains("is stored already"));
    Ok(())
}

#[test]
fn a_backtest_sets_what_configurations_found_against_the_truth() -> Result<()> {
    let Recording { file, truth, config, silent, .. } = &record()?;
    let table = ["backtest", file, "--config", config, "--config", silent, "--truth", truth];
    let table = trueline(&table)?;
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    let lines: Vec<String> = text(&table.stdout).lines().map(str::to_owned).collect();
    let of = |name: &str| lines.iter().find(|line| line.starts_with(name)).cloned().unwrap_or_default();
    assert!(of("faults found").ends_with("0 of 1") && of("faults found").contains("1 of 1"), "{lines:?}");
    assert!(of("… at their service").contains("1 of 1"), "{lines:?}");
    assert!(of("precision").contains("1.00"), "{lines:?}");
    Ok(())
}

#[test]
fn what_can_not_be_replayed_is_told_by_the_exit_code() -> Result<()> {
    let Recording { folder, config, .. } = &prepare()?;
    let code = |args: &[&str]| Ok::<_, anyhow::Error>(trueline(args)?.status.code());
    let file = |name: &str, content: &str| -> Result<String> {
        let path = folder.file(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    };
    let (bad, damaged) = (file("bad.yaml", "receivers:\n")?, file("damaged.jsonl", "{}\n")?);
    assert_eq!(code(&["replay", "missing.jsonl", "--config", config])?, Some(1));
    assert_eq!(code(&["replay", &damaged, "--config", config])?, Some(1));
    assert_eq!(code(&["replay", &damaged, "--config", &bad])?, Some(4));
    assert_eq!(code(&["replay", &damaged])?, Some(2));
    let prometheus = ["--prometheus", "http://127.0.0.1:1", "--query", "up", "--start", "1", "--end", "99"];
    assert_eq!(code(&[&["replay", "--config", config][..], &prometheus].concat())?, Some(6));
    let backwards = ["--prometheus", "http://127.0.0.1:1", "--query", "up", "--start", "99", "--end", "1"];
    assert_eq!(code(&[&["replay", "--config", config][..], &backwards].concat())?, Some(2));
    Ok(())
}
