//! What the binary tells of itself arrives where it is sent: spans, log records and metrics, over gRPC and
//! over HTTP, at an OTLP receiver in the test's own process.

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails fails its test")]

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use serde_json::Value as Json;
use testbed::{Trueline, Watch, free_port, trueline_binary};

use crate::rig::{Client, Folder, Rig, lines};

const SOON: Duration = Duration::from_secs(40);

/// A receiver that writes all it gets to one file, as soon as it gets it.
fn collector(grpc: u16, http: u16, file: &Path) -> Result<Rig> {
    let yaml = format!(
        "
receivers:
  otlp:
    protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}, http: {{endpoint: '127.0.0.1:{http}'}}}}
exporters:
  otlp_file: {{path: '{}', flush_interval: 0s}}
service:
  trueline: {{shards: 1}}
  pipelines: {{all: {{receivers: [otlp], exporters: [otlp_file]}}}}
",
        file.display()
    );
    Rig::start(&yaml, &ManualClock::new(Timestamp::from_millis(1)))
}

/// Runs the binary, gives it one span, ends it, and returns what it has told of itself.
fn told(exporter: &str, endpoint_of: impl Fn(u16, u16) -> String) -> Result<Vec<Json>> {
    let folder = Folder::new()?;
    let file = folder.file("own.jsonl");
    let (grpc, http) = (free_port(), free_port());
    let collector = collector(grpc, http, &file)?;
    let push = format!("exporter: {{{exporter}: {{{}}}}}", endpoint_of(grpc, http));
    let (health, data) = (free_port(), free_port());
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{data}'}}}}}}}}
exporters: {{nop: }}
extensions: {{health_check: {{endpoint: '127.0.0.1:{health}'}}}}
service:
  extensions: [health_check]
  telemetry:
    resource: {{service.name: under-test, collector.number: 7}}
    traces: {{processors: [{{batch: {{{push}}}}}], sampler: {{parent_based: {{root: {{always_on: }}}}}}}}
    logs: {{processors: [{{simple: {{{push}}}}}]}}
    metrics: {{readers: [{{periodic: {{interval: 3600000, {push}}}}}]}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}
"
    );
    let watch = Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None };
    let mut trueline = Trueline::start(&yaml, watch).with_context(|| yaml.clone())?;
    let mut client = Client::connect(format!("127.0.0.1:{data}").parse()?)?;
    client.insist(Signal::Traces, &one_span())?;
    let end = trueline.stop(SOON)?;
    anyhow::ensure!(end.success(), "{}", trueline.log());
    collector.stop();
    lines(&file).with_context(|| trueline.log())
}

fn one_span() -> Vec<u8> {
    let span =
        Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "GET /".to_owned(), ..Span::default() };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec()
}

/// Every value of a key, wherever it stands.
fn all<'j>(json: &'j Json, key: &str, found: &mut Vec<&'j Json>) {
    match json {
        Json::Object(map) => {
            for (name, value) in map {
                if name == key {
                    found.push(value);
                }
                all(value, key, found);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        _ => {}
    }
}

fn objects<'j>(told: &'j [Json], key: &str) -> Vec<&'j Json> {
    let mut found = Vec::new();
    told.iter().for_each(|line| all(line, key, &mut found));
    found.into_iter().filter_map(Json::as_array).flatten().collect()
}

fn check(told: &[Json]) {
    let spans: Vec<_> = objects(told, "spans").iter().filter_map(|span| span["name"].as_str()).collect();
    for name in ["service/start", "exporter/nop/traces", "service/shutdown"] {
        assert_eq!(spans.iter().filter(|span| **span == name).count(), 1, "{name} in {spans:?}");
    }
    let records = objects(told, "logRecords");
    let bodies: Vec<_> = records.iter().filter_map(|record| record["body"]["stringValue"].as_str()).collect();
    for body in ["everything is ready, begin running and processing data", "shutdown complete"] {
        assert_eq!(bodies.iter().filter(|known| **known == body).count(), 1, "{body} in {bodies:?}");
    }
    // Sent once, at the end: the reading must be the last one, not one of some seconds ago.
    let metrics = objects(told, "metrics");
    let accepted = metrics.iter().find(|metric| metric["name"] == "otelcol_receiver_accepted_spans").unwrap();
    let points = accepted["sum"]["dataPoints"].as_array().unwrap();
    assert_eq!(points.iter().filter_map(|point| point["asInt"].as_str()).collect::<Vec<_>>(), ["1"]);
    let page = include_str!("../../src/app/telemetry/README.md");
    for name in metrics.iter().filter_map(|metric| metric["name"].as_str()) {
        let general = ["spans", "metric_points", "log_records"]
            .iter()
            .find_map(|items| Some(format!("{}<items>", name.strip_suffix(items)?)));
        let is_told = page.contains(name) || general.is_some_and(|general| page.contains(&general));
        assert!(is_told, "{name} is not on the page of own telemetry");
    }
    for line in told {
        let text = line.to_string();
        assert!(text.contains("under-test") && text.contains("collector.number"), "{text}");
    }
}

#[test]
fn own_spans_records_and_metrics_arrive_over_grpc() {
    let told = told("otlp", |grpc, _| {
        format!("protocol: grpc, endpoint: 'http://127.0.0.1:{grpc}', compression: gzip")
    });
    check(&told.unwrap());
}

#[test]
fn own_spans_records_and_metrics_arrive_over_http() {
    let told =
        told("otlp_http", |_, http| format!("endpoint: 'http://127.0.0.1:{http}', headers_list: 'a=b'"));
    check(&told.unwrap());
}

#[test]
fn a_destination_that_is_away_does_not_hold_up_the_end() {
    let since = Instant::now();
    let nobody = free_port();
    let result = told("otlp_grpc", |_, _| format!("endpoint: 'http://127.0.0.1:{nobody}', timeout: 500"));
    // Nothing was written, so there is no file to read.
    assert!(result.is_err());
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[test]
fn validate_refuses_what_the_start_would() {
    let yaml = "
receivers: {otlp: {protocols: {grpc: }}}
exporters: {nop: }
service:
  telemetry:
    traces: {processors: [{batch: {exporter: {otlp: {endpoint: 'https://x:4318', certificate: /nowhere/ca.pem}}}}]}
  pipelines: {traces: {receivers: [otlp], exporters: [nop]}}
";
    for command in ["validate", "run"] {
        let mut program = Command::new(trueline_binary().unwrap());
        let output = program.args([command, &format!("--config=yaml:{yaml}")]).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(4), "{said}");
        let place =
            "traces::processors::0::batch::exporter::otlp::certificate: /nowhere/ca.pem can not be read";
        assert!(said.contains(place) && said.contains("yaml::6:"), "{said}");
    }
}
