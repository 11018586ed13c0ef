//! One unary call over one connection.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut, buf::Chain};
use component::ExportError;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use model::Pieces;

use super::{
    channel::Connection,
    status::{Status, code},
};
use crate::http::{MAX_ANSWER_BYTES, describe};

/// A gRPC message is preceded by a byte that tells whether it is compressed, and four of its length.
const PREFIX_BYTES: usize = 5;

/// One data frame: the prefix and the message, joined without a copy.
///
/// It keeps its length to itself: with one, hyper would send `content-length`, which gRPC does not have.
pub(super) struct MessageBody<D>(Option<D>);

impl<D: Buf + Unpin> Body for MessageBody<D> {
    type Data = D;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<D>, Infallible>>> {
        Poll::Ready(self.get_mut().0.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// A request as it goes to the connection.
pub(super) type CallRequest = Request<MessageBody<Chain<Bytes, Pieces>>>;

/// Why a call has no answer.
pub(super) enum Lost {
    /// It never left: the connection was about to close. It may be sent over another at once.
    Unsent(Box<CallRequest>),
    /// It may have arrived.
    Broken(ExportError),
}

/// Everything that all calls of one exporter have in common.
pub(super) struct Call {
    headers: HeaderMap,
    is_compressed: bool,
}

impl Call {
    /// `headers` are the operator's; `encoding` is the value of `grpc-encoding`.
    pub(super) fn new(mut headers: HeaderMap, encoding: Option<&'static str>, timeout: Duration) -> Self {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Some(encoding) = encoding {
            headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
        }
        if let Some(timeout) = grpc_timeout(timeout) {
            headers.insert("grpc-timeout", timeout);
        }
        Self { headers, is_compressed: encoding.is_some() }
    }

    /// Returns the request for one message, which is already compressed where it is to be.
    ///
    /// # Errors
    /// When the message is longer than its four bytes of length can say.
    pub(super) fn request(&self, uri: &Uri, message: Pieces) -> Result<CallRequest, ExportError> {
        let Ok(length) = u32::try_from(message.len()) else {
            let source = format!("request of {} bytes is longer than gRPC can carry", message.len());
            return Err(ExportError::Permanent(source.into()));
        };
        let mut prefix = BytesMut::with_capacity(PREFIX_BYTES);
        prefix.put_u8(u8::from(self.is_compressed));
        prefix.put_u32(length);
        let mut request = Request::new(MessageBody(Some(prefix.freeze().chain(message))));
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        request.uri_mut().clone_from(uri);
        request.headers_mut().clone_from(&self.headers);
        Ok(request)
    }
}

/// Sends a request and returns the message of the answer.
pub(super) async fn send(connection: &mut Connection, request: CallRequest) -> Result<Bytes, Lost> {
    let response = match connection.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            return Err(match error.take_message() {
                Some(request) => Lost::Unsent(Box::new(request)),
                None => Lost::Broken(broken(&describe(error.error()))),
            });
        }
    };
    answer(response).await.map_err(Lost::Broken)
}

/// Reads an answer to its end.
async fn answer(response: Response<Incoming>) -> Result<Bytes, ExportError> {
    let (head, body) = response.into_parts();
    // A server that refuses at once sends its status with the headers, and no trailers.
    if let Some(status) = Status::from_headers(&head.headers) {
        return finish(status, Bytes::new());
    }
    if head.status != StatusCode::OK {
        return Err(Status::from_http(head.status).into_error());
    }
    let collected = match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(collected) => collected,
        Err(error) => return Err(broken(&describe(error.as_ref()))),
    };
    let trailers = collected.trailers().cloned();
    judge(&head.headers, trailers.as_ref(), collected.to_bytes())
}

/// Returns the message of an answer that was read to its end.
pub(crate) fn judge(
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
    body: Bytes,
) -> Result<Bytes, ExportError> {
    let status = trailers.and_then(Status::from_headers);
    finish(status.unwrap_or_else(|| not_grpc(headers)), body)
}

fn finish(status: Status, body: Bytes) -> Result<Bytes, ExportError> {
    if status.code == code::OK { Ok(message_of(body)) } else { Err(status.into_error()) }
}

fn not_grpc(headers: &HeaderMap) -> Status {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("none");
    let message = format!("the answer ended without grpc-status; its content type is {content_type}");
    Status::new(code::UNKNOWN, message)
}

/// Returns the first message of an answer; empty where it is cut short or compressed, which we did not
/// ask for. Either way the request was taken, and only the partial success stays unread.
fn message_of(mut body: Bytes) -> Bytes {
    if body.len() < PREFIX_BYTES || body.get_u8() != 0 {
        return Bytes::new();
    }
    let length = body.get_u32() as usize;
    if length <= body.len() { body.split_to(length) } else { Bytes::new() }
}

fn broken(problem: &str) -> ExportError {
    let source = format!("lost the connection while a request was under way: {problem}");
    ExportError::Retryable { after: None, source: source.into() }
}

/// Returns the value of `grpc-timeout`: at most eight digits and a unit. None for no limit.
fn grpc_timeout(timeout: Duration) -> Option<HeaderValue> {
    const MOST: u128 = 99_999_999;
    if timeout.is_zero() {
        return None;
    }
    let (value, unit) = if timeout.as_millis() <= MOST && timeout.as_millis() > 0 {
        (timeout.as_millis(), 'm')
    } else if timeout.as_millis() == 0 {
        (timeout.as_nanos(), 'n')
    } else {
        (u128::from(timeout.as_secs()).min(MOST), 'S')
    };
    HeaderValue::try_from(format!("{value}{unit}")).ok()
}
