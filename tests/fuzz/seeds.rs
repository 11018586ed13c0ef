//! Writes seeds for every target into `corpus/`: `cargo run --bin seeds`.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use bytes::Bytes;
use component::Snapshot;
use fuzz::stage::{self, Half};
use model::{Signal, Timestamp};
use wire::{
    build::{
        Attributes, Exemplar, ExponentialPoint, HistogramPoint, LogRecord, LogsWriter, MetricHead,
        MetricsWriter, NumberPoint, SummaryPoint,
    },
    view::{AnyValue, Number, Quantile, Temporality},
};

fn main() -> io::Result<()> {
    let traces = [wire::testing::trace_request(1, 1), wire::testing::trace_request(2, 7)];
    let [metrics, logs] = [metrics(), logs()];
    for (index, traces) in traces.iter().enumerate() {
        let name = format!("traces-{index}");
        write("scan_traces", &name, traces)?;
        write("edit", &name, &[b"\x01\x50\xa2\xf0", &traces[..]].concat())?;
        write_signal("split", &name, 0, &[b"\x40\x02", &traces[..]].concat())?;
        write_both_json(&name, Signal::Traces, traces)?;
    }
    write("check_metrics", "metrics", &metrics)?;
    write("edit", "metrics", &[b"\x01\x50\xa2\xf0", &metrics[..]].concat())?;
    write_signal("split", "metrics", 1, &[b"\x40\x02", &metrics[..]].concat())?;
    write_both_json("metrics", Signal::Metrics, &metrics)?;
    write("check_logs", "logs", &logs)?;
    write("edit", "logs", &[b"\x01\x50\xa2\xf0", &logs[..]].concat())?;
    write_signal("split", "logs", 2, &[b"\x40\x02", &logs[..]].concat())?;
    write_both_json("logs", Signal::Logs, &logs)?;
    write_stages()?;
    write_hop()?;
    write_bodies(&traces[1])?;
    write_expositions()?;
    write_configurations()?;
    write_answers()?;
    write_ottl(&[&traces[1], &metrics, &logs])?;
    write_questions()
}

/// A condition or statement, a zero byte, a request.
fn write_ottl(requests: &[&[u8]; 3]) -> io::Result<()> {
    const TEXTS: [(Signal, &str); 8] = [
        (Signal::Traces, "span.name == \"a\" or IsMatch(span.attributes[\"http.route\"], \"^/\")"),
        (
            Signal::Traces,
            "set(span.attributes[\"k\"], Concat([span.name, \"x\"], \"-\")) where span.kind == SPAN_KIND_SERVER",
        ),
        (Signal::Traces, "service.name == \"cart\" and not (k != 0.5)"),
        (Signal::Metrics, "datapoint.attributes[\"k\"] > 0.1 and metric.type == METRIC_DATA_TYPE_GAUGE"),
        (Signal::Metrics, "delete_key(datapoint.attributes, \"k\")"),
        (Signal::Logs, "log.severity_number < SEVERITY_NUMBER_INFO"),
        (Signal::Logs, "replace_pattern(log.attributes[\"service.name\"], \"c(.)\", \"$1$1\")"),
        (Signal::Logs, "merge_maps(log.attributes, ParseJSON(\"{\\\"a\\\": [1]}\"), \"upsert\")"),
    ];
    for (index, (signal, text)) in TEXTS.into_iter().enumerate() {
        let request = requests[signal as usize];
        write_signal(
            "ottl",
            &format!("text-{index}"),
            signal as u8,
            &[text.as_bytes(), b"\0", request].concat(),
        )?;
    }
    for (signal, request) in Signal::ALL.into_iter().zip(requests) {
        let name = format!("request-{signal}");
        write("rewrite", &name, &[&[1, 0x50, 0xa2, 0xf0, signal as u8], *request].concat())?;
    }
    // Version 1 and a request: what the stages tell that change the temporality.
    let metrics = requests[1];
    let mut told = vec![1, 0x08, 0x01, 0x12];
    let mut length = metrics.len();
    while length >= 0x80 {
        told.push(length as u8 | 0x80);
        length >>= 7;
    }
    told.push(length as u8);
    write("told", "metrics", &[&told, metrics].concat())?;
    write("stored", "nothing", b"")
}

/// Stage, method, version of an archive; path, query, body and archive on lines.
fn write_questions() -> io::Result<()> {
    const BODIES: [&str; 4] = [
        "{\"match\": [\"alertname=~\\\"a|b\\\"\"], \"duration\": \"2h\", \"comment\": \"c\"}",
        "{\"verdict\": \"noise\", \"root\": null}",
        "{\"service\": \"s\", \"title\": \"version 2\"}",
        "",
    ];
    for (choice, (_, topic)) in stage::answering().into_iter().enumerate() {
        for (index, body) in BODIES.into_iter().enumerate() {
            let text = format!("0000000000000001/ack\nsubject=above&at=2026-11-21T10:00:00Z\n{body}\n");
            let head = [choice as u8, index as u8, 1];
            write("questions", &format!("{topic}-{index}"), &[&head[..], text.as_bytes()].concat())?;
        }
    }
    Ok(())
}

/// What each stage tells of some spans, and what it stores of them.
fn write_stages() -> io::Result<()> {
    let requests = [8, 40].map(|n_spans| Bytes::from(wire::testing::trace_request(3, n_spans)));
    for (choice, stage) in stage::counting().into_iter().enumerate() {
        for (index, request) in requests.iter().enumerate() {
            let name = format!("stage-{stage}-{index}");
            let partial = stage::partial_of(stage, request);
            write("partials", &name, &[&[choice as u8], &partial[..]].concat())?;
            let mut half = Half::new(stage);
            half.merge(&partial);
            write_snapshot(stage, &name, &half.snapshot())?;
            half.tick();
            write_snapshot(stage, &format!("{name}-later"), &half.snapshot())?;
        }
    }
    for (index, (stage, snapshot)) in stage::judged(&requests).iter().enumerate() {
        write_snapshot(*stage, &format!("judged-{index}"), snapshot)?;
    }
    Ok(())
}

/// Stage, version, and the state without its hash.
fn write_snapshot(stage: usize, name: &str, snapshot: &Snapshot) -> io::Result<()> {
    let head = [stage as u8, snapshot.version as u8];
    write("snapshots", name, &[&head[..], stage::unsealed(stage, &snapshot.bytes)].concat())
}

fn write_hop() -> io::Result<()> {
    let frame = |source: &str, sequence, second, last| {
        let partial = Bytes::from_static(b"partial");
        engine::fuzzing::hop_frame(
            source,
            sequence,
            Timestamp::from_secs(second),
            last,
            "connector/a",
            partial,
        )
    };
    let frames = [frame("a/0.0", 1, 1, false), frame("b/0.0", 1, 1, false), frame("a/0.0", 2, 2, true)];
    write("hop", "one", &frames[0])?;
    write("hop", "three", &frames.concat())
}

/// One request in every encoding, in the order of the target's list.
fn write_bodies(request: &[u8]) -> io::Result<()> {
    let level = flate2::Compression::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
    gzip.write_all(request)?;
    let gzip = gzip.finish()?;
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(request)?;
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), level);
    deflate.write_all(request)?;
    let mut framed = snap::write::FrameEncoder::new(Vec::new());
    framed.write_all(request)?;
    let framed = framed.into_inner().map_err(|error| error.into_error())?;
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(request)?;
    let bodies = [
        (0, "gzip", gzip.clone()),
        (0, "gzip-twice", gzip.repeat(2)),
        (1, "zlib", zlib.finish()?),
        (1, "deflate", deflate.finish()?),
        (2, "zstd", zstd::bulk::compress(request, 1)?),
        (2, "zstd-unsized", zstd::stream::encode_all(request, 1)?),
        (3, "snappy", snap::raw::Encoder::new().compress_vec(request).map_err(io::Error::other)?),
        (3, "snappy-framed", framed),
        (4, "lz4", lz4.finish().map_err(io::Error::other)?),
        (5, "identity", request.to_vec()),
    ];
    for (encoding, name, body) in &bodies {
        // The largest of four limits.
        write("decompress", name, &[&[*encoding + 18], &body[..]].concat())?;
    }
    Ok(())
}

/// Pages of targets in both formats, the first byte says in which.
fn write_expositions() -> io::Result<()> {
    let text = "# HELP a Of\\n it.\n# TYPE a histogram\na_bucket{b=\"c\\\"\\\\\",le=\"+Inf\",} 1e3 1700000000000\n{\"x.y\",\"z\"=\"\"} NaN\n";
    let open = "# TYPE a counter\n# UNIT a_seconds seconds\na_total{b=\"c\"} 5 1.5 # {trace_id=\"f\"} 1 2.5\na_created 1\n# EOF\n";
    write("exposition", "text", &[b"\0", text.as_bytes()].concat())?;
    write("exposition", "openmetrics", &[b"\x01", open.as_bytes()].concat())
}

/// The shipped pipeline, and documents that use what it does not.
fn write_configurations() -> io::Result<()> {
    let documents = [
        ("quick-start", include_str!("../../pipelines/quick-start.yaml")),
        ("variables", VARIABLES),
        ("stages", STAGES),
        ("mistakes", MISTAKES),
    ];
    for (name, document) in documents {
        write("configuration", name, document.as_bytes())?;
    }
    Ok(())
}

const VARIABLES: &str = "\
receivers: {otlp: {protocols: {grpc: {endpoint: 'localhost:${env:PORT}'}, http: null}}}
exporters:
  otlp_grpc: ${file:part.yaml}
  debug: &debug {verbosity: ${env:MISSING:-detailed}}
  debug/2: {<<: *debug, sampling_initial: 5}
service::pipelines::traces: {receivers: [otlp], exporters: [otlp_grpc, debug, debug/2]}
service::telemetry::logs::level: ${env:AGAIN}
";

const STAGES: &str = "\
receivers: {otlp_file: {include: ['/data/*.jsonl'], speed: 2.5}}
processors:
  attributes: {actions: [{key: a, value: 1, action: upsert}, {key: b, from_attribute: a, action: insert}]}
  aggregation: {windows: [10s, 1m], max_series: 100}
connectors:
  span_metrics: {histogram: {explicit: {buckets: [2ms, 1s]}}, dimensions: [{name: http.route, default: none}]}
  service_graph: {store: {ttl: 5s}, dimensions: [http.route]}
exporters:
  prometheus_remote_write: {endpoint: 'http://localhost:9090/api/v1/write', external_labels: {a: b}}
  otlp_http: {endpoint: 'http://localhost:4318', compression: zstd, sending_queue: {queue_size: 10, batch: {min_size: 1}}}
  prometheus: {endpoint: 'localhost:8889', namespace: n}
extensions: {health_check: {endpoint: 'localhost:13133'}, file_storage: {directory: /tmp/state}}
service:
  extensions: [health_check, file_storage]
  trueline: {shards: 2, max_in_flight: 64MiB}
  pipelines:
    traces: {receivers: [otlp_file], processors: [attributes], exporters: [span_metrics, service_graph, otlp_http]}
    metrics: {receivers: [span_metrics, service_graph], processors: [aggregation], exporters: [prometheus, prometheus_remote_write]}
";

const MISTAKES: &str = "\
receivers: {otlp: {protocols: {grpc: {endpont: 1, max_recv_msg_size_mib: -3}}}, oltp: {}}
exporters: {debug: {verbosity: loud}, otlp_grpc: {endpoint: '', timeout:5s}}
service: {pipelines: {traces: {receivers: [otlp, nobody], exporters: []}, wrong/: null}}
";

/// Kind, status, header lines of a digit and a value, an empty line, a body.
fn write_answers() -> io::Result<()> {
    let status = |code: u16| (code - 100).to_be_bytes();
    let write = |name: &str, kind: u8, code: u16, lines: &str, body: &[u8]| {
        let head = [&[kind][..], &status(code), lines.as_bytes(), b"\n"].concat();
        write("answers", name, &[&head[..], body].concat())
    };
    let delay = Some(std::time::Duration::from_millis(2500));
    let busy = wire::status::encode(8, "busy", delay);
    let partial = wire::status::partial_success(3, "three");
    let framed = [&[0, 0, 0, 0, partial.len() as u8], &partial[..]].concat();
    write("http-partial", 0, 200, "\x00application/x-protobuf\n", &partial)?;
    let json = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"three"}}"#;
    write("http-partial-json", 0, 200, "\x00application/json\n", json)?;
    write("http-busy", 0, 503, "\x01120\n", b"")?;
    write("http-busy-until", 0, 429, "\x01Wed, 21 Oct 2026 07:28:00 GMT\n", b"")?;
    write("http-moved", 0, 302, "\x02http://elsewhere/\n", b"")?;
    write("http-refused", 0, 400, "\x00application/x-protobuf\n", &busy)?;
    write("grpc-taken", 2, 200, "\x030\n", &framed)?;
    let details = data_encoding::BASE64_NOPAD.encode(&busy);
    write("grpc-busy", 1, 200, &format!("\x038\n\x04busy%20now\n\x05{details}\n"), b"")?;
    write("remote-write-taken", 255, 204, "\x0612\n\x071\n\x080\n", b"")?;
    write("remote-write-refused", 3, 400, "\x0612\n", b"out of order sample")?;
    write("remote-write-busy", 3, 503, "\x015\n", b"wait")
}

fn write_both_json(name: &str, signal: Signal, request: &[u8]) -> io::Result<()> {
    let mut json = Vec::new();
    wire::json::wire_to_json(signal, request, &mut json).expect("a built request is sound");
    write_signal("json", name, signal as u8, &json)?;
    write_signal("wire_to_json", name, signal as u8, request)
}

fn write_signal(target: &str, name: &str, signal: u8, bytes: &[u8]) -> io::Result<()> {
    write(target, name, &[&[signal], bytes].concat())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn attributes() -> Attributes {
    let mut attributes = Attributes::new();
    attributes.push_str("service.name", "cart");
    attributes.push_int("server.port", 8080);
    attributes.push("k", AnyValue::Double(0.5));
    attributes
}

fn metrics() -> Vec<u8> {
    let attributes = &attributes();
    let exemplars = &[Exemplar {
        time: 1,
        value: Number::Double(0.5),
        trace_id: Some([1; 16]),
        span_id: Some([2; 8]),
        filtered_attributes: attributes,
    }];
    let mut writer = MetricsWriter::new();
    writer.resource(attributes);
    writer.scope("seeds", "1");
    let head = MetricHead { name: "m", description: "a metric", unit: "ms" };
    let number =
        NumberPoint { attributes, start: 1, time: 2, value: Some(Number::Int(3)), exemplars, flags: 0 };
    writer.gauge(&head).point(&number);
    writer.sum(&head, Temporality::Cumulative, true).point(&number);
    writer.histogram(&head, Temporality::Delta).point(&HistogramPoint {
        attributes,
        start: 1,
        time: 2,
        count: 3,
        sum: Some(4.0),
        min: Some(0.5),
        max: Some(2.0),
        bucket_counts: &[1, 2],
        explicit_bounds: &[1.0],
        exemplars,
        flags: 0,
    });
    writer.exponential_histogram(&head, Temporality::Delta).point(&ExponentialPoint {
        attributes,
        start: 1,
        time: 2,
        count: 3,
        sum: Some(4.0),
        min: None,
        max: None,
        scale: 3,
        zero_count: 1,
        zero_threshold: 0.1,
        positive: wire::build::Buckets { offset: -3, counts: &[1, 300] },
        negative: wire::build::Buckets::default(),
        exemplars,
        flags: 1,
    });
    let quantiles = &[Quantile { quantile: 0.5, value: 2.0 }];
    writer.summary(&head).point(&SummaryPoint {
        attributes,
        start: 1,
        time: 2,
        count: 3,
        sum: 4.0,
        quantiles,
        flags: 0,
    });
    writer.take()
}

fn logs() -> Vec<u8> {
    let mut writer = LogsWriter::new();
    writer.resource(&attributes());
    writer.scope("seeds", "1");
    writer.record(&LogRecord {
        time: 1,
        observed_time: 2,
        severity_number: 9,
        severity_text: "INFO",
        body: AnyValue::Str(b"hello"),
        attributes: &attributes(),
        flags: 1,
        trace_id: Some([1; 16]),
        span_id: Some([2; 8]),
        event_name: "event",
    });
    writer.take()
}
