//! The messages in which OTLP servers answer.
//!
//! *Source*: `opentelemetry/proto/collector/*/v1/*_service.proto`, `google/rpc/status.proto`,
//! `google/rpc/error_details.proto`.

use std::time::Duration;

use bytes::Bytes;
use component::Delivered;
use prost::Message;

/// `Export{Trace,Metrics,Logs}ServiceResponse`: alike but for the names of fields.
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Reads the protobuf answer of a server that took the request.
///
/// An answer that can not be read says nothing about the request, which was taken: it counts as empty.
pub(crate) fn delivered_of_protobuf(body: &[u8]) -> Delivered {
    let response = ExportResponse::decode(body).unwrap_or_default();
    let Some(partial) = response.partial_success else { return Delivered::default() };
    Delivered { rejected: u64::try_from(partial.rejected).unwrap_or(0), message: partial.error_message }
}

/// Reads the same in JSON, with `rejectedSpans` and its kin as number or string.
pub(crate) fn delivered_of_json(body: &[u8]) -> Delivered {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(partial) = answer.get("partialSuccess").and_then(serde_json::Value::as_object) else {
        return Delivered::default();
    };
    let rejected = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"].iter().find_map(|key| {
        let value = partial.get(*key)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    });
    let message = partial.get("errorMessage").and_then(serde_json::Value::as_str).unwrap_or_default();
    Delivered { rejected: rejected.unwrap_or(0), message: message.to_owned() }
}

/// Returns the message of a `google.rpc.Status`; none when the bytes are something else.
pub(crate) fn message_of_status(body: &[u8]) -> Option<String> {
    Status::decode(body).ok().map(|status| status.message).filter(|message| !message.is_empty())
}

/// Returns the delay that a `google.rpc.Status` asks for in its `RetryInfo`; none without one.
pub(crate) fn retry_delay_of_status(body: &[u8]) -> Option<Duration> {
    let status = Status::decode(body).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.clone()).ok()?.retry_delay.unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
    Some(Duration::new(seconds, nanos))
}
