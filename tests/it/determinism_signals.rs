//! Alerts and incidents over spans, metrics, log records and feature flags are the same, byte for byte, however these come
//! within a window: in requests of another size, at another second of it, over other connections, to several shards, or to a
//! process of their own.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use component::{Clock, testing::ManualClock};
use model::{Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest as LogsRequest,
        metrics::v1::ExportMetricsServiceRequest as MetricsRequest,
        trace::v1::ExportTraceServiceRequest as TraceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{ResourceLogs, ScopeLogs},
    metrics::v1::{ResourceMetrics, ScopeMetrics},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, span::Event},
};
use prost::Message;
use wire::testing::Random;

use crate::{
    program::trueline_succeeds,
    rig::{Client, Folder, Rig},
};

/// Midnight of a day in 2026, which begins a window.
const START: Timestamp = Timestamp::from_secs(1_767_225_600);
/// Half a minute after the last request.
const END: Timestamp = Timestamp::from_secs(1_767_225_600 + 11 * 60 + 40);
const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(10);
/// Carts fail, which their log records tell too.
const LOAD: [&str; 7] = [
    "load",
    "--rate=60",
    "--duration=11m",
    "--start=1767225600",
    "--seed=5",
    "--fault=cart:errors@8m+2m=0.6",
    "--output",
];
/// When carts are told to take another way, shortly before they fail.
const FLAG_AT: Timestamp = Timestamp::from_secs(1_767_225_600 + 8 * 60 - 15);
/// Whose lines are compared.
const FAMILIES: [&str; 4] =
    ["trueline.incident.", "trueline.alert.", "trueline.bottleneck.", "trueline.anomaly"];

/// A request with the second in which it is sent.
#[derive(Clone)]
struct Sent {
    at: Timestamp,
    signal: Signal,
    request: Vec<u8>,
}

/// The shop with its fault, all signals, in the order of time.
fn recorded() -> Result<Vec<Sent>> {
    let folder = Folder::new()?;
    let file = folder.file("shop.jsonl");
    trueline_succeeds(&[&LOAD[..], &[&file.display().to_string()]].concat())?;
    let mut all: Vec<Sent> = std::fs::read_to_string(file)?.lines().map(read).collect::<Result<_>>()?;
    all.sort_by_key(|sent| sent.at);
    Ok(all)
}

fn read(line: &str) -> Result<Sent> {
    let has = |key: &str| line.contains(&format!("\"{key}\":["));
    let (signal, time) = if has("resourceSpans") {
        (Signal::Traces, "\"endTimeUnixNano\":\"")
    } else if has("resourceMetrics") {
        (Signal::Metrics, "\"timeUnixNano\":\"")
    } else {
        (Signal::Logs, "\"timeUnixNano\":\"")
    };
    let times = line.split(time).skip(1).filter_map(|rest| rest.split('"').next());
    let last = times.filter_map(|nanos| nanos.parse().ok()).max().context("a request has times")?;
    let request = wire::json::json_to_wire(signal, line.as_bytes())?;
    let request = if signal == Signal::Traces { with_flag(&request)? } else { request };
    Ok(Sent { at: Timestamp(last).window_start(SECOND), signal, request })
}

fn text(key: &str, text: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn is_of(resource: Option<&Resource>, service: &str) -> bool {
    let attributes = resource.into_iter().flat_map(|resource| &resource.attributes);
    attributes.into_iter().any(|attribute| *attribute == text("service.name", service))
}

/// Adds to spans of carts which way a feature flag told them to take.
fn with_flag(request: &[u8]) -> Result<Vec<u8>> {
    let mut request = TraceRequest::decode(request)?;
    let of_cart = request.resource_spans.iter_mut().filter(|it| is_of(it.resource.as_ref(), "cart"));
    for span in of_cart.flat_map(|it| &mut it.scope_spans).flat_map(|it| &mut it.spans) {
        let variant = if span.start_time_unix_nano < FLAG_AT.as_nanos() { "direct" } else { "through-cache" };
        span.events.push(Event {
            time_unix_nano: span.start_time_unix_nano,
            name: "feature_flag.evaluation".to_owned(),
            attributes: vec![
                text("feature_flag.key", "cart-way"),
                text("feature_flag.provider.name", "flagd"),
                text("feature_flag.result.variant", variant),
            ],
            ..Event::default()
        });
    }
    Ok(request.encode_to_vec())
}

/// Cuts a request into some of a resource each, with few items.
fn parts(sent: &Sent) -> Result<Vec<Sent>> {
    let mut parts = Vec::new();
    let mut push = |request: Vec<u8>| parts.push(Sent { request, ..sent.clone() });
    match sent.signal {
        Signal::Traces => {
            for it in TraceRequest::decode(&sent.request[..])?.resource_spans {
                for scope in &it.scope_spans {
                    for spans in scope.spans.chunks(7) {
                        let scope = ScopeSpans { spans: spans.to_vec(), ..scope.clone() };
                        let it = ResourceSpans { scope_spans: vec![scope], ..it.clone() };
                        push(TraceRequest { resource_spans: vec![it] }.encode_to_vec());
                    }
                }
            }
        }
        Signal::Metrics => {
            for it in MetricsRequest::decode(&sent.request[..])?.resource_metrics {
                for scope in &it.scope_metrics {
                    for metrics in scope.metrics.chunks(3) {
                        let scope = ScopeMetrics { metrics: metrics.to_vec(), ..scope.clone() };
                        let it = ResourceMetrics { scope_metrics: vec![scope], ..it.clone() };
                        push(MetricsRequest { resource_metrics: vec![it] }.encode_to_vec());
                    }
                }
            }
        }
        Signal::Logs => {
            for it in LogsRequest::decode(&sent.request[..])?.resource_logs {
                for scope in &it.scope_logs {
                    for records in scope.log_records.chunks(5) {
                        let scope = ScopeLogs { log_records: records.to_vec(), ..scope.clone() };
                        let it = ResourceLogs { scope_logs: vec![scope], ..it.clone() };
                        push(LogsRequest { resource_logs: vec![it] }.encode_to_vec());
                    }
                }
            }
        }
    }
    Ok(parts)
}

/// Cuts requests and sends the parts of a window in another order, each at another second of it.
fn shuffled(all: &[Sent]) -> Result<Vec<Sent>> {
    let mut random = Random(11);
    let mut out = Vec::new();
    for of_window in all.chunk_by(|a, b| a.at.window_start(WINDOW) == b.at.window_start(WINDOW)) {
        let mut parts: Vec<Sent> = Vec::new();
        for sent in of_window {
            parts.extend(self::parts(sent)?);
        }
        for last in (1..parts.len()).rev() {
            parts.swap(last, random.below(last as u64 + 1) as usize);
        }
        for part in &mut parts {
            part.at = part.at.window_start(WINDOW) + Duration::from_secs(random.below(10));
        }
        parts.sort_by_key(|part| part.at);
        out.extend(parts);
    }
    Ok(out)
}

fn yaml(shards: usize, hop: &str, out: &Path) -> String {
    format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors:
  aggregation: {{windows: [10s, 1m]}}
  baseline:
  anomaly:
  bottleneck:
  sla: {{slos: [{{name: pages, service: frontend, sli: {{type: success_rate}}, target: 0.95}}]}}
  alerting:
    rules:
      - {{name: Fails, metric: span.duration, stat: error_ratio, match: {{service.name: cart}}, group_by: [service.name],
         when: {{op: gt, value: 0.2}}, for: 20s, severity: critical}}
  correlation:
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  trueline: {{shards: {shards}, instance_id: test{hop}}}
  pipelines:
    telemetry:
      receivers: [otlp]
      processors: [aggregation, baseline, anomaly, bottleneck, sla, alerting, correlation]
      exporters: [file]
",
        out = out.display().to_string(),
    )
}

/// Sends everything over so many connections, to the process that ingests, and lets the time of both go on.
fn play(all: &[Sent], ingest: &Rig, analysis: &Rig, connections: usize) -> Result<()> {
    let mut clients: Vec<Client> = (0..connections).map(|_| ingest.connect()).collect::<Result<_>>()?;
    let mut n_sent = 0;
    for of_second in all.chunk_by(|a, b| a.at == b.at) {
        for sent in of_second {
            n_sent += 1;
            clients[n_sent % connections].insist(sent.signal, &sent.request)?;
        }
        analysis.advance_to(of_second[0].at + SECOND)?;
    }
    // The last windows close, second by second however the last requests came.
    while analysis.clock.now() < END {
        analysis.advance_to(analysis.clock.now() + SECOND)?;
    }
    Ok(())
}

/// What leaves a service with so many shards.
fn served(all: &[Sent], shards: usize, connections: usize) -> Result<Vec<String>> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let out = folder.file("out.json");
    let rig = Rig::start(&yaml(shards, "", &out), &clock)?;
    play(all, &rig, &rig, connections)?;
    rig.stop();
    ours(&out)
}

/// What leaves the process that analyses, of what another one with two shards took.
fn over_the_hop(all: &[Sent]) -> Result<Vec<String>> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let (out, unused) = (folder.file("out.json"), folder.file("unused.json"));
    let hop = |role: &str, address: &str| format!(", hop: {{role: {role}, endpoint: '{address}'}}");
    let analysis = Rig::start(&yaml(1, &hop("analysis", "127.0.0.1:0"), &out), &clock)?;
    let address = analysis.hop_address()?.to_string();
    let ingest = Rig::start(&yaml(2, &hop("ingest", &address), &unused), &clock)?;
    play(all, &ingest, &analysis, 8)?;
    ingest.stop();
    analysis.stop();
    ours(&out)
}

fn ours(out: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(out)?;
    let is_ours = |line: &&str| FAMILIES.iter().any(|family| line.contains(&format!("\"{family}")));
    let lines = text.lines().filter(|line| line.contains("resourceLogs"));
    Ok(lines.filter(is_ours).map(str::to_owned).collect())
}

fn check(how: &str, told: &[String], expected: &[String]) {
    let differs = told.iter().zip(expected).find(|(one, other)| one != other);
    assert!(differs.is_none(), "{how}: {differs:#?}");
    assert_eq!(told.len(), expected.len(), "{how}");
}

#[test]
fn alerts_and_incidents_of_all_signals_are_the_same_in_another_order_on_four_shards_and_over_the_hop()
-> Result<()> {
    let all = recorded()?;
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        assert!(all.iter().any(|sent| sent.signal == signal), "{signal} are not recorded");
    }
    let one = served(&all, 1, 1)?;
    for what in [
        "trueline.incident.opened",
        "trueline.alert.firing",
        "changed: feature flag cart-way (flagd) of cart is through-cache",
    ] {
        assert!(one.iter().any(|line| line.contains(what)), "{what} is not told");
    }
    let mixed = shuffled(&all)?;
    check("four shards", &served(&mixed, 4, 8)?, &one);
    check("over the hop", &over_the_hop(&mixed)?, &one);
    Ok(())
}
