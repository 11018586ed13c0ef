use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::clients::{self, Args, Protocol, Sent};
use crate::*;

const SOON: Duration = Duration::from_secs(120);

/// A collector that counts all signals in its log and hands them on to further exporters.
struct Counting {
    collector: GoCollector,
    grpc: String,
    http: String,
}

impl Counting {
    fn start(exporters: &str, traces_to: &str, metrics_to: &str) -> Result<Self> {
        let grpc = format!("127.0.0.1:{}", free_port());
        let http = format!("127.0.0.1:{}", free_port());
        let collector = GoCollector::start(&format!(
            "
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{grpc}'}}, http: {{endpoint: '{http}'}}}}}}}}
exporters:
  debug: {{}}
{exporters}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug{traces_to}]}}
    metrics: {{receivers: [otlp], exporters: [debug{metrics_to}]}}
    logs: {{receivers: [otlp], exporters: [debug]}}
"
        ))?;
        Ok(Self { collector, grpc, http })
    }

    fn counting_only() -> Result<Self> {
        Self::start("", "", "")
    }

    fn address(&self, protocol: Protocol) -> &str {
        match protocol {
            Protocol::Grpc => &self.grpc,
            Protocol::HttpProtobuf | Protocol::HttpJson => &self.http,
        }
    }
}

fn is_gone(process_id: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{process_id}")).exists()
}

/// Sends 101 spans over each protocol in turn and compares what the collector counted.
fn check_client(client: fn(&Args) -> Result<Sent>, protocols: &[Protocol]) {
    let counting = Counting::counting_only().unwrap();
    let mut expected = DebugCounts::default();
    for protocol in protocols {
        let mut args = Args::new(*protocol, counting.address(*protocol), "shop", 101);
        args.max_batch = 16;
        let sent = client(&args).unwrap();
        // 51 requests, the last without a client span; each tenth fails on both sides.
        assert_eq!((sent.n_spans, sent.n_errors, sent.n_log_records, sent.n_requests), (101, 10, 101, 51));
        // Durations go round from 10 to 19 ms; every call takes 5.
        assert_eq!((sent.server_millis, sent.client_millis), (5 * 145 + 10, 50 * 5));
        assert_eq!(sent.trace_id.len(), 32);
        expected.spans += sent.n_spans;
        expected.log_records += sent.n_log_records;
        let counts = counting.collector.debug_counts().unwrap();
        assert_eq!(
            (counts.spans, counts.log_records),
            (expected.spans, expected.log_records),
            "{protocol:?}"
        );
        // A flush sends three metrics on four routes; a shutdown may send the same once more.
        let (metrics, points) =
            (counts.metrics - expected.metrics, counts.data_points - expected.data_points);
        assert!(metrics == 3 || metrics == 6, "{protocol:?}: {metrics} metrics");
        assert_eq!(points, metrics * 4, "{protocol:?}");
        (expected.metrics, expected.data_points) = (counts.metrics, counts.data_points);
    }
}

#[test]
fn the_python_sdk_sends_what_it_says() {
    check_client(clients::python, &[Protocol::Grpc, Protocol::HttpProtobuf]);
}

#[test]
fn the_javascript_sdk_sends_what_it_says() {
    check_client(clients::javascript, &[Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson]);
}

#[test]
fn the_go_sdk_sends_what_it_says() {
    check_client(clients::go, &[Protocol::Grpc, Protocol::HttpProtobuf]);
}

#[test]
fn a_client_that_is_refused_is_an_error() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let mut args = Args::new(Protocol::HttpProtobuf, &nobody, "shop", 2);
    // The SDK gives up after this many milliseconds of attempts.
    args.env.push(("OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(), "200".to_owned()));
    let error = clients::go(&args).unwrap_err().to_string();
    assert!(error.contains("ended with exit status: 1"), "{error}");
}

#[test]
fn telemetrygen_sends_traces_metrics_and_logs_by_grpc_and_http() {
    let counting = Counting::counting_only().unwrap();
    let send = |signal: &str, counts: &[&str], transport: &[&str]| {
        let endpoint = if transport.is_empty() { &counting.grpc } else { &counting.http };
        let common = [signal, "--otlp-insecure", "--rate", "0", "--otlp-endpoint", endpoint];
        telemetrygen(common.iter().chain(counts).chain(transport)).unwrap();
    };
    for transport in [&[][..], &["--otlp-http"]] {
        send("traces", &["--traces", "10", "--child-spans", "2"], transport);
        send("metrics", &["--metrics", "7"], transport);
        send("logs", &["--logs", "5"], transport);
    }
    let counts = counting.collector.debug_counts().unwrap();
    assert_eq!((counts.spans, counts.data_points, counts.log_records), (60, 14, 10));
}

#[test]
fn what_telemetrygen_complains_about_is_an_error() {
    let error = telemetrygen(["traces", "--no-such-flag"]).unwrap_err().to_string();
    assert!(error.contains("no-such-flag"), "{error}");
}

#[test]
fn the_go_collector_is_gone_after_drop() {
    let collector = Counting::counting_only().unwrap().collector;
    let id = collector.id();
    assert!(!is_gone(id));
    drop(collector);
    assert!(is_gone(id));
}

#[test]
fn the_go_collector_ends_by_itself_when_told() {
    let Counting { mut collector, grpc, .. } = Counting::counting_only().unwrap();
    // It listens a moment before it knows the request to end.
    telemetrygen(["traces", "--otlp-insecure", "--traces", "1", "--otlp-endpoint", &grpc]).unwrap();
    let ended = collector.stop(SOON).unwrap();
    assert!(ended.success(), "{ended}: {}", collector.log());
    assert!(collector.log().contains("Shutdown complete"));
}

#[test]
fn a_part_that_does_not_start_says_why() {
    let Err(error) = GoCollector::start("receivers: {nothing_of_that_name: {}}") else {
        panic!("the collector started without exporters");
    };
    let error = error.to_string();
    assert!(error.contains("before it was ready"), "{error}");
    assert!(error.contains("nothing_of_that_name"), "{error}");
}

#[test]
fn a_missing_part_names_the_command_that_builds_it() {
    let error = part("jaeger", "no-such-command").unwrap_err().to_string();
    assert!(error.ends_with("build it with `tests/testbed/build.sh jaeger`"), "{error}");
    assert!(part("nonsense", "x").unwrap_err().to_string().contains("no part is named nonsense"));
}

#[test]
fn prometheus_3_shows_metrics_and_exemplars_of_a_real_sdk() {
    let prometheus = Prometheus::start(Version::Three).unwrap();
    check_prometheus(&prometheus);
    let histogram = prometheus.query("client_order_size_bytes{http_route=\"/cart\"}").unwrap();
    let histogram = histogram[0].histogram().unwrap();
    // Requests 2, 6, … of 20: sizes 300, 700, 400, 100, 500.
    assert_eq!((histogram.count, histogram.sum), (5.0, 2000.0));
    assert_eq!(histogram.buckets.iter().map(|bucket| bucket.count).sum::<f64>(), 5.0);
    assert!(histogram.buckets.iter().all(|bucket| 0.0 < bucket.low && bucket.low < bucket.high));
}

#[test]
fn debians_prometheus_shows_metrics_of_a_real_sdk() {
    check_prometheus(&Prometheus::start(Version::Debian).unwrap());
}

/// Python SDK → Go collector → remote write → queries.
fn check_prometheus(prometheus: &Prometheus) {
    let exporter = format!("  prometheusremotewrite: {{endpoint: '{}'}}", prometheus.remote_write_url());
    let counting = Counting::start(&exporter, "", ", prometheusremotewrite").unwrap();
    let sent = clients::python(&Args::new(Protocol::Grpc, &counting.grpc, "shop", 40)).unwrap();

    let orders = "sum(client_orders_total{job=\"shop\"})";
    prometheus.query_until(orders, SOON, |samples| samples.len() == 1).unwrap();
    assert_eq!(prometheus.value(orders).unwrap(), sent.n_requests as f64);
    let by_route = prometheus.query("client_orders_total").unwrap();
    assert!(by_route.iter().any(|sample| sample.label("http_route") == "/checkout"), "{by_route:?}");
    assert_eq!(prometheus.series("client_orders_total").unwrap().len(), 4);
    assert_eq!(
        prometheus.value("sum(client_order_duration_milliseconds_sum)").unwrap(),
        sent.server_millis as f64
    );
    assert_eq!(prometheus.value("1 + 1").unwrap(), 2.0);
    let exemplars = prometheus.query_exemplars("client_order_duration_milliseconds_bucket").unwrap();
    assert!(exemplars.iter().all(|exemplar| exemplar.labels["trace_id"].len() == 32), "{exemplars:?}");
    assert!(!exemplars.is_empty());
    let error = prometheus.query("sum(").unwrap_err();
    assert!(format!("{error:#}").contains("parse error"), "{error:#}");
}

#[test]
fn prometheus_scrapes_a_target_and_is_gone_after_drop() {
    for version in [Version::Three, Version::Debian] {
        let prometheus = Prometheus::start(version).unwrap();
        let target = prometheus.url().trim_start_matches("http://").to_owned();
        prometheus.scrape("itself", &[&target], Duration::from_millis(200)).unwrap();
        prometheus
            .query_until("up{job=\"itself\"} == 1", SOON, |samples| samples.len() == 1)
            .unwrap_or_else(|error| panic!("{version:?}: {error:#}"));
        let id = prometheus.id();
        drop(prometheus);
        assert!(is_gone(id), "{version:?}");
    }
}

#[test]
fn jaeger_finds_spans_by_tags_and_counts_edges() {
    let jaeger = Jaeger::start().unwrap();
    let exporter = format!("  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}", jaeger.otlp_grpc());
    let counting = Counting::start(&exporter, ", otlp", "").unwrap();
    let sent = clients::go(&Args::new(Protocol::HttpProtobuf, &counting.http, "shop", 40)).unwrap();
    telemetrygen(["traces", "--otlp-insecure", "--traces", "1", "--otlp-endpoint", &counting.grpc]).unwrap();

    let failed = eventually("failed requests", SOON, || {
        let found = jaeger.search("shop", &[("http.response.status_code", "500")])?;
        ensure!(found.len() as u64 == sent.n_errors / 2, "found {}", found.len());
        Ok(found)
    });
    let failed = failed.unwrap();
    assert_eq!(failed[0].spans.len(), 2);
    let server = failed[0].spans.iter().find(|span| span.tags["span.kind"] == "server").unwrap();
    assert_eq!((server.service.as_str(), server.duration_micros), ("shop", 19_000));
    assert_eq!(server.process_tags["service.version"], "1.2.3");
    let client = failed[0].spans.iter().find(|span| span.tags["span.kind"] == "client").unwrap();
    assert_eq!(client.parent_span_id.as_deref(), Some(server.span_id.as_str()));

    assert_eq!(jaeger.search("shop", &[]).unwrap().len() as u64, sent.n_requests);
    assert_eq!(jaeger.trace(&sent.trace_id).unwrap().trace_id, sent.trace_id);
    eventually("both services", SOON, || {
        let names = jaeger.services()?;
        ensure!(names == ["shop", "telemetrygen"], "{names:?}");
        Ok(())
    })
    .unwrap();
    // Every span here has its parent in the same service, which is no edge.
    assert_eq!(jaeger.dependencies().unwrap(), []);
    let id = jaeger.id();
    drop(jaeger);
    assert!(is_gone(id));
}

#[test]
fn alertmanager_takes_an_alert_and_is_gone_after_drop() {
    for version in [AlertmanagerVersion::Current, AlertmanagerVersion::Debian] {
        let config = "route: {receiver: nobody, group_by: [alertname]}\nreceivers: [{name: nobody}]\n";
        let alertmanager = Alertmanager::start(version, config).unwrap();
        assert_eq!(alertmanager.alerts().unwrap().len(), 0);
        let alert = json!([{"labels": {"alertname": "LatencyHigh", "service": "shop"}}]);
        alertmanager.post_alerts(&alert).unwrap();
        eventually("the alert's group", SOON, || {
            let groups = alertmanager.groups()?;
            ensure!(groups.len() == 1 && groups[0]["labels"]["alertname"] == "LatencyHigh", "{groups:?}");
            Ok(())
        })
        .unwrap();
        assert_eq!(alertmanager.alerts().unwrap()[0]["labels"]["service"], "shop");
        assert!(alertmanager.post_alerts(&json!([{"labels": {}}])).is_err());
        let id = alertmanager.id();
        drop(alertmanager);
        assert!(is_gone(id), "{version:?}");
    }
}

#[test]
fn a_program_that_ignores_the_request_to_end_is_killed() {
    let launch = Launch::new("stubborn", "/bin/sh").unwrap();
    let launch = launch.args(["-c", "trap '' TERM; echo started; while :; do sleep 0.1; done"]);
    let process = launch.start_until(|process| process.log().contains("started")).unwrap();
    let (id, dir) = (process.id(), process.dir().to_owned());
    assert!(dir.exists());
    drop(process);
    assert!(is_gone(id));
    assert!(!dir.exists());
}

/// Answers as trueline's health check and metrics do, on the port that its configuration names.
const STAND_IN: &str = r#"#!/usr/bin/env python3
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"otelcol_spans{a=\"b\"} 3\n" if self.path == "/metrics" else b"{}")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
config = sys.argv[1].removeprefix("--config=")
print(sys.argv[2], os.environ["GREETING"], file=sys.stderr, flush=True)
http.server.HTTPServer(("127.0.0.1", int(open(config).read())), Handler).serve_forever()
"#;

#[test]
fn trueline_is_started_watched_told_to_end_and_killed() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("trueline");
    std::fs::write(&program, STAND_IN).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let start = || {
        let port = free_port();
        let address = ([127, 0, 0, 1], port).into();
        let watch = Watch { health: address, metrics: Some(address) };
        Trueline::start_program(&program, &port.to_string(), watch, &["--word"], &[("GREETING", "hello")])
    };

    let mut told = start().unwrap();
    assert!(told.log().contains("--word hello"), "{}", told.log());
    assert_eq!(told.metrics().unwrap().sum("otelcol_spans", &[("a", "b")]), Some(3.0));
    assert_eq!(told.stop(SOON).unwrap().code(), Some(7));
    assert!(is_gone(told.id()));

    let mut killed = start().unwrap();
    killed.kill().unwrap();
    assert!(is_gone(killed.id()));
    assert!(killed.dir().exists());
}

#[test]
fn an_exposition_is_read_with_escapes_exemplars_and_special_values() {
    let text = "# HELP x y\n# TYPE a counter\na_total{b=\"c\\\"d\\\\e\\nf\",g=\"{}\"} 3 1700000000000\n\
                a_total{b=\"other\"} 4 # {trace_id=\"ff\"} 1 2\nup 1\nnothing NaN\nmost{le=\"+Inf\"} +Inf\n# EOF\n";
    let exposition = Exposition::parse(text).unwrap();
    assert_eq!(exposition.sum("a_total", &[]), Some(7.0));
    assert_eq!(exposition.sum("a_total", &[("b", "c\"d\\e\nf"), ("g", "{}")]), Some(3.0));
    assert_eq!(exposition.sum("a_total", &[("b", "c")]), None);
    assert_eq!(exposition.sum("most", &[("le", "+Inf")]), Some(f64::INFINITY));
    assert!(exposition.sum("nothing", &[]).unwrap().is_nan());
    for broken in ["a{b=\"c} 1", "a{b} 1", "a one", "a{b=\"c\"}", "a", "a{b=\"c\",b=\"d\"} 1"] {
        assert!(Exposition::parse(broken).is_err(), "{broken}");
    }
}

#[test]
fn free_ports_differ() {
    let mut ports: Vec<u16> = (0..100).map(|_| free_port()).collect();
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 100);
}
