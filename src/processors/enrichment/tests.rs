use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Checks, Config, testing::Harness};
use expect_test::expect;
use model::{AnomalyColumns, BaselineColumns, Maturity, Payload, Rollups, Series, Statistic};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest as LogsRequest,
        metrics::v1::ExportMetricsServiceRequest as MetricsRequest,
        trace::v1::ExportTraceServiceRequest as TraceRequest,
    },
    common::v1::KeyValue,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
    },
    resource::v1::Resource,
};
use prost::Message;

use super::{Enrichment, EnrichmentConfig, config::Which};
use crate::testing::*;

const SERVER: i32 = 2;

/// Encodes attributes as a `Resource` does.
fn list(attributes: &[KeyValue]) -> Arc<[u8]> {
    Resource { attributes: attributes.to_vec(), ..Resource::default() }.encode_to_vec().into()
}

fn series(service: &str, metric: &str, unit: &str, attributes: &[KeyValue], statistic: Statistic) -> Series {
    let resource = list(&[text("service.name", service)]);
    let (metric, unit, service) = (metric.into(), unit.into(), service.into());
    Series { resource, metric, unit, attributes: list(attributes), statistic, service, fingerprint: 0 }
}

fn operation(service: &str, name: &str, statistic: Statistic) -> Series {
    let attributes =
        [text("service.name", service), text("span.name", name), text("span.kind", "SPAN_KIND_SERVER")];
    series(service, "span.duration", "ms", &attributes, statistic)
}

/// A window in which each series is expected at 10, between 8 and 12, and has a score; above 3 it is in an
/// episode whose number is its row's.
fn window(rows: &[(Series, f32)]) -> Rollups {
    let mut table = Rollups { start: T0, width: Duration::from_secs(60), ..Rollups::default() };
    let (mut baseline, mut anomaly) = (BaselineColumns::default(), AnomalyColumns::default());
    for (row, (series, score)) in rows.iter().enumerate() {
        table.push(Arc::new(series.clone()), row as u32, 11.0, 100);
        baseline.expected.push(10.0);
        baseline.lower.push(8.0);
        baseline.upper.push(12.0);
        baseline.maturity.push(Maturity::Daily);
        let is_anomalous = *score > 3.0;
        anomaly.score.push(*score);
        anomaly.is_anomalous.push(is_anomalous);
        anomaly.episode.push(if is_anomalous { row as u64 + 1 } else { 0 });
    }
    (table.baseline, table.anomaly) = (Some(baseline), Some(anomaly));
    table
}

fn harness(config: &EnrichmentConfig) -> Harness {
    Harness::new::<Enrichment>(config, 2, T0)
}

/// Sends a server span of an operation and returns its attributes.
fn sent(harness: &mut Harness, service: &str, name: &str, last_of_trace: u8) -> String {
    let mut sent = span(name, SERVER, 0, 1000, vec![text("http.route", "/")]);
    sent.trace_id = [vec![0xff; 15], vec![last_of_trace]].concat();
    sent.trace_id[9] = last_of_trace;
    let out = push(harness, 1, &of_service(service, vec![sent]));
    let bytes = out[0].bytes().unwrap();
    let request = TraceRequest::decode(&bytes[..]).unwrap();
    labels(&request.resource_spans[0].scope_spans[0].spans[0].attributes)
}

#[test]
fn spans_of_an_operation_with_an_open_episode_are_told_apart() {
    let mut harness = harness(&EnrichmentConfig::default());
    assert_eq!(sent(&mut harness, "cart", "GET /", 1), "{http.route=/}", "nothing is known yet");
    let rows = [
        (operation("cart", "GET /", Statistic::Rate), 1.0),
        (operation("cart", "GET /", Statistic::P95), 4.5),
        (operation("cart", "POST /", Statistic::P95), 2.0),
        (operation("pay", "GET /", Statistic::P95), f32::NAN),
    ];
    let passed = harness.judge(window(&rows));
    assert!(matches!(&passed[..], [Payload::Rollups(_)]), "later stages see the window too");
    expect!["{http.route=/,trueline.anomaly.is_anomalous=true,trueline.anomaly.score=4.5,trueline.anomaly.id=0000000000000002,trueline.baseline.p95_lower_ms=8,trueline.baseline.p95_ms=10,trueline.baseline.p95_upper_ms=12}"].assert_eq(&sent(&mut harness, "cart", "GET /", 1));
    assert_eq!(sent(&mut harness, "cart", "POST /", 1), "{http.route=/}", "another operation");
    assert_eq!(sent(&mut harness, "pay", "GET /", 1), "{http.route=/}", "another service");
    harness.judge(window(&rows.map(|(series, _)| (series, 0.5))));
    assert_eq!(sent(&mut harness, "cart", "GET /", 1), "{http.route=/}", "the episode is over");
}

#[test]
fn numbers_are_doubles_and_flags_are_booleans() {
    let mut harness = harness(&EnrichmentConfig::default());
    harness.judge(window(&[(operation("cart", "GET /", Statistic::P95), 4.5)]));
    let out = push(&mut harness, 0, &of_service("cart", vec![span("GET /", SERVER, 0, 1000, Vec::new())]));
    let request = TraceRequest::decode(&out[0].bytes().unwrap()[..]).unwrap();
    let attributes = &request.resource_spans[0].scope_spans[0].spans[0].attributes;
    let of = |key: &str| attributes.iter().find(|it| it.key == key).unwrap().value.clone().unwrap().value;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    assert_eq!(of("trueline.anomaly.score"), Some(Value::DoubleValue(4.5)));
    assert_eq!(of("trueline.anomaly.is_anomalous"), Some(Value::BoolValue(true)));
    assert_eq!(of("trueline.baseline.p95_ms"), Some(Value::DoubleValue(10.0)));
}

#[test]
fn a_share_of_the_usual_spans_is_enriched_by_whole_traces() {
    let mut harness = harness(&EnrichmentConfig { share: 0.5, ..EnrichmentConfig::default() });
    harness.judge(window(&[(operation("cart", "GET /", Statistic::P95), 1.0)]));
    let is_enriched: Vec<bool> = [0x00, 0x7f, 0x80, 0xff]
        .map(|random| sent(&mut harness, "cart", "GET /", random).len() > 20)
        .to_vec();
    assert_eq!(is_enriched, [true, true, false, false]);
}

fn gauge(host: &str) -> Bytes {
    let point = NumberDataPoint {
        attributes: vec![text("zone", "a"), text("host", host)],
        time_unix_nano: T0.0,
        value: Some(Value::AsDouble(1.0)),
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
    let metric = Metric { name: "load".to_owned(), data, ..Metric::default() };
    let resource = Some(Resource { attributes: vec![text("service.name", "cart")], ..Resource::default() });
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    MetricsRequest { resource_metrics }.encode_to_vec().into()
}

#[test]
fn a_data_point_is_found_whatever_the_order_of_its_attributes() {
    let mut harness =
        harness(&EnrichmentConfig { data_points: Which::Anomalous, ..EnrichmentConfig::default() });
    let load = series("cart", "load", "1", &[text("host", "h1"), text("zone", "a")], Statistic::Mean);
    harness.judge(window(&[(load, 5.0)]));
    let mut attributes = |host: &str| {
        let out = harness.push(0, Payload::Metrics(gauge(host)), 1);
        let request = MetricsRequest::decode(&out[0].bytes().unwrap()[..]).unwrap();
        let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
        let Some(Data::Gauge(gauge)) = &metric.data else { panic!("a gauge went in") };
        labels(&gauge.data_points[0].attributes)
    };
    assert_eq!(attributes("h2"), "{zone=a,host=h2}");
    expect!["{zone=a,host=h1,trueline.anomaly.is_anomalous=true,trueline.anomaly.score=5,trueline.anomaly.id=0000000000000001,trueline.baseline.mean=10,trueline.baseline.mean_lower=8,trueline.baseline.mean_upper=12}"].assert_eq(&attributes("h1"));
}

#[test]
fn log_records_of_a_service_with_an_open_episode_name_it() {
    let mut harness = harness(&EnrichmentConfig::default());
    harness.judge(window(&[
        (operation("cart", "GET /", Statistic::P95), 4.5),
        (operation("cart", "GET /", Statistic::Rate), 6.0),
    ]));
    let mut attributes = |service: &str| {
        let resource =
            Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() });
        let scope_logs = vec![ScopeLogs { log_records: vec![LogRecord::default()], ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }];
        let request = LogsRequest { resource_logs };
        let out = harness.push(0, Payload::Logs(request.encode_to_vec().into()), 1);
        let request = LogsRequest::decode(&out[0].bytes().unwrap()[..]).unwrap();
        labels(&request.resource_logs[0].scope_logs[0].log_records[0].attributes)
    };
    assert_eq!(attributes("pay"), "{}");
    expect![
        "{trueline.anomaly.is_anomalous=true,trueline.anomaly.score=6,trueline.anomaly.id=0000000000000002}"
    ]
    .assert_eq(&attributes("cart"));
}

#[test]
fn windows_without_baselines_change_nothing() {
    let mut harness = harness(&EnrichmentConfig::default());
    harness.judge(window(&[(operation("cart", "GET /", Statistic::P95), 4.5)]));
    let before = sent(&mut harness, "cart", "GET /", 1);
    harness.judge(Rollups { start: T0, width: Duration::from_secs(10), ..Rollups::default() });
    assert_eq!(sent(&mut harness, "cart", "GET /", 1), before);
}

#[test]
fn verdicts_of_another_release_are_counted_and_left_out() {
    let mut harness = harness(&EnrichmentConfig::default());
    harness.judge(window(&[(operation("cart", "GET /", Statistic::P95), 4.5)]));
    let before = sent(&mut harness, "cart", "GET /", 1);
    for foreign in [&b"\x08\x63"[..], b"\xff\xff"] {
        harness.push(1, Payload::Verdicts(Bytes::from_static(foreign)), 0);
    }
    assert_eq!(sent(&mut harness, "cart", "GET /", 1), before);
    let read = harness.telemetry.read();
    let unreadable = read.iter().find(|it| it.name.ends_with("unreadable_verdicts"));
    assert_eq!(unreadable.map(|it| it.value), Some(2));
}

#[test]
fn a_share_outside_of_zero_to_one_is_refused() {
    let mut checks = Checks::default();
    EnrichmentConfig { share: 1.5, ..EnrichmentConfig::default() }.validate(&mut checks);
    assert_eq!(checks.into_findings()[0].message, "share is 1.5, must be between 0 and 1");
}
