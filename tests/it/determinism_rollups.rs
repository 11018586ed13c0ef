//! Roll-ups of metrics and of sampled spans are the same, byte for byte: on one shard or several, in one process
//! or two. Logs arrive as they were sent.

use std::{path::Path, time::Duration};

use anyhow::Result;
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use wire::{
    build::{
        Attributes, HistogramPoint, LogRecord, LogsWriter, MetricHead, MetricsWriter, NumberPoint, Span,
        SpansWriter,
    },
    testing::Random,
    view::{AnyValue, Number, Temporality},
};

use crate::rig::{Client, Folder, Rig};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const STRETCH: Duration = Duration::from_secs(2);
const N_STRETCHES: u64 = 6;
const N_REQUESTS: u64 = 24;

/// Everything that is rolled up into one file with what it came from, and logs into another.
fn yaml(shards: usize, out: &Path, logs: &Path, hop: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  aggregation: {{windows: [2s, 4s], allowed_lateness: 2s}}
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
  file/logs: {{path: {logs:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  trueline:
    shards: {shards}
    instance_id: test
    {hop}
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation], exporters: [file]}}
    logs: {{receivers: [otlp], exporters: [file/logs]}}
"
    )
}

fn resource(service: &str) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.push_str("service.name", service);
    attributes
}

fn random(stretch: u64, request: u64) -> Random {
    Random((stretch * N_REQUESTS + request).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}

/// A time within a stretch.
fn time_in(stretch: u64, random: &mut Random) -> u64 {
    (START + STRETCH * stretch as u32).as_nanos() + random.below(STRETCH.as_nanos() as u64)
}

/// Gauges whose sums round differently in each order, and histograms since the last request.
fn levels(stretch: u64, request: u64) -> Vec<u8> {
    let (mut random, mut writer) = (random(stretch, request), MetricsWriter::new());
    writer.resource(&resource("cart"));
    writer.scope("test", "");
    let mut host = Attributes::new();
    host.push_str("host", &format!("h{}", request % 3));
    let mut gauges = writer.gauge(&MetricHead { name: "load", description: "", unit: "1" });
    for _ in 0..4 {
        let value = (random.below(1_000_000) as f64 - 5e5) * 0.1 * 10_f64.powi(random.below(24) as i32 - 12);
        let (time, value) = (time_in(stretch, &mut random), Some(Number::Double(value)));
        gauges.point(&NumberPoint { attributes: &host, start: 0, time, value, exemplars: &[], flags: 0 });
    }
    let head = MetricHead { name: "latency", description: "", unit: "ms" };
    let counts = [random.below(9), random.below(9), random.below(9)];
    writer.histogram(&head, Temporality::Delta).point(&HistogramPoint {
        attributes: &host,
        start: 0,
        time: time_in(stretch, &mut random),
        count: counts.iter().sum(),
        sum: Some(random.below(1000) as f64 * 0.1),
        min: Some(0.1),
        max: Some(700.7),
        bucket_counts: &counts,
        explicit_bounds: &[0.3, 70.1],
        exemplars: &[],
        flags: 0,
    });
    writer.take()
}

/// Counters and histograms since the start; every fifth counter has started anew in the third stretch.
fn counters(stretch: u64, request: u64) -> Vec<u8> {
    let (mut random, mut writer) = (random(request, stretch), MetricsWriter::new());
    writer.resource(&resource("payment"));
    writer.scope("test", "");
    let mut id = Attributes::new();
    id.push_str("id", &request.to_string());
    let has_restarted = request.is_multiple_of(5) && stretch >= 3;
    let since = if has_restarted { stretch - 2 } else { stretch + 1 };
    let start = (START + STRETCH * if has_restarted { 3 } else { 0 }).as_nanos();
    let (time, value) = (time_in(stretch, &mut random), Some(Number::Double(since as f64 * 0.1)));
    let head = MetricHead { name: "requests", description: "", unit: "1" };
    let point = NumberPoint { attributes: &id, start, time, value, exemplars: &[], flags: 0 };
    writer.sum(&head, Temporality::Cumulative, true).point(&point);
    let head = MetricHead { name: "size", description: "", unit: "By" };
    writer.histogram(&head, Temporality::Cumulative).point(&HistogramPoint {
        attributes: &id,
        start,
        time,
        count: 3 * since,
        sum: Some(since as f64 * 0.7),
        min: None,
        max: None,
        bucket_counts: &[since, 2 * since],
        explicit_bounds: &[0.2],
        exemplars: &[],
        flags: 0,
    });
    writer.take()
}

/// Spans of which half stand for one and a half.
fn spans(stretch: u64, request: u64) -> Vec<u8> {
    let (mut random, mut writer) = (random(stretch, request), SpansWriter::new());
    let attributes = Attributes::new();
    writer.resource(&resource("cart"));
    writer.scope("test", "");
    for index in 0..8 {
        let end = time_in(stretch, &mut random);
        writer.span(&Span {
            trace_id: (u128::from(random.word()) << 64 | u128::from(random.word())).to_be_bytes(),
            span_id: random.word().to_be_bytes(),
            trace_state: if index % 2 == 0 { "ot=th:55555555555555" } else { "" },
            parent_id: None,
            name: random.pick(&["GET /a", "POST /b"]),
            kind: 2,
            start: end - random.below(900_000_000),
            end,
            attributes: &attributes,
            events: &[],
            links: &[],
            status: if random.below(5) == 0 { 2 } else { 0 },
            status_message: "",
            flags: 0x101,
        });
    }
    writer.take()
}

fn logs(stretch: u64, request: u64) -> Vec<u8> {
    let (mut random, mut writer) = (random(stretch, request), LogsWriter::new());
    writer.resource(&resource("cart"));
    writer.scope("test", "");
    let body = format!("stretch {stretch}, request {request}");
    writer.record(&LogRecord {
        time: time_in(stretch, &mut random),
        observed_time: START.as_nanos(),
        severity_number: 9,
        severity_text: "INFO",
        body: AnyValue::Str(body.as_bytes()),
        attributes: &Attributes::new(),
        flags: 0,
        trace_id: None,
        span_id: None,
        event_name: "",
    });
    writer.take()
}

/// Sends everything over eight connections, each series over another one in each stretch.
fn drive(ingest: &Rig, all: &[&Rig]) -> Result<()> {
    let mut clients: Vec<Client> = (0..8).map(|_| ingest.connect()).collect::<Result<_>>()?;
    for stretch in 0..N_STRETCHES {
        for request in 0..N_REQUESTS {
            let client = &mut clients[((3 * stretch + request) % 8) as usize];
            for (signal, bytes) in [
                (Signal::Metrics, levels(stretch, request)),
                (Signal::Metrics, counters(stretch, request)),
                (Signal::Traces, spans(stretch, request)),
                (Signal::Logs, logs(stretch, request)),
            ] {
                assert_eq!(client.send(signal, &bytes)?, 200);
            }
        }
        let now = START + STRETCH * (stretch as u32 + 1);
        ingest.clock.advance_to(now);
        for rig in all {
            rig.advance_to(now)?;
        }
    }
    Ok(())
}

/// What was rolled up, in its order, and the logs, which have none.
struct Told {
    rollups: String,
    logs: Vec<String>,
}

impl Told {
    fn read(out: &Path, logs: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(out)?;
        let rollups = text.lines().filter(|line| line.contains(".rollup\"")).map(|line| format!("{line}\n"));
        let mut logs: Vec<String> = std::fs::read_to_string(logs)?.lines().map(str::to_owned).collect();
        logs.sort();
        Ok(Self { rollups: rollups.collect(), logs })
    }

    fn assert_is(&self, other: &Self) {
        let first = self.rollups.lines().zip(other.rollups.lines()).position(|(one, other)| one != other);
        let (one, two) = (self.rollups.len(), other.rollups.len());
        assert!(
            self.rollups == other.rollups,
            "{one} and {two} bytes, the first line to differ is {first:?}"
        );
        assert!(self.logs == other.logs, "other logs arrive");
    }
}

fn in_one_process(shards: usize) -> Result<Told> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let (out, logs) = (folder.file("out.json"), folder.file("logs.json"));
    let rig = Rig::start(&yaml(shards, &out, &logs, ""), &clock)?;
    drive(&rig, &[&rig])?;
    rig.stop();
    Told::read(&out, &logs)
}

#[test]
fn one_shard_and_four_shards_roll_up_to_the_same_bytes() -> Result<()> {
    let one = in_one_process(1)?;
    for metric in ["load", "latency", "requests", "size", "span.duration"] {
        assert!(one.rollups.contains(&format!("\"{metric}.rollup\"")), "the output lacks {metric}");
    }
    assert_eq!(one.logs.len() as u64, N_STRETCHES * N_REQUESTS);
    one.assert_is(&in_one_process(4)?);
    Ok(())
}

#[test]
fn two_processes_joined_by_a_socket_roll_up_to_the_same_bytes_as_one() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let port = testbed::free_port();
    let hop = |role: &str| format!("hop: {{role: {role}, endpoint: '127.0.0.1:{port}'}}");
    let (out, unused) = (folder.file("out.json"), folder.file("unused.json"));
    let (logs, no_logs) = (folder.file("logs.json"), folder.file("no_logs.json"));
    let analysis = Rig::start(&yaml(1, &out, &no_logs, &hop("analysis")), &clock)?;
    let ingest = Rig::start(&yaml(2, &unused, &logs, &hop("ingest")), &clock)?;
    drive(&ingest, &[&ingest, &analysis])?;
    ingest.stop();
    analysis.stop();
    Told::read(&out, &logs)?.assert_is(&in_one_process(1)?);
    Ok(())
}
