//! The queries that Grafana, the OpenTelemetry demo and Jaeger send find the right numbers.
//!
//! The spans are built by hand, so the numbers are known. With `initial_zero_samples` every counter
//! begins at zero, and a rate is asked at the very time of a sample: then nothing is extrapolated, and
//! a rate times its range is exactly what was sent.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{
    Jaeger, Prometheus, Sample, Trueline, Version, Watch, eventually, free_port, get, get_json, part,
};

use super::{
    SOON,
    gateway::{self, Gateway, Recipe},
    spans::{
        Attribute::Text, Draft, ExportTraceServiceRequest, MILLISECOND, SpanKind, StatusCode, request,
        service, span,
    },
};

/// What dashboards put in place of `$__range` and `$__rate_interval`.
const RANGE_SECONDS: f64 = 60.0;

/// A shop under a known load, and a Prometheus that was told of it.
struct Board {
    prometheus: Prometheus,
    gateway: Gateway,
}

impl Board {
    /// Starts the connectors and sends the load; `in_all` is a query and its answer once all is told.
    fn start(connectors: &str, names: &str, in_all: &[(&str, f64)]) -> Result<Self> {
        let board = Self::without_load(connectors, names)?;
        board.load(in_all)?;
        Ok(board)
    }

    fn without_load(connectors: &str, names: &str) -> Result<Self> {
        let prometheus = Prometheus::start(Version::Three)?;
        let gateway = Gateway::start(&Recipe {
            components: &format!(
                "connectors:\n{connectors}
exporters:
  prometheus_remote_write:
    endpoint: '{}'
    protobuf_message: io.prometheus.write.v2.Request
    initial_zero_samples: true",
                prometheus.remote_write_url()
            ),
            pipelines: &format!(
                "
traces: {{receivers: [otlp], exporters: [{names}]}}
metrics: {{receivers: [{names}], exporters: [prometheus_remote_write]}}"
            ),
            ..Recipe::default()
        })?;
        Ok(Self { prometheus, gateway })
    }

    fn load(&self, in_all: &[(&str, f64)]) -> Result<()> {
        self.gateway.send(&load())?;
        for (query, expected) in in_all {
            eventually(query, SOON, || {
                let found = self.prometheus.value(query)?;
                ensure!(found == *expected, "found {found}, must be {expected}");
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Evaluates a dashboard's query at a sample of `metric`, and waits until it has one.
    fn ask(&self, metric: &str, promql: &str) -> Result<Vec<Sample>> {
        let promql = promql.replace("$__range", "60s").replace("$__rate_interval", "60s");
        eventually(&promql, SOON, || {
            let at = self.prometheus.value(&format!("min(timestamp({metric}))"))?;
            let found = self.prometheus.query_at(&promql, at)?;
            ensure!(!found.is_empty(), "no answer");
            Ok(found)
        })
    }

    /// Returns values by the given labels joined with a slash, each times `factor`.
    fn scaled(&self, metric: &str, promql: &str, labels: &[&str], factor: f64) -> BTreeMap<String, f64> {
        let found = self.ask(metric, promql).unwrap();
        let named = found.iter().map(|sample| {
            let name: Vec<&str> = labels.iter().map(|label| sample.label(label)).collect();
            (name.join("/"), significant(sample.float().unwrap() * factor))
        });
        named.collect()
    }

    /// Returns values by labels.
    fn values(&self, metric: &str, promql: &str, labels: &[&str]) -> BTreeMap<String, f64> {
        self.scaled(metric, promql, labels, 1.0)
    }

    /// Returns what a query of rates counts over the whole range, by labels.
    fn counts(&self, metric: &str, promql: &str, labels: &[&str]) -> BTreeMap<String, f64> {
        self.scaled(metric, promql, labels, RANGE_SECONDS)
    }
}

/// Keeps nine digits: neither bounds of buckets nor divisions by the range are exact.
fn significant(value: f64) -> f64 {
    format!("{value:.8e}").parse().expect("a printed number can be read")
}

fn table<const N: usize>(rows: [(&str, f64); N]) -> BTreeMap<String, f64> {
    rows.map(|(name, value)| (name.to_owned(), significant(value))).into()
}

/// Twenty carts, of which five fail; ten slow pages that read a database; eight mails over a queue.
fn load() -> ExportTraceServiceRequest {
    let (mut frontend, mut cart, mut mailer) = (Vec::new(), Vec::new(), Vec::new());
    let failed = |draft: Draft, trace: u64| {
        if trace.is_multiple_of(4) { draft.status(StatusCode::Error) } else { draft }
    };
    for trace in 1..=20 {
        frontend.push(span("GET /cart", trace, 1, 100 * MILLISECOND).kind(SpanKind::Server));
        frontend.push(failed(
            span("cart.Get", trace, 2, 50 * MILLISECOND).kind(SpanKind::Client).parent(1),
            trace,
        ));
        cart.push(failed(
            span("cart.Get", trace, 3, 40 * MILLISECOND).kind(SpanKind::Server).parent(2),
            trace,
        ));
    }
    for trace in 101..=110 {
        let database = [("db.system", Text("postgresql")), ("db.name", Text("orders"))];
        frontend.push(span("GET /orders", trace, 1, 1500 * MILLISECOND).kind(SpanKind::Server));
        let query = span("SELECT", trace, 2, 20 * MILLISECOND).kind(SpanKind::Client).parent(1);
        frontend.push(query.attributes(&database));
    }
    for trace in 201..=208 {
        cart.push(span("mail publish", trace, 1, 2 * MILLISECOND).kind(SpanKind::Producer));
        mailer.push(span("mail receive", trace, 2, 5 * MILLISECOND).kind(SpanKind::Consumer).parent(1));
    }
    request([service("frontend", frontend), service("cart", cart), service("mailer", mailer)])
}

const N_SPANS: f64 = 3.0 * 20.0 + 2.0 * 10.0 + 2.0 * 8.0;

#[test]
fn the_span_table_of_grafanas_tempo_source_is_right() {
    let board = Board::start(
        "  span_metrics: {flavor: tempo, metrics_flush_interval: 1s}",
        "span_metrics",
        &[
            ("sum(traces_spanmetrics_calls_total)", N_SPANS),
            ("sum(traces_spanmetrics_latency_bucket{le=\"+Inf\"})", N_SPANS),
        ],
    )
    .unwrap();
    let (calls, latency) = ("traces_spanmetrics_calls_total", "traces_spanmetrics_latency_bucket");
    let rate = "topk(5, sum(rate(traces_spanmetrics_calls_total{span_kind=\"SPAN_KIND_SERVER\"}[$__range])) by (span_name))";
    assert_eq!(
        board.counts(calls, rate, &["span_name"]),
        table([("GET /cart", 20.0), ("GET /orders", 10.0), ("cart.Get", 20.0)])
    );
    let errors = "topk(5, sum(rate(traces_spanmetrics_calls_total{status_code=\"STATUS_CODE_ERROR\",\
                  span_name=~\"GET /cart|GET /orders|cart.Get\"}[$__range])) by (span_name))";
    assert_eq!(board.counts(calls, errors, &["span_name"]), table([("cart.Get", 10.0)]));
    // Between the bounds 64 and 128 ms, in seconds.
    let p90 = "histogram_quantile(.9, sum(rate(traces_spanmetrics_latency_bucket{span_name=~\"GET /cart\"}[$__range])) by (le))";
    assert_eq!(board.values(latency, p90, &[]), table([("", 0.064 + 0.9 * 0.064)]));
    // The graph's filter comes over as the label `service`.
    let of_service = "sum(rate(traces_spanmetrics_calls_total{service=\"cart\",span_kind=\"SPAN_KIND_SERVER\"}[$__range])) by (span_name)";
    assert_eq!(board.counts(calls, of_service, &["span_name"]), table([("cart.Get", 20.0)]));
}

#[test]
fn the_service_graph_of_grafanas_tempo_source_is_right() {
    let board = Board::start(
        "  service_graph: {flavor: tempo, metrics_flush_interval: 1s, store: {ttl: 2s}}",
        "service_graph",
        // The carts, the mails, the database, and everybody who comes from outside.
        &[
            ("sum(traces_service_graph_request_total)", 20.0 + 8.0 + 10.0 + 30.0),
            ("sum(traces_service_graph_request_failed_total)", 5.0),
            ("sum(traces_service_graph_request_server_seconds_count)", 68.0),
        ],
    )
    .unwrap();
    let total = "traces_service_graph_request_total";
    let ends = ["client", "server"];
    assert_eq!(
        board.counts(
            total,
            "sum by (client, server) (rate(traces_service_graph_request_total[$__range]))",
            &ends
        ),
        table([
            ("cart/mailer", 8.0),
            ("frontend/cart", 20.0),
            ("frontend/orders", 10.0),
            ("user/frontend", 30.0)
        ])
    );
    let failed = "sum by (client, server) (rate(traces_service_graph_request_failed_total[$__range]))";
    assert_eq!(
        board.counts("traces_service_graph_request_failed_total", failed, &ends),
        table([("frontend/cart", 5.0)])
    );
    let seconds = "sum by (client, server) (rate(traces_service_graph_request_server_seconds_sum[$__range]))";
    assert_eq!(
        board.counts("traces_service_graph_request_server_seconds_sum", seconds, &ends),
        table([
            ("cart/mailer", 8.0 * 0.005),
            ("frontend/cart", 20.0 * 0.04),
            ("frontend/orders", 10.0 * 0.02),
            ("user/frontend", 20.0 * 0.1 + 10.0 * 1.5),
        ])
    );
    // The first bound is 100 ms.
    let p90 = "histogram_quantile(.9, sum(rate(traces_service_graph_request_server_seconds_bucket\
               {client=\"frontend\",server=\"cart\"}[$__range])) by (le, client, server))";
    assert_eq!(
        board.values("traces_service_graph_request_server_seconds_bucket", p90, &ends),
        table([("frontend/cart", 0.09)])
    );
    assert_eq!(
        board.values(
            total,
            "group by (client, connection_type, server) (traces_service_graph_request_total)",
            &["client", "connection_type", "server"]
        ),
        table([
            ("cart/messaging_system/mailer", 1.0),
            ("frontend//cart", 1.0),
            ("frontend/database/orders", 1.0),
            ("user/virtual_node/frontend", 1.0),
        ])
    );
}

#[test]
fn the_dashboard_of_the_opentelemetry_demo_is_right() {
    let board = Board::start(
        "  span_metrics: {metrics_flush_interval: 1s}",
        "span_metrics",
        &[
            ("sum(traces_span_metrics_calls_total)", N_SPANS),
            ("sum(traces_span_metrics_duration_milliseconds_bucket{le=\"+Inf\"})", N_SPANS),
            ("sum(traces_span_metrics_duration_milliseconds_count)", N_SPANS),
            ("round(sum(traces_span_metrics_duration_milliseconds_sum))", 19_056.0),
        ],
    )
    .unwrap();
    let (calls, bucket) =
        ("traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds_bucket");
    let all = "service_name=~\".*\", span_name=~\".*\"";
    let by_service = ["service_name"];
    assert_eq!(
        board.counts(
            calls,
            &format!("topk(7,sum by (service_name) (rate({calls}{{{all}}}[$__range])))"),
            &by_service
        ),
        table([("cart", 28.0), ("frontend", 60.0), ("mailer", 8.0)])
    );
    let errors = format!(
        "topk(7,sum(rate({calls}{{status_code=\"STATUS_CODE_ERROR\",{all}}}[$__range])) by (service_name))"
    );
    assert_eq!(board.counts(calls, &errors, &by_service), table([("cart", 5.0), ("frontend", 5.0)]));
    let names = format!(
        "topk(7, sum(rate({calls}{{status_code=\"STATUS_CODE_ERROR\",{all}}}[$__range])) by (span_name,service_name))"
    );
    assert_eq!(
        board.counts(calls, &names, &["service_name", "span_name"]),
        table([("cart/cart.Get", 5.0), ("frontend/cart.Get", 5.0)])
    );
    // Of 28 in cart 8 take 2 ms and 20 lie between the bounds 10 and 50: the 26.6th is 18.6 of 20 up.
    let p95 = format!(
        "topk(7,histogram_quantile(0.95, sum(rate({bucket}{{{all}}}[$__range])) by (le,service_name)))"
    );
    let p95 = board.values(bucket, &p95, &by_service);
    assert_eq!(p95["cart"], significant(10.0 + 40.0 * 18.6 / 20.0));
    assert_eq!(p95["mailer"], significant(4.0 + 2.0 * 0.95));
    let mean = "topk(7, sum by (span_name,service_name)(increase(traces_span_metrics_duration_milliseconds_sum\
                {service_name=~\".*\", span_name=~\"GET.*\"}[5m]) / increase(traces_span_metrics_duration_milliseconds_count\
                {service_name=~\".*\",span_name=~\"GET.*\"}[5m\n])))";
    assert_eq!(
        board.values(bucket, mean, &["service_name", "span_name"]),
        table([("frontend/GET /cart", 100.0), ("frontend/GET /orders", 1500.0)])
    );
    // The dashboard's variables.
    assert_eq!(
        board.values(
            calls,
            &format!("count by (service_name)(count_over_time({calls}[$__range]))"),
            &by_service
        ),
        table([("cart", 3.0), ("frontend", 5.0), ("mailer", 1.0)])
    );
}

#[test]
fn the_monitor_tab_of_jaeger_is_right() {
    let board = Board::start(
        "  span_metrics: {flavor: jaeger, metrics_flush_interval: 1s}",
        "span_metrics",
        &[("sum(calls_total)", N_SPANS), ("sum(duration_milliseconds_bucket{le=\"+Inf\"})", N_SPANS)],
    )
    .unwrap();
    // A service's page, server spans only; the rows of its operations; the error column.
    let servers = "service_name =~ \"cart|frontend\", span_kind =~ \"SPAN_KIND_SERVER\"";
    let calls = format!("sum(rate(calls_total{{{servers}}}[$__range])) by (service_name)");
    assert_eq!(
        board.counts("calls_total", &calls, &["service_name"]),
        table([("cart", 20.0), ("frontend", 30.0)])
    );
    let errors = "sum(rate(calls_total{service_name =~ \"cart\", status_code = \"STATUS_CODE_ERROR\", }[$__range])) \
                  by (service_name,span_name) / \
                  sum(rate(calls_total{service_name =~ \"cart\", }[$__range])) by (service_name,span_name)";
    let by_operation = ["service_name", "span_name"];
    assert_eq!(board.values("calls_total", errors, &by_operation), table([("cart/cart.Get", 0.25)]));
    let latency = format!(
        "histogram_quantile(0.95, sum(rate(duration_milliseconds_bucket{{{servers}}}[$__range])) by (service_name,span_name,le))"
    );
    assert_eq!(
        board.values("duration_milliseconds_bucket", &latency, &by_operation),
        table([
            ("cart/cart.Get", 10.0 + 0.95 * 40.0),
            ("frontend/GET /cart", 50.0 + 0.95 * 50.0),
            ("frontend/GET /orders", 1400.0 + 0.95 * 600.0),
        ])
    );
}

#[test]
fn jaeger_itself_reads_errors_latencies_and_calls() {
    let connector = "  span_metrics: {flavor: jaeger, metrics_flush_interval: 1s}";
    let board = Board::without_load(connector, "span_metrics").unwrap();
    // It asks for the last minute, and may take as long to start.
    let jaeger = Jaeger::start_with_monitor(board.prometheus.url()).unwrap();
    let in_all = [("sum(calls_total)", N_SPANS), ("sum(duration_milliseconds_bucket{le=\"+Inf\"})", N_SPANS)];
    board.load(&in_all).unwrap();
    let newest = |metric: &str, more: &str| {
        let asked = format!(
            "{}/api/metrics/{metric}?service=cart&spanKind=server&groupByOperation=true&lookback=5000&step=1000\
             &ratePer=60000{more}",
            jaeger.query_url()
        );
        eventually(&asked, SOON, || {
            let family = get_json(&asked)?;
            let points = family["metrics"][0]["metricPoints"].as_array().context("no points")?;
            let value = points.last().context("no point")?["gaugeValue"]["doubleValue"].as_f64();
            let value = value.filter(|value| value.is_finite() && *value > 0.0);
            Ok(significant(value.with_context(|| format!("no value in {family}"))?))
        })
        .unwrap()
    };
    // Ratios are exact. A rate goes on beyond the last sample by up to 1.1 times the distance of samples, which is the
    // whole time from zero to the 20 calls when there are two.
    assert_eq!(newest("errors", ""), 0.25);
    assert_eq!(newest("latencies", "&quantile=0.95"), 10.0 + 0.95 * 40.0);
    let calls = newest("calls", "") * RANGE_SECONDS;
    assert!((19.9..=20.0 * 2.1 + 0.1).contains(&calls), "{calls} calls in a minute");
}

#[test]
fn promtool_finds_no_fault_in_the_format_of_a_scrape() {
    let scrape = format!("127.0.0.1:{}", free_port());
    let gateway = Gateway::start(&Recipe {
        components: &format!(
            "connectors:
  span_metrics: {{metrics_flush_interval: 1s, histogram: {{unit: s}}}}
  service_graph: {{metrics_flush_interval: 1s, store: {{ttl: 2s}}}}
exporters:
  prometheus: {{endpoint: '{scrape}'}}"
        ),
        pipelines: "
traces: {receivers: [otlp], exporters: [span_metrics, service_graph]}
metrics: {receivers: [span_metrics, service_graph], exporters: [prometheus]}",
        ..Recipe::default()
    })
    .unwrap();
    gateway.send(&load()).unwrap();
    let exposition = eventually("a scrape of both connectors", SOON, || {
        let text = get(&format!("http://{scrape}/metrics"))?.success()?;
        for metric in
            ["traces_span_metrics_duration_seconds_bucket{", "traces_service_graph_request_failed_total{"]
        {
            ensure!(text.contains(metric), "no {metric} in\n{text}");
        }
        Ok(text)
    })
    .unwrap();
    for prometheus in ["prometheus", "prometheus-debian"] {
        assert_eq!(check_metrics(prometheus, &exposition).unwrap(), "", "{prometheus}");
    }
}

/// Returns the page of own metrics of a trueline that has done some of everything. Of that page the configuration
/// says where it is, as port 8888 may be taken, and these keys.
fn own_page(keys: &str) -> String {
    let [http, health, metrics] = std::array::from_fn(|_| free_port());
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{http}'}}}}}}}}
connectors: {{span_metrics: {{metrics_flush_interval: 1s}}, service_graph: {{metrics_flush_interval: 1s}}}}
exporters: {{otlp_http: {{endpoint: 'http://127.0.0.1:9'}}, nop: }}
extensions: {{health_check: {{endpoint: '127.0.0.1:{health}'}}}}
service:
  extensions: [health_check]
  trueline: {{shutdown_timeout: 1s}}
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}{keys}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics, service_graph, otlp_http]}}
    metrics: {{receivers: [span_metrics, service_graph], exporters: [nop]}}
"
    );
    let address = |port: u16| format!("127.0.0.1:{port}").parse().unwrap();
    let watch = Watch { health: address(health), metrics: Some(address(metrics)) };
    let trueline = Trueline::start(&yaml, watch).unwrap();
    gateway::send(&format!("127.0.0.1:{http}"), &load()).unwrap();
    eventually("own metrics of every part", SOON, || {
        let text = trueline.metrics_page()?;
        let part =
            ["otelcol_receiver_", "otelcol_connector_servicegraph_", "otelcol_exporter_sent_metric_points"]
                .into_iter()
                .chain([
                    "otelcol_exporter_queue_capacity",
                    "otelcol_process_",
                    "trueline_hop_",
                    "target_info",
                ])
                .find(|part| !text.contains(part));
        ensure!(part.is_none(), "no {part:?} in\n{text}");
        Ok(text)
    })
    .unwrap()
}

/// Own metrics have the collector's names, whose counters lack the suffix that `promtool` asks for.
#[test]
fn promtool_misses_nothing_on_the_page_of_own_metrics_but_the_suffix_that_the_collector_leaves_out() {
    let (plain, suffixed) = (own_page(""), own_page(", without_type_suffix: false, without_units: false"));
    for prometheus in ["prometheus", "prometheus-debian"] {
        let complaints = check_metrics(prometheus, &plain).unwrap();
        let others: Vec<_> = complaints
            .lines()
            .filter(|line| !line.ends_with(r#" counter metrics should have "_total" suffix"#))
            .collect();
        assert_eq!(others, [""; 0], "{prometheus}");
        // Not a word of all the rest: the counters were read.
        assert!(complaints.contains("otelcol_receiver_accepted_spans "), "{prometheus}: {complaints}");
        assert_eq!(check_metrics(prometheus, &suffixed).unwrap(), "", "{prometheus}");
    }
}

#[test]
fn a_scrape_brings_counts_durations_and_exemplars() {
    let prometheus = Prometheus::start(Version::Three).unwrap();
    let scrape = format!("127.0.0.1:{}", free_port());
    let gateway = Gateway::start(&Recipe {
        components: &format!(
            "connectors:
  span_metrics: {{metrics_flush_interval: 1s, exemplars: {{enabled: true}}}}
exporters:
  prometheus: {{endpoint: '{scrape}', enable_open_metrics: true}}"
        ),
        pipelines: "
traces: {receivers: [otlp], exporters: [span_metrics]}
metrics: {receivers: [span_metrics], exporters: [prometheus]}",
        ..Recipe::default()
    })
    .unwrap();
    prometheus.scrape("trueline", &[&scrape], Duration::from_secs(1)).unwrap();
    gateway.send(&load()).unwrap();
    let bucket = "traces_span_metrics_duration_milliseconds_bucket{span_name=\"GET /orders\"}";
    eventually("a scrape", SOON, || {
        let calls = prometheus.value("sum(traces_span_metrics_calls_total)")?;
        let all = prometheus.value("sum(traces_span_metrics_duration_milliseconds_bucket{le=\"+Inf\"})")?;
        let orders = prometheus.value(&format!("histogram_quantile(0.5, sum by (le) ({bucket}))"))?;
        ensure!(
            (calls, all, orders) == (N_SPANS, N_SPANS, 1700.0),
            "{calls} calls, {all} durations, {orders} ms"
        );
        let exemplars = prometheus.query_exemplars(bucket)?;
        let trace_ids: Vec<&str> =
            exemplars.iter().filter_map(|it| it.labels.get("trace_id")).map(String::as_str).collect();
        ensure!(!trace_ids.is_empty(), "no exemplars");
        // The numbers of the traces are 101 to 110.
        ensure!(trace_ids.iter().all(|id| id.starts_with("a5a5a5a5a5a5a5a500000000000000")), "{trace_ids:?}");
        ensure!(exemplars.iter().all(|exemplar| exemplar.value == 1500.0), "{exemplars:?}");
        Ok(())
    })
    .unwrap();
}

/// Returns what `promtool check metrics` complains about.
fn check_metrics(prometheus: &str, exposition: &str) -> Result<String> {
    let mut promtool = Command::new(part(prometheus, "promtool")?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    promtool.stdin.take().context("a pipe was asked for")?.write_all(exposition.as_bytes())?;
    let output = promtool.wait_with_output()?;
    let complaints = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&complaints).into_owned())
}
