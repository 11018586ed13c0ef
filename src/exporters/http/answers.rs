//! The messages in which OTLP servers answer.

use std::time::Duration;

use component::Delivered;
use wire::status;

/// Reads the protobuf answer of a server that took the request.
///
/// An answer that can not be read says nothing about the request, which was taken: it counts as empty.
pub(crate) fn delivered_of_protobuf(body: &[u8]) -> Delivered {
    let Some(partial) = status::decode_partial_success(body) else { return Delivered::default() };
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
    status::decode(body).map(|status| status.message).filter(|message| !message.is_empty())
}

/// Returns the delay that a `google.rpc.Status` asks for in its `RetryInfo`; none without one.
pub(crate) fn retry_delay_of_status(body: &[u8]) -> Option<Duration> {
    status::decode(body)?.retry_delay()
}
