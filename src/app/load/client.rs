//! Sends one request at a time over gRPC or HTTP, on a connection that is opened again when it breaks.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::args::{Protocol, Signal};
use super::traffic::Request;

const ANSWER_LIMIT_BYTES: usize = 64 * 1024;
/// How long SDKs wait for an answer, unless they are told otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A destination that drops what is sent to it is to be noticed soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What the receiver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Taken, but for as many items as were rejected.
    Taken { rejected: u64, message: String },
    /// Not taken, and not to be sent again.
    Refused(String),
    /// To be sent again, after the time that the receiver asks for.
    Later { after: Option<Duration>, reason: String },
}

/// Where to send, and how.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `host:port`.
    authority: String,
    protocol: Protocol,
}

impl Target {
    /// # Errors
    ///
    /// When the endpoint is not `HOST:PORT` or `http://HOST:PORT`.
    pub(crate) fn new(endpoint: &str, protocol: Protocol) -> Result<Self> {
        let wrong = || anyhow!("endpoint `{endpoint}` must be HOST:PORT or http://HOST:PORT");
        if endpoint.starts_with("https://") {
            bail!("endpoint `{endpoint}` asks for TLS, which load does not speak; use a listener without it");
        }
        let uri: Uri = endpoint
            .strip_prefix("http://")
            .unwrap_or(endpoint)
            .trim_end_matches('/')
            .parse()
            .map_err(|_| wrong())?;
        let authority =
            uri.authority().filter(|authority| authority.port_u16().is_some()).ok_or_else(wrong)?;
        Ok(Self { authority: authority.to_string(), protocol })
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn address(&self) -> &str {
        &self.authority
    }
}

/// A connection that is opened when it is needed.
pub(crate) struct Connection {
    target: Target,
    open: Mutex<Option<Open>>,
}

enum Open {
    Http2(http2::SendRequest<Full<Bytes>>),
    Http1(http1::SendRequest<Full<Bytes>>),
}

impl Connection {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, open: Mutex::new(None) }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    ///
    /// When the receiver can not be reached or breaks off; the same request may be sent again.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer> {
        let sent = tokio::time::timeout(TIMEOUT, self.send_now(request)).await;
        match sent {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                *self.open.lock().await = None;
                bail!("no answer within {} s", TIMEOUT.as_secs())
            }
        }
    }

    async fn send_now(&self, request: &Request) -> Result<Answer> {
        let message = self.message(request)?;
        let mut open = self.open.lock().await;
        if open.as_ref().is_none_or(Open::is_closed) {
            *open = Some(self.connect().await.context("can not connect")?);
        }
        let response = match open.as_mut().expect("opened above") {
            Open::Http2(sender) => {
                let mut sender = sender.clone();
                // Others of the same connection go on meanwhile.
                drop(open);
                sender.send_request(message).await?
            }
            Open::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(message).await?
            }
        };
        let (head, body) = response.into_parts();
        let collected =
            Limited::new(body, ANSWER_LIMIT_BYTES).collect().await.map_err(|error| anyhow!(error))?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let body = collected.to_bytes();
        Ok(match self.target.protocol {
            Protocol::Grpc => grpc_answer(head.status, &head.headers, &trailers, &body),
            Protocol::HttpProtobuf | Protocol::HttpJson => http_answer(head.status, &head.headers, &body),
        })
    }

    async fn connect(&self) -> Result<Open> {
        let socket = TcpStream::connect(&self.target.authority);
        let socket = tokio::time::timeout(CONNECT_TIMEOUT, socket)
            .await
            .map_err(|_| anyhow!("no connection within {} s", CONNECT_TIMEOUT.as_secs()))??;
        socket.set_nodelay(true)?;
        let io = TokioIo::new(socket);
        // What breaks a connection also fails the requests on it, where it is told.
        if self.target.protocol == Protocol::Grpc {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(async move { connection.await.is_ok() });
            return Ok(Open::Http2(sender));
        }
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(async move { connection.await.is_ok() });
        Ok(Open::Http1(sender))
    }

    fn message(&self, request: &Request) -> Result<http::Request<Full<Bytes>>> {
        let Target { authority, protocol } = &self.target;
        let builder = http::Request::post(match protocol {
            Protocol::Grpc => format!("http://{authority}{}", grpc_path(request.signal)),
            Protocol::HttpProtobuf | Protocol::HttpJson => http_path(request.signal).to_owned(),
        });
        let (builder, body) = match protocol {
            Protocol::Grpc => (
                builder.header("content-type", "application/grpc").header("te", "trailers"),
                framed(&request.body),
            ),
            Protocol::HttpProtobuf => (
                builder.header("host", authority).header("content-type", "application/x-protobuf"),
                Bytes::copy_from_slice(&request.body),
            ),
            Protocol::HttpJson => {
                (builder.header("host", authority).header("content-type", "application/json"), json(request)?)
            }
        };
        let agent = concat!("trueline-load/", env!("CARGO_PKG_VERSION"));
        Ok(builder.header("user-agent", agent).body(Full::new(body))?)
    }
}

impl Open {
    fn is_closed(&self) -> bool {
        match self {
            Self::Http2(sender) => sender.is_closed(),
            Self::Http1(sender) => sender.is_closed(),
        }
    }
}

fn grpc_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

fn http_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/v1/traces",
        Signal::Metrics => "/v1/metrics",
        Signal::Logs => "/v1/logs",
    }
}

/// Puts the gRPC prefix before a message: not compressed, and its length.
fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

/// Reads a gRPC answer by the rules of OTLP: which codes may be retried, and when.
pub(super) fn grpc_answer(
    http: StatusCode,
    headers: &HeaderMap,
    trailers: &HeaderMap,
    body: &[u8],
) -> Answer {
    let field = |name: &str| {
        let value = trailers.get(name).or_else(|| headers.get(name))?;
        value.to_str().ok().map(str::to_owned)
    };
    let Some(code) = field("grpc-status") else {
        return Answer::Refused(format!("HTTP {http} without a gRPC status; is this a gRPC endpoint?"));
    };
    let reason = format!("gRPC status {code}: {}", field("grpc-message").unwrap_or_default());
    let after = field("grpc-status-details-bin").and_then(|text| retry_delay(&text));
    match code.as_str() {
        "0" => taken(body.get(5..).unwrap_or_default()),
        // Exhausted for good, unless the receiver says when to come again.
        "8" if after.is_none() => Answer::Refused(reason),
        "1" | "4" | "8" | "10" | "11" | "14" | "15" => Answer::Later { after, reason },
        _ => Answer::Refused(reason),
    }
}

/// Reads the delay of a `google.rpc.Status` in base64, padded or not.
fn retry_delay(details: &str) -> Option<Duration> {
    let bytes = data_encoding::BASE64_NOPAD.decode(details.trim_end_matches('=').as_bytes()).ok()?;
    wire::status::decode(&bytes)?.retry_delay()
}

/// Reads an HTTP answer by the rules of OTLP.
pub(super) fn http_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    let is_json =
        headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    match status.as_u16() {
        200 if is_json => taken_json(body),
        200 => taken(body),
        429 | 502 | 503 | 504 => {
            let seconds =
                headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
            Answer::Later { after: seconds.map(Duration::from_secs), reason: format!("HTTP {status}") }
        }
        _ if is_json => Answer::Refused(format!("HTTP {status}: {}", String::from_utf8_lossy(body))),
        _ => {
            let message = wire::status::decode(body).map(|status| status.message).unwrap_or_default();
            Answer::Refused(format!("HTTP {status}: {message}"))
        }
    }
}

fn json(request: &Request) -> Result<Bytes> {
    let mut json = Vec::with_capacity(request.body.len() * 2);
    wire::json::wire_to_json(request.signal.model(), &request.body, &mut json).context("writing JSON")?;
    Ok(json.into())
}

/// Reads an `Export…ServiceResponse` in JSON.
fn taken_json(response: &[u8]) -> Answer {
    let response: Value = serde_json::from_slice(response).unwrap_or_default();
    let partial = response.get("partialSuccess").and_then(Value::as_object).cloned().unwrap_or_default();
    let rejected = partial.iter().find(|(name, _)| name.starts_with("rejected")).map(|(_, count)| count);
    // 64-bit numbers are strings in protobuf's JSON, and plain numbers are to be read too.
    let rejected =
        rejected.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or(0);
    let message = partial.get("errorMessage").and_then(Value::as_str).unwrap_or_default().to_owned();
    Answer::Taken { rejected, message }
}

fn taken(response: &[u8]) -> Answer {
    let partial = wire::status::decode_partial_success(response);
    let (rejected, message) =
        partial.map_or((0, String::new()), |partial| (partial.rejected, partial.error_message));
    Answer::Taken { rejected: rejected.try_into().unwrap_or(0), message }
}
