use std::collections::BTreeMap;

use component::{Checks, Config, Snapshot, testing::Harness};
use expect_test::expect;
use model::Payload;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest as MetricsRequest,
    common::v1::{ArrayValue, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
        HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, exponential_histogram_data_point::Buckets, metric::Data, number_data_point::Value,
    },
    resource::v1::Resource,
    trace::v1::Span,
};
use proptest::prelude::*;
use prost::Message;

use super::{
    Aggregation, AggregationConfig,
    partial::{CellRow, HistogramRow, PointRow, RollupPartial, SeriesKey, SumRow, WindowRow, WorstRow},
    processor::RollupSnapshot,
};
use crate::{aggregation::deployments::VersionRow, testing::*};

/// Holds what is told and stored of roll-ups to its description.
pub(crate) fn hold_rollups(schema: &mut schemas::Schema) {
    schema.holds::<RollupPartial>("RollupPartial");
    schema.holds::<VersionRow>("Version");
    schema.holds::<SeriesKey>("SeriesKey");
    schema.holds::<WindowRow>("Window");
    schema.holds::<PointRow>("Point");
    schema.holds::<CellRow>("Cell");
    schema.holds::<WorstRow>("Worst");
    schema.holds::<SumRow>("ExactSum");
    schema.holds::<HistogramRow>("Histogram");
    schema.holds::<RollupSnapshot>("RollupSnapshot");
}

const DELTA: i32 = AggregationTemporality::Delta as i32;
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

fn harness(config: &AggregationConfig, shards: usize) -> Harness {
    Harness::new::<Aggregation>(config, shards, T0)
}

fn ten_seconds() -> AggregationConfig {
    let windows = vec![config::Duration::from_secs(10)];
    AggregationConfig { windows, allowed_lateness: config::Duration::from_secs(2), ..Default::default() }
}

fn metrics(name: &str, data: Data) -> MetricsRequest {
    let metric =
        Metric { name: name.to_owned(), unit: "ms".to_owned(), data: Some(data), ..Metric::default() };
    let resource = Some(Resource { attributes: vec![text("service.name", "s")], ..Resource::default() });
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    MetricsRequest {
        resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }],
    }
}

fn point(secs: f64, value: f64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    let time_unix_nano = T0.0 + (secs * 1e9) as u64;
    NumberDataPoint {
        time_unix_nano,
        start_time_unix_nano: T0.0,
        value: Some(Value::AsDouble(value)),
        attributes,
        ..NumberDataPoint::default()
    }
}

fn gauge(points: Vec<NumberDataPoint>) -> MetricsRequest {
    metrics("load", Data::Gauge(Gauge { data_points: points }))
}

fn counter(points: Vec<NumberDataPoint>) -> MetricsRequest {
    let data = Sum { data_points: points, aggregation_temporality: CUMULATIVE, is_monotonic: true };
    metrics("requests", Data::Sum(data))
}

fn give(harness: &mut Harness, shard: usize, request: &MetricsRequest) {
    let payload = Payload::Metrics(request.encode_to_vec().into());
    let out = harness.push(shard, payload, 1);
    assert_eq!(out[0].bytes().unwrap(), &request.encode_to_vec(), "what comes in goes on as it was");
}

/// Gives requests and returns what is told when all windows have ended.
fn told(config: &AggregationConfig, requests: &[MetricsRequest]) -> String {
    let mut harness = harness(config, 1);
    requests.iter().for_each(|request| give(&mut harness, 0, request));
    lines(&harness.tick(at(120)))
}

#[test]
fn a_gauge_is_told_by_window_and_statistic() {
    let points = [1.0, 2.0, 3.0, 4.0].map(|value| point(value, value, vec![text("host", "a")]));
    let mut config = ten_seconds();
    config.windows.push(config::Duration::from_secs(60));
    expect![[r#"
        resource {service.name=s} scope aggregation
          load.rollup unit="ms" gauge
            {host=a,window=10s,stat=count} 0..10 = 4.0
            {host=a,window=10s,stat=sum} 0..10 = 10.0
            {host=a,window=10s,stat=mean} 0..10 = 2.5
            {host=a,window=10s,stat=min} 0..10 = 1.0
            {host=a,window=10s,stat=max} 0..10 = 4.0
            {host=a,window=10s,stat=stddev} 0..10 = 1.118033988749895
            {host=a,window=10s,stat=p50} 0..10 = 2.0
            {host=a,window=10s,stat=p75} 0..10 = 3.0844216508158815
            {host=a,window=10s,stat=p90} 0..10 = 3.863745315699382
            {host=a,window=10s,stat=p95} 0..10 = 3.9312823941810047
            {host=a,window=10s,stat=p99} 0..10 = 3.9861610513114716
            {host=a,window=10s,stat=count} 10..20 = 1.0
            {host=a,window=10s,stat=sum} 10..20 = 9.0
            {host=a,window=10s,stat=mean} 10..20 = 9.0
            {host=a,window=10s,stat=min} 10..20 = 9.0
            {host=a,window=10s,stat=max} 10..20 = 9.0
            {host=a,window=10s,stat=stddev} 10..20 = 0.0
            {host=a,window=10s,stat=p50} 10..20 = 9.0
            {host=a,window=10s,stat=p75} 10..20 = 9.0
            {host=a,window=10s,stat=p90} 10..20 = 9.0
            {host=a,window=10s,stat=p95} 10..20 = 9.0
            {host=a,window=10s,stat=p99} 10..20 = 9.0
            {host=a,window=1m,stat=count} 0..60 = 5.0
            {host=a,window=1m,stat=sum} 0..60 = 19.0
            {host=a,window=1m,stat=mean} 0..60 = 3.8
            {host=a,window=1m,stat=min} 0..60 = 1.0
            {host=a,window=1m,stat=max} 0..60 = 9.0
            {host=a,window=1m,stat=stddev} 0..60 = 2.7856776554368237
            {host=a,window=1m,stat=p50} 0..60 = 2.9536522918789987
            {host=a,window=1m,stat=p75} 0..60 = 3.9142882483508004
            {host=a,window=1m,stat=p90} 0..60 = 9.0
            {host=a,window=1m,stat=p95} 0..60 = 9.0
            {host=a,window=1m,stat=p99} 0..60 = 9.0
    "#]]
    .assert_eq(&told(
        &config,
        &[gauge(points.to_vec()), gauge(vec![point(15.0, 9.0, vec![text("host", "a")])])],
    ));
}

#[test]
fn counters_are_told_as_what_they_grew_by_and_resets_begin_at_zero() {
    let values =
        [(1.0, 10.0), (2.0, 15.0), (3.0, 4.0), (4.0, 6.0)].map(|(secs, value)| point(secs, value, vec![]));
    let told = told(&ten_seconds(), &[counter(values.to_vec())]);
    // 10 since the start, which is ours; 5; reset: 4; 2.
    assert!(
        told.contains("stat=count} 0..10 = 4.0\n") && told.contains("stat=sum} 0..10 = 21.0\n"),
        "{told}"
    );
    assert!(told.contains("stat=max} 0..10 = 10.0\n") && told.contains("stat=min} 0..10 = 2.0\n"), "{told}");
}

#[test]
fn a_counter_that_ran_before_us_tells_nothing_at_first() {
    let old = |secs, value| NumberDataPoint { start_time_unix_nano: 1, ..point(secs, value, vec![]) };
    let told = told(&ten_seconds(), &[counter(vec![old(1.0, 1000.0), old(2.0, 1003.0)])]);
    assert!(told.contains("stat=count} 0..10 = 1.0\n") && told.contains("stat=sum} 0..10 = 3.0\n"), "{told}");
}

fn buckets(secs: u64, counts: [u64; 3], sum: f64) -> HistogramDataPoint {
    HistogramDataPoint {
        start_time_unix_nano: T0.0,
        time_unix_nano: at(secs).0,
        count: counts.iter().sum(),
        sum: Some(sum),
        bucket_counts: counts.to_vec(),
        explicit_bounds: vec![10.0, 20.0],
        ..HistogramDataPoint::default()
    }
}

#[test]
fn histograms_summaries_and_deltas_are_added_up() {
    let histogram = |temporality, data_points| {
        Data::Histogram(Histogram { data_points, aggregation_temporality: temporality })
    };
    let cumulative = histogram(CUMULATIVE, vec![buckets(1, [2, 0, 0], 10.0), buckets(2, [2, 2, 0], 40.0)]);
    expect![[r#"
        resource {service.name=s} scope aggregation
          h.rollup unit="ms" gauge
            {window=10s,stat=count} 0..10 = 4.0
            {window=10s,stat=sum} 0..10 = 40.0
            {window=10s,stat=mean} 0..10 = 10.0
            {window=10s,stat=p50} 0..10 = 10.0
            {window=10s,stat=p75} 0..10 = 15.0
            {window=10s,stat=p90} 0..10 = 18.0
            {window=10s,stat=p95} 0..10 = 19.0
            {window=10s,stat=p99} 0..10 = 19.8
    "#]]
    .assert_eq(&told(&ten_seconds(), &[metrics("h", cumulative)]));
    let delta = histogram(DELTA, vec![buckets(1, [1, 0, 0], 5.0), buckets(2, [0, 1, 0], 15.0)]);
    expect![[r#"
        resource {service.name=s} scope aggregation
          h.rollup unit="ms" gauge
            {window=10s,stat=count} 0..10 = 2.0
            {window=10s,stat=sum} 0..10 = 20.0
            {window=10s,stat=mean} 0..10 = 10.0
            {window=10s,stat=p50} 0..10 = 10.0
            {window=10s,stat=p75} 0..10 = 15.0
            {window=10s,stat=p90} 0..10 = 18.0
            {window=10s,stat=p95} 0..10 = 19.0
            {window=10s,stat=p99} 0..10 = 19.8
    "#]]
    .assert_eq(&told(&ten_seconds(), &[metrics("h", delta)]));
    let summary = |secs, count, sum| SummaryDataPoint {
        start_time_unix_nano: T0.0,
        time_unix_nano: at(secs).0,
        count,
        sum,
        ..Default::default()
    };
    let summaries = Data::Summary(Summary { data_points: vec![summary(1, 2, 4.0), summary(2, 5, 10.0)] });
    expect![[r#"
        resource {service.name=s} scope aggregation
          s.rollup unit="ms" gauge
            {window=10s,stat=count} 0..10 = 5.0
            {window=10s,stat=sum} 0..10 = 10.0
            {window=10s,stat=mean} 0..10 = 2.0
    "#]]
    .assert_eq(&told(&ten_seconds(), &[metrics("s", summaries)]));
}

#[test]
fn cumulative_exponential_histograms_are_subtracted_across_scales() {
    let exponential = |secs, scale, offset, counts: Vec<u64>, sum| ExponentialHistogramDataPoint {
        start_time_unix_nano: T0.0,
        time_unix_nano: at(secs).0,
        count: counts.iter().sum(),
        sum: Some(sum),
        scale,
        positive: Some(Buckets { offset, bucket_counts: counts }),
        ..Default::default()
    };
    // First one value in (1, 2^(1/2)], then, at half the resolution, that one and two in (2, 4].
    let points = vec![exponential(1, 1, 0, vec![1], 1.2), exponential(2, 0, 0, vec![1, 2], 7.2)];
    let data = Data::ExponentialHistogram(ExponentialHistogram {
        data_points: points,
        aggregation_temporality: CUMULATIVE,
    });
    expect![[r#"
        resource {service.name=s} scope aggregation
          e.rollup unit="ms" gauge
            {window=10s,stat=count} 0..10 = 3.0
            {window=10s,stat=sum} 0..10 = 7.2
            {window=10s,stat=mean} 0..10 = 2.4
            {window=10s,stat=p50} 0..10 = 2.378414230005442
            {window=10s,stat=p75} 0..10 = 3.0844216508158815
            {window=10s,stat=p90} 0..10 = 3.605001850443321
            {window=10s,stat=p95} 0..10 = 3.7973684838020763
            {window=10s,stat=p99} 0..10 = 3.9586266256608273
    "#]]
    .assert_eq(&told(&ten_seconds(), &[metrics("e", data)]));
}

#[test]
fn spans_are_rolled_up_by_their_end() {
    let mut harness = harness(&ten_seconds(), 1);
    let spans = [1_000, 2_000, 3_000].map(|micros| span("x", 2, 0, micros, vec![]));
    let out = push(&mut harness, 0, &of_service("s", spans.to_vec()));
    assert!(matches!(&out[..], [Payload::Traces(_)]));
    expect![[r#"
        resource {service.name=s} scope aggregation
          span.duration.rollup unit="ms" gauge
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=count} 0..10 = 3.0
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=sum} 0..10 = 6.0
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=mean} 0..10 = 2.0
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=min} 0..10 = 1.0
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=max} 0..10 = 3.0
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=stddev} 0..10 = 0.8164965809277259
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=p50} 0..10 = 1.9152065613971474
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=p75} 0..10 = 2.8903616139540933
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=p90} 0..10 = 3.0
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=p95} 0..10 = 3.0
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=p99} 0..10 = 3.0
    "#]].assert_eq(&lines(&harness.tick(at(30))));
}

#[test]
fn late_and_early_values_are_counted_and_kept() {
    let mut harness = harness(&ten_seconds(), 1);
    harness.tick(at(35));
    give(
        &mut harness,
        0,
        &gauge(vec![point(5.0, 1.0, vec![]), point(31.0, 2.0, vec![]), point(9_999.0, 4.0, vec![])]),
    );
    let told = lines(&harness.tick(at(60)));
    assert!(told.contains("stat=sum} 30..40 = 3.0\n"), "{told}");
    let told = lines(&harness.tick(at(120)));
    assert!(told.contains("stat=sum} 60..70 = 4.0\n"), "{told}");
    let value =
        |name: &str| harness.telemetry.read().iter().find(|it| it.name.ends_with(name)).map(|it| it.value);
    assert_eq!((value("late_items"), value("early_items")), (Some(1), Some(1)));
}

#[test]
fn over_capacity_values_are_counted_in_one_series_per_metric() {
    let config = AggregationConfig { max_series: 5, ..ten_seconds() };
    let points = (0..50).map(|n| point(1.0, 1.0, vec![text("id", &n.to_string())])).collect();
    let told = told(&config, &[gauge(points)]);
    assert!(told.contains("{otel.metric.overflow=true,window=10s,stat=count} 0..10 = 45.0\n"), "{told}");
    assert_eq!(told.matches("stat=count").count(), 6);
}

#[test]
fn values_that_are_none_are_left_out_and_own_output_is_not_rolled_up_again() {
    let none = NumberDataPoint { flags: 1, ..point(1.0, 1.0, vec![]) };
    let config = ten_seconds();
    let mut harness = harness(&config, 1);
    give(&mut harness, 0, &gauge(vec![point(1.0, f64::NAN, vec![]), none]));
    give(
        &mut harness,
        0,
        &metrics("x.rollup", Data::Gauge(Gauge { data_points: vec![point(1.0, 1.0, vec![])] })),
    );
    assert_eq!(lines(&harness.tick(at(60))), "");
    let unreadable = harness.telemetry.read().into_iter().find(|it| it.name.ends_with("unreadable_points"));
    assert_eq!(unreadable.map(|it| it.value), Some(2));
}

#[test]
fn impossible_windows_are_reported() {
    let seconds = |all: &[u64]| all.iter().map(|secs| config::Duration::from_secs(*secs)).collect();
    let mut told = Vec::new();
    for windows in [seconds(&[]), seconds(&[0]), seconds(&[10, 25]), seconds(&[10, 10])] {
        let mut checks = Checks::default();
        AggregationConfig { windows, max_series: 0, ..Default::default() }.validate(&mut checks);
        told.extend(checks.into_findings().into_iter().map(|it| format!("{}: {}", it.path, it.message)));
    }
    expect![[r#"
        windows: windows is empty, list at least one width
        windows.0: the first window is shorter than 1s, the pace at which windows close
        windows.1: each window must be longer than the one before and a multiple of the first
        max_series: max_series is 0, must be between 1 and 1000000
        windows.1: each window must be longer than the one before and a multiple of the first
        max_series: max_series is 0, must be between 1 and 1000000"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_damaged_snapshot_is_refused_without_panic() {
    let mut harness = harness(&ten_seconds(), 1);
    give(&mut harness, 0, &counter(vec![point(1.0, 5.0, vec![]), point(2.0, 7.0, vec![])]));
    harness.tick(at(5));
    let good = harness.analysis().snapshot().unwrap();
    for cut in 0..good.bytes.len() {
        let bytes = good.bytes[..cut].to_vec();
        let _maybe =
            Harness::new::<Aggregation>(&ten_seconds(), 1, T0).analysis().restore(Snapshot { bytes, ..good });
    }
    let other = AggregationConfig { windows: vec![config::Duration::from_secs(30)], ..ten_seconds() };
    assert!(Harness::new::<Aggregation>(&other, 1, T0).analysis().restore(good.clone()).is_err());
    let mut again = Harness::new::<Aggregation>(&ten_seconds(), 1, at(5));
    again.analysis().restore(good).unwrap();
    // The counter goes on from 7, and the open window from what it had.
    give(&mut again, 0, &counter(vec![point(6.0, 8.0, vec![])]));
    let told = lines(&again.tick(at(60)));
    assert!(told.contains("stat=sum} 0..10 = 8.0\n"), "{told}");
}

fn any_points() -> impl Strategy<Value = Vec<(f64, f64, u8)>> {
    prop::collection::vec((0.0..60.0_f64, prop_oneof![-1e3..1e3_f64, any::<f64>()], 0..3_u8), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shards_and_splits_do_not_change_a_byte(points in any_points(), counters in any_points()) {
        let mut config = ten_seconds();
        config.windows.push(config::Duration::from_secs(30));
        let (mut one, mut many) = (harness(&config, 1), harness(&config, 3));
        let of = |(secs, value, id): &(f64, f64, u8)| point(*secs, *value, vec![text("id", &id.to_string())]);
        // Two points of one counter at one time have no order; keep the first.
        let unique: BTreeMap<(u64, u8), (f64, f64, u8)> =
            counters.iter().map(|c| ((c.0.to_bits(), c.2), *c)).collect();
        let counters: Vec<_> = unique.into_values().collect();
        give(&mut one, 0, &gauge(points.iter().map(of).collect()));
        give(&mut one, 0, &counter(counters.iter().map(of).collect()));
        for (index, point) in points.iter().rev().enumerate() {
            give(&mut many, index % 3, &gauge(vec![of(point)]));
        }
        for (index, point) in counters.iter().rev().enumerate() {
            give(&mut many, index % 3, &counter(vec![of(point)]));
        }
        prop_assert_eq!(metrics_bytes(&one.tick(at(120))), metrics_bytes(&many.tick(at(120))));
    }

    #[test]
    fn statistics_are_those_of_a_plain_reading(values in prop::collection::vec(-1e3..1e3_f64, 1..40)) {
        let mut harness = harness(&ten_seconds(), 1);
        give(&mut harness, 0, &gauge(values.iter().map(|value| point(1.0, *value, vec![])).collect()));
        let out = decoded(&harness.tick(at(60)));
        let Some(Data::Gauge(told)) = &out[0].resource_metrics[0].scope_metrics[0].metrics[0].data else { panic!() };
        let found: BTreeMap<String, f64> = told.data_points.iter().map(|p| {
            let Some(Value::AsDouble(value)) = p.value else { panic!("statistics are doubles") };
            (value_text(p.attributes.last().unwrap()), value)
        }).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert_eq!((found["count"], found["min"], found["max"]), (n, min, max));
        prop_assert!((found["mean"] - mean).abs() < 1e-9 && (found["stddev"] - deviation).abs() < 1e-6);
        prop_assert!(min <= found["p50"] && found["p50"] <= found["p99"] && found["p99"] <= max);
    }
}

#[test]
fn a_snapshot_holds_what_came_in_its_second() {
    let requests = [counter(vec![point(1.0, 5.0, vec![])]), gauge(vec![point(2.0, 5.0, vec![])])];
    let payloads = requests.iter().map(|request| Payload::Metrics(request.encode_to_vec().into())).collect();
    let [told, restored] = crashed_and_not::<Aggregation>(&ten_seconds(), payloads);
    assert!(!told.is_empty());
    assert_eq!(told, restored);
}

proptest! {
    #[test]
    fn damaged_bytes_do_not_panic(points in any_points(), damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let of = |(secs, value, id): &(f64, f64, u8)| point(*secs, *value, vec![text("id", &id.to_string())]);
        let points: Vec<_> = points.iter().map(of).collect();
        let cumulative = Data::Histogram(Histogram {
            data_points: vec![buckets(1, [2, 0, 0], 10.0), buckets(2, [2, 2, 0], 40.0)],
            aggregation_temporality: CUMULATIVE,
        });
        let requests = [gauge(points.clone()), counter(points), metrics("h", cumulative)];
        let payloads = requests.iter().map(|request| Payload::Metrics(request.encode_to_vec().into())).collect();
        survive_damage::<Aggregation>(&ten_seconds(), payloads, &damage);
    }
}

fn windows(payloads: &[Payload]) -> Vec<&model::Rollups> {
    let tables = payloads.iter().filter_map(|payload| match payload {
        Payload::Rollups(table) => Some(&**table),
        _ => None,
    });
    tables.collect()
}

/// One line for each row: the series, its value and its support.
fn rows(tables: &[&model::Rollups]) -> String {
    let mut lines = String::new();
    for table in tables {
        for (at, series) in table.series.iter().enumerate() {
            let (value, support) = (table.values[at], table.support[at]);
            let example = table.exemplars.get(&(at as u32)).map(|traces| traces[0][15]);
            let example = example.map(|last| format!(" trace …{last}")).unwrap_or_default();
            let width = table.width.as_secs();
            let start = (table.start.0 - T0.0) / 1_000_000_000;
            let (service, metric, statistic) = (&series.service, &series.metric, series.statistic.name());
            lines += &format!(
                "{start}+{width}s {service} {metric} {statistic} = {value:.4} of {support}{example}\n"
            );
        }
    }
    lines
}

#[test]
fn whole_windows_are_handed_on_with_a_row_for_each_statistic() {
    let mut harness = harness(&ten_seconds(), 1);
    give(&mut harness, 0, &gauge([11.0, 12.0].map(|at| point(at, at, Vec::new())).to_vec()));
    give(
        &mut harness,
        0,
        &counter([(11.0, 3.0), (15.0, 8.0)].map(|(at, value)| point(at, value, Vec::new())).to_vec()),
    );
    expect![[r#"
        10+10s s load mean = 11.5000 of 2
        10+10s s requests rate = 0.8000 of 2
    "#]]
    .assert_eq(&rows(&windows(&harness.tick(at(40)))));
}

#[test]
fn an_operation_has_one_row_of_each_kind_whatever_its_spans_status() {
    let mut harness = harness(&ten_seconds(), 2);
    for (id, millis, status) in [(1, 10, 0), (2, 20, 1), (3, 90, 2), (4, 40, 2)] {
        let mut span = span("GET /cart", 2, status, millis * 1000, Vec::new());
        span.trace_id[15] = id;
        span.end_time_unix_nano = at(12).0;
        span.start_time_unix_nano = span.end_time_unix_nano - millis * 1_000_000;
        push(&mut harness, usize::from(id % 2), &of_service("cart", vec![span]));
    }
    expect![[r#"
        10+10s cart span.duration rate = 0.4000 of 4
        10+10s cart span.duration error_ratio = 0.5000 of 4 trace …3
        10+10s cart span.duration p50 = 20.7494 of 4 trace …3
        10+10s cart span.duration p95 = 88.9548 of 4 trace …3
        10+10s cart span.duration p99 = 90.0000 of 4 trace …3
    "#]]
    .assert_eq(&rows(&windows(&harness.tick(at(40)))));
}

#[test]
fn a_window_that_was_seen_in_part_is_not_handed_on() {
    let mut harness = harness(&ten_seconds(), 1);
    harness.tick(at(3));
    give(&mut harness, 0, &gauge(vec![point(14.0, 1.0, Vec::new()), point(24.0, 1.0, Vec::new())]));
    let told = harness.tick(at(22));
    assert_eq!(windows(&told).len(), 1, "10 s to 20 s");
    assert!(windows(&harness.drain()).is_empty(), "the window from 20 s has not ended");
}

#[test]
fn a_resource_whose_counter_begins_anew_is_told_in_that_window_and_the_next() {
    let mut harness = harness(&ten_seconds(), 1);
    harness.tick(at(3));
    let values = [(11.0, 9.0), (21.0, 20.0), (31.0, 4.0), (41.0, 5.0), (51.0, 6.0)];
    give(&mut harness, 0, &counter(values.map(|(secs, value)| point(secs, value, Vec::new())).to_vec()));
    let told = harness.tick(at(120));
    let of_window = |table: &&model::Rollups| (table.start.since(T0).as_secs(), table.restarts.len());
    let restarts: Vec<_> = windows(&told).iter().map(of_window).collect();
    assert_eq!(restarts, [(10, 0), (20, 0), (30, 1), (40, 1), (50, 0)]);
    let of_first = |table: &&model::Rollups| table.restarts.first() == Some(&table.series[0].resource);
    assert_eq!(windows(&told).iter().filter(|table| of_first(table)).count(), 2, "by the name of its series");
}

#[test]
fn another_version_of_a_service_is_a_deployment() {
    let mut harness = harness(&ten_seconds(), 1);
    for (secs, version) in [(11.0, "1"), (12.0, "2")] {
        let mut request = gauge(vec![point(secs, 1.0, Vec::new())]);
        let resource = request.resource_metrics[0].resource.as_mut().unwrap();
        resource.attributes.push(text("service.version", version));
        harness.tick(at(secs as u64));
        give(&mut harness, 0, &request);
    }
    let told = harness.tick(at(40));
    let deployments: Vec<_> = windows(&told).iter().flat_map(|table| table.deployments.clone()).collect();
    assert_eq!(deployments.len(), 1, "the first version is nothing new");
    assert_eq!((&*deployments[0].service, &*deployments[0].version), ("s", "2"));
}

/// What was deployed when a service first sent this resource, and then that one.
fn deployed(before: &[KeyValue], after: &[KeyValue]) -> Vec<(String, String)> {
    let mut harness = harness(&ten_seconds(), 1);
    for (secs, attributes) in [(11.0, before), (12.0, before), (13.0, after), (14.0, after)] {
        let mut request = gauge(vec![point(secs, 1.0, Vec::new())]);
        let resource = request.resource_metrics[0].resource.as_mut().unwrap();
        resource.attributes.extend_from_slice(attributes);
        harness.tick(at(secs as u64));
        give(&mut harness, 0, &request);
    }
    let told = harness.tick(at(40));
    let deployments = windows(&told).into_iter().flat_map(|table| table.deployments.clone());
    deployments.map(|it| (it.what.to_string(), it.version.to_string())).collect()
}

#[test]
fn another_replica_set_or_image_is_a_deployment_and_of_all_that_changes_with_it_the_version_is_told() {
    let set = |name: &str| text("k8s.replicaset.name", name);
    let tags = |tag: &str| {
        let values = vec![text("", tag).value.unwrap(), text("", "latest").value.unwrap()];
        attribute("container.image.tags", any_value::Value::ArrayValue(ArrayValue { values }))
    };
    let told = |what: &str, version: &str| vec![(what.to_owned(), version.to_owned())];
    assert_eq!(
        deployed(&[set("s-7d9")], &[set("s-5c6"), tags("v2")]),
        told("k8s.replicaset.name", "s-5c6"),
        "tags are seen for the first time"
    );
    assert_eq!(deployed(&[tags("v1")], &[tags("v2")]), told("container.image.tags", "v2, latest"));
    let version = |it: &str| text("service.version", it);
    assert_eq!(
        deployed(&[version("1"), set("s-7d9")], &[set("s-5c6"), version("2")]),
        told("service.version", "2")
    );
}

#[test]
fn versions_beyond_those_of_a_second_and_services_beyond_the_limit_are_counted() {
    let config = AggregationConfig { max_series: 10, ..ten_seconds() };
    let mut harness = harness(&config, 1);
    let mut request = gauge(vec![]);
    let one = request.resource_metrics.remove(0);
    for n in 0..1030 {
        let mut one = one.clone();
        let name = text("service.name", &format!("s{n}"));
        one.resource.as_mut().unwrap().attributes = vec![name, text("service.version", "1")];
        request.resource_metrics.push(one);
    }
    give(&mut harness, 0, &request);
    harness.tick(at(1));
    let read = harness.telemetry.read();
    let named = read.iter().filter(|it| it.name == "otelcol_processor_aggregation_left_out_versions");
    assert_eq!(named.map(|it| it.value).sum::<u64>(), 6 + 1024 - 10);
}

/// A span that ends 12 s after [`T0`], of a trace of its own.
fn ended(id: u8, millis: u64, status: i32, trace_state: &str) -> Span {
    let mut span = span("GET /cart", 2, status, millis * 1000, Vec::new());
    span.trace_id = vec![id; 16];
    span.trace_state = trace_state.to_owned();
    span.end_time_unix_nano = at(12).0;
    span.start_time_unix_nano = span.end_time_unix_nano - millis * 1_000_000;
    span
}

#[test]
fn a_sampled_span_counts_for_those_it_stands_for_and_is_evidence_once() {
    let mut harness = harness(&ten_seconds(), 2);
    let spans = [ended(1, 10, 0, "ot=th:8"), ended(2, 20, 0, ""), ended(3, 90, 2, "ot=rv:01;th:c")];
    for (shard, span) in spans.into_iter().enumerate() {
        push(&mut harness, shard % 2, &of_service("cart", vec![span]));
    }
    let told = harness.tick(at(40));
    expect![[r#"
        10+10s cart span.duration rate = 0.7000 of 3
        10+10s cart span.duration error_ratio = 0.5714 of 3 trace …3
        10+10s cart span.duration p50 = 83.9015 of 3 trace …3
        10+10s cart span.duration p95 = 89.8261 of 3 trace …3
        10+10s cart span.duration p99 = 90.0000 of 3 trace …3
    "#]]
    .assert_eq(&rows(&windows(&told)));
    let lines = lines(&told);
    let of_window = lines.lines().filter(|line| {
        ["count", "sum", "stddev"].iter().any(|stat| line.contains(&format!("stat={stat}}}")))
    });
    expect![[r#"
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,window=10s,stat=count} 10..20 = 4.0
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,window=10s,stat=sum} 10..20 = 360.0
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,window=10s,stat=stddev} 10..20 = 0.0
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=count} 10..20 = 3.0
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=sum} 10..20 = 40.0
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=stddev} 10..20 = 4.714045207910317"#]].assert_eq(&of_window.map(str::trim_start).collect::<Vec<_>>().join("\n"));
}

#[test]
fn shards_do_not_change_how_sampled_spans_are_rounded() {
    // Each stands for 1.5 spans.
    let spans: Vec<Span> = (1..=200).map(|id| ended(id, u64::from(id), 0, "ot=th:55555555555555")).collect();
    let (mut one, mut many) = (harness(&ten_seconds(), 1), harness(&ten_seconds(), 3));
    push(&mut one, 0, &of_service("cart", spans.clone()));
    for (index, span) in spans.into_iter().rev().enumerate() {
        push(&mut many, index % 3, &of_service("cart", vec![span]));
    }
    let (one, many) = (one.tick(at(40)), many.tick(at(40)));
    assert_eq!(metrics_bytes(&one), metrics_bytes(&many));
    let count = windows(&one)[0].values[0] * 10.0;
    assert!((270.0..330.0).contains(&count), "{count} of 300");
}

#[test]
fn a_snapshot_keeps_what_sampled_spans_stand_for() {
    let harness = harness(&ten_seconds(), 1);
    let (payload, _) = scanned(&of_service("cart", vec![ended(1, 10, 0, "ot=th:c")]), &harness);
    let [told, restored] = crashed_and_not::<Aggregation>(&ten_seconds(), vec![payload]);
    assert!(!told.is_empty());
    assert_eq!(told, restored);
}

#[test]
fn spans_over_capacity_keep_their_service_kind_and_status() {
    let config = AggregationConfig { max_series: 2, ..ten_seconds() };
    let mut harness = harness(&config, 1);
    for (service, status) in [("a", 0), ("a", 2), ("b", 2)] {
        let spans = (0..3).map(|n| Span { name: format!("GET /{n}"), ..ended(n, 10, status, "") }).collect();
        push(&mut harness, 0, &of_service(service, spans));
    }
    let told = harness.tick(at(40));
    let lines = lines(&told);
    let counts: Vec<&str> =
        lines.lines().filter(|line| line.contains("stat=count")).map(str::trim_start).collect();
    expect![[r#"
            {service.name=a,span.name=GET /0,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,window=10s,stat=count} 10..20 = 1.0
            {service.name=a,span.name=GET /0,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,window=10s,stat=count} 10..20 = 1.0
            {service.name=a,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,otel.metric.overflow=true,window=10s,stat=count} 10..20 = 2.0
            {service.name=a,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,otel.metric.overflow=true,window=10s,stat=count} 10..20 = 2.0
            {service.name=b,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,otel.metric.overflow=true,window=10s,stat=count} 10..20 = 3.0"#]].assert_eq(&counts.join("\n"));
    let rows = rows(&windows(&told));
    let ratios: Vec<&str> = rows.lines().filter(|line| line.contains("error_ratio")).collect();
    expect![[r#"
        10+10s a span.duration error_ratio = 0.5000 of 2 trace …0
        10+10s a span.duration error_ratio = 0.5000 of 4 trace …1"#]]
    .assert_eq(&ratios.join("\n"));
}

#[test]
fn past_the_room_of_overflow_values_are_dropped_and_counted() {
    let config = AggregationConfig { max_series: 10, ..ten_seconds() };
    let mut harness = harness(&config, 1);
    for n in 0..100 {
        let request = of_service(&format!("s{n:03}"), vec![ended(1, 10, 0, "ot=th:8")]);
        push(&mut harness, 0, &request);
    }
    let told = lines(&harness.tick(at(40)));
    // Ten of their own, one tenth and 64 more that share.
    assert_eq!(told.matches("stat=count").count(), 75);
    assert!(harness.bench.rejected.contains(&(25, "rollup_series_limit")), "{:?}", harness.bench.rejected);
}
