//! The same input gives the same output, byte for byte: on one shard or several, in one process or two.

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

/// Everything that aggregates, into one file.
fn yaml(shards: usize, out: &Path, hop: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
connectors:
  span_metrics:
    histogram: {{exponential: {{max_size: 160}}}}
    dimensions: [{{name: http.route}}, {{name: http.response.status_code, default: none}}]
    exemplars: {{enabled: true}}
    events: {{enabled: true, dimensions: [{{name: exception.type}}]}}
    metrics_flush_interval: 2s
  span_metrics/delta:
    aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA
    metrics_flush_interval: 2s
  service_graph: {{metrics_flush_interval: 2s}}
processors:
  aggregation: {{}}
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
  nop:
service:
  trueline:
    shards: {shards}
    instance_id: test
    {hop}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics, span_metrics/delta, service_graph, nop]}}
    metrics: {{receivers: [otlp, span_metrics, span_metrics/delta, service_graph], processors: [aggregation], exporters: [file]}}
",
        out = out.display().to_string(),
    )
}

/// Sends the same requests over several connections, in three stretches of time.
fn drive(ingest: &Rig, all: &[&Rig]) -> Result<()> {
    let mut clients: Vec<Client> = (0..8).map(|_| ingest.connect()).collect::<Result<_>>()?;
    for stretch in 0..3 {
        for index in 0..40 {
            let seed = stretch * 40 + index;
            let n_clients = clients.len();
            let client = &mut clients[seed as usize % n_clients];
            // Few seeds: every one makes resources of its own, and thousands of series show no more.
            let status = client.send(Signal::Traces, &wire::testing::trace_request(seed % 12, 30))?;
            assert_eq!(status, 200);
        }
        let now = START + Duration::from_secs(2 * (stretch + 1));
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

#[test]
fn one_shard_and_four_shards_write_the_same_bytes() -> Result<()> {
    let one = in_one_process(1)?;
    for part in ["traces.span.metrics.calls", "exponentialHistogram", "traces_service_graph_request_total"] {
        assert!(one.contains(part), "the output lacks {part}");
    }
    assert!(one == in_one_process(4)?, "four shards write other bytes than one");
    Ok(())
}

#[test]
fn two_processes_joined_by_a_socket_write_the_same_bytes_as_one() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let port = testbed::free_port();
    let hop = |role: &str| format!("hop: {{role: {role}, endpoint: '127.0.0.1:{port}'}}");
    let (out, unused) = (folder.file("out.json"), folder.file("unused.json"));
    let analysis = Rig::start(&yaml(1, &out, &hop("analysis")), &clock)?;
    let ingest = Rig::start(&yaml(2, &unused, &hop("ingest")), &clock)?;
    drive(&ingest, &[&ingest, &analysis])?;
    ingest.stop();
    analysis.stop();
    let (two, one) = (std::fs::read_to_string(&out)?, in_one_process(1)?);
    assert!(two == one, "two processes write other bytes than one: {} and {}", two.len(), one.len());
    Ok(())
}

/// What judges windows, its metrics and logs beside the spans in one file.
fn judging(shards: usize, out: &Path) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  aggregation: {{windows: [10s]}}
  baseline: {{window: 10s, emit: {{metrics: ['*']}}}}
  anomaly: {{window: 10s}}
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  trueline: {{shards: {shards}, instance_id: test}}
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, baseline, anomaly], exporters: [file]}}
"
    )
}

const WINDOW: Duration = Duration::from_secs(10);
/// Enough to know a level, and then for an episode.
const N_WINDOWS: u64 = 90;
const BROKEN_FROM: u64 = 75;
const N_REQUESTS: u64 = 8;

/// One of the requests of a window: two services, of which one becomes slow and fails.
fn request_in(window: u64, request: u64) -> Vec<u8> {
    let mut random = Random(((window * N_REQUESTS + request).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
    let begin = (START + WINDOW * window as u32).as_nanos();
    let (attributes, mut writer) = (Attributes::new(), SpansWriter::new());
    for service in ["cart", "payment"] {
        let is_broken = service == "payment" && window >= BROKEN_FROM;
        let mut resource = Attributes::new();
        resource.push_str("service.name", service);
        writer.resource(&resource);
        writer.scope("test", "");
        for (name, milliseconds) in [("GET /a", 20), ("POST /b", 80)].repeat(4) {
            let start = begin + random.below(8_000_000_000);
            let usual = milliseconds * 1_000_000 + random.below(milliseconds * 300_000);
            writer.span(&Span {
                trace_id: (u128::from(random.word()) << 64 | u128::from(random.word())).to_be_bytes(),
                span_id: random.word().to_be_bytes(),
                trace_state: "",
                parent_id: None,
                name,
                kind: 2,
                start,
                end: start + if is_broken { 20 * usual } else { usual },
                attributes: &attributes,
                events: &[],
                links: &[],
                status: if is_broken && random.below(2) == 0 { 2 } else { 0 },
                status_message: "",
                flags: 0x101,
            });
        }
    }
    writer.take()
}

/// Everything that was derived from closed windows, in its order.
fn judged(shards: usize) -> Result<String> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let out = folder.file("out.json");
    let rig = Rig::start(&judging(shards, &out), &clock)?;
    let mut clients: Vec<Client> = (0..8).map(|_| rig.connect()).collect::<Result<_>>()?;
    for window in 0..N_WINDOWS {
        for request in 0..N_REQUESTS {
            // Another way through the shards in each window.
            let client = &mut clients[((window + request) % 8) as usize];
            assert_eq!(client.send(Signal::Traces, &request_in(window, request))?, 200);
        }
        rig.advance_to(START + WINDOW * (window as u32 + 1))?;
    }
    drop(clients);
    rig.stop();
    let text = std::fs::read_to_string(out)?;
    let derived = text.lines().filter(|line| !line.contains("resourceSpans"));
    Ok(derived.map(|line| format!("{line}\n")).collect())
}

#[test]
fn one_shard_and_four_shards_judge_windows_alike_to_the_byte() -> Result<()> {
    let one = judged(1)?;
    for part in ["span.duration.rollup", "span.duration.baseline", "resourceLogs", "payment"] {
        assert!(one.contains(part), "the output lacks {part}");
    }
    let four = judged(4)?;
    let first = one.lines().zip(four.lines()).position(|(one, four)| one != four);
    assert!(one == four, "{} and {} bytes, the first line to differ is {first:?}", one.len(), four.len());
    Ok(())
}
