//! Editors of metrics.

use model::Signal;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{
        AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, metric::Data,
        number_data_point::Value as Number, summary_data_point::ValueAtQuantile,
    },
};
use prost::Message;

use super::super::{ErrorMode, Group};
use crate::testing::text;

fn metric(name: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        description: "what it is".to_owned(),
        unit: "ms".to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(value: Number) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![text("a", "b")],
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn gauge() -> Metric {
    metric("gauge", Data::Gauge(Gauge { data_points: vec![number(Number::AsInt(3))] }))
}

fn sum() -> Metric {
    metric(
        "sum",
        Data::Sum(Sum {
            data_points: vec![number(Number::AsDouble(1.5)), number(Number::AsInt(7))],
            aggregation_temporality: AggregationTemporality::Delta.into(),
            is_monotonic: true,
        }),
    )
}

fn histogram() -> Metric {
    let point = HistogramDataPoint {
        attributes: vec![text("a", "b")],
        time_unix_nano: 2,
        count: 4,
        sum: Some(10.0),
        min: Some(1.0),
        bucket_counts: vec![1, 2, 1],
        explicit_bounds: vec![2.0, 4.0],
        exemplars: vec![Exemplar { value: Some(exemplar::Value::AsInt(3)), ..Exemplar::default() }],
        ..HistogramDataPoint::default()
    };
    let without_sum = HistogramDataPoint { sum: None, ..point.clone() };
    let data_points = vec![point, without_sum];
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    metric("histogram", Data::Histogram(Histogram { data_points, aggregation_temporality }))
}

fn summary() -> Metric {
    let quantile_values = vec![ValueAtQuantile { quantile: 0.5, value: 2.0 }];
    let point = |count| SummaryDataPoint {
        attributes: vec![text("a", "b")],
        time_unix_nano: 2,
        count,
        sum: 8.0,
        quantile_values: quantile_values.clone(),
        ..SummaryDataPoint::default()
    };
    metric("summary", Data::Summary(Summary { data_points: vec![point(5), point(6)] }))
}

/// The metrics that statements leave of these, and how often one failed.
fn run(statements: &[&str], metrics: Vec<Metric>) -> (Vec<Metric>, u64) {
    let statements: Vec<_> = statements.iter().map(|text| (*text).to_owned()).collect();
    let (group, faults, _) = Group::new(Signal::Metrics, None, &[], &statements, ErrorMode::Silent);
    assert!(faults.statements.is_empty(), "{:?}", faults.statements);
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let sent = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let mut group = group.expect("the statements are sound");
    let left = group.run(&sent).unwrap_or(sent);
    let mut request = ExportMetricsServiceRequest::decode(&left[..]).unwrap();
    (request.resource_metrics.remove(0).scope_metrics.remove(0).metrics, group.failures.count)
}

#[track_caller]
fn check(statements: &[&str], metrics: Vec<Metric>, expected: Vec<Metric>) {
    assert_eq!(run(statements, metrics), (expected, 0));
}

#[test]
fn sums_and_gauges_become_each_other_and_other_metrics_stay() {
    let Some(Data::Sum(of_sum)) = sum().data else { unreachable!("it is one") };
    let as_gauge = Metric { data: Some(Data::Gauge(Gauge { data_points: of_sum.data_points })), ..sum() };
    let to_gauge = "convert_sum_to_gauge() where metric.unit == \"ms\"";
    check(&[to_gauge], vec![sum(), gauge(), histogram()], vec![as_gauge, gauge(), histogram()]);
    let Some(Data::Gauge(of_gauge)) = gauge().data else { unreachable!("it is one") };
    let as_sum = Sum {
        data_points: of_gauge.data_points,
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
        is_monotonic: true,
    };
    let as_sum = Metric { name: "total".to_owned(), data: Some(Data::Sum(as_sum)), ..gauge() };
    let to_sum = "convert_gauge_to_sum(\"cumulative\", true) where metric.name == \"gauge\"";
    check(&[to_sum, "set(metric.name, \"total\")"], vec![gauge()], vec![as_sum]);
    let there_and_back = ["convert_gauge_to_sum(\"delta\", false) where metric.unit == \"ms\"", to_gauge];
    check(&there_and_back, vec![gauge()], vec![gauge()]);
}

/// Nothing but the number of a field tells it from a gauge.
#[test]
fn a_sum_without_a_temporality_becomes_a_gauge_too() {
    let data_points = vec![number(Number::AsInt(1))];
    let bare = metric("a", Data::Sum(Sum { data_points: data_points.clone(), ..Sum::default() }));
    let expected = metric("a", Data::Gauge(Gauge { data_points }));
    check(&["convert_sum_to_gauge() where metric.name == \"a\""], vec![bare], vec![expected]);
}

#[test]
fn metrics_are_scaled_with_all_that_has_their_unit() {
    let all = "scale_metric(10.0, \"us\") where metric.name != \"\"";
    let us = |metric: Metric| Metric { unit: "us".to_owned(), ..metric };
    let (left, failures) = run(&[all], vec![gauge(), sum(), histogram(), summary()]);
    assert_eq!(failures, 0);
    let expected = us(metric("gauge", Data::Gauge(Gauge { data_points: vec![number(Number::AsInt(30))] })));
    assert_eq!(left[0], expected);
    let Some(Data::Sum(sum)) = &left[1].data else { panic!("{left:?}") };
    let values: Vec<_> = sum.data_points.iter().map(|point| point.value.unwrap()).collect();
    assert_eq!(values, [Number::AsDouble(15.0), Number::AsInt(70)]);
    let Some(Data::Histogram(histogram)) = &left[2].data else { panic!("{left:?}") };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum, point.min, point.max), (4, Some(100.0), Some(10.0), None));
    assert_eq!((&point.explicit_bounds, &point.bucket_counts), (&vec![20.0, 40.0], &vec![1, 2, 1]));
    assert_eq!(point.exemplars[0].value, Some(exemplar::Value::AsInt(30)));
    assert_eq!(histogram.data_points[1].sum, None);
    let Some(Data::Summary(summary)) = &left[3].data else { panic!("{left:?}") };
    let point = &summary.data_points[0];
    let quantile = &point.quantile_values[0];
    assert_eq!((point.count, point.sum, quantile.quantile, quantile.value), (5, 80.0, 0.5, 20.0));
}

fn extracted(name: &str, unit: &str, values: Vec<Number>, is_monotonic: bool) -> Metric {
    let points = values.into_iter().map(|value| NumberDataPoint { start_time_unix_nano: 0, ..number(value) });
    let sum = Sum {
        data_points: points.collect(),
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
        is_monotonic,
    };
    Metric { unit: unit.to_owned(), ..metric(name, Data::Sum(sum)) }
}

#[test]
fn counts_and_sums_become_metrics_behind_the_others() {
    let of = |name: &str| format!("where metric.name == \"{name}\"");
    let statements = [
        format!("extract_count_metric(true) {}", of("histogram")),
        format!("extract_sum_metric(false, \".total\") {}", of("histogram")),
    ];
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let counts = extracted("histogram_count", "1", vec![Number::AsInt(4), Number::AsInt(4)], true);
    let sums = extracted("histogram.total", "ms", vec![Number::AsDouble(10.0)], false);
    check(&statements, vec![histogram(), gauge()], vec![histogram(), gauge(), counts, sums]);
    let (left, failures) = run(&["extract_sum_metric(true) where metric.name != \"\""], vec![gauge()]);
    assert_eq!((left, failures), (vec![gauge()], 1), "a gauge has none");
}

/// Once for each point, with what the statements before have made of the points so far.
#[test]
fn values_of_summaries_become_sums_for_each_point() {
    let statements = [
        "set(datapoint.count, 50) where datapoint.count == 5",
        "convert_summary_count_val_to_sum(\"cumulative\", true) where metric.name == \"summary\"",
    ];
    let counts =
        |second| extracted("summary_count", "ms", vec![Number::AsInt(50), Number::AsInt(second)], true);
    let (left, failures) = run(&statements, vec![summary(), gauge()]);
    assert_eq!(failures, 0);
    assert_eq!(left[2..], [counts(6), counts(6)]);
    let sums = "convert_summary_sum_val_to_sum(\"cumulative\", false, \".s\") where metric.name == \"summary\" and datapoint.count == 5";
    let expected = extracted("summary.s", "ms", vec![Number::AsDouble(8.0), Number::AsDouble(8.0)], false);
    check(&[sums], vec![summary()], vec![summary(), expected]);
}

#[test]
fn a_copy_is_visited_like_the_others() {
    let statements = [
        "copy_metric(name = \"copy\", unit = metric.name) where metric.name == \"gauge\"",
        "set(metric.description, \"seen\") where metric.name != \"sum\"",
    ];
    let seen = |metric: Metric| Metric { description: "seen".to_owned(), ..metric };
    let copy = Metric { name: "copy".to_owned(), unit: "gauge".to_owned(), ..seen(gauge()) };
    check(&statements, vec![gauge(), sum()], vec![seen(gauge()), sum(), copy]);
}

#[test]
fn copies_of_copies_end_where_they_would_take_too_much() {
    let (left, failures) = run(&["copy_metric() where metric.name != \"\""], vec![gauge()]);
    assert!(failures > 0);
    assert!((10_000..80_000).contains(&left.len()), "{}", left.len());
    assert!(left.iter().all(|metric| *metric == gauge()));
}

#[test]
fn what_is_wrong_with_editors_of_metrics_is_told() {
    let told = |signal, statement: &str| {
        let (_, faults, _) = Group::new(signal, None, &[], &[statement.to_owned()], ErrorMode::Silent);
        faults.statements.into_iter().map(|(_, fault)| fault).collect::<Vec<_>>().join("; ")
    };
    for (statement, reason) in [
        ("convert_gauge_to_sum(\"delta\") where metric.name == \"a\"", "monotonic is missing"),
        ("convert_gauge_to_sum(\"sum\", true) where metric.name == \"a\"", "is no aggregation temporality"),
        ("scale_metric(10) where metric.name == \"a\"", "a double that is written out"),
        ("copy_metric(name = 1) where metric.name == \"a\"", "must be a string"),
        ("convert_sum_to_gauge() where datapoint.flags == 1", "exists in the context metric alone"),
    ] {
        let fault = told(Signal::Metrics, statement);
        assert!(fault.contains(reason), "{statement}: {fault}");
    }
    let fault = told(Signal::Traces, "copy_metric() where span.name == \"a\"");
    assert!(fault.contains("exists in the context metric alone"), "{fault}");
}
