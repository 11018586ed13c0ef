//! What a sender is told: one failure type, spelled for gRPC and for HTTP.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use component::{Receipt, Refusal};
use data_encoding::BASE64_NOPAD;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use model::Signal;

/// Why a request was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// The content is not OTLP.
    Malformed(String),
    /// The body is not what its content encoding says.
    Undecodable(String),
    /// Who sends has not shown what the operator wants; what was shown is never repeated.
    Unauthenticated { why: &'static str, challenge: HeaderValue },
    /// Larger than the operator allows. *Units*: bytes.
    TooLarge { limit: usize },
    /// The sender was too slow.
    Stalled(String),
    /// No room now.
    Busy { retry_after: Duration, message: String },
    /// A destination refused for good.
    Permanent(String),
    /// No such service, method, or pipeline.
    Unimplemented(String),
    /// A content encoding that is not known or not allowed.
    Encoding(String),
}

/// Codes of gRPC, as in `google/rpc/code.proto`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// The body of an answer: at most one frame of data, then at most one of trailers.
#[derive(Default)]
pub(super) struct Reply {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    Protobuf,
    Json,
}

/// Encodings that gRPC senders may use.
pub(super) const GRPC_ACCEPT_ENCODING: HeaderValue =
    HeaderValue::from_static("identity,gzip,zstd,snappy,deflate");

const GRPC_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: &str = "grpc-status";

/// An empty message in gRPC's framing: not compressed, no bytes.
const EMPTY_FRAME: Bytes = Bytes::from_static(&[0; 5]);

impl Failure {
    pub(super) fn too_slow() -> Self {
        Self::Stalled("body did not arrive in time".to_owned())
    }

    pub(super) fn answer_too_late(limit: Duration) -> Self {
        let message = format!("no answer within write_timeout ({limit:?})");
        Self::Busy { retry_after: Duration::from_secs(1), message }
    }

    pub(super) fn no_pipeline(signal: Signal) -> Self {
        Self::Unimplemented(format!("no pipeline takes {signal} from this receiver"))
    }

    fn code(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::Undecodable(_) => Code::InvalidArgument,
            Self::Unauthenticated { .. } => Code::Unauthenticated,
            Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Stalled(_) => Code::DeadlineExceeded,
            Self::Busy { .. } => Code::Unavailable,
            Self::Permanent(_) => Code::Internal,
            Self::Unimplemented(_) | Self::Encoding(_) => Code::Unimplemented,
        }
    }

    fn http_status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Undecodable(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Permanent(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unimplemented(_) => StatusCode::NOT_FOUND,
            Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    fn status(&self) -> Bytes {
        Bytes::from(wire::status::encode(self.code() as i32, &self.to_string(), self.retry_after()))
    }

    /// Answers a gRPC call with headers alone: the form that gRPC calls Trailers-Only.
    pub(super) fn grpc(&self) -> Response<Reply> {
        let mut response = Response::new(Reply::default());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
        headers.insert(GRPC_STATUS, HeaderValue::from(self.code() as u16));
        headers.insert("grpc-message", percent_encoded(&self.to_string()));
        if self.retry_after().is_some() {
            let details = BASE64_NOPAD.encode(&self.status());
            let details = HeaderValue::try_from(details).expect("base64 is legal in a header");
            headers.insert("grpc-status-details-bin", details);
        }
        if matches!(self, Self::Encoding(_)) {
            headers.insert("grpc-accept-encoding", GRPC_ACCEPT_ENCODING);
        }
        response
    }

    /// Answers over HTTP with a `google.rpc.Status` in the request's format.
    pub(super) fn http(&self, format: Format) -> Response<Reply> {
        let body = match format {
            Format::Protobuf => self.status(),
            Format::Json => self.json_status(),
        };
        let mut response = format.respond(self.http_status(), body);
        if let Some(delay) = self.retry_after() {
            let seconds = delay.as_millis().div_ceil(1000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::Unauthenticated { challenge, .. } = self {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if matches!(self, Self::Encoding(_)) {
            let accepted =
                HeaderValue::from_static("gzip, zstd, zlib, deflate, snappy, x-snappy-framed, lz4");
            response.headers_mut().insert(header::ACCEPT_ENCODING, accepted);
        }
        response
    }

    fn json_status(&self) -> Bytes {
        let mut status = serde_json::json!({ "code": self.code() as i32, "message": self.to_string() });
        if let Some(delay) = self.retry_after() {
            let delay = format!("{}.{:09}s", delay.as_secs(), delay.subsec_nanos());
            status["details"] = serde_json::json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }]);
        }
        Bytes::from(status.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(message) => Self::Malformed(message),
            Refusal::Busy { retry_after, message } => Self::Busy { retry_after, message },
            Refusal::Permanent(message) => Self::Permanent(message),
            Refusal::NotConfigured => Self::Unimplemented(Refusal::NotConfigured.to_string()),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unauthenticated { why, .. } => f.write_str(why),
            Self::TooLarge { limit } => {
                write!(f, "request is larger than the limit of {limit} bytes, send less at once")
            }
            Self::Malformed(message)
            | Self::Undecodable(message)
            | Self::Stalled(message)
            | Self::Permanent(message)
            | Self::Unimplemented(message)
            | Self::Encoding(message)
            | Self::Busy { message, .. } => f.write_str(message),
        }
    }
}

/// Answers a gRPC call that was taken.
pub(super) fn grpc_success(receipt: &Receipt) -> Response<Reply> {
    let data = if is_whole(receipt) { EMPTY_FRAME } else { framed(&partial_success(receipt)) };
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    let mut response = Response::new(Reply { data: Some(data), trailers: Some(trailers) });
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

/// Answers an HTTP request that was taken.
pub(super) fn http_success(receipt: &Receipt, signal: Signal, format: Format) -> Response<Reply> {
    let body = match (format, is_whole(receipt)) {
        (Format::Protobuf, true) => Bytes::new(),
        (Format::Protobuf, false) => Bytes::from(partial_success(receipt)),
        (Format::Json, true) => Bytes::from_static(b"{}"),
        (Format::Json, false) => json_partial_success(receipt, signal),
    };
    format.respond(StatusCode::OK, body)
}

/// Answers with a sentence for people, as the collector does where no body was read.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Reply> {
    let mut response = Response::new(Reply::of(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

impl Format {
    fn respond(self, status: StatusCode, body: Bytes) -> Response<Reply> {
        let content_type = match self {
            Self::Protobuf => HeaderValue::from_static("application/x-protobuf"),
            Self::Json => HeaderValue::from_static("application/json"),
        };
        let mut response = Response::new(Reply::of(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

fn is_whole(receipt: &Receipt) -> bool {
    receipt.rejected == 0 && receipt.message.is_empty()
}

/// Encodes an export response; its fields have the same numbers for all signals.
fn partial_success(receipt: &Receipt) -> Vec<u8> {
    wire::status::partial_success(receipt.rejected, &receipt.message)
}

fn json_partial_success(receipt: &Receipt, signal: Signal) -> Bytes {
    let rejected = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    let partial =
        serde_json::json!({ rejected: receipt.rejected.to_string(), "errorMessage": receipt.message });
    Bytes::from(serde_json::json!({ "partialSuccess": partial }).to_string())
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(5 + message.len());
    frame.push(0);
    frame.extend_from_slice(&u32::try_from(message.len()).expect("an answer is short").to_be_bytes());
    frame.extend_from_slice(message);
    Bytes::from(frame)
}

/// Encodes a message for `grpc-message`: gRPC over HTTP/2, "Responses", Percent-Encoded.
fn percent_encoded(message: &str) -> HeaderValue {
    let mut text = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => text.push_str(&format!("%{byte:02X}")),
            _ => text.push(char::from(byte)),
        }
    }
    HeaderValue::try_from(text).expect("percent encoding leaves visible ASCII")
}

impl Reply {
    pub(super) fn of(data: Bytes) -> Self {
        Self { data: (!data.is_empty()).then_some(data), trailers: None }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // Behind trailers no length is stated: gRPC answers carry none.
        if self.trailers.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}
