use expect_test::{Expect, expect};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{self as proto, any_value::Value},
    metrics::v1 as proto_metrics,
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::{
    build::encode_value,
    read_logs, read_metrics, read_traces, schema,
    testing::{
        Random, arbitrary, scramble,
        verdict::{Verdict, flips, small, verdict},
    },
};

fn text(message: &impl std::fmt::Debug) -> String {
    format!("{message:#?}")
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Rebuilds a value of the official type from the view.
fn owned_value(value: AnyValue<'_>) -> proto::AnyValue {
    let value = match value {
        AnyValue::Empty => None,
        AnyValue::Str(text) => Some(Value::StringValue(utf8(text))),
        AnyValue::Bool(flag) => Some(Value::BoolValue(flag)),
        AnyValue::Int(number) => Some(Value::IntValue(number)),
        AnyValue::Double(number) => Some(Value::DoubleValue(number)),
        AnyValue::Bytes(bytes) => Some(Value::BytesValue(bytes.to_vec())),
        AnyValue::Array(values) => {
            Some(Value::ArrayValue(proto::ArrayValue { values: values.items().map(owned_value).collect() }))
        }
        AnyValue::Map(values) => {
            Some(Value::KvlistValue(proto::KeyValueList { values: owned(values.entries()) }))
        }
    };
    proto::AnyValue { value }
}

fn owned<'a>(attributes: impl Iterator<Item = KeyValue<'a>>) -> Vec<proto::KeyValue> {
    let owned = |attribute: KeyValue<'a>| proto::KeyValue {
        key: utf8(attribute.key),
        value: Some(owned_value(attribute.value())),
        key_strindex: 0,
    };
    attributes.map(owned).collect()
}

/// A view does not tell no value from an empty one, and indices into a dictionary mean nothing here.
fn filled(mut attributes: Vec<proto::KeyValue>) -> Vec<proto::KeyValue> {
    fn fill(value: &mut Option<proto::AnyValue>) {
        match &mut value.get_or_insert_default().value {
            index @ Some(Value::StringValueStrindex(_)) => *index = None,
            Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(fill_value),
            Some(Value::KvlistValue(list)) => list.values.iter_mut().for_each(fill_entry),
            _ => {}
        }
    }
    fn fill_value(value: &mut proto::AnyValue) {
        let mut some = Some(std::mem::take(value));
        fill(&mut some);
        *value = some.unwrap_or_default();
    }
    fn fill_entry(entry: &mut proto::KeyValue) {
        entry.key_strindex = 0;
        fill(&mut entry.value);
    }
    attributes.iter_mut().for_each(fill_entry);
    attributes
}

fn owned_exemplars<'a>(exemplars: impl Iterator<Item = Exemplar<'a>>) -> String {
    let lines = exemplars.map(|exemplar| {
        let value = match exemplar.value {
            None => String::new(),
            Some(Number::Int(number)) => format!("{number}i"),
            Some(Number::Double(number)) => format!("{number:?}"),
        };
        let attributes = text(&owned(exemplar.filtered_attributes()));
        format!("{} {value} {:?} {:?} {attributes}\n", exemplar.time, exemplar.trace_id, exemplar.span_id)
    });
    lines.collect()
}

fn expected_exemplars(exemplars: Vec<proto_metrics::Exemplar>) -> String {
    let lines = exemplars.into_iter().map(|exemplar| {
        let value = match exemplar.value {
            None => String::new(),
            Some(proto_metrics::exemplar::Value::AsInt(number)) => format!("{number}i"),
            Some(proto_metrics::exemplar::Value::AsDouble(number)) => format!("{number:?}"),
        };
        let attributes = text(&filled(exemplar.filtered_attributes));
        format!(
            "{} {value} {:?} {:?} {attributes}\n",
            exemplar.time_unix_nano, exemplar.trace_id, exemplar.span_id
        )
    });
    lines.collect()
}

fn temporality(number: i32) -> Temporality {
    match number {
        1 => Temporality::Delta,
        2 => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    }
}

fn assert_metric(metric: &Metric<'_>, expected: proto_metrics::Metric) -> usize {
    assert_eq!(
        (utf8(metric.name), utf8(metric.description), utf8(metric.unit)),
        (expected.name, expected.description, expected.unit)
    );
    assert_eq!(text(&owned(metric.metadata())), text(&filled(expected.metadata)));
    use proto_metrics::metric::Data;
    match (metric.data, expected.data) {
        (MetricData::Empty, None) => 0,
        (MetricData::Gauge(points), Some(Data::Gauge(data))) => assert_numbers(points, data.data_points),
        (MetricData::Sum { points, temporality: seen, is_monotonic }, Some(Data::Sum(data))) => {
            assert_eq!((seen, is_monotonic), (temporality(data.aggregation_temporality), data.is_monotonic));
            assert_numbers(points, data.data_points)
        }
        (MetricData::Histogram { points, temporality: seen }, Some(Data::Histogram(data))) => {
            assert_eq!(seen, temporality(data.aggregation_temporality));
            assert_eq!(points.iter().count(), data.data_points.len());
            points.iter().map(HistogramPoint::of).zip(data.data_points).map(assert_histogram_point).count()
        }
        (
            MetricData::ExponentialHistogram { points, temporality: seen },
            Some(Data::ExponentialHistogram(data)),
        ) => {
            assert_eq!(seen, temporality(data.aggregation_temporality));
            assert_eq!(points.iter().count(), data.data_points.len());
            points
                .iter()
                .map(ExponentialPoint::of)
                .zip(data.data_points)
                .map(assert_exponential_point)
                .count()
        }
        (MetricData::Summary(points), Some(Data::Summary(data))) => {
            assert_eq!(points.iter().count(), data.data_points.len());
            points.iter().map(SummaryPoint::of).zip(data.data_points).map(assert_summary_point).count()
        }
        (seen, expected) => panic!("{seen:?} is not {expected:?}"),
    }
}

fn assert_numbers(points: Points<'_>, expected: Vec<proto_metrics::NumberDataPoint>) -> usize {
    assert_eq!(points.iter().count(), expected.len());
    let pairs = points.iter().map(NumberPoint::of).zip(expected).map(|(point, expected)| {
        let value = point.value.map(|value| match value {
            Number::Int(number) => proto_metrics::number_data_point::Value::AsInt(number),
            Number::Double(number) => proto_metrics::number_data_point::Value::AsDouble(number),
        });
        assert_eq!(text(&value), text(&expected.value));
        assert_eq!(
            (point.start, point.time, point.flags),
            (expected.start_time_unix_nano, expected.time_unix_nano, expected.flags)
        );
        assert_eq!(text(&owned(point.attributes())), text(&filled(expected.attributes)));
        assert_eq!(owned_exemplars(point.exemplars()), expected_exemplars(expected.exemplars));
    });
    pairs.count()
}

fn assert_histogram_point((point, expected): (HistogramPoint<'_>, proto_metrics::HistogramDataPoint)) {
    let seen = (point.start, point.time, point.count, point.sum, point.min, point.max, point.flags);
    let wanted = (
        expected.start_time_unix_nano,
        expected.time_unix_nano,
        expected.count,
        expected.sum,
        expected.min,
        expected.max,
        expected.flags,
    );
    assert_eq!(text(&seen), text(&wanted));
    assert_eq!(point.bucket_counts().collect::<Vec<_>>(), expected.bucket_counts);
    assert_eq!(text(&point.explicit_bounds().collect::<Vec<_>>()), text(&expected.explicit_bounds));
    assert_eq!(text(&owned(point.attributes())), text(&filled(expected.attributes)));
    assert_eq!(owned_exemplars(point.exemplars()), expected_exemplars(expected.exemplars));
}

fn assert_exponential_point(
    (point, expected): (ExponentialPoint<'_>, proto_metrics::ExponentialHistogramDataPoint),
) {
    let seen = (point.start, point.time, point.count, point.sum, point.min, point.max, point.flags);
    let wanted = (
        expected.start_time_unix_nano,
        expected.time_unix_nano,
        expected.count,
        expected.sum,
        expected.min,
        expected.max,
        expected.flags,
    );
    assert_eq!(text(&seen), text(&wanted));
    let seen = (point.scale, point.zero_count, point.zero_threshold);
    assert_eq!(text(&seen), text(&(expected.scale, expected.zero_count, expected.zero_threshold)));
    for (buckets, expected) in [(point.positive, expected.positive), (point.negative, expected.negative)] {
        let expected = expected.unwrap_or_default();
        assert_eq!(buckets.offset, expected.offset);
        assert_eq!(buckets.counts().collect::<Vec<_>>(), expected.bucket_counts);
    }
    assert_eq!(text(&owned(point.attributes())), text(&filled(expected.attributes)));
    assert_eq!(owned_exemplars(point.exemplars()), expected_exemplars(expected.exemplars));
}

fn assert_summary_point((point, expected): (SummaryPoint<'_>, proto_metrics::SummaryDataPoint)) {
    let seen = (point.start, point.time, point.count, point.sum, point.flags);
    let wanted = (
        expected.start_time_unix_nano,
        expected.time_unix_nano,
        expected.count,
        expected.sum,
        expected.flags,
    );
    assert_eq!(text(&seen), text(&wanted));
    let quantiles: Vec<_> = point.quantiles().map(|quantile| (quantile.quantile, quantile.value)).collect();
    let wanted: Vec<_> =
        expected.quantile_values.iter().map(|quantile| (quantile.quantile, quantile.value)).collect();
    assert_eq!(text(&quantiles), text(&wanted));
    assert_eq!(text(&owned(point.attributes())), text(&filled(expected.attributes)));
}

fn assert_metrics(request: &[u8], expected: ExportMetricsServiceRequest) -> usize {
    let mut groups = groups(request);
    let mut n_points = 0;
    for resource_metrics in expected.resource_metrics {
        for scope_metrics in resource_metrics.scope_metrics {
            let group = groups.next().unwrap();
            let resource = resource_metrics.resource.clone().unwrap_or_default();
            assert_eq!(text(&owned(group.resource.attributes())), text(&filled(resource.attributes)));
            assert_eq!(utf8(group.resource_schema_url), resource_metrics.schema_url);
            let scope = scope_metrics.scope.unwrap_or_default();
            assert_eq!((utf8(group.scope.name), utf8(group.scope.version)), (scope.name, scope.version));
            assert_eq!(text(&owned(group.scope.attributes())), text(&filled(scope.attributes)));
            assert_eq!(utf8(group.scope_schema_url), scope_metrics.schema_url);
            assert_eq!(group.items().count(), scope_metrics.metrics.len());
            for (body, metric) in group.items().zip(scope_metrics.metrics) {
                n_points += assert_metric(&Metric::of(body), metric);
            }
        }
    }
    assert!(groups.next().is_none());
    n_points
}

fn assert_logs(request: &[u8], expected: ExportLogsServiceRequest) -> usize {
    let expected = expected.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
    let expected: Vec<_> = expected.flat_map(|scope| scope.log_records).collect();
    let records: Vec<_> = groups(request).flat_map(|group| group.items().collect::<Vec<_>>()).collect();
    assert_eq!(records.len(), expected.len());
    for (record, expected) in records.iter().map(|body| LogRecord::of(body)).zip(&expected) {
        let expected = expected.clone();
        assert_eq!(
            (record.time, record.observed_time),
            (expected.time_unix_nano, expected.observed_time_unix_nano)
        );
        assert_eq!(record.severity_number, expected.severity_number);
        assert_eq!(utf8(record.severity_text), expected.severity_text);
        let body = proto::KeyValue { value: expected.body, ..Default::default() };
        assert_eq!(text(&Some(owned_value(record.body))), text(&filled(vec![body])[0].value));
        assert_eq!((record.trace_id, record.span_id), (&expected.trace_id[..], &expected.span_id[..]));
        assert_eq!((record.flags, utf8(record.event_name)), (expected.flags, expected.event_name));
        assert_eq!(text(&owned(record.attributes())), text(&filled(expected.attributes)));
    }
    records.len()
}

fn assert_spans(request: &[u8], expected: ExportTraceServiceRequest) {
    let expected = expected.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let expected: Vec<_> = expected.flat_map(|scope| scope.spans).collect();
    let spans: Vec<_> = groups(request).flat_map(|group| group.items().collect::<Vec<_>>()).collect();
    assert_eq!(spans.len(), expected.len());
    for (span, expected) in spans.iter().map(|body| Span { body }).zip(expected) {
        assert_eq!(utf8(span.status_message()), expected.status.unwrap_or_default().message);
        assert_eq!(span.flags(), expected.flags);
        assert_eq!(text(&owned(span.attributes())), text(&filled(expected.attributes)));
        let seen: Vec<_> =
            span.events().map(|event| (event.time, utf8(event.name), owned(event.attributes()))).collect();
        let events = expected.events.into_iter();
        let wanted: Vec<_> =
            events.map(|event| (event.time_unix_nano, event.name, filled(event.attributes))).collect();
        assert_eq!(text(&seen), text(&wanted));
        let seen = span.links().map(|link| {
            let ids = (link.trace_id.to_vec(), link.span_id.to_vec());
            (ids, utf8(link.trace_state), link.flags, owned(link.attributes()))
        });
        let wanted = expected.links.into_iter().map(|link| {
            ((link.trace_id, link.span_id), link.trace_state, link.flags, filled(link.attributes))
        });
        assert_eq!(text(&seen.collect::<Vec<_>>()), text(&wanted.collect::<Vec<_>>()));
    }
}

/// Refused by both, or taken by both as the same; or there is a reason. Views end whatever they see.
fn judge_metrics(request: Vec<u8>) -> Verdict {
    let decoded = ExportMetricsServiceRequest::decode(&request[..]);
    see_all(&request);
    let read = read_metrics(request.into());
    let verdict = verdict(read.as_ref().err().copied(), decoded.as_ref().err());
    if let (Ok((request, items)), Ok(decoded)) = (read, decoded) {
        assert_eq!(assert_metrics(&request, decoded) as u64, items);
    }
    verdict
}

/// As [`judge_metrics`].
fn judge_logs(request: Vec<u8>) -> Verdict {
    let decoded = ExportLogsServiceRequest::decode(&request[..]);
    see_all(&request);
    let read = read_logs(request.into());
    let verdict = verdict(read.as_ref().err().copied(), decoded.as_ref().err());
    if let (Ok((request, items)), Ok(decoded)) = (read, decoded) {
        assert_eq!(assert_logs(&request, decoded) as u64, items);
    }
    verdict
}

/// As [`judge_metrics`], of what the table of spans does not hold.
fn judge_spans(request: Vec<u8>) -> Verdict {
    let decoded = ExportTraceServiceRequest::decode(&request[..]);
    see_all(&request);
    let matcher = crate::Matcher::new(&model::KeySet::default());
    let read = read_traces(request.into(), &matcher, &mut model::SpanTable::default());
    let verdict = verdict(read.as_ref().err().copied(), decoded.as_ref().err());
    if let (Ok(request), Ok(decoded)) = (read, decoded) {
        assert_spans(&request, decoded);
    }
    verdict
}

/// Looks at all that views show of a request of any signal.
fn see_all(request: &[u8]) {
    for group in groups(request) {
        for item in group.items() {
            let record = LogRecord::of(item);
            let n_seen = record.attributes().count() + record.body.to_label_string().len();
            let span = Span { body: item };
            let n_seen = n_seen + span.links().count() + span.events().count() + span.attributes().count();
            let metric = Metric::of(item);
            assert!(n_seen + metric.metadata().count() <= 16 * request.len() + 64);
            if let MetricData::Gauge(points) | MetricData::Sum { points, .. } = metric.data {
                assert!(points.iter().map(NumberPoint::of).count() <= request.len());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn metrics_are_seen_and_counted_as_the_oracle_decodes_them(seed: u64) {
        let mut random = Random(seed | 1);
        let request = arbitrary::metrics(&mut random).encode_to_vec();
        let request = scramble::scramble(&schema::METRICS, &request, &mut random);
        let decoded = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
        let (request, items) = read_metrics(request.into()).unwrap();
        prop_assert_eq!(assert_metrics(&request, decoded) as u64, items);
    }

    #[test]
    fn log_records_are_seen_and_counted_as_the_oracle_decodes_them(seed: u64) {
        let mut random = Random(seed | 1);
        let request = arbitrary::logs(&mut random).encode_to_vec();
        let request = scramble::scramble(&schema::LOGS, &request, &mut random);
        let decoded = ExportLogsServiceRequest::decode(&request[..]).unwrap();
        let (request, items) = read_logs(request.into()).unwrap();
        prop_assert_eq!(assert_logs(&request, decoded) as u64, items);
    }

    #[test]
    fn events_links_and_the_rest_of_spans_are_seen_as_the_oracle_decodes_them(seed: u64) {
        let mut random = Random(seed | 1);
        let request = arbitrary::traces(&mut random).encode_to_vec();
        let request = scramble::scramble(&schema::TRACES, &request, &mut random);
        let decoded = ExportTraceServiceRequest::decode(&request[..]).unwrap();
        let matcher = crate::Matcher::new(&model::KeySet::default());
        let request = read_traces(request.into(), &matcher, &mut model::SpanTable::default()).unwrap();
        assert_spans(&request, decoded);
    }

    #[test]
    fn damaged_metrics_and_logs_are_refused_or_mean_what_the_oracle_decodes(seed: u64) {
        let mut random = Random(seed | 1);
        let metrics = arbitrary::metrics(&mut random).encode_to_vec();
        let logs = arbitrary::logs(&mut random).encode_to_vec();
        for _ in 0..10 {
            judge_metrics(scramble::damage(metrics.clone(), &mut random));
            judge_logs(scramble::damage(logs.clone(), &mut random));
        }
    }

    #[test]
    fn views_of_garbage_end(bytes: Vec<u8>) {
        let n_points: usize = groups(&bytes).flat_map(|group| group.items().collect::<Vec<_>>()).map(|item| {
            let record = LogRecord::of(item);
            Span { body: item }.links().count() + record.attributes().count() + record.body.to_label_string().len()
        }).sum();
        prop_assert!(n_points <= bytes.len() * 8);
        let point = ExponentialPoint::of(&bytes);
        prop_assert!(point.positive.counts().count() + HistogramPoint::of(&bytes).bucket_counts().count() <= bytes.len());
        prop_assert!(AnyValue::of(&bytes).to_label_string().len() <= bytes.len() * 8 + 32);
    }
}

#[test]
fn every_flipped_bit_of_a_request_is_refused_or_means_what_the_oracle_decodes() {
    use model::Signal;
    let items = |signal| move |request: &[u8]| crate::check(signal, request).unwrap();
    let judged = |request: Vec<u8>, judge: fn(Vec<u8>) -> Verdict| {
        let verdicts: Vec<_> = flips(&request).map(judge).collect();
        let count = |of| verdicts.iter().filter(|verdict| **verdict == of).count();
        // Text that is not UTF-8 is taken; a wrong length is not.
        assert!(count(Verdict::OnlyOurs) > 0 && count(Verdict::Neither) > 0 && count(Verdict::Both) > 0);
    };
    judged(small(arbitrary::traces, items(Signal::Traces)), judge_spans);
    judged(small(arbitrary::metrics, items(Signal::Metrics)), judge_metrics);
    judged(small(arbitrary::logs, items(Signal::Logs)), judge_logs);
}

fn check(value: proto::AnyValue, expected: Expect) {
    let bytes = value.encode_to_vec();
    expected.assert_eq(&AnyValue::of(&bytes).to_label_string());
    assert_eq!(encode_value(AnyValue::of(&bytes)), bytes);
}

#[test]
fn labels_read_as_the_collector_writes_them() {
    let value = |value| proto::AnyValue { value: Some(value) };
    let entry =
        |key: &str, of| proto::KeyValue { key: key.to_owned(), value: Some(value(of)), key_strindex: 0 };
    check(proto::AnyValue { value: None }, expect![""]);
    check(value(Value::StringValue("<a> & \"b\"".to_owned())), expect![[r#"<a> & "b""#]]);
    check(value(Value::BoolValue(true)), expect!["true"]);
    check(value(Value::IntValue(-7)), expect!["-7"]);
    check(value(Value::DoubleValue(3.0)), expect!["3"]);
    check(value(Value::DoubleValue(0.25)), expect!["0.25"]);
    check(value(Value::DoubleValue(1e21)), expect!["1e+21"]);
    check(value(Value::DoubleValue(-1.5e300)), expect!["-1.5e+300"]);
    check(value(Value::DoubleValue(123_456_789_012_345_680_000.0)), expect!["123456789012345680000"]);
    check(value(Value::DoubleValue(0.000_001)), expect!["0.000001"]);
    check(value(Value::DoubleValue(0.000_000_25)), expect!["2.5e-7"]);
    check(value(Value::BytesValue(vec![0, 255, 16])), expect!["AP8Q"]);
    let array = proto::ArrayValue {
        values: vec![
            value(Value::StringValue("<a>\n".to_owned())),
            value(Value::IntValue(1)),
            proto::AnyValue { value: None },
            value(Value::KvlistValue(proto::KeyValueList {
                values: vec![entry("z", Value::BoolValue(false)), entry("a\"", Value::BytesValue(vec![1]))],
            })),
        ],
    };
    check(
        value(Value::ArrayValue(array)),
        expect![[r#"["\u003ca\u003e\n",1,null,{"a\"":"AQ==","z":false}]"#]],
    );
}
