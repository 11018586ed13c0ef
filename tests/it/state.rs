//! When state is stored, and what happens when it can not be.

use std::{path::Path, time::Duration};

use anyhow::Result;
use component::testing::ManualClock;
use model::{Signal, Timestamp};

use crate::{
    parts::wait_until,
    rig::{Folder, Rig, total},
};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn start(state: &Path, out: &Path) -> Result<Rig> {
    let yaml = format!(
        "
extensions: {{file_storage: {{directory: {state:?}}}}}
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
connectors:
  span_metrics/often: {{metrics_flush_interval: 2s}}
  span_metrics/seldom: {{metrics_flush_interval: 60s, namespace: seldom}}
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  extensions: [file_storage]
  trueline: {{shards: 1}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics/often, span_metrics/seldom]}}
    metrics: {{receivers: [span_metrics/often, span_metrics/seldom], exporters: [file]}}
"
    );
    Rig::start(&yaml, &ManualClock::new(START))
}

#[test]
fn a_stage_is_stored_when_it_is_about_to_tell_and_no_other_with_it() -> Result<()> {
    let folder = Folder::new()?;
    let state = folder.file("state");
    let file = |id: &str| state.join(format!("connector%2fspan_metrics%2f{id}.snapshot"));
    let rig = start(&state, &folder.file("out.json"))?;
    assert_eq!(rig.connect()?.send(Signal::Traces, &wire::testing::trace_request(1, 5))?, 200);
    rig.advance_to(START + Duration::from_secs(2))?;
    assert!(file("often").exists());
    assert!(!file("seldom").exists());
    // Nothing has changed since: the file stays as it is.
    std::fs::remove_file(file("often"))?;
    rig.advance_to(START + Duration::from_secs(10))?;
    assert!(!file("often").exists());
    rig.advance_to(START + Duration::from_secs(60))?;
    assert!(file("seldom").exists());
    rig.stop();
    assert!(file("often").exists(), "the end stores everything");
    Ok(())
}

#[test]
fn a_disk_that_takes_nothing_is_counted_and_does_not_stop_exports() -> Result<()> {
    let folder = Folder::new()?;
    let (state, out) = (folder.file("state"), folder.file("out.json"));
    let rig = start(&state, &out)?;
    std::fs::remove_dir_all(&state)?;
    let mut client = rig.connect()?;
    for round in 1..=3 {
        assert_eq!(client.send(Signal::Traces, &wire::testing::trace_request(1, 5))?, 200);
        rig.advance_to(START + Duration::from_secs(2 * round))?;
        assert_eq!(rig.metric("trueline_state_snapshot_failures"), round, "tried again with each change");
    }
    // Once it takes files again, everything is stored.
    std::fs::create_dir(&state)?;
    rig.stop();
    assert_eq!(total(&out, "traces.span.metrics.calls")?, 15);
    assert_eq!(std::fs::read_dir(&state)?.count(), 2);
    Ok(())
}

#[test]
fn a_damaged_file_is_kept_counted_and_told_and_the_service_starts() -> Result<()> {
    let folder = Folder::new()?;
    let (state, out) = (folder.file("state"), folder.file("out.json"));
    let rig = start(&state, &out)?;
    rig.stop();
    let file = |end: &str| state.join(format!("connector%2fspan_metrics%2foften.{end}"));
    std::fs::write(file("snapshot"), b"no snapshot")?;
    let rig = start(&state, &out)?;
    wait_until("the stage has been restored", || !rig.state().degraded().is_empty())?;
    let degraded = rig.state().degraded();
    let told = "connector/span_metrics/often started without its state: ";
    assert!(degraded.starts_with(told) && degraded.contains(".unread"), "{degraded}");
    assert!(rig.state().is_ready());
    let rows = rig.telemetry.read();
    let failures = rows.iter().filter(|row| row.name == "trueline_state_restore_failures");
    let by_stage: Vec<_> = failures.map(|row| (format!("{:?}", row.labels), row.value)).collect();
    assert_eq!(by_stage.len(), 2, "one for each stage with state: {by_stage:?}");
    for (labels, failures) in by_stage {
        assert_eq!(failures, u64::from(labels.contains("span_metrics/often")), "{labels}");
    }
    rig.stop();
    assert_eq!(std::fs::read(file("unread"))?, b"no snapshot");
    assert!(file("snapshot").exists());
    Ok(())
}
