use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1 as common,
    logs::v1::{LogRecord as ProtoRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{self as proto, metric::Data},
    resource::v1::Resource,
    trace::v1 as trace,
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::{
    testing::{Random, arbitrary},
    view::{AnyValue, Number, Quantile, Temporality},
};

fn attributes(owned: &[common::KeyValue]) -> Attributes {
    let mut attributes = Attributes::new();
    for attribute in owned {
        let value = attribute.value.clone().unwrap_or_default().encode_to_vec();
        attributes.push_encoded(&attribute.key, &value);
    }
    attributes
}

/// Builders always write a key and a value.
fn fill(attributes: &mut Vec<common::KeyValue>) {
    attributes.retain(|attribute| !attribute.key.is_empty());
    for attribute in attributes {
        attribute.value.get_or_insert_default();
    }
}

fn id<const N: usize>(id: &mut Vec<u8>) -> Option<[u8; N]> {
    let fixed = <[u8; N]>::try_from(&id[..]).ok();
    if fixed.is_none() {
        id.clear();
    }
    fixed
}

/// Negative zero is written by protobuf's rules and left out by the oracle.
fn plain_zero(number: &mut f64) {
    if *number == 0.0 {
        *number = 0.0;
    }
}

fn fill_exemplars(exemplars: &mut [proto::Exemplar]) {
    for exemplar in exemplars {
        fill(&mut exemplar.filtered_attributes);
        exemplar.value.get_or_insert(proto::exemplar::Value::AsInt(0));
        id::<16>(&mut exemplar.trace_id);
        id::<8>(&mut exemplar.span_id);
    }
}

/// Hands borrowed exemplars to `write`.
fn with_exemplars(owned: &[proto::Exemplar], write: impl FnOnce(&[Exemplar<'_>])) {
    let filtered: Vec<_> = owned.iter().map(|exemplar| attributes(&exemplar.filtered_attributes)).collect();
    let exemplars: Vec<_> = owned
        .iter()
        .zip(&filtered)
        .map(|(exemplar, filtered_attributes)| Exemplar {
            time: exemplar.time_unix_nano,
            value: match exemplar.value {
                Some(proto::exemplar::Value::AsDouble(value)) => Number::Double(value),
                Some(proto::exemplar::Value::AsInt(value)) => Number::Int(value),
                None => panic!("filled before"),
            },
            trace_id: exemplar.trace_id[..].try_into().ok(),
            span_id: exemplar.span_id[..].try_into().ok(),
            filtered_attributes,
        })
        .collect();
    write(&exemplars);
}

/// Brings a metric to what builders write, and writes it with one.
fn rebuild(writer: &mut MetricsWriter, metric: &mut proto::Metric) {
    fill(&mut metric.metadata);
    writer.metadata_of_next(&attributes(&metric.metadata));
    let data = metric.data.get_or_insert_with(|| Data::Gauge(proto::Gauge::default()));
    let head = MetricHead { name: &metric.name, description: &metric.description, unit: &metric.unit };
    match data {
        Data::Gauge(data) => rebuild_numbers(writer.gauge(&head), &mut data.data_points),
        Data::Sum(data) => {
            let temporality = known(&mut data.aggregation_temporality);
            rebuild_numbers(writer.sum(&head, temporality, data.is_monotonic), &mut data.data_points);
        }
        Data::Histogram(data) => {
            let mut points = writer.histogram(&head, known(&mut data.aggregation_temporality));
            data.data_points.iter_mut().for_each(|point| rebuild_histogram(&mut points, point));
        }
        Data::ExponentialHistogram(data) => {
            let mut points = writer.exponential_histogram(&head, known(&mut data.aggregation_temporality));
            data.data_points.iter_mut().for_each(|point| rebuild_exponential(&mut points, point));
        }
        Data::Summary(data) => {
            let mut points = writer.summary(&head);
            data.data_points.iter_mut().for_each(|point| rebuild_summary(&mut points, point));
        }
    }
}

fn known(temporality: &mut i32) -> Temporality {
    *temporality = temporality.rem_euclid(3);
    [Temporality::Unspecified, Temporality::Delta, Temporality::Cumulative][*temporality as usize]
}

fn rebuild_numbers(mut points: NumberPoints<'_>, owned: &mut [proto::NumberDataPoint]) {
    for point in owned {
        fill(&mut point.attributes);
        fill_exemplars(&mut point.exemplars);
        let value = point.value.map(|value| match value {
            proto::number_data_point::Value::AsDouble(value) => Number::Double(value),
            proto::number_data_point::Value::AsInt(value) => Number::Int(value),
        });
        with_exemplars(&point.exemplars, |exemplars| {
            points.point(&NumberPoint {
                attributes: &attributes(&point.attributes),
                start: point.start_time_unix_nano,
                time: point.time_unix_nano,
                value,
                exemplars,
                flags: point.flags,
            });
        });
    }
}

fn rebuild_histogram(points: &mut HistogramPoints<'_>, point: &mut proto::HistogramDataPoint) {
    fill(&mut point.attributes);
    fill_exemplars(&mut point.exemplars);
    with_exemplars(&point.exemplars, |exemplars| {
        points.point(&HistogramPoint {
            attributes: &attributes(&point.attributes),
            start: point.start_time_unix_nano,
            time: point.time_unix_nano,
            count: point.count,
            sum: point.sum,
            min: point.min,
            max: point.max,
            bucket_counts: &point.bucket_counts,
            explicit_bounds: &point.explicit_bounds,
            exemplars,
            flags: point.flags,
        });
    });
}

fn rebuild_exponential(points: &mut ExponentialPoints<'_>, point: &mut proto::ExponentialHistogramDataPoint) {
    fill(&mut point.attributes);
    fill_exemplars(&mut point.exemplars);
    plain_zero(&mut point.zero_threshold);
    for buckets in [&mut point.positive, &mut point.negative] {
        *buckets = buckets.take().filter(|buckets| buckets.offset != 0 || !buckets.bucket_counts.is_empty());
    }
    let empty = proto::exponential_histogram_data_point::Buckets::default();
    let positive = point.positive.as_ref().unwrap_or(&empty);
    let negative = point.negative.as_ref().unwrap_or(&empty);
    with_exemplars(&point.exemplars, |exemplars| {
        points.point(&ExponentialPoint {
            attributes: &attributes(&point.attributes),
            start: point.start_time_unix_nano,
            time: point.time_unix_nano,
            count: point.count,
            sum: point.sum,
            min: point.min,
            max: point.max,
            scale: point.scale,
            zero_count: point.zero_count,
            zero_threshold: point.zero_threshold,
            positive: Buckets { offset: positive.offset, counts: &positive.bucket_counts },
            negative: Buckets { offset: negative.offset, counts: &negative.bucket_counts },
            exemplars,
            flags: point.flags,
        });
    });
}

fn rebuild_summary(points: &mut SummaryPoints<'_>, point: &mut proto::SummaryDataPoint) {
    fill(&mut point.attributes);
    plain_zero(&mut point.sum);
    for quantile in &mut point.quantile_values {
        plain_zero(&mut quantile.quantile);
        plain_zero(&mut quantile.value);
    }
    let quantiles = point.quantile_values.iter();
    let quantiles: Vec<_> =
        quantiles.map(|quantile| Quantile { quantile: quantile.quantile, value: quantile.value }).collect();
    points.point(&SummaryPoint {
        attributes: &attributes(&point.attributes),
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        count: point.count,
        sum: point.sum,
        quantiles: &quantiles,
        flags: point.flags,
    });
}

fn plain_resource(resource: &mut Option<Resource>) -> Attributes {
    let resource = resource.get_or_insert_default();
    resource.dropped_attributes_count = 0;
    fill(&mut resource.attributes);
    attributes(&resource.attributes)
}

fn plain_scope(scope: &mut Option<common::InstrumentationScope>) -> (String, String) {
    let scope = scope.get_or_insert_default();
    scope.dropped_attributes_count = 0;
    scope.attributes.clear();
    (scope.name.clone(), scope.version.clone())
}

fn rebuild_record(writer: &mut LogsWriter, record: &mut ProtoRecord) {
    fill(&mut record.attributes);
    record.dropped_attributes_count = 0;
    record.severity_number = record.severity_number.rem_euclid(25);
    record.body = record.body.take().filter(|body| body.value.is_some());
    let body = record.body.as_ref().map(Message::encode_to_vec).unwrap_or_default();
    writer.record(&LogRecord {
        time: record.time_unix_nano,
        observed_time: record.observed_time_unix_nano,
        severity_number: record.severity_number as u8,
        severity_text: &record.severity_text,
        body: AnyValue::of(&body),
        attributes: &attributes(&record.attributes),
        flags: record.flags,
        trace_id: id(&mut record.trace_id),
        span_id: id(&mut record.span_id),
        event_name: &record.event_name,
    });
}

fn rebuild_span(writer: &mut SpansWriter, span: &mut trace::Span) {
    fill(&mut span.attributes);
    (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count) = (0, 0, 0);
    span.trace_id.resize(16, 1);
    span.span_id.resize(8, 1);
    span.kind = span.kind.rem_euclid(6);
    for event in &mut span.events {
        fill(&mut event.attributes);
        event.dropped_attributes_count = 0;
    }
    for link in &mut span.links {
        fill(&mut link.attributes);
        (link.dropped_attributes_count, link.flags) = (0, 0);
        link.trace_state.clear();
        link.trace_id.resize(16, 1);
        link.span_id.resize(8, 1);
    }
    let mut status = span.status.take().unwrap_or_default();
    status.code = status.code.rem_euclid(3);
    span.status = (status != trace::Status::default()).then_some(status.clone());
    let event_attributes: Vec<_> = span.events.iter().map(|event| attributes(&event.attributes)).collect();
    let link_attributes: Vec<_> = span.links.iter().map(|link| attributes(&link.attributes)).collect();
    let events = span.events.iter().zip(&event_attributes);
    let events: Vec<_> = events
        .map(|(event, attributes)| Event { time: event.time_unix_nano, name: &event.name, attributes })
        .collect();
    let links = span.links.iter().zip(&link_attributes).map(|(link, attributes)| Link {
        trace_id: link.trace_id[..].try_into().unwrap(),
        span_id: link.span_id[..].try_into().unwrap(),
        attributes,
    });
    writer.span(&Span {
        trace_id: span.trace_id[..].try_into().unwrap(),
        span_id: span.span_id[..].try_into().unwrap(),
        trace_state: &span.trace_state,
        parent_id: id(&mut span.parent_span_id),
        name: &span.name,
        kind: span.kind as u8,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: &attributes(&span.attributes),
        events: &events,
        links: &links.collect::<Vec<_>>(),
        status: status.code as u8,
        status_message: &status.message,
        flags: span.flags,
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn built_metrics_are_what_the_oracle_decodes(seed: u64) {
        let mut expected = arbitrary::metrics(&mut Random(seed | 1));
        let mut writer = MetricsWriter::new();
        for resource_metrics in &mut expected.resource_metrics {
            resource_metrics.schema_url.clear();
            writer.resource(&plain_resource(&mut resource_metrics.resource));
            for proto::ScopeMetrics { scope, metrics, schema_url } in &mut resource_metrics.scope_metrics {
                let scope = scope.get_or_insert_default();
                scope.dropped_attributes_count = 0;
                fill(&mut scope.attributes);
                let (name, version) = (scope.name.as_str(), scope.version.as_str());
                let attributes = &attributes(&scope.attributes);
                writer.scope_of(&ScopeHead { name, version, attributes, schema_url });
                metrics.iter_mut().for_each(|metric| rebuild(&mut writer, metric));
            }
        }
        let built = writer.take();
        // The oracle writes an integer value where a double would stand, so bytes differ in places.
        prop_assert_eq!(built.len(), expected.encoded_len());
        let decoded = ExportMetricsServiceRequest::decode(&built[..]).unwrap();
        prop_assert_eq!(format!("{decoded:?}"), format!("{expected:?}"));
        prop_assert!(writer.is_empty());
    }

    #[test]
    fn built_logs_are_the_bytes_that_the_oracle_encodes(seed: u64) {
        let mut expected = arbitrary::logs(&mut Random(seed | 1));
        let mut writer = LogsWriter::new();
        for ResourceLogs { resource, scope_logs, schema_url } in &mut expected.resource_logs {
            schema_url.clear();
            writer.resource(&plain_resource(resource));
            for ScopeLogs { scope, log_records, schema_url } in scope_logs {
                schema_url.clear();
                let (name, version) = plain_scope(scope);
                writer.scope(&name, &version);
                log_records.iter_mut().for_each(|record| rebuild_record(&mut writer, record));
            }
        }
        prop_assert_eq!(writer.take(), expected.encode_to_vec());
    }

    #[test]
    fn built_spans_are_the_bytes_that_the_oracle_encodes(seed: u64) {
        let mut expected = arbitrary::traces(&mut Random(seed | 1));
        let mut writer = SpansWriter::new();
        for trace::ResourceSpans { resource, scope_spans, schema_url } in &mut expected.resource_spans {
            schema_url.clear();
            writer.resource(&plain_resource(resource));
            for trace::ScopeSpans { scope, spans, schema_url } in scope_spans {
                schema_url.clear();
                let (name, version) = plain_scope(scope);
                writer.scope(&name, &version);
                spans.iter_mut().for_each(|span| rebuild_span(&mut writer, span));
            }
        }
        prop_assert_eq!(writer.take(), expected.encode_to_vec());
    }
}
