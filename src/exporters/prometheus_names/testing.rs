//! Requests in a few words, and series in text.

use std::fmt::Write as _;

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
        Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric, number_data_point,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
};
use prost::Message as _;

use super::{Labels, ResourceLabelsConfig, Series, Settings, TranslationStrategy, Value};

/// Where the tests' points lie in time. *Units*: milliseconds since the epoch.
pub(crate) const AT_MS: u64 = 1_700_000_000_000;
pub(crate) const START_MS: u64 = AT_MS - 60_000;

pub(crate) const CUMULATIVE: AggregationTemporality = AggregationTemporality::Cumulative;
pub(crate) const DELTA: AggregationTemporality = AggregationTemporality::Delta;

pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

pub(crate) const SHOP: Pairs<'static> = &[("service.name", "shop"), ("service.instance.id", "a")];

pub(crate) fn settings() -> Settings {
    Settings {
        strategy: TranslationStrategy::default(),
        namespace: String::new(),
        external_labels: Vec::new(),
        resource_labels: ResourceLabelsConfig::default(),
        has_scope_labels: false,
        has_target_info: true,
        takes_deltas: false,
    }
}

pub(crate) fn attributes(pairs: Pairs<'_>) -> Vec<KeyValue> {
    let one = |&(key, value): &(&str, &str)| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    };
    pairs.iter().map(one).collect()
}

/// One request: resources with their metrics, each in a scope without a name.
pub(crate) fn request(resources: Vec<(Pairs<'_>, Vec<Metric>)>) -> Bytes {
    let scoped =
        resources.into_iter().map(|(resource, metrics)| (resource, InstrumentationScope::default(), metrics));
    scoped_request(scoped.collect())
}

pub(crate) fn scoped_request(resources: Vec<(Pairs<'_>, InstrumentationScope, Vec<Metric>)>) -> Bytes {
    let one = |(resource, scope, metrics): (Pairs<'_>, InstrumentationScope, Vec<Metric>)| ResourceMetrics {
        resource: Some(Resource { attributes: attributes(resource), ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }],
        schema_url: String::new(),
    };
    let request = ExportMetricsServiceRequest { resource_metrics: resources.into_iter().map(one).collect() };
    request.encode_to_vec().into()
}

pub(crate) fn metric(name: &str, unit: &str, data: metric::Data) -> Metric {
    Metric {
        name: name.to_owned(),
        description: format!("Help of {name}."),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

pub(crate) fn number(value: f64, pairs: Pairs<'_>) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: START_MS * 1_000_000,
        time_unix_nano: AT_MS * 1_000_000,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// Moves a point in time.
pub(crate) fn later(mut point: NumberDataPoint, by_ms: u64) -> NumberDataPoint {
    point.time_unix_nano += by_ms * 1_000_000;
    point
}

pub(crate) fn sum(points: Vec<NumberDataPoint>) -> metric::Data {
    sum_of(points, CUMULATIVE, true)
}

pub(crate) fn sum_of(
    points: Vec<NumberDataPoint>,
    temporality: AggregationTemporality,
    monotonic: bool,
) -> metric::Data {
    let aggregation_temporality = temporality as i32;
    metric::Data::Sum(Sum { data_points: points, aggregation_temporality, is_monotonic: monotonic })
}

pub(crate) fn gauge(points: Vec<NumberDataPoint>) -> metric::Data {
    metric::Data::Gauge(Gauge { data_points: points })
}

pub(crate) fn explicit(bounds: &[f64], counts: &[u64], sum: f64, pairs: Pairs<'_>) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: START_MS * 1_000_000,
        time_unix_nano: AT_MS * 1_000_000,
        count: counts.iter().sum(),
        sum: Some(sum),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

pub(crate) fn histogram(points: Vec<HistogramDataPoint>) -> metric::Data {
    histogram_of(points, CUMULATIVE)
}

pub(crate) fn histogram_of(
    points: Vec<HistogramDataPoint>,
    temporality: AggregationTemporality,
) -> metric::Data {
    metric::Data::Histogram(Histogram { data_points: points, aggregation_temporality: temporality as i32 })
}

pub(crate) fn exponential(
    scale: i32,
    offset: i32,
    counts: &[u64],
    sum: f64,
    pairs: Pairs<'_>,
) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: START_MS * 1_000_000,
        time_unix_nano: AT_MS * 1_000_000,
        count: counts.iter().sum(),
        sum: Some(sum),
        scale,
        positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
        ..ExponentialHistogramDataPoint::default()
    }
}

pub(crate) fn exponential_histogram(points: Vec<ExponentialHistogramDataPoint>) -> metric::Data {
    let aggregation_temporality = CUMULATIVE as i32;
    metric::Data::ExponentialHistogram(ExponentialHistogram { data_points: points, aggregation_temporality })
}

pub(crate) fn summary(quantiles: &[(f64, f64)], count: u64, sum: f64, pairs: Pairs<'_>) -> metric::Data {
    let point = SummaryDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: START_MS * 1_000_000,
        time_unix_nano: AT_MS * 1_000_000,
        count,
        sum,
        quantile_values: quantiles
            .iter()
            .map(|&(quantile, value)| ValueAtQuantile { quantile, value })
            .collect(),
        flags: 0,
    };
    metric::Data::Summary(Summary { data_points: vec![point] })
}

pub(crate) fn example(value: f64, trace: u8, pairs: Pairs<'_>) -> Exemplar {
    Exemplar {
        filtered_attributes: attributes(pairs),
        time_unix_nano: (AT_MS - 1_000) * 1_000_000,
        span_id: vec![trace; 8],
        trace_id: vec![trace; 16],
        value: Some(exemplar::Value::AsDouble(value)),
    }
}

/// Writes labels as Prometheus does.
pub(crate) fn labels_text(labels: &Labels) -> String {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let parts: Vec<String> =
        labels.iter().map(|label| format!("{}={:?}", text(&label.name), text(&label.value))).collect();
    format!("{{{}}}", parts.join(","))
}

/// Writes series one a line, with times in milliseconds after [`AT_MS`].
pub(crate) fn series_text(all: &[Series]) -> String {
    let mut out = String::new();
    for Series { family, labels, samples, .. } in all {
        let name = String::from_utf8(family.names.name.to_vec()).unwrap();
        writeln!(out, "{} {name}{}", family.kind.word(), labels_text(labels)).unwrap();
        for sample in samples {
            let value = match &sample.value {
                _ if sample.is_stale => "stale".to_owned(),
                Value::Number(value) => value.to_string(),
                Value::Explicit(h) => format!("n={} sum={:?} {:?} {:?}", h.count, h.sum, h.bounds, h.counts),
                Value::Exponential(h) => {
                    format!(
                        "n={} sum={:?} scale={} zero={} {:?}",
                        h.count, h.sum, h.scale, h.zero_count, h.positive
                    )
                }
                Value::Summary(s) => format!("n={} sum={} {:?}", s.count, s.sum, s.quantiles),
            };
            let at = sample.at_ms - AT_MS as i64;
            let start = if sample.start_ms == 0 { 0 } else { sample.start_ms - AT_MS as i64 };
            writeln!(out, "  {value} @{at} since {start}").unwrap();
            for exemplar in &sample.exemplars {
                let at = exemplar.at_ms - AT_MS as i64;
                writeln!(out, "    # {}{} @{at}", exemplar.value, labels_text(&exemplar.labels)).unwrap();
            }
        }
    }
    out
}
