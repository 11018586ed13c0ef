//! Metrics of every type and temporality.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{
        AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
        Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric::Data,
        number_data_point::Value, summary_data_point::ValueAtQuantile,
    },
};

use super::{
    values::{BASE, SECOND, V, attributes, billing, rich, scope, shop},
    zoo::trace_id,
};

pub(super) const CUMULATIVE: AggregationTemporality = AggregationTemporality::Cumulative;
pub(super) const DELTA: AggregationTemporality = AggregationTemporality::Delta;

pub(super) type Of = Vec<(&'static str, V)>;

/// What a point says besides its value: attributes, and how many seconds after the start it is.
pub(super) fn number(value: Value, of: Of, second: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(of),
        start_time_unix_nano: BASE,
        time_unix_nano: BASE + second * SECOND,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

pub(super) fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        description: format!("about {name}"),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

pub(super) fn gauge(points: Vec<NumberDataPoint>) -> Data {
    Data::Gauge(Gauge { data_points: points })
}

pub(super) fn sum(
    temporality: AggregationTemporality,
    is_monotonic: bool,
    points: Vec<NumberDataPoint>,
) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: temporality.into(), is_monotonic })
}

/// Counts fall into the buckets up to 0.1, 1 and above.
pub(super) fn histogram_point(buckets: [u64; 3], of: Of, second: u64) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(of),
        start_time_unix_nano: BASE,
        time_unix_nano: BASE + second * SECOND,
        count: buckets.iter().sum(),
        sum: Some(
            buckets
                .iter()
                .zip([0.05, 0.5, 2.0])
                .fold(0.0, |sum, (n, each)| sum + f64::from(*n as u32) * each),
        ),
        bucket_counts: buckets.to_vec(),
        explicit_bounds: vec![0.1, 1.0],
        min: Some(0.05),
        max: Some(2.0),
        ..HistogramDataPoint::default()
    }
}

pub(super) fn histogram(temporality: AggregationTemporality, points: Vec<HistogramDataPoint>) -> Data {
    Data::Histogram(Histogram { data_points: points, aggregation_temporality: temporality.into() })
}

pub(super) fn exponential_point(
    scale: i32,
    positive: &[u64],
    of: Of,
    second: u64,
) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        attributes: attributes(of),
        start_time_unix_nano: BASE,
        time_unix_nano: BASE + second * SECOND,
        count: positive.iter().sum::<u64>() + 3,
        sum: Some(12.5),
        scale,
        zero_count: 2,
        positive: Some(Buckets { offset: -1, bucket_counts: positive.to_vec() }),
        negative: Some(Buckets { offset: 2, bucket_counts: vec![1] }),
        min: Some(-4.0),
        max: Some(8.0),
        ..ExponentialHistogramDataPoint::default()
    }
}

pub(super) fn exponential(
    temporality: AggregationTemporality,
    points: Vec<ExponentialHistogramDataPoint>,
) -> Data {
    Data::ExponentialHistogram(ExponentialHistogram {
        data_points: points,
        aggregation_temporality: temporality.into(),
    })
}

pub(super) fn summary(of: Of, second: u64) -> Data {
    let quantile_values =
        [(0.5, 0.1), (0.99, 2.5)].map(|(quantile, value)| ValueAtQuantile { quantile, value }).to_vec();
    Data::Summary(Summary {
        data_points: vec![SummaryDataPoint {
            attributes: attributes(of),
            start_time_unix_nano: BASE,
            time_unix_nano: BASE + second * SECOND,
            count: 9,
            sum: 4.5,
            quantile_values,
            ..SummaryDataPoint::default()
        }],
    })
}

fn exemplar() -> Exemplar {
    Exemplar {
        filtered_attributes: attributes([("user.password", V::S("hunter2"))]),
        time_unix_nano: BASE + SECOND,
        span_id: 1_u64.to_be_bytes().to_vec(),
        trace_id: trace_id(0),
        value: Some(exemplar::Value::AsDouble(0.25)),
    }
}

pub(super) fn request(
    of_scopes: Vec<(Option<&str>, Vec<Metric>)>,
    resource: Option<opentelemetry_proto::tonic::resource::v1::Resource>,
) -> ResourceMetrics {
    let scope_metrics = of_scopes.into_iter().map(|(name, metrics)| ScopeMetrics {
        scope: name.and_then(|name| scope(name, "1.4")),
        metrics,
        ..ScopeMetrics::default()
    });
    ResourceMetrics { resource, scope_metrics: scope_metrics.collect(), ..ResourceMetrics::default() }
}

fn shop_metrics() -> Vec<Metric> {
    let of = |state| vec![("state", V::S(state)), ("user.id", V::S("u-17"))];
    let mut counted = number(Value::AsInt(7), of("used"), 1);
    counted.exemplars = vec![exemplar()];
    let mut unrecorded = number(Value::AsDouble(0.0), of("gone"), 1);
    unrecorded.flags = 1;
    unrecorded.value = None;
    let mut timed = histogram_point([1, 2, 3], of("used"), 1);
    timed.exemplars = vec![exemplar()];
    let mut bare = histogram_point([0, 0, 0], of("idle"), 1);
    (bare.sum, bare.min, bare.max) = (None, None, None);
    let mut described = metric(
        "memory.used",
        "By",
        gauge(vec![
            number(Value::AsInt(10), rich(), 1),
            number(Value::AsDouble(0.5), of("idle"), 1),
            unrecorded,
        ]),
    );
    described.metadata = attributes([("prometheus.type", V::S("unknown"))]);
    vec![
        described,
        metric(
            "http.requests",
            "{request}",
            sum(CUMULATIVE, true, vec![counted, number(Value::AsDouble(2.5), of("idle"), 2)]),
        ),
        metric("queue.length", "1", sum(CUMULATIVE, false, vec![number(Value::AsInt(-3), of("used"), 1)])),
        metric("errors", "", sum(DELTA, true, vec![number(Value::AsInt(2), of("used"), 1)])),
        metric("http.duration", "s", histogram(CUMULATIVE, vec![timed, bare])),
        metric("db.duration", "s", histogram(DELTA, vec![histogram_point([4, 5, 6], of("used"), 1)])),
        metric("size", "By", exponential(CUMULATIVE, vec![exponential_point(1, &[1, 0, 4], of("used"), 1)])),
        metric("delta.size", "By", exponential(DELTA, vec![exponential_point(-2, &[9], vec![], 1)])),
        metric("rpc.latency", "ms", summary(of("used"), 1)),
    ]
}

pub(super) fn metrics() -> ExportMetricsServiceRequest {
    let mut of_shop = request(
        vec![
            (Some("shop.meter"), shop_metrics()),
            (
                Some("shop.runtime"),
                vec![metric("runtime.heap", "By", gauge(vec![number(Value::AsInt(5), vec![], 1)]))],
            ),
        ],
        shop(),
    );
    of_shop.schema_url = "https://opentelemetry.io/schemas/1.26.0".to_owned();
    let one = |state| number(Value::AsInt(1), vec![("state", V::S(state))], 1);
    let of_billing = request(
        vec![(None, vec![metric("memory.used", "By", gauge(vec![one("used"), one("idle")]))])],
        billing(),
    );
    let of_nobody = request(vec![(None, vec![metric("up", "1", gauge(vec![one("used")]))])], None);
    ExportMetricsServiceRequest { resource_metrics: vec![of_shop, of_billing, of_nobody] }
}
