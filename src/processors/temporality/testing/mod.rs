//! What tests of both directions share: metrics and requests as senders make them.

use model::Payload;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point},
    resource::v1::Resource,
};
use prost::Message;

use crate::testing::{at, text};

pub(crate) fn nanos(secs: u64) -> u64 {
    at(secs).0
}

pub(crate) fn metric(name: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
}

/// A point at some seconds, counted from others on.
pub(crate) fn int(start: u64, secs: u64, value: i64) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: nanos(start),
        time_unix_nano: nanos(secs),
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

pub(crate) fn double(start: u64, secs: u64, value: f64) -> NumberDataPoint {
    NumberDataPoint { value: Some(number_data_point::Value::AsDouble(value)), ..int(start, secs, 0) }
}

pub(crate) fn request_of(metrics: Vec<Metric>) -> Payload {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource = Resource { attributes: vec![text("service.name", "shop")], ..Resource::default() };
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
    Payload::Metrics(ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into())
}
