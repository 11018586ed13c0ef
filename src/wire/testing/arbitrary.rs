//! Arbitrary messages of the official types: the oracle that everything here is compared with.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, Link},
    },
};

use crate::testing::Random;

/// Keys of arbitrary attributes: few, so that wanted ones are often met and duplicates occur.
pub(crate) const KEYS: [&str; 8] =
    ["", "a", "b", "http.route", "http.request.method", "http.request.mEthod", "service.name", LONG_KEY];
const LONG_KEY: &str = "a.key.of.more.than.one.hundred.and.twenty.eight.bytes.which.is.rare.but.legal.and.so.must.be.\
                        found.by.another.way.than.all.the.short.ones";

pub(crate) fn traces(random: &mut Random) -> ExportTraceServiceRequest {
    let resource_spans = |random: &mut Random| ResourceSpans {
        resource: maybe(random, resource),
        scope_spans: list(random, 3, |random| ScopeSpans {
            scope: maybe(random, scope),
            spans: list(random, 5, span),
            schema_url: text(random),
        }),
        schema_url: text(random),
    };
    ExportTraceServiceRequest { resource_spans: list(random, 3, resource_spans) }
}

pub(crate) fn metrics(random: &mut Random) -> ExportMetricsServiceRequest {
    let resource_metrics = |random: &mut Random| ResourceMetrics {
        resource: maybe(random, resource),
        scope_metrics: list(random, 3, |random| ScopeMetrics {
            scope: maybe(random, scope),
            metrics: list(random, 5, metric),
            schema_url: text(random),
        }),
        schema_url: text(random),
    };
    ExportMetricsServiceRequest { resource_metrics: list(random, 3, resource_metrics) }
}

pub(crate) fn logs(random: &mut Random) -> ExportLogsServiceRequest {
    let resource_logs = |random: &mut Random| ResourceLogs {
        resource: maybe(random, resource),
        scope_logs: list(random, 3, |random| ScopeLogs {
            scope: maybe(random, scope),
            log_records: list(random, 5, log_record),
            schema_url: text(random),
        }),
        schema_url: text(random),
    };
    ExportLogsServiceRequest { resource_logs: list(random, 3, resource_logs) }
}

fn resource(random: &mut Random) -> Resource {
    Resource {
        attributes: attributes(random),
        dropped_attributes_count: small(random),
        entity_refs: Vec::new(),
    }
}

fn scope(random: &mut Random) -> InstrumentationScope {
    InstrumentationScope {
        name: text(random),
        version: text(random),
        attributes: attributes(random),
        dropped_attributes_count: small(random),
    }
}

fn span(random: &mut Random) -> Span {
    Span {
        trace_id: id(random, 16),
        span_id: id(random, 8),
        trace_state: if random.below(4) == 0 { text(random) } else { String::new() },
        parent_span_id: id(random, 8),
        flags: small(random),
        name: text(random),
        kind: enumeration(random),
        start_time_unix_nano: number(random),
        end_time_unix_nano: number(random),
        attributes: attributes(random),
        dropped_attributes_count: small(random),
        events: list(random, 2, |random| Event {
            time_unix_nano: number(random),
            name: text(random),
            attributes: attributes(random),
            dropped_attributes_count: small(random),
        }),
        dropped_events_count: small(random),
        links: list(random, 2, |random| Link {
            trace_id: id(random, 16),
            span_id: id(random, 8),
            trace_state: text(random),
            attributes: attributes(random),
            dropped_attributes_count: small(random),
            flags: small(random),
        }),
        dropped_links_count: small(random),
        status: maybe(random, |random| Status { message: text(random), code: enumeration(random) }),
    }
}

fn metric(random: &mut Random) -> Metric {
    let temporality = enumeration(random);
    let data = match random.below(6) {
        0 => Some(Data::Gauge(Gauge { data_points: list(random, 4, number_point) })),
        1 => Some(Data::Sum(Sum {
            data_points: list(random, 4, number_point),
            aggregation_temporality: temporality,
            is_monotonic: random.below(2) == 0,
        })),
        2 => Some(Data::Histogram(Histogram {
            data_points: list(random, 4, histogram_point),
            aggregation_temporality: temporality,
        })),
        3 => Some(Data::ExponentialHistogram(ExponentialHistogram {
            data_points: list(random, 4, exponential_point),
            aggregation_temporality: temporality,
        })),
        4 => Some(Data::Summary(Summary { data_points: list(random, 4, summary_point) })),
        _ => None,
    };
    Metric {
        name: text(random),
        description: text(random),
        unit: text(random),
        metadata: attributes(random),
        data,
    }
}

fn number_point(random: &mut Random) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(random),
        start_time_unix_nano: number(random),
        time_unix_nano: number(random),
        exemplars: list(random, 2, exemplar),
        flags: small(random),
        value: match random.below(3) {
            0 => None,
            1 => Some(number_data_point::Value::AsDouble(double(random))),
            _ => Some(number_data_point::Value::AsInt(number(random) as i64)),
        },
    }
}

fn histogram_point(random: &mut Random) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(random),
        start_time_unix_nano: number(random),
        time_unix_nano: number(random),
        count: number(random),
        sum: maybe(random, double),
        bucket_counts: list(random, 20, number),
        explicit_bounds: list(random, 20, double),
        exemplars: list(random, 2, exemplar),
        flags: small(random),
        min: maybe(random, double),
        max: maybe(random, double),
    }
}

fn exponential_point(random: &mut Random) -> ExponentialHistogramDataPoint {
    let buckets = |random: &mut Random| Buckets {
        offset: enumeration(random),
        bucket_counts: list(random, 20, number),
    };
    ExponentialHistogramDataPoint {
        attributes: attributes(random),
        start_time_unix_nano: number(random),
        time_unix_nano: number(random),
        count: number(random),
        sum: maybe(random, double),
        scale: enumeration(random),
        zero_count: number(random),
        positive: maybe(random, buckets),
        negative: maybe(random, buckets),
        flags: small(random),
        exemplars: list(random, 2, exemplar),
        min: maybe(random, double),
        max: maybe(random, double),
        zero_threshold: double(random),
    }
}

fn summary_point(random: &mut Random) -> SummaryDataPoint {
    SummaryDataPoint {
        attributes: attributes(random),
        start_time_unix_nano: number(random),
        time_unix_nano: number(random),
        count: number(random),
        sum: double(random),
        quantile_values: list(random, 3, |random| ValueAtQuantile {
            quantile: double(random),
            value: double(random),
        }),
        flags: small(random),
    }
}

fn exemplar(random: &mut Random) -> Exemplar {
    Exemplar {
        filtered_attributes: attributes(random),
        time_unix_nano: number(random),
        span_id: id(random, 8),
        trace_id: id(random, 16),
        value: match random.below(3) {
            0 => None,
            1 => Some(exemplar::Value::AsDouble(double(random))),
            _ => Some(exemplar::Value::AsInt(number(random) as i64)),
        },
    }
}

fn log_record(random: &mut Random) -> LogRecord {
    LogRecord {
        time_unix_nano: number(random),
        observed_time_unix_nano: number(random),
        severity_number: enumeration(random),
        severity_text: text(random),
        body: maybe(random, |random| any_value(random, 3)),
        attributes: attributes(random),
        dropped_attributes_count: small(random),
        flags: small(random),
        trace_id: id(random, 16),
        span_id: id(random, 8),
        event_name: text(random),
    }
}

fn attributes(random: &mut Random) -> Vec<KeyValue> {
    list(random, 6, |random| attribute(random, 2))
}

fn attribute(random: &mut Random, depth: u32) -> KeyValue {
    let key = random.pick(&KEYS).to_owned();
    KeyValue { key, value: maybe(random, |random| any_value(random, depth)), key_strindex: 0 }
}

/// Makes a value of any kind, `depth` levels deep at most.
pub(crate) fn any_value(random: &mut Random, depth: u32) -> AnyValue {
    let kinds = if depth > 0 { 9 } else { 7 };
    let value = match random.below(kinds) {
        0 => None,
        1 | 2 => Some(Value::StringValue(text(random))),
        3 => Some(Value::BoolValue(random.below(2) == 0)),
        4 => Some(Value::IntValue(number(random) as i64)),
        5 => Some(Value::DoubleValue(double(random))),
        6 => Some(Value::BytesValue(text(random).into_bytes())),
        7 => Some(Value::ArrayValue(ArrayValue {
            values: list(random, 3, |random| any_value(random, depth - 1)),
        })),
        _ => Some(Value::KvlistValue(KeyValueList {
            values: list(random, 3, |random| attribute(random, depth - 1)),
        })),
    };
    AnyValue { value }
}

fn maybe<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    (random.below(4) > 0).then(|| make(random))
}

fn list<T>(random: &mut Random, most: u64, mut make: impl FnMut(&mut Random) -> T) -> Vec<T> {
    (0..random.below(most + 1)).map(|_| make(random)).collect()
}

/// Makes an empty, short or long text.
fn text(random: &mut Random) -> String {
    let len = match random.below(8) {
        0 => 0,
        1 => 110 + random.below(40),
        _ => random.below(30),
    };
    (0..len).map(|_| ['a', '"', 'ä', '\n', '<', '𝄞'][random.below(6) as usize]).collect()
}

/// Makes an id, of a wrong length at times, all zero at times.
fn id(random: &mut Random, len: usize) -> Vec<u8> {
    match random.below(8) {
        0 => Vec::new(),
        1 => vec![7; len - 1],
        2 => vec![0; len],
        _ => (0..len).map(|_| random.word() as u8).collect(),
    }
}

fn number(random: &mut Random) -> u64 {
    random.word() >> random.below(64)
}

fn small(random: &mut Random) -> u32 {
    if random.below(2) == 0 { 0 } else { number(random) as u32 }
}

fn enumeration(random: &mut Random) -> i32 {
    if random.below(8) == 0 { number(random) as i32 } else { random.below(6) as i32 }
}

fn double(random: &mut Random) -> f64 {
    match random.below(8) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => -0.0,
        3 => f64::from_bits(random.word()),
        _ => random.below(1000) as f64 / 8.0,
    }
}
