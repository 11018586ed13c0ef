//! Pipelines under a virtual clock find what the service finds, byte for byte.

use std::{path::Path, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use component::{Telemetry, testing::ManualClock};
use engine::Offline;
use model::{Signal, Timestamp};

use crate::rig::{Folder, Rig, plan};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
/// Long enough for baselines of windows of a second to be known, so that what was found comes back to the spans.
const SECONDS: u64 = 75;

/// Every connector, and stages that fold, judge and write into what passes.
fn yaml(out: &Path) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
connectors:
  span_metrics: {{metrics_flush_interval: 2s, exemplars: {{enabled: true}}}}
  service_graph: {{metrics_flush_interval: 3s}}
processors:
  aggregation: {{windows: [1s], allowed_lateness: 1s}}
  baseline: {{window: 1s, emit: {{metrics: ['*']}}}}
  anomaly: {{window: 1s}}
  enrichment: {{spans: all}}
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  trueline: {{shards: 1, instance_id: test}}
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, baseline, anomaly, enrichment], exporters: [span_metrics, service_graph, file]}}
    metrics: {{receivers: [span_metrics, service_graph], processors: [aggregation], exporters: [file]}}
",
        out = out.display().to_string(),
    )
}

/// The requests of a second: the same in each, as a series is known only when it comes often.
fn requests() -> Vec<(Signal, Vec<u8>)> {
    (0..3).map(|seed| (Signal::Traces, wire::testing::trace_request(seed, 20))).collect()
}

/// What the service writes, line by line.
fn by_service() -> Result<Vec<String>> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let out = folder.file("out.json");
    let rig = Rig::start(&yaml(&out), &clock)?;
    let mut client = rig.connect()?;
    for second in 0..SECONDS {
        for (signal, request) in requests() {
            assert_eq!(client.send(signal, &request)?, 200);
        }
        rig.advance_to(START + Duration::from_secs(second + 1))?;
    }
    drop(client);
    rig.stop();
    Ok(std::fs::read_to_string(out)?.lines().map(str::to_owned).collect())
}

/// What leaves pipelines under a virtual clock, in the same form.
fn by_hand() -> Result<Vec<String>> {
    let folder = Folder::new()?;
    let plan = plan(yaml(&folder.file("unused.json")))?;
    let mut offline = Offline::new(plan, &Telemetry::default(), START);
    for second in 0..SECONDS {
        for (signal, request) in requests() {
            offline.take(signal, Bytes::from(request))?;
        }
        offline.advance(START + Duration::from_secs(second + 1));
    }
    offline.end();
    let lines = offline.told().exports.into_iter().map(|export| {
        let mut line = Vec::new();
        wire::json::wire_to_json(export.signal, &export.bytes.whole(), &mut line)?;
        Ok(String::from_utf8(line)?)
    });
    lines.collect()
}

#[test]
fn a_virtual_clock_and_the_service_give_the_same_bytes() -> Result<()> {
    let (mut service, mut offline) = (by_service()?, by_hand()?);
    for part in [
        "resourceSpans",
        "traces.span.metrics.calls",
        "span.duration.rollup",
        "span.duration.baseline",
        "trueline.baseline.",
    ] {
        assert!(service.iter().any(|line| line.contains(part)), "the output lacks {part}");
    }
    // What shards forward and what is found out later are written by two threads.
    service.sort_unstable();
    offline.sort_unstable();
    let differing = service.iter().zip(&offline).position(|(one, other)| one != other);
    assert_eq!((service.len(), differing), (offline.len(), None));
    Ok(())
}
