use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Checks, Config, Cx, Workbench, testing::Harness};
use expect_test::expect;
use model::{
    Ack, AlertSubject, AnomalyColumns, BaselineColumns, Batch, Condition, Conditions, Maturity,
    OpenIncidents, Payload, Rollups, Series, Severity, Statistic, Timestamp,
};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest as LogsRequest,
        metrics::v1::ExportMetricsServiceRequest as MetricsRequest,
        trace::v1::ExportTraceServiceRequest as TraceRequest,
    },
    common::v1::KeyValue,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, metric::Data,
        number_data_point::Value,
    },
    resource::v1::Resource,
    trace::v1::Status,
};
use prost::Message;

use super::{
    Enrichment, EnrichmentConfig,
    config::Which,
    verdicts::{OpenIncident, Subject, VERSION, Verdicts},
};
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
        baseline.is_absent.push(false);
        let is_anomalous = *score > 3.0;
        anomaly.score.push(*score);
        anomaly.is_anomalous.push(is_anomalous);
        anomaly.is_told.push(is_anomalous);
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
fn what_travels_back_is_as_described() {
    let mut schema = schemas::Schema::compile("verdicts.proto");
    schema.holds::<Verdicts>("Verdicts");
    schema.holds::<Subject>("Subject");
    schema.holds::<OpenIncident>("OpenIncident");
    schema.finish();
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
    let calm = window(&rows.map(|(series, _)| (series, 0.5)));
    harness.judge(Rollups { start: T0 + Duration::from_secs(60), ..calm });
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
fn what_the_budget_of_false_alarms_withholds_marks_nothing_though_its_score_may_be_told() {
    let withheld = || {
        let mut table = window(&[(operation("cart", "GET /", Statistic::P95), 4.5)]);
        table.anomaly.as_mut().unwrap().is_told = vec![false];
        table
    };
    let mut marking = harness(&EnrichmentConfig::default());
    marking.judge(withheld());
    assert_eq!(sent(&mut marking, "cart", "GET /", 1), "{http.route=/}");
    assert_eq!(record_labels(&mut marking, "cart"), "{}");
    let mut telling = harness(&EnrichmentConfig { spans: Which::All, ..EnrichmentConfig::default() });
    telling.judge(withheld());
    expect!["{http.route=/,trueline.anomaly.is_anomalous=false,trueline.anomaly.score=4.5,trueline.baseline.p95_lower_ms=8,trueline.baseline.p95_ms=10,trueline.baseline.p95_upper_ms=12}"].assert_eq(&sent(&mut telling, "cart", "GET /", 1));
}

/// One evaluation of objectives: by service, id and severity, whether its budget burns.
fn conditions(at: Timestamp, all: &[(&str, &str, Severity, Option<bool>)]) -> Payload {
    let condition = |(service, id, severity, is_true): &(&str, &str, Severity, Option<bool>)| {
        let name = id.strip_prefix("cart-").unwrap_or(id);
        let labels = [("sloth_service", *service), ("sloth_slo", name)];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let subject = AlertSubject {
            name: "BurnRate".to_owned(),
            labels,
            annotations: BTreeMap::new(),
            severity: *severity,
            hold: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            threshold: 14.4,
            rule_type: "burn_rate",
            slo_id: (*id).to_owned(),
        };
        Condition { subject: Arc::new(subject), is_true: *is_true, value: 20.0, exemplars: Vec::new() }
    };
    let all = all.iter().map(condition).collect();
    Payload::Conditions(Box::new(Conditions {
        source: "sla".into(),
        at,
        every: Duration::from_secs(30),
        all,
        budgets: Vec::new(),
    }))
}

#[test]
fn subjects_of_a_service_name_its_objectives_that_are_at_risk_as_long_as_they_are() {
    let mut harness = harness(&EnrichmentConfig::default());
    let rows =
        [(operation("cart", "GET /", Statistic::P95), 4.5), (operation("pay", "GET /", Statistic::P95), 4.5)];
    let minute = Duration::from_secs(60);
    let named = |harness: &mut Harness, minutes: u32, payload: Option<Payload>| {
        harness.tick(T0 + minute * minutes);
        if let Some(payload) = payload {
            let batch = Batch { payload, items: 0, ack: Ack::none() };
            let now = harness.now;
            harness.analysis().process(batch, &mut Cx::new(now, &mut Workbench::default()));
        }
        harness.judge(Rollups { start: harness.now - minute, ..window(&rows) });
        ["cart", "pay"].map(|service| {
            let labels = sent(harness, service, "GET /", 1);
            let (_, ids) = labels.split_once("trueline.slo.id=")?;
            let (ids, names) = ids.split_once(",trueline.slo.name=")?;
            Some(
                [ids, names.trim_end_matches('}')]
                    .map(|all| all.split(",trueline.").next().unwrap_or(all))
                    .join(" "),
            )
        })
    };
    assert_eq!(named(&mut harness, 1, None), [None, None]);
    let page = Severity::Critical;
    let burning = [
        ("cart", "cart-availability", Severity::Warning, Some(true)),
        ("cart", "cart-latency", page, Some(true)),
        ("cart", "cart-latency", Severity::Warning, Some(true)),
        ("cart", "cart-freshness", page, Some(false)),
        ("p*", "payments", page, None),
        ("cart", "", page, Some(true)),
    ];
    let of_cart = Some("cart-latency,cart-availability latency,availability".to_owned());
    let told = conditions(T0 + minute * 2, &burning);
    assert_eq!(named(&mut harness, 2, Some(told)), [of_cart.clone(), None]);
    assert_eq!(named(&mut harness, 3, None), [of_cart, None], "until the next evaluation");
    let told = conditions(T0 + minute * 4, &[("p*", "payments", page, Some(true))]);
    assert_eq!(named(&mut harness, 4, Some(told)), [None, Some("payments payments".to_owned())]);
    assert_eq!(named(&mut harness, 6, None), [None, None], "nobody evaluates any more");
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

/// Tells which services have an open incident, each with its id.
fn tell_incidents(harness: &mut Harness, open: &[(&str, &str)]) {
    let of_services = open.iter().map(|(service, id)| ((*service).into(), (*id).to_owned()));
    let open = OpenIncidents { of_services: of_services.collect() };
    let passed = harness.hear(Payload::Incidents(Box::new(open)), 0);
    assert!(matches!(&passed[..], [Payload::Incidents(_)]), "later stages are told too");
}

/// Sends a server span of `GET /` with this status code and returns its attributes.
fn sent_with_status(harness: &mut Harness, service: &str, status: i32) -> String {
    let mut sent = span("GET /", SERVER, 0, 1000, Vec::new());
    sent.status = Some(Status { code: status, ..Status::default() });
    let out = push(harness, 0, &of_service(service, vec![sent]));
    let request = TraceRequest::decode(&out[0].bytes().unwrap()[..]).unwrap();
    labels(&request.resource_spans[0].scope_spans[0].spans[0].attributes)
}

const FINE: i32 = 0;
const FAILED: i32 = 2;
const MARK: &str = "{trueline.incident.id=01INC}";

#[test]
fn what_fails_in_a_service_names_its_incident_from_when_it_is_told_until_it_ends() {
    let mut harness = harness(&EnrichmentConfig::default());
    harness.judge(window(&[]));
    assert_eq!(sent_with_status(&mut harness, "cart", FAILED), "{}", "nothing is wrong yet");
    tell_incidents(&mut harness, &[("cart", "01INC")]);
    assert_eq!(sent_with_status(&mut harness, "cart", FAILED), MARK);
    assert_eq!(sent_with_status(&mut harness, "cart", FINE), "{}", "neither failed nor unusual");
    assert_eq!(sent_with_status(&mut harness, "pay", FAILED), "{}", "another service");
    let error = LogRecord { severity_number: 17, ..LogRecord::default() };
    assert_eq!(labels_of_record(&mut harness, "cart", error.clone()), MARK);
    let warning = LogRecord { severity_number: 16, ..LogRecord::default() };
    assert_eq!(labels_of_record(&mut harness, "cart", warning), "{}");
    let ours = LogRecord { event_name: "trueline.incident.opened".to_owned(), ..error };
    assert_eq!(labels_of_record(&mut harness, "cart", ours), "{}", "what stages tell says it by itself");
    harness.judge(Rollups { start: T0 + Duration::from_secs(60), ..window(&[]) });
    assert_eq!(sent_with_status(&mut harness, "cart", FAILED), MARK, "as long as it is open");
    tell_incidents(&mut harness, &[]);
    assert_eq!(sent_with_status(&mut harness, "cart", FAILED), "{}", "it is over");
}

#[test]
fn what_is_unusual_names_its_incident_beside_its_episode() {
    let mut harness = harness(&EnrichmentConfig::default());
    harness.judge(window(&[(operation("cart", "GET /", Statistic::Rate), 4.5)]));
    tell_incidents(&mut harness, &[("cart", "01INC")]);
    let episode =
        "trueline.anomaly.is_anomalous=true,trueline.anomaly.score=4.5,trueline.anomaly.id=0000000000000001";
    let of_span = sent_with_status(&mut harness, "cart", FINE);
    assert!(of_span.contains(episode) && of_span.ends_with(",trueline.incident.id=01INC}"), "{of_span}");
    assert_eq!(record_labels(&mut harness, "cart"), format!("{{{episode},trueline.incident.id=01INC}}"));
}

#[test]
fn which_items_name_an_incident_follows_the_choice_of_each_signal() {
    let named = |config: &EnrichmentConfig| {
        let mut harness = harness(config);
        harness.judge(window(&[]));
        tell_incidents(&mut harness, &[("cart", "01INC")]);
        [
            sent_with_status(&mut harness, "cart", FINE) == MARK,
            sent_with_status(&mut harness, "cart", FAILED) == MARK,
            record_labels(&mut harness, "cart") == MARK,
        ]
    };
    let (spans, logs) = (Which::All, Which::All);
    assert_eq!(named(&EnrichmentConfig { spans, logs, ..EnrichmentConfig::default() }), [true; 3]);
    let (spans, logs) = (Which::None, Which::None);
    assert_eq!(named(&EnrichmentConfig { spans, logs, ..EnrichmentConfig::default() }), [false; 3]);
    let config = EnrichmentConfig { spans, share: 1.0, ..EnrichmentConfig::default() };
    assert_eq!(named(&config), [true, true, false]);
}

#[test]
fn an_incident_that_is_open_at_a_start_is_named_with_the_first_window_and_ends_without_new_ones() {
    let mut harness = harness(&EnrichmentConfig::default());
    tell_incidents(&mut harness, &[("cart", "01INC")]);
    harness.judge(window(&[]));
    assert_eq!(sent_with_status(&mut harness, "cart", FAILED), MARK);
    harness.tick(T0 + Duration::from_secs(3 * 60));
    assert_eq!(sent_with_status(&mut harness, "cart", FAILED), "{}", "nobody judges any more");
}

fn load_of(data: Data) -> Bytes {
    let metric = Metric { name: "load".to_owned(), data: Some(data), ..Metric::default() };
    let resource = Some(Resource { attributes: vec![text("service.name", "cart")], ..Resource::default() });
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    MetricsRequest { resource_metrics }.encode_to_vec().into()
}

fn number(host: &str) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![text("zone", "a"), text("host", host)],
        time_unix_nano: T0.0,
        value: Some(Value::AsDouble(1.0)),
        ..NumberDataPoint::default()
    }
}

fn gauge(host: &str) -> Bytes {
    load_of(Data::Gauge(Gauge { data_points: vec![number(host)] }))
}

/// The attributes of the only data point of a request.
fn point_labels(request: &[u8]) -> String {
    let request = MetricsRequest::decode(request).unwrap();
    let labels_of = match request.resource_metrics[0].scope_metrics[0].metrics[0].data.as_ref().unwrap() {
        Data::Gauge(of) => &of.data_points[0].attributes,
        Data::Sum(of) => &of.data_points[0].attributes,
        Data::Histogram(of) => &of.data_points[0].attributes,
        Data::ExponentialHistogram(of) => &of.data_points[0].attributes,
        Data::Summary(of) => &of.data_points[0].attributes,
    };
    labels(labels_of)
}

#[test]
fn data_points_of_two_instances_of_a_service_are_told_apart() {
    let mut harness = harness(&EnrichmentConfig { data_points: Which::All, ..EnrichmentConfig::default() });
    let instance = |name: &str| [text("service.instance.id", name), text("service.name", "cart")];
    let row = |name: &str, score: f32| {
        let load = series("cart", "load", "1", &[text("host", "h1"), text("zone", "a")], Statistic::Mean);
        (Series { resource: list(&instance(name)), ..load }, score)
    };
    let mut table = window(&[row("pod-1", 5.0), row("pod-2", 1.0)]);
    table.baseline.as_mut().unwrap().upper[1] = 70.0;
    harness.judge(table);
    let mut labels_of = |attributes: Vec<KeyValue>| {
        let mut request = MetricsRequest::decode(gauge("h1")).unwrap();
        request.resource_metrics[0].resource = Some(Resource { attributes, ..Resource::default() });
        let out = harness.push(0, Payload::Metrics(request.encode_to_vec().into()), 1);
        point_labels(out[0].bytes().unwrap())
    };
    expect!["{zone=a,host=h1,trueline.anomaly.is_anomalous=true,trueline.anomaly.score=5,trueline.anomaly.id=0000000000000001,trueline.baseline.mean=10,trueline.baseline.mean_lower=8,trueline.baseline.mean_upper=12}"].assert_eq(&labels_of(instance("pod-1").into()));
    // A sender may spell its resource in any order.
    let [id, name] = instance("pod-2");
    expect!["{zone=a,host=h1,trueline.anomaly.is_anomalous=false,trueline.anomaly.score=1,trueline.baseline.mean=10,trueline.baseline.mean_lower=8,trueline.baseline.mean_upper=70}"].assert_eq(&labels_of(vec![name, id]));
    assert_eq!(labels_of(instance("pod-3").into()), "{zone=a,host=h1}", "nothing is known of it");
}

#[test]
fn a_data_point_is_found_whatever_the_order_of_its_attributes() {
    let mut harness =
        harness(&EnrichmentConfig { data_points: Which::Anomalous, ..EnrichmentConfig::default() });
    let load = series("cart", "load", "1", &[text("host", "h1"), text("zone", "a")], Statistic::Mean);
    harness.judge(window(&[(load, 5.0)]));
    let mut attributes = |host: &str| {
        let out = harness.push(0, Payload::Metrics(gauge(host)), 1);
        point_labels(out[0].bytes().unwrap())
    };
    assert_eq!(attributes("h2"), "{zone=a,host=h2}");
    expect!["{zone=a,host=h1,trueline.anomaly.is_anomalous=true,trueline.anomaly.score=5,trueline.anomaly.id=0000000000000001,trueline.baseline.mean=10,trueline.baseline.mean_lower=8,trueline.baseline.mean_upper=12}"].assert_eq(&attributes("h1"));
}

#[test]
fn data_points_of_every_kind_are_found() {
    let mut harness =
        harness(&EnrichmentConfig { data_points: Which::Anomalous, ..EnrichmentConfig::default() });
    let on = [text("host", "h1"), text("zone", "a")];
    harness.judge(window(&[(series("cart", "load", "1", &on, Statistic::P95), 5.0)]));
    let attributes = on.to_vec();
    let histogram = HistogramDataPoint { attributes: attributes.clone(), ..HistogramDataPoint::default() };
    let exponential = ExponentialHistogramDataPoint {
        attributes: attributes.clone(),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint { attributes, ..SummaryDataPoint::default() };
    for data in [
        Data::Gauge(Gauge { data_points: vec![number("h1")] }),
        Data::Sum(Sum { data_points: vec![number("h1")], ..Sum::default() }),
        Data::Histogram(Histogram { data_points: vec![histogram], ..Histogram::default() }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential],
            ..ExponentialHistogram::default()
        }),
        Data::Summary(Summary { data_points: vec![summary] }),
    ] {
        let out = harness.push(1, Payload::Metrics(load_of(data.clone())), 1);
        let labels = point_labels(out[0].bytes().unwrap());
        assert!(labels.contains("trueline.anomaly.is_anomalous=true"), "{data:?}: {labels}");
        assert!(labels.contains("trueline.baseline.p95_upper=12"), "{data:?}: {labels}");
    }
}

/// Sends a log record of a service and returns its attributes.
fn record_labels(harness: &mut Harness, service: &str) -> String {
    labels_of_record(harness, service, LogRecord::default())
}

fn labels_of_record(harness: &mut Harness, service: &str, record: LogRecord) -> String {
    let resource = Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() });
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }];
    let request = LogsRequest { resource_logs };
    let out = harness.push(0, Payload::Logs(request.encode_to_vec().into()), 1);
    let request = LogsRequest::decode(&out[0].bytes().unwrap()[..]).unwrap();
    labels(&request.resource_logs[0].scope_logs[0].log_records[0].attributes)
}

/// What each signal is told of a subject with an open episode, of one without, and of one that has a
/// baseline and no score, under one choice for all three.
fn told_of_each(which: Which) -> [[String; 3]; 3] {
    let config =
        EnrichmentConfig { spans: which, data_points: which, logs: which, ..EnrichmentConfig::default() };
    let mut harness = harness(&config);
    let subjects = [("wild", 4.5), ("calm", 1.0), ("unscored", f32::NAN)];
    let rows = subjects.map(|(name, score)| {
        let gauge = series("cart", "load", "1", &[text("host", name), text("zone", "a")], Statistic::Mean);
        [(operation(name, "GET /", Statistic::P95), score), (gauge, score)]
    });
    harness.judge(window(rows.as_flattened()));
    subjects.map(|(name, _)| {
        let span = sent(&mut harness, name, "GET /", 1);
        let point = harness.push(0, Payload::Metrics(gauge(name)), 1);
        let point = point_labels(point[0].bytes().unwrap());
        [span, point, record_labels(&mut harness, name)]
            .map(|labels| labels.replace("http.route=/", "").replace(&format!("zone=a,host={name}"), ""))
    })
}

#[test]
fn each_signal_is_enriched_for_none_for_the_anomalous_or_for_all() {
    let untouched = ["{}"; 3].map(str::to_owned);
    assert_eq!(told_of_each(Which::None), [(); 3].map(|()| untouched.clone()));
    let [wild, calm, unscored] = told_of_each(Which::Anomalous);
    assert_eq!([&calm, &unscored], [&untouched; 2]);
    assert!(wild.iter().all(|labels| labels.contains("trueline.anomaly.is_anomalous=true")), "{wild:?}");
    let all = told_of_each(Which::All);
    assert_eq!(all[0], wild);
    expect![[r#"
        [
            [
                "{,trueline.anomaly.is_anomalous=false,trueline.anomaly.score=1,trueline.baseline.p95_lower_ms=8,trueline.baseline.p95_ms=10,trueline.baseline.p95_upper_ms=12}",
                "{,trueline.anomaly.is_anomalous=false,trueline.anomaly.score=1,trueline.baseline.mean=10,trueline.baseline.mean_lower=8,trueline.baseline.mean_upper=12}",
                "{trueline.anomaly.is_anomalous=false,trueline.anomaly.score=1}",
            ],
            [
                "{,trueline.baseline.p95_lower_ms=8,trueline.baseline.p95_ms=10,trueline.baseline.p95_upper_ms=12}",
                "{,trueline.baseline.mean=10,trueline.baseline.mean_lower=8,trueline.baseline.mean_upper=12}",
                "{}",
            ],
        ]
    "#]]
    .assert_debug_eq(&&all[1..]);
}

#[test]
fn what_has_nothing_to_be_told_is_not_counted_as_enriched() {
    let all = EnrichmentConfig { logs: Which::All, ..EnrichmentConfig::default() };
    let mut harness = harness(&all);
    harness.judge(window(&[(operation("cart", "GET /", Statistic::P95), f32::NAN)]));
    assert_eq!(record_labels(&mut harness, "cart"), "{}");
    assert_eq!(counted(&harness, "enriched_items"), 0);
}

/// The sum of a counter over all signals.
fn counted(harness: &Harness, name: &str) -> u64 {
    harness.telemetry.read().iter().filter(|it| it.name.ends_with(name)).map(|it| it.value).sum()
}

#[test]
fn marks_end_when_who_judges_is_gone_and_stay_while_it_says_the_same() {
    let mut harness = harness(&EnrichmentConfig::default());
    let rows = [(operation("cart", "GET /", Statistic::P95), 4.5)];
    let minute = Duration::from_secs(60);
    for passed in 0..5 {
        harness.tick(T0 + minute * passed);
        harness.judge(Rollups { start: harness.now - minute, ..window(&rows) });
        assert!(sent(&mut harness, "cart", "GET /", 1).contains("is_anomalous"), "minute {passed}");
    }
    let last = T0 + minute * 4;
    harness.tick(last + minute * 3 - Duration::from_secs(1));
    assert!(sent(&mut harness, "cart", "GET /", 1).contains("is_anomalous"), "within three windows");
    harness.tick(last + minute * 3);
    assert_eq!(sent(&mut harness, "cart", "GET /", 1), "{http.route=/}");
    assert_eq!(record_labels(&mut harness, "cart"), "{}");
    harness.tick(last + minute * 60);
    assert_eq!(counted(&harness, "expired_verdicts"), 2, "once on each of two shards");
    harness.judge(window(&rows));
    assert!(sent(&mut harness, "cart", "GET /", 1).contains("is_anomalous"), "it is back");
}

#[test]
fn verdicts_of_short_windows_hold_for_ten_seconds() {
    let mut harness = harness(&EnrichmentConfig::default());
    let second = Duration::from_secs(1);
    harness.judge(Rollups { width: second, ..window(&[(operation("cart", "GET /", Statistic::P95), 4.5)]) });
    harness.tick(T0 + 9 * second);
    assert!(sent(&mut harness, "cart", "GET /", 1).contains("is_anomalous"));
    harness.tick(T0 + 10 * second);
    assert_eq!(sent(&mut harness, "cart", "GET /", 1), "{http.route=/}");
}

#[test]
fn verdicts_of_a_release_that_told_no_end_hold_until_newer_ones_come() {
    let mut harness = harness(&EnrichmentConfig::default());
    let attributes = list(&[text("trueline.anomaly.id", "1")]).to_vec();
    let (service, metric, key) = ("cart".to_owned(), String::new(), Vec::new());
    let subjects = vec![Subject { service, metric, key, is_anomalous: true, attributes, resource: 0 }];
    let old = Verdicts { version: VERSION, subjects, valid_until_unix_nano: 0, incidents: Vec::new() }
        .encode_to_vec();
    harness.push(0, Payload::Verdicts(old.into()), 0);
    harness.tick(T0 + Duration::from_secs(86_400));
    assert_eq!(record_labels(&mut harness, "cart"), "{trueline.anomaly.id=1}");
}

#[test]
fn log_records_of_a_service_with_an_open_episode_name_it() {
    let mut harness = harness(&EnrichmentConfig::default());
    harness.judge(window(&[
        (operation("cart", "GET /", Statistic::P95), 4.5),
        (operation("cart", "GET /", Statistic::Rate), 6.0),
    ]));
    let mut attributes = |service: &str| record_labels(&mut harness, service);
    assert_eq!(attributes("pay"), "{}");
    expect![
        "{trueline.anomaly.is_anomalous=true,trueline.anomaly.score=6,trueline.anomaly.id=0000000000000002}"
    ]
    .assert_eq(&attributes("cart"));
}

#[test]
fn records_of_a_service_whose_requests_no_longer_come_name_the_episode() {
    let mut harness = harness(&EnrichmentConfig::default());
    let minute = Duration::from_secs(60);
    let calm = |start| Rollups { start, ..window(&[(operation("cart", "GET /", Statistic::P95), 1.0)]) };
    // Rows of silent series come when the next window begins, just before its own.
    let silent = |start| {
        let mut table = window(&[(operation("cart", "POST /", Statistic::Rate), 5.0)]);
        table.baseline.as_mut().unwrap().is_absent = vec![true];
        Rollups { start, ..table }
    };
    harness.judge(calm(T0));
    harness.judge(silent(T0));
    harness.judge(calm(T0 + minute));
    assert!(record_labels(&mut harness, "cart").contains("trueline.anomaly.id=0000000000000001"));
    harness.judge(silent(T0 + minute));
    harness.judge(calm(T0 + 2 * minute));
    assert!(record_labels(&mut harness, "cart").contains("trueline.anomaly.id=0000000000000001"));
    harness.judge(calm(T0 + 3 * minute));
    assert_eq!(record_labels(&mut harness, "cart"), "{}", "nothing is silent any more");
}

#[test]
fn the_parts_of_one_window_add_up() {
    let mut harness = harness(&EnrichmentConfig::default());
    for name in ["GET /", "POST /"] {
        harness.judge(window(&[(operation("cart", name, Statistic::P95), 4.5)]));
    }
    for name in ["GET /", "POST /"] {
        assert!(sent(&mut harness, "cart", name, 1).contains("is_anomalous=true"), "{name}");
    }
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
    assert_eq!(counted(&harness, "unreadable_verdicts"), 2);
}

#[test]
fn a_share_outside_of_zero_to_one_is_refused() {
    let mut checks = Checks::default();
    EnrichmentConfig { share: 1.5, ..EnrichmentConfig::default() }.validate(&mut checks);
    assert_eq!(checks.into_findings()[0].message, "share is 1.5, must be between 0 and 1");
}

#[test]
fn verdicts_that_would_expire_at_once_are_refused() {
    let mut checks = Checks::default();
    EnrichmentConfig { expire_after_windows: 0, ..EnrichmentConfig::default() }.validate(&mut checks);
    assert_eq!(checks.into_findings()[0].message, "expire_after_windows is 0, must be at least 1");
}
