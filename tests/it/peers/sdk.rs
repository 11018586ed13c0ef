//! What the SDKs and telemetrygen send, over gRPC and HTTP, is counted, charted and found again.
//!
//! One trueline stands between a client and three stores: Prometheus 3 by remote write 2.0 with native
//! histograms and exemplars, Debian's Prometheus by remote write 1.0, and Jaeger with two attributes
//! added to every span.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use testbed::{
    Jaeger, Prometheus, Version,
    clients::{self, Args, Protocol, Sent},
    eventually, telemetrygen,
};

use super::{
    SOON,
    gateway::{Gateway, Recipe},
};

const N_SPANS: u64 = 101;
/// What the processor adds to every span: text and a double.
const ADDED: [(&str, &str); 2] = [("trueline.tier", "gold"), ("trueline.anomaly.score", "3.5")];

const DURATION: &str = "traces_span_metrics_duration_milliseconds";

struct Shop {
    gateway: Gateway,
    prometheus: Prometheus,
    debian: Prometheus,
    jaeger: Jaeger,
}

impl Shop {
    fn start() -> Result<Self> {
        let prometheus = Prometheus::start(Version::Three)?;
        let debian = Prometheus::start(Version::Debian)?;
        let jaeger = Jaeger::start()?;
        let gateway = Gateway::start(&Recipe {
            components: &format!(
                "processors:
  attributes:
    actions:
      - {{key: trueline.tier, value: gold, action: insert}}
      - {{key: trueline.anomaly.score, value: 3.5, action: upsert}}
connectors:
  span_metrics:
    metrics_flush_interval: 1s
    histogram: {{exponential: {{}}}}
    exemplars: {{enabled: true}}
  span_metrics/classic: {{metrics_flush_interval: 1s}}
exporters:
  otlp_grpc/jaeger: {{endpoint: '{jaeger}', tls: {{insecure: true}}}}
  prometheus_remote_write: {{endpoint: '{three}', protobuf_message: io.prometheus.write.v2.Request}}
  prometheus_remote_write/debian: {{endpoint: '{debian}'}}
  nop:",
                jaeger = jaeger.otlp_grpc(),
                three = prometheus.remote_write_url(),
                debian = debian.remote_write_url(),
            ),
            pipelines: "
traces/count: {receivers: [otlp], exporters: [span_metrics, span_metrics/classic]}
traces/store: {receivers: [otlp], processors: [attributes], exporters: [otlp_grpc/jaeger]}
metrics: {receivers: [otlp, span_metrics], exporters: [prometheus_remote_write]}
metrics/debian: {receivers: [otlp, span_metrics/classic], exporters: [prometheus_remote_write/debian]}
logs: {receivers: [otlp], exporters: [nop]}",
            ..Recipe::default()
        })?;
        Ok(Self { gateway, prometheus, debian, jaeger })
    }

    /// Checks that everything of a signal was taken over a transport: `spans`, `log_records`.
    fn check_accepted(&self, transport: &str, signal: &str, n_items: u64) -> Result<()> {
        let labels = [("receiver", "otlp"), ("transport", transport)];
        let count = |verb: &str| self.gateway.counter(&format!("otelcol_receiver_{verb}_{signal}"), &labels);
        let (accepted, refused) = (count("accepted")?, count("refused")?);
        ensure!((accepted, refused) == (float(n_items), 0.0), "{accepted} {signal} taken, {refused} refused");
        Ok(())
    }

    /// Checks calls by kind and status in a Prometheus.
    fn check_calls(&self, store: &Prometheus, service: &str, expected: &[(&str, &str, u64)]) -> Result<()> {
        let query = format!(
            "sum by (span_kind, status_code) (traces_span_metrics_calls_total{{service_name=\"{service}\"}})"
        );
        let expected: BTreeSet<_> = expected
            .iter()
            .map(|(kind, status, calls)| {
                (format!("SPAN_KIND_{kind}"), format!("STATUS_CODE_{status}"), calls.to_string())
            })
            .collect();
        eventually(&query, SOON, || {
            let found = store.query(&query)?.into_iter().map(|sample| {
                let calls = sample.float()?.to_string();
                Ok((sample.label("span_kind").to_owned(), sample.label("status_code").to_owned(), calls))
            });
            let found = found.collect::<Result<BTreeSet<_>>>()?;
            ensure!(found == expected, "found {found:?}, must be {expected:?}");
            Ok(())
        })
    }

    /// Checks the native histogram of the server spans, whose durations go round from 10 to 19 ms.
    fn check_native_histogram(&self, service: &str, sent: &Sent) -> Result<()> {
        let servers =
            format!("sum({DURATION}{{service_name=\"{service}\", span_kind=\"SPAN_KIND_SERVER\"}})");
        let value = |promql: String| self.prometheus.value(&promql);
        ensure!(value(format!("histogram_count({servers})"))? == float(sent.n_requests));
        let sum = value(format!("histogram_sum({servers})"))?;
        ensure!(
            (sum - float(sent.server_millis)).abs() < 1e-6,
            "the sum is {sum} ms, sent {}",
            sent.server_millis
        );
        let median = value(format!("histogram_quantile(0.5, {servers})"))?;
        // The 26th of 51 is 14 ms; a bucket is 9 % wide.
        ensure!((13.0..15.0).contains(&median), "the median is {median} ms");
        Ok(())
    }

    /// Checks the classic histogram of the same spans in Debian's Prometheus.
    fn check_classic_histogram(&self, service: &str, sent: &Sent) -> Result<()> {
        let servers = format!("service_name=\"{service}\", span_kind=\"SPAN_KIND_SERVER\"");
        let sum_of = |series: String| self.debian.value(&format!("sum({series})"));
        ensure!(sum_of(format!("{DURATION}_count{{{servers}}}"))? == float(sent.n_requests));
        // All take less than 50 ms, and none less than 10; 2.42 keeps a bound as it was sent.
        let below = |bound: &str| sum_of(format!("{DURATION}_bucket{{{servers}, le=\"{bound}\"}}"));
        let n_slow = below("50")? - below("8")?;
        ensure!(n_slow == float(sent.n_requests), "{n_slow} between 8 and 50 ms");
        let sum = sum_of(format!("{DURATION}_sum{{{servers}}}"))?;
        ensure!(
            (sum - float(sent.server_millis)).abs() < 1e-6,
            "the sum is {sum} ms, sent {}",
            sent.server_millis
        );
        Ok(())
    }

    /// Checks the metrics that the client itself made.
    fn check_client_metrics(&self, store: &Prometheus, service: &str, sent: &Sent) -> Result<()> {
        let orders = format!("sum(client_orders_total{{job=\"{service}\"}})");
        ensure!(store.value(&orders)? == float(sent.n_requests));
        let sizes =
            store.value(&format!("histogram_count(sum(client_order_size_bytes{{job=\"{service}\"}}))"))?;
        ensure!(sizes == float(sent.n_requests), "{sizes} sizes");
        let durations =
            store.value(&format!("sum(client_order_duration_milliseconds_sum{{job=\"{service}\"}})"))?;
        ensure!(durations == float(sent.server_millis), "{durations} ms");
        Ok(())
    }

    /// Finds the spans in Jaeger by each attribute that was added, and returns the traces' ids.
    fn check_tags(&self, service: &str, n_traces: u64, n_spans: u64) -> Result<BTreeSet<String>> {
        eventually("a search by tags", SOON, || {
            let mut ids = BTreeSet::new();
            for tag in ADDED {
                let traces = self.jaeger.search(service, &[tag])?;
                let spans: Vec<_> = traces.iter().flat_map(|trace| &trace.spans).collect();
                let found = (traces.len(), spans.len());
                ensure!(found == (n_traces.try_into()?, n_spans.try_into()?), "{found:?} traces and spans");
                for (key, value) in ADDED {
                    ensure!(
                        spans.iter().all(|span| span.tags.get(key).is_some_and(|own| own == value)),
                        "no {key}"
                    );
                }
                ids = traces.into_iter().map(|trace| trace.trace_id).collect();
            }
            ensure!(self.jaeger.search(service, &[("trueline.tier", "silver")])?.is_empty());
            Ok(ids)
        })
    }

    /// Checks that exemplars of calls and durations lead to traces that were sent.
    fn check_exemplars(&self, service: &str, traces: &BTreeSet<String>) -> Result<()> {
        for metric in [DURATION, "traces_span_metrics_calls_total"] {
            let selector = format!("{metric}{{service_name=\"{service}\"}}");
            let exemplars = self.prometheus.query_exemplars(&selector)?;
            ensure!(!exemplars.is_empty(), "{metric} has no exemplars");
            for exemplar in exemplars {
                let trace_id = exemplar.labels.get("trace_id").context("an exemplar without trace_id")?;
                ensure!(traces.contains(trace_id), "nobody sent the trace {trace_id} of {selector}");
                ensure!(exemplar.labels.get("span_id").is_some_and(|id| id.len() == 16), "{exemplar:?}");
            }
        }
        Ok(())
    }
}

fn float(count: u64) -> f64 {
    u32::try_from(count).expect("tests send few items").into()
}

fn check_client(client: fn(&Args) -> Result<Sent>, protocol: Protocol) {
    let shop = Shop::start().unwrap();
    let sent = client(&Args::new(protocol, shop.gateway.address(protocol), "shop", N_SPANS)).unwrap();
    let transport = if protocol == Protocol::Grpc { "grpc" } else { "http" };
    shop.check_accepted(transport, "spans", sent.n_spans).unwrap();
    shop.check_accepted(transport, "log_records", sent.n_log_records).unwrap();

    let (n_server_errors, n_client_errors) = (sent.n_errors / 2, sent.n_errors / 2);
    let n_calls_out = sent.n_spans - sent.n_requests;
    let calls = [
        ("SERVER", "UNSET", sent.n_requests - n_server_errors),
        ("SERVER", "ERROR", n_server_errors),
        ("CLIENT", "UNSET", n_calls_out - n_client_errors),
        ("CLIENT", "ERROR", n_client_errors),
    ];
    // Each series has its own way to the store: that one is there says nothing of another.
    for store in [&shop.prometheus, &shop.debian] {
        shop.check_calls(store, "shop", &calls).unwrap();
        eventually("the client's metrics", SOON, || shop.check_client_metrics(store, "shop", &sent)).unwrap();
    }
    eventually("the native histogram", SOON, || shop.check_native_histogram("shop", &sent)).unwrap();
    eventually("the classic histogram", SOON, || shop.check_classic_histogram("shop", &sent)).unwrap();
    let traces = shop.check_tags("shop", sent.n_requests, sent.n_spans).unwrap();
    assert!(traces.contains(&sent.trace_id));
    eventually("exemplars", SOON, || shop.check_exemplars("shop", &traces)).unwrap();
}

fn check_telemetrygen(transport: &str, flags: &[&str]) {
    let shop = Shop::start().unwrap();
    let endpoint = if transport == "grpc" { &shop.gateway.grpc } else { &shop.gateway.http };
    let send = |signal: &str, counts: &[&str]| {
        let common =
            [signal, "--otlp-insecure", "--rate", "0", "--service", "generated", "--otlp-endpoint", endpoint];
        telemetrygen(common.iter().chain(counts).chain(flags)).unwrap();
    };
    send("traces", &["--traces", "10", "--child-spans", "2", "--status-code", "Error"]);
    send("metrics", &["--metrics", "7", "--metric-type", "Sum"]);
    send("logs", &["--logs", "5"]);
    shop.check_accepted(transport, "spans", 30).unwrap();
    shop.check_accepted(transport, "metric_points", 7).unwrap();
    shop.check_accepted(transport, "log_records", 5).unwrap();

    // A client span with two server spans below it in every trace.
    let calls = [("CLIENT", "ERROR", 10), ("SERVER", "ERROR", 20)];
    for store in [&shop.prometheus, &shop.debian] {
        shop.check_calls(store, "generated", &calls).unwrap();
    }
    let traces = shop.check_tags("generated", 10, 30).unwrap();
    eventually("exemplars", SOON, || shop.check_exemplars("generated", &traces)).unwrap();
}

#[test]
fn what_the_python_sdk_sends_by_grpc_is_counted_and_found() {
    check_client(clients::python, Protocol::Grpc);
}

#[test]
fn what_the_python_sdk_sends_by_http_is_counted_and_found() {
    check_client(clients::python, Protocol::HttpProtobuf);
}

#[test]
fn what_the_javascript_sdk_sends_by_grpc_is_counted_and_found() {
    check_client(clients::javascript, Protocol::Grpc);
}

#[test]
fn what_the_javascript_sdk_sends_by_http_is_counted_and_found() {
    check_client(clients::javascript, Protocol::HttpProtobuf);
}

#[test]
fn what_the_javascript_sdk_sends_as_json_is_counted_and_found() {
    check_client(clients::javascript, Protocol::HttpJson);
}

#[test]
fn what_the_go_sdk_sends_by_grpc_is_counted_and_found() {
    check_client(clients::go, Protocol::Grpc);
}

#[test]
fn what_the_go_sdk_sends_by_http_is_counted_and_found() {
    check_client(clients::go, Protocol::HttpProtobuf);
}

#[test]
fn what_telemetrygen_sends_by_grpc_is_counted_and_found() {
    check_telemetrygen("grpc", &[]);
}

#[test]
fn what_telemetrygen_sends_by_http_is_counted_and_found() {
    check_telemetrygen("http", &["--otlp-http"]);
}
