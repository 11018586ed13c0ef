//! Incidents and bottlenecks are the same, byte for byte, however the spans of a window come: in requests of another
//! size, in another order, over other connections, on one shard or several.

use std::{path::Path, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans},
};
use prost::Message;
use wire::testing::Random;

use crate::{
    incidents,
    program::trueline_succeeds,
    rig::{Client, Folder, Rig},
};

/// Everything between a span and an incident.
const STAGES: &str = "
processors:
  aggregation: {windows: [10s, 1m]}
  baseline:
  anomaly:
  bottleneck:
  sla: {slos: [{name: pages, service: frontend, sli: {type: success_rate}, target: 0.95}]}
  alerting:
  correlation:
";
const ORDER: &str = "[aggregation, baseline, anomaly, bottleneck, sla, alerting, correlation]";

/// Midnight of a day in 2026, which begins a window.
const START: Timestamp = Timestamp::from_secs(1_767_225_600);
const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(10);
/// Payments fail while recommendations are slow.
const LOAD: [&str; 9] = [
    "load",
    "--rate=60",
    "--duration=18m",
    "--start=1767225600",
    "--signals=traces",
    "--seed=3",
    "--fault=payment:errors@10m+3m=0.6",
    "--fault=recommendation:latency@10m+3m=10",
    "--output",
];
/// Whose lines are compared.
const FAMILIES: [&str; 2] = ["trueline.incident.", "trueline.bottleneck."];

/// A request with the second in which it was sent.
#[derive(Clone)]
struct Sent {
    at: Timestamp,
    request: ExportTraceServiceRequest,
}

/// The shop with its faults.
fn recorded() -> Result<Vec<Sent>> {
    let sent = |(last, request): (Timestamp, Bytes)| -> Result<Sent> {
        Ok(Sent { at: last.window_start(SECOND), request: ExportTraceServiceRequest::decode(request)? })
    };
    incidents::recorded(&LOAD)?.into_iter().map(sent).collect()
}

/// Cuts a request into some of a service each, with few spans.
fn parts(sent: &Sent) -> Vec<Sent> {
    let mut parts = Vec::new();
    for of_resource in &sent.request.resource_spans {
        for of_scope in &of_resource.scope_spans {
            for spans in of_scope.spans.chunks(7) {
                let of_scope = ScopeSpans { spans: spans.to_vec(), ..of_scope.clone() };
                let of_resource = ResourceSpans { scope_spans: vec![of_scope], ..of_resource.clone() };
                let request = ExportTraceServiceRequest { resource_spans: vec![of_resource] };
                parts.push(Sent { at: sent.at, request });
            }
        }
    }
    parts
}

fn split(all: &[Sent]) -> Vec<Sent> {
    all.iter().flat_map(parts).collect()
}

/// Puts up to three requests of a window into one.
fn merged(all: &[Sent]) -> Vec<Sent> {
    let by_window = all.chunk_by(|a, b| a.at.window_start(WINDOW) == b.at.window_start(WINDOW));
    let merge = |some: &[Sent]| Sent {
        at: some.iter().map(|sent| sent.at).max().unwrap_or_default(),
        request: ExportTraceServiceRequest {
            resource_spans: some.iter().flat_map(|sent| sent.request.resource_spans.clone()).collect(),
        },
    };
    by_window.flat_map(|of_window| of_window.chunks(3).map(merge)).collect()
}

/// Shuffles the parts of requests within their window: the last span of a trace may come first.
fn shuffled(all: &[Sent]) -> Vec<Sent> {
    let mut random = Random(7);
    let mut out = Vec::new();
    for of_window in all.chunk_by(|a, b| a.at.window_start(WINDOW) == b.at.window_start(WINDOW)) {
        let mut parts = split(of_window);
        for last in (1..parts.len()).rev() {
            parts.swap(last, random.below(last as u64 + 1) as usize);
        }
        out.extend(parts);
    }
    out
}

/// What a replay of requests tells, line by line.
fn replayed(folder: &Folder, name: &str, all: &[Sent]) -> Result<Vec<String>> {
    let mut text = Vec::new();
    for sent in all {
        wire::json::wire_to_json(Signal::Traces, &sent.request.encode_to_vec(), &mut text)?;
        text.push(b'\n');
    }
    let (file, config) = (folder.file(name), folder.file("replay.yaml"));
    std::fs::write(&file, text)?;
    let yaml = format!(
        "{STAGES}
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}}}
exporters: {{nop: }}
service: {{pipelines: {{telemetry: {{receivers: [otlp], processors: {ORDER}, exporters: [nop]}}}}}}
"
    );
    std::fs::write(&config, yaml)?;
    let [config, file] = [config, file].map(|path| path.display().to_string());
    let told = trueline_succeeds(&["replay", "--config", &config, "--format", "jsonl", &file])?;
    Ok(ours(&String::from_utf8(told.stdout)?))
}

fn ours(text: &str) -> Vec<String> {
    let is_ours = |line: &&str| FAMILIES.iter().any(|family| line.contains(&format!("\"{family}")));
    let lines = text.lines().filter(|line| !line.contains("resourceSpans"));
    lines.filter(is_ours).map(str::to_owned).collect()
}

fn check(how: &str, told: &[String], expected: &[String]) {
    let differs = told.iter().zip(expected).find(|(one, other)| one != other);
    assert!(differs.is_none(), "{how}: {differs:#?}");
    assert_eq!(told.len(), expected.len(), "{how}");
}

#[test]
fn split_merged_and_shuffled_requests_of_a_window_give_the_same_incidents_and_bottlenecks() -> Result<()> {
    let folder = Folder::new()?;
    let all = recorded()?;
    let told = replayed(&folder, "recorded.jsonl", &all)?;
    for what in ["incident.opened", "bottleneck.detected", "slow_step", "bottleneck.cleared"] {
        assert!(told.iter().any(|line| line.contains(what)), "{what} is not told");
    }
    check("split", &replayed(&folder, "split.jsonl", &split(&all))?, &told);
    check("merged", &replayed(&folder, "merged.jsonl", &merged(&all))?, &told);
    check("shuffled", &replayed(&folder, "shuffled.jsonl", &shuffled(&all))?, &told);
    Ok(())
}

/// What leaves a service with so many shards.
fn served(all: &[Sent], shards: usize) -> Result<Vec<String>> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let out = folder.file("out.json");
    let rig = Rig::start(&serving(shards, &out), &clock)?;
    let mut clients: Vec<Client> = (0..8).map(|_| rig.connect()).collect::<Result<_>>()?;
    let mut n_sent = 0;
    for of_second in all.chunk_by(|a, b| a.at == b.at) {
        for part in of_second.iter().flat_map(parts) {
            // Spans of one trace come over several connections, another set of them in each second.
            n_sent += 1;
            let client = &mut clients[n_sent % 8];
            client.insist(Signal::Traces, &part.request.encode_to_vec())?;
        }
        rig.advance_to(of_second[0].at + SECOND)?;
    }
    drop(clients);
    rig.stop();
    Ok(ours(&std::fs::read_to_string(out)?))
}

fn serving(shards: usize, out: &Path) -> String {
    format!(
        "{STAGES}
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  trueline: {{shards: {shards}, instance_id: test}}
  pipelines: {{telemetry: {{receivers: [otlp], processors: {ORDER}, exporters: [file]}}}}
",
        out = out.display().to_string(),
    )
}

#[test]
fn one_shard_and_four_shards_tell_the_same_incidents_and_bottlenecks() -> Result<()> {
    let all = recorded()?;
    let one = served(&all, 1)?;
    for what in ["incident.opened", "bottleneck.detected", "slow_step"] {
        assert!(one.iter().any(|line| line.contains(what)), "{what} is not told");
    }
    check("four shards", &served(&all, 4)?, &one);
    Ok(())
}
