//! What fuzz targets reach of this crate: how answers of destinations are read.

use bytes::Bytes;
use component::{Delivered, ExportError};
use http::{HeaderMap, StatusCode, Uri};
use model::Timestamp;

use crate::{
    http::{Answer, delivered_of_protobuf},
    otlp_grpc, otlp_http, prometheus_remote_write,
};

/// Reads an answer of OTLP over HTTP.
///
/// # Errors
/// What the exporter makes of an answer that is no success.
pub fn otlp_http(
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    now: Timestamp,
) -> Result<Delivered, ExportError> {
    let uri = Uri::from_static("http://localhost:4318/v1/traces");
    otlp_http::judge(&uri, &Answer { status, headers, body, fault: None }, now)
}

/// Reads an answer of OTLP over gRPC.
///
/// # Errors
/// What the exporter makes of a status that is not OK.
pub fn otlp_grpc(
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
    body: Bytes,
) -> Result<Delivered, ExportError> {
    otlp_grpc::judge(headers, trailers, body).map(|message| delivered_of_protobuf(&message))
}

/// Reads an answer of remote write, version 1.0 or 2.0, and returns what the server said.
///
/// # Errors
/// What the exporter makes of an answer that asks for another attempt.
pub fn remote_write(
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    is_second: bool,
    now: Timestamp,
) -> Result<String, ExportError> {
    prometheus_remote_write::judge_of(&Answer { status, headers, body, fault: None }, is_second, now)
}
