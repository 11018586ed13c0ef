//! Writes seeds for every target into `corpus/`: `cargo run --bin seeds`.

use std::{fs, io, path::Path};

use model::Signal;
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
    write_both_json("logs", Signal::Logs, &logs)
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
