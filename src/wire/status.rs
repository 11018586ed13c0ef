//! `google.rpc.Status` with `RetryInfo`, and OTLP's partial success: the small messages that answer a
//! request. Their fields have the same numbers for all signals.

use std::time::Duration;

use prost::Message;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Status {
    /// A gRPC status code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Encodes a status; with a delay it carries `RetryInfo`, which makes `RESOURCE_EXHAUSTED` retryable.
pub fn encode(code: i32, message: &str, retry_delay: Option<Duration>) -> Vec<u8> {
    let detail = retry_delay.map(|delay| {
        let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
        let retry_delay = Some(ProtoDuration { seconds, nanos: delay.subsec_nanos() as i32 });
        Any { type_url: RETRY_INFO.to_owned(), value: RetryInfo { retry_delay }.encode_to_vec() }
    });
    Status { code, message: message.to_owned(), details: detail.into_iter().collect() }.encode_to_vec()
}

/// Decodes a status; none for what is none.
pub fn decode(bytes: &[u8]) -> Option<Status> {
    Status::decode(bytes).ok()
}

impl Status {
    /// Returns how long the server asks to wait. A negative or unreadable delay is none.
    pub fn retry_delay(&self) -> Option<Duration> {
        let detail = self.details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
        let delay = RetryInfo::decode(detail.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
        let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
        Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(u64::from(nanos))))
    }
}

/// `Export…ServiceResponse`, of any signal.
#[derive(Clone, PartialEq, Eq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `Export…PartialSuccess`, of any signal.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub rejected: i64,
    #[prost(string, tag = "2")]
    pub error_message: String,
}

/// Encodes the response of a request that was taken in part, or in full with a warning.
pub fn partial_success(rejected: u64, message: &str) -> Vec<u8> {
    let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
    let partial_success = Some(PartialSuccess { rejected, error_message: message.to_owned() });
    ExportResponse { partial_success }.encode_to_vec()
}

/// Decodes a response; none when everything was taken without a word, or when it can not be read.
pub fn decode_partial_success(response: &[u8]) -> Option<PartialSuccess> {
    ExportResponse::decode(response).ok()?.partial_success
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_the_delay_it_was_given() {
        for delay in [None, Some(Duration::ZERO), Some(Duration::from_millis(2500))] {
            let status = decode(&encode(14, "busy", delay)).unwrap();
            assert_eq!((status.code, status.message.as_str(), status.retry_delay()), (14, "busy", delay));
        }
    }

    #[test]
    fn a_negative_delay_is_none() {
        let negative = RetryInfo { retry_delay: Some(ProtoDuration { seconds: -1, nanos: 0 }) };
        let details = vec![Any { type_url: RETRY_INFO.to_owned(), value: negative.encode_to_vec() }];
        assert_eq!(Status { code: 14, message: String::new(), details }.retry_delay(), None);
    }

    #[test]
    fn a_partial_success_is_what_the_protocols_own_types_say() {
        use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
        let bytes = partial_success(7, "seven");
        let theirs = ExportLogsServiceResponse::decode(bytes.as_slice()).unwrap().partial_success.unwrap();
        assert_eq!((theirs.rejected_log_records, theirs.error_message.as_str()), (7, "seven"));
        let ours = decode_partial_success(&bytes).unwrap();
        assert_eq!((ours.rejected, ours.error_message.as_str()), (7, "seven"));
        assert_eq!(decode_partial_success(&[]), None);
    }
}
