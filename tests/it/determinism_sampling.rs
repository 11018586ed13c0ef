//! Whole traces are sampled alike on any number of shards, in one process or two, and stages behind see them.

use std::{path::Path, time::Duration};

use anyhow::Result;
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use wire::{
    build::{Attributes, Span, SpansWriter},
    testing::Random,
};

use crate::rig::{Client, Folder, Rig};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const N_SECONDS: u64 = 6;
/// Traces that begin in a second.
const N_TRACES: u64 = 60;

fn yaml(shards: usize, out: &Path, hop: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
connectors:
  span_metrics: {{metrics_flush_interval: 2s}}
processors:
  tail_sampling:
    decision_wait: 2s
    num_traces: 500
    policies:
    - {{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}
    - {{name: slow, type: latency, latency: {{threshold_ms: 1000}}}}
    - {{name: some, type: probabilistic, probabilistic: {{sampling_percentage: 10}}}}
    - {{name: few, type: rate_limiting, rate_limiting: {{spans_per_second: 7}}}}
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  trueline:
    shards: {shards}
    instance_id: test
    {hop}
  pipelines:
    traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [file, span_metrics]}}
    metrics: {{receivers: [span_metrics], exporters: [file]}}
",
        out = out.display().to_string(),
    )
}

/// The spans that one service makes of the traces of a second.
fn request(second: u64, service: u64) -> Vec<u8> {
    let mut random = Random((second * 100 + service).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut resource, mut writer) = (Attributes::new(), SpansWriter::new());
    resource.push_str("service.name", ["cart", "payment", "shipping", "stock"][service as usize]);
    writer.resource(&resource);
    writer.scope("test", "");
    for trace in 0..N_TRACES {
        let start = (START + Duration::from_secs(second)).as_nanos() + random.below(100_000_000);
        writer.span(&Span {
            trace_id: (u128::from(trace.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(second + 1))
                .to_be_bytes(),
            span_id: random.word().to_be_bytes(),
            trace_state: "",
            parent_id: (service > 0).then_some([1; 8]),
            name: "work",
            kind: 2,
            start,
            end: start + random.below(1_000_000_000),
            attributes: &Attributes::new(),
            events: &[],
            links: &[],
            status: if random.below(40) == 0 { 2 } else { 0 },
            status_message: "",
            flags: 0x101,
        });
    }
    writer.take()
}

/// Sends the services' requests over several connections, one of them a second late.
fn drive(ingest: &Rig, all: &[&Rig]) -> Result<()> {
    let mut clients: Vec<Client> = (0..6).map(|_| ingest.connect()).collect::<Result<_>>()?;
    for second in 0..N_SECONDS {
        for service in 0..4 {
            let of = if service == 3 { second.checked_sub(1) } else { Some(second) };
            let Some(of) = of else { continue };
            let over = ((second + service) % 6) as usize;
            assert_eq!(clients[over].send(Signal::Traces, &request(of, service))?, 200);
        }
        let now = START + Duration::from_secs(second + 1);
        ingest.clock.advance_to(now);
        for rig in all {
            rig.advance_to(now)?;
        }
    }
    Ok(())
}

fn in_one_process(shards: usize) -> Result<String> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let out = folder.file("out.json");
    let rig = Rig::start(&yaml(shards, &out, ""), &clock)?;
    drive(&rig, &[&rig])?;
    rig.stop();
    Ok(std::fs::read_to_string(out)?)
}

/// How many spans left, and how many the connector behind has counted in the end.
fn counts(written: &str) -> Result<(usize, u64)> {
    let (mut spans, mut counted) = (0, 0);
    for line in written.lines() {
        spans += line.matches("\"spanId\"").count();
        if !line.contains("traces.span.metrics.calls") {
            continue;
        }
        let line: serde_json::Value = serde_json::from_str(line)?;
        let each = |json: &serde_json::Value, key: &str| json[key].as_array().cloned().unwrap_or_default();
        let metrics = each(&line, "resourceMetrics").into_iter().flat_map(|it| each(&it, "scopeMetrics"));
        let calls = metrics
            .flat_map(|it| each(&it, "metrics"))
            .filter(|it| it["name"] == "traces.span.metrics.calls");
        let points = calls.flat_map(|it| each(&it["sum"], "dataPoints"));
        // Cumulative: the last line stands for all.
        counted = points.filter_map(|it| it["asInt"].as_str()?.parse::<u64>().ok()).sum();
    }
    Ok((spans, counted))
}

#[test]
fn one_shard_and_four_shards_sample_the_same_traces_into_the_same_bytes() -> Result<()> {
    let one = in_one_process(1)?;
    let (spans, counted) = counts(&one)?;
    let all = (N_SECONDS * 4 - 1) * N_TRACES;
    assert!(spans > 100 && (spans as u64) < all / 2, "{spans} of {all} spans are sampled");
    assert_eq!(spans as u64, counted, "the connector behind has seen all of them");
    let four = in_one_process(4)?;
    assert!(one == four, "four shards write other bytes than one");
    Ok(())
}

#[test]
fn two_processes_sample_the_same_traces_as_one() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let port = testbed::free_port();
    let hop = |role: &str| format!("hop: {{role: {role}, endpoint: '127.0.0.1:{port}'}}");
    let (out, unused) = (folder.file("out.json"), folder.file("unused.json"));
    let analysis = Rig::start(&yaml(1, &out, &hop("analysis")), &clock)?;
    let ingest = Rig::start(&yaml(2, &unused, &hop("ingest")), &clock)?;
    drive(&ingest, &[&ingest, &analysis])?;
    ingest.stop();
    analysis.stop();
    assert!(std::fs::read_to_string(&out)? == in_one_process(1)?, "two processes write other bytes than one");
    Ok(())
}
