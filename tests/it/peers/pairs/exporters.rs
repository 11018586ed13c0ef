//! `otlp_http`, `otlp_grpc`, `prometheus` and `prometheus_remote_write`.

use anyhow::{Result, ensure};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest, metrics::v1::metric::Data,
};
use serde_json::Value;
use testbed::{Exposition, Prometheus, Sample, Version, eventually, get};

use super::{
    ALL, Pair,
    canon::{Order, canonical, count, differences, lines},
    metric_zoo,
    run::{Collector, TAKEN, address, read, send, send_all, unless_ended_early},
    values::{BASE, SECOND},
    zoo::zoo,
};
use crate::peers::SOON;

/// Exporters with what they are told besides where to.
pub(super) const COMPRESSIONS: &[(&str, &str)] = &[
    ("otlp_http", "compression: none"),
    ("otlp_http", "compression: gzip"),
    ("otlp_http", "compression: zstd"),
    ("otlp_http", "compression: snappy"),
    ("otlp_http", "compression: x-snappy-framed"),
    ("otlp_http", "compression: zlib"),
    ("otlp_http", "compression: deflate"),
    ("otlp_http", "compression: lz4"),
    ("otlp_http", "encoding: json"),
    ("otlp_http", "encoding: json, compression: zstd, compression_params: {level: 6}"),
    ("otlp_grpc", "compression: none"),
    ("otlp_grpc", "compression: gzip"),
    ("otlp_grpc", "compression: zstd"),
    ("otlp_grpc", "compression: snappy"),
];

/// Where one side takes what the test sends, and what the other sends, of each exporter.
struct Places {
    health: String,
    from_test: Vec<String>,
    from_other: Vec<String>,
}

impl Places {
    fn new() -> Self {
        let all = || COMPRESSIONS.iter().map(|_| address()).collect();
        Self { health: address(), from_test: all(), from_other: all() }
    }

    /// A side that sends with each exporter to the other, and writes what comes from there.
    fn config(&self, other: &Self) -> String {
        let (mut receivers, mut exporters, mut pipelines) = (String::new(), String::new(), String::new());
        for (index, (exporter, settings)) in COMPRESSIONS.iter().enumerate() {
            let (from_test, from_other) = (&self.from_test[index], &self.from_other[index]);
            let to = &other.from_other[index];
            let (protocol, to) = match *exporter {
                "otlp_grpc" => ("grpc", format!("endpoint: '{to}', tls: {{insecure: true}}")),
                _ => ("http", format!("endpoint: 'http://{to}'")),
            };
            receivers += &format!("  otlp/in{index}: {{protocols: {{http: {{endpoint: '{from_test}'}}}}}}\n");
            receivers +=
                &format!("  otlp/p{index}: {{protocols: {{{protocol}: {{endpoint: '{from_other}'}}}}}}\n");
            exporters += &format!("  {exporter}/p{index}: {{{to}, {settings}}}\n");
            for signal in ALL {
                exporters +=
                    &format!("  file/p{index}_{signal}: {{path: p{index}.{signal}, format: proto}}\n");
                pipelines += &format!(
                    "    {signal}/in{index}: {{receivers: [otlp/in{index}], exporters: [{exporter}/p{index}]}}\n"
                );
                pipelines += &format!(
                    "    {signal}/out{index}: {{receivers: [otlp/p{index}], exporters: [file/p{index}_{signal}]}}\n"
                );
            }
        }
        format!(
            "extensions: {{health_check: {{endpoint: '{}'}}}}\nreceivers:\n{receivers}exporters:\n{exporters}service:\n  extensions: [health_check]\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{pipelines}",
            self.health
        )
    }
}

#[test]
fn what_each_sends_the_other_takes_whatever_the_compression() {
    let (ours, theirs) = (Places::new(), Places::new());
    let sides = [
        (Collector::start(true, &ours.config(&theirs), &ours.health).unwrap(), &ours),
        (Collector::start(false, &theirs.config(&ours), &theirs.health).unwrap(), &theirs),
    ];
    let pair = Pair::new("", ALL, "");
    let mut wrong = Vec::new();
    for (index, exporter) in COMPRESSIONS.iter().enumerate() {
        for (_, places) in &sides {
            let answers = send_all(&places.from_test[index], &pair, &zoo()).unwrap();
            assert_eq!(answers, [TAKEN; 3], "{exporter:?}");
        }
        let sent: Vec<Value> = zoo().comparable().unwrap();
        for (collector, _) in &sides {
            let arrived = eventually("what was sent", SOON, || {
                let arrived = read(collector.dir(), index)?;
                let (n, all) = (count(&arrived), count(&sent));
                ensure!(n >= all, "{n} of {all} have come");
                Ok(arrived)
            });
            let told = arrived.map_or_else(
                |problem| vec![problem.to_string()],
                |arrived| differences(&lines(&arrived, Order::Any), &lines(&sent, Order::Any)),
            );
            let to =
                if matches!(collector, Collector::Ours(_)) { "theirs to ours" } else { "ours to theirs" };
            wrong.extend(told.into_iter().map(|line| format!("{exporter:?}, {to}: {line}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The exporter of files by the name that both have.
pub(super) const FILES: &[&str] = &["format: json", "format: json, append: true"];

#[test]
fn files_hold_the_same_lines() {
    let mut wrong = Vec::new();
    for settings in FILES {
        let both = [true, false].map(|is_ours| unless_ended_early(|| written(is_ours, settings)).unwrap());
        let [ours, theirs] = both.map(|requests| lines(&requests, Order::Sent));
        assert!(theirs.len() > 50, "{theirs:?}");
        wrong.extend(differences(&ours, &theirs).into_iter().map(|line| format!("{{{settings}}} {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Sends everything to a collector that writes files, and returns what stands in them line by line.
fn written(is_ours: bool, settings: &str) -> Result<Vec<Value>> {
    let (health, to) = (address(), address());
    let (mut exporters, mut pipelines) = (String::new(), String::new());
    for signal in ALL {
        exporters += &format!("  file/{signal}: {{path: {signal}.jsonl, {settings}}}\n");
        pipelines += &format!("    {signal}: {{receivers: [otlp], exporters: [file/{signal}]}}\n");
    }
    let yaml = format!(
        "extensions: {{health_check: {{endpoint: '{health}'}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{to}'}}}}}}}}
exporters:
{exporters}service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
{pipelines}"
    );
    let mut collector = Collector::start(is_ours, &yaml, &health)?;
    ensure!(send_all(&to, &Pair::new("", ALL, ""), &zoo())? == [TAKEN; 3], "something was refused");
    collector.stop()?;
    let mut requests = Vec::new();
    for signal in ALL {
        for line in std::fs::read_to_string(collector.dir().join(format!("{signal}.jsonl")))?.lines() {
            requests.push(canonical(with_doubles(serde_json::from_str(line)?)));
        }
    }
    Ok(requests)
}

/// JSON has one kind of number: the one writes 2.0 where the other writes 2.
fn with_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(values) => values.into_iter().map(with_doubles).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, with_doubles(value))).collect(),
        other => other,
    }
}

/// Metrics that have one form only in Prometheus: the rest stands in the pages of our exporters.
fn plain_metrics() -> ExportMetricsServiceRequest {
    let mut request = metric_zoo::metrics();
    for scope in request.resource_metrics.iter_mut().flat_map(|of_resource| &mut of_resource.scope_metrics) {
        scope.metrics.retain(|metric| !matches!(metric.data, Some(Data::ExponentialHistogram(_))));
    }
    request
}

/// Starts both with the same exporter and sends them the metrics.
fn exporting(
    exporter: impl Fn(&str, &str) -> String,
    request: &ExportMetricsServiceRequest,
) -> Result<[(Collector, String); 2]> {
    let start = |side: &str| {
        let (health, to, port) = (address(), address(), address());
        let yaml = format!(
            "extensions: {{health_check: {{endpoint: '{health}'}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{to}'}}}}}}}}
exporters:
  {}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{metrics: {{receivers: [otlp], exporters: [out]}}}}
",
            exporter(side, &port)
        );
        let kind =
            yaml.lines().nth(3).and_then(|line| line.trim().split(':').next()).unwrap_or_default().to_owned();
        let collector =
            Collector::start(side == "ours", &yaml.replace("[out]", &format!("[{kind}]")), &health)?;
        ensure!(send(&to, "metrics", request)? == TAKEN, "the metrics are refused");
        Ok((collector, port))
    };
    Ok([start("ours")?, start("theirs")?])
}

/// Settings of `prometheus`, and why the page differs where it is meant to.
pub(super) const PAGES: &[(&str, Option<&str>)] = &[
    ("", Some(PAGES_DIFFER)),
    (", resource_to_telemetry_conversion: {enabled: true}", Some(PAGES_DIFFER)),
    (", namespace: shop, const_labels: {cluster: eu-1}", Some(PAGES_DIFFER)),
    (", translation_strategy: UnderscoreEscapingWithoutSuffixes", Some(PAGES_DIFFER)),
    (", send_timestamps: true, without_scope_info: true", Some(PAGES_DIFFER)),
];

const PAGES_DIFFER: &str = "runs of what a label may not hold become one underscore, as OpenTelemetry has it, there one \
     for each; a histogram without a sum has none, there 0; `target_info` is also there for a job without an instance, and \
     bears `const_labels`";

/// Reads a page as lines, without labels that are empty, which are none to Prometheus.
fn page(address: &str) -> Result<Vec<String>> {
    let text = get(&format!("http://{address}/metrics"))?.success()?;
    let mut lines: Vec<String> = Vec::new();
    for mut line in Exposition::parse(&text)?.lines {
        line.labels.retain(|_, value| !value.is_empty());
        lines.push(format!("{} {:?} {}", line.name, line.labels, line.value));
    }
    lines.extend(text.lines().filter(|line| line.starts_with('#')).map(str::to_owned));
    lines.sort();
    Ok(lines)
}

/// Takes out of our page what is meant to differ, and complains where it is not there.
fn ours_without_what_is_meant(ours: Vec<String>) -> Vec<String> {
    let is_of_a_job = |line: &str| line.contains("target_info {") && line.contains("\"job\": \"billing\"");
    let n_lines = ours.len();
    let left = ours.into_iter().filter(|line| !is_of_a_job(line)).map(|line| {
        if line.contains("target_info {") { line.replace("\"cluster\": \"eu-1\", ", "") } else { line }
    });
    let left: Vec<String> = left.collect();
    assert_eq!(left.len() + 1, n_lines, "the target of a job without an instance is gone");
    left
}

/// The same for theirs.
fn theirs_without_what_is_meant(theirs: Vec<String>) -> Vec<String> {
    let is_made_up =
        |line: &str| line.contains("http_duration") && line.contains("_sum {") && line.contains("\"idle\"");
    let n_lines = theirs.len();
    let left: Vec<String> = theirs.into_iter().filter(|line| !is_made_up(line)).collect();
    assert_eq!(left.len() + 1, n_lines, "the sum of the histogram without one is gone");
    assert!(left.iter().any(|line| line.contains("\"gr__e\"")), "one underscore is written for two letters");
    let mut renamed: Vec<String> =
        left.into_iter().map(|line| line.replace("\"gr__e\"", "\"gr_e\"")).collect();
    renamed.sort();
    renamed
}

#[test]
fn the_page_for_prometheus_says_the_same() {
    let mut wrong = Vec::new();
    for (settings, _) in PAGES {
        let sides =
            exporting(|_, port| format!("prometheus: {{endpoint: '{port}'{settings}}}"), &plain_metrics())
                .unwrap();
        let [ours, theirs] = sides.each_ref().map(|(_, port)| {
            eventually("the page", SOON, || {
                let lines = page(port)?;
                ensure!(!lines.is_empty(), "it is empty");
                Ok(lines)
            })
            .unwrap()
        });
        let (ours, theirs) = (ours_without_what_is_meant(ours), theirs_without_what_is_meant(theirs));
        wrong.extend(differences(&ours, &theirs).into_iter().map(|line| format!("{{{settings}}} {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Settings of `prometheus_remote_write`.
pub(super) const SAMPLES: &[(&str, Option<&str>)] = &[
    ("", None),
    (", resource_to_telemetry_conversion: {enabled: true}", None),
    (", namespace: shop, add_metric_suffixes: false, target_info: {enabled: false}", None),
];

fn samples(prometheus: &Prometheus, side: &str) -> Result<Vec<String>> {
    let at = (BASE + 60 * SECOND) / SECOND;
    let found = prometheus.query_at(&format!("{{side=\"{side}\"}}"), f64::from(u32::try_from(at)?))?;
    let line = |mut sample: Sample| {
        sample.labels.remove("side");
        format!("{:?} {:?}", sample.labels, sample.value)
    };
    let mut lines: Vec<String> = found.into_iter().map(line).collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn prometheus_is_written_the_same_samples() {
    let mut wrong = Vec::new();
    for (settings, _) in SAMPLES {
        let prometheus = Prometheus::start(Version::Three).unwrap();
        let url = prometheus.remote_write_url();
        let exporter = |side: &str, _: &str| {
            format!(
                "prometheusremotewrite: {{endpoint: '{url}', external_labels: {{side: {side}}}{settings}}}"
            )
        };
        let _sides = exporting(exporter, &metric_zoo::metrics()).unwrap();
        let both = eventually("samples", SOON, || {
            let both = [samples(&prometheus, "ours")?, samples(&prometheus, "theirs")?];
            ensure!(both.iter().all(|lines| lines.len() > 10), "they are {both:?}");
            Ok(both)
        });
        let [ours, theirs] = both.unwrap();
        wrong.extend(differences(&ours, &theirs).into_iter().map(|line| format!("{{{settings}}} {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
