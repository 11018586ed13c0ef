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

/// Calls of one service by another in one trace: their clients in one request, their servers in another.
fn calls(seed: u64) -> [Vec<u8>; 2] {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let trace_id = (u128::from(seed + 1) << 64 | 1).to_be_bytes();
    let spans = (0..CALLS_EACH).map(|call| {
        let id = (seed * CALLS_EACH + call + 1).to_be_bytes();
        let start = START.as_nanos() + random.below(1_000_000_000);
        let client = (id, None, start, start + 5_000_000 + random.below(900_000_000));
        let server = (random.word().to_be_bytes(), Some(id), start + 1_000_000, client.3 - 1_000_000);
        let failed = if random.below(5) == 0 { 2 } else { 0 };
        (client, server, failed)
    });
    let (attributes, mut writers) = (Attributes::new(), [SpansWriter::new(), SpansWriter::new()]);
    for (writer, service) in writers.iter_mut().zip(["caller", "called"]) {
        let mut resource = Attributes::new();
        resource.push_str("service.name", service);
        writer.resource(&resource);
        writer.scope("test", "");
    }
    for (client, server, status) in spans {
        let sides = [(client, CLIENT, 0), (server, SERVER, status)];
        for (writer, ((span_id, parent_id, start, end), kind, status)) in writers.iter_mut().zip(sides) {
            writer.span(&Span {
                trace_id,
                span_id,
                trace_state: "",
                parent_id,
                name: "call",
                kind,
                start,
                end,
                attributes: &attributes,
                events: &[],
                links: &[],
                status,
                status_message: "",
                flags: 0x101,
            });
        }
    }
    writers.map(|mut writer| writer.take())
}

const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// Calls in a pair of requests.
const CALLS_EACH: u64 = 5;
const N_STRETCHES: u64 = 3;
/// Pairs of requests in a stretch of time.
const N_PAIRS: u64 = 40;

/// Sends the same requests over several connections, in three stretches of time. The sides of calls come over
/// different connections, in either order, and some servers a stretch after their clients.
fn drive(ingest: &Rig, all: &[&Rig]) -> Result<()> {
    let mut clients: Vec<Client> = (0..8).map(|_| ingest.connect()).collect::<Result<_>>()?;
    let n_clients = clients.len() as u64;
    let mut send = |over: u64, request: &[u8]| -> Result<()> {
        assert_eq!(clients[(over % n_clients) as usize].send(Signal::Traces, request)?, 200);
        Ok(())
    };
    let mut late: Vec<Vec<u8>> = Vec::new();
    for stretch in 0..N_STRETCHES {
        for (index, request) in (0..).zip(late.drain(..)) {
            send(index, &request)?;
        }
        for index in 0..N_PAIRS {
            let seed = stretch * N_PAIRS + index;
            // Few seeds: every one makes resources of its own, and thousands of series show no more.
            send(seed, &wire::testing::trace_request(seed % 12, 30))?;
            let [clients, servers] = calls(seed);
            match index % 3 {
                0 if stretch + 1 < N_STRETCHES => {
                    send(seed, &clients)?;
                    late.push(servers);
                }
                1 => {
                    send(seed + 3, &servers)?;
                    send(seed, &clients)?;
                }
                _ => {
                    send(seed, &clients)?;
                    send(seed + 3, &servers)?;
                }
            }
        }
        let now = START + Duration::from_secs(2 * (stretch + 1));
        ingest.clock.advance_to(now);
        for rig in all {
            rig.advance_to(now)?;
        }
    }
    Ok(())
}

/// How many calls of one service by another the edges between them count in the end.
fn paired(written: &str) -> Result<u64> {
    let mut last = 0;
    for line in written.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let metrics = each(&line, "resourceMetrics").flat_map(|it| each(it, "scopeMetrics"));
        let edges = metrics.flat_map(|it| each(it, "metrics")).filter(|it| it["name"] == EDGES);
        let points = edges.flat_map(|it| each(&it["sum"], "dataPoints")).filter(|point| {
            let is =
                |key, value| each(point, "attributes").any(|it| it["key"] == key && it["value"] == value);
            let text = |value: &str| serde_json::json!({"stringValue": value});
            is("client", text("caller")) && is("server", text("called")) && is("connection_type", text(""))
        });
        let counts = points.map(|point| point["asInt"].as_str().unwrap_or_default().parse::<u64>());
        let counts: Vec<_> = counts.collect::<Result<_, _>>()?;
        // Cumulative: the last line that tells of them stands for all; failed calls are an edge of their own.
        if !counts.is_empty() {
            last = counts.iter().sum();
        }
    }
    Ok(last)
}

const EDGES: &str = "traces_service_graph_request_total";

fn each<'j>(json: &'j serde_json::Value, key: &str) -> impl Iterator<Item = &'j serde_json::Value> + use<'j> {
    json[key].as_array().into_iter().flatten()
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
    for part in ["traces.span.metrics.calls", "exponentialHistogram", EDGES] {
        assert!(one.contains(part), "the output lacks {part}");
    }
    assert_eq!(paired(&one)?, N_STRETCHES * N_PAIRS * CALLS_EACH);
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
    assert_eq!(paired(&two)?, N_STRETCHES * N_PAIRS * CALLS_EACH);
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
