//! OTLP over gRPC: unary calls on HTTP/2, without a gRPC library.
//!
//! A message goes from the frames of HTTP/2 into one piece of memory, or stays where it is when it
//! came in one frame; nothing is decoded here.

use std::{convert::Infallible, rc::Rc, time::Duration};

use component::{Place, Receipt, Stop};
use http::{HeaderMap, Method, Request, Response, StatusCode, header, request};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use model::Signal;
use tokio::io::{AsyncRead, AsyncWrite};
use transport::{Corked, LocalExecutor};

use super::{
    answer::{Failure, Reply, grpc_success, plain},
    body::Encoding,
    collect::{Collected, Reader, decompress},
    config::GrpcConfig,
    connection::{self, Life, Lifetimes, Watched, drive},
    faults::Reason,
    grpc_frame::read_prefix,
    shard::Shard,
};

const TRANSPORT: &str = "grpc";

/// grpc-go's defaults for servers.
const DEFAULT_PROBE_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);
const DEFAULT_PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// The gRPC server of one thread.
pub(super) struct Grpc {
    shard: Shard,
    /// *Units*: bytes, compressed or not.
    max_message: usize,
    http2: http2::Builder<LocalExecutor>,
    lifetimes: Lifetimes,
}

impl Grpc {
    pub(super) fn new(config: &GrpcConfig, shard: Shard) -> Self {
        let parameters = config.server_parameters();
        let or = |value: config::Duration, default| if value.get().is_zero() { default } else { value.get() };
        let mut http2 = http2::Builder::new(LocalExecutor);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.max_streams())
            .max_header_list_size(connection::MAX_HEADERS)
            .max_pending_accept_reset_streams(connection::MAX_PENDING_RESETS)
            .max_local_error_reset_streams(connection::MAX_LOCAL_RESETS)
            .max_send_buf_size(
                usize::try_from(config.write_buffer_size.0).unwrap_or(usize::MAX).clamp(1 << 10, 1 << 20),
            )
            .keep_alive_interval(or(parameters.time, DEFAULT_PROBE_INTERVAL))
            .keep_alive_timeout(or(parameters.timeout, DEFAULT_PROBE_TIMEOUT))
            .auto_date_header(false);
        let lifetimes = Lifetimes {
            max_idle: parameters.max_connection_idle.get(),
            max_age: parameters.max_connection_age.get(),
            grace: parameters.max_connection_age_grace.get(),
        };
        Self { shard, max_message: config.max_message(), http2, lifetimes }
    }

    pub(super) fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(
        self: Rc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        place: Place,
        stop: Stop,
    ) {
        let (stream_window, connection_window) = connection::windows(place.n_open());
        let mut http2 = self.http2.clone();
        http2
            .max_frame_size(stream_window)
            .initial_stream_window_size(stream_window)
            .initial_connection_window_size(connection_window);
        let life = Life::new(place);
        let stream = TokioIo::new(Corked::new(Watched::new(stream, &life)));
        let service = service_fn(|request| {
            let (server, active) = (Rc::clone(&self), life.begin());
            async move {
                let _active = active;
                Ok::<_, Infallible>(server.answer(request).await)
            }
        });
        let connection = http2.serve_connection(stream, service);
        drive(
            connection,
            |connection| connection.graceful_shutdown(),
            &life,
            self.lifetimes,
            (&stop, &self.shard.faults),
        )
        .await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Reply> {
        let (head, body) = request.into_parts();
        if let Some(answer) = mismatch(&head) {
            self.shard.faults.add(Reason::Unsupported);
            return answer;
        }
        if let Err(failure) = self.shard.authenticate(&head.headers).await {
            return failure.grpc();
        }
        let mut reader = Reader::new(body, Duration::ZERO);
        match self.export(&head, &mut reader).await {
            Ok(receipt) => grpc_success(&receipt),
            Err(failure) => {
                reader.drain();
                failure.grpc()
            }
        }
    }

    async fn export(&self, head: &request::Parts, reader: &mut Reader) -> Result<Receipt, Failure> {
        let collected =
            self.collect(head, reader).await.inspect_err(|failure| self.shard.faults.count(failure));
        let (signal, Collected { bytes, claim }) = collected?;
        let receipt = self.shard.push(signal, bytes, TRANSPORT, &head.headers).await;
        drop(claim);
        receipt
    }

    /// Reads one message. Everything that can be refused before reading it is refused before.
    async fn collect(
        &self,
        head: &request::Parts,
        reader: &mut Reader,
    ) -> Result<(Signal, Collected), Failure> {
        let signal = route(head.uri.path())?;
        if !self.shard.takes(signal) {
            return Err(Failure::no_pipeline(signal));
        }
        let encoding = encoding(&head.headers)?;
        let (prefix, first) = read_prefix(reader).await?;
        if prefix.is_compressed && encoding == Encoding::Identity {
            return Err(Failure::Malformed(
                "message is marked as compressed, but grpc-encoding names none".to_owned(),
            ));
        }
        if prefix.len > self.max_message {
            return Err(Failure::TooLarge { limit: self.max_message });
        }
        reader.expect(prefix.len);
        let claim = self.shard.admit(signal, prefix.len).await?;
        let bytes = reader.exactly(first, prefix.len, &self.shard).await?;
        let message = Collected { bytes, claim };
        let encoding = if prefix.is_compressed { encoding } else { Encoding::Identity };
        Ok((signal, decompress(signal, message, encoding, self.max_message, &self.shard).await?))
    }
}

/// Answers what is not gRPC in the words of HTTP.
fn mismatch(head: &request::Parts) -> Option<Response<Reply>> {
    if head.method != Method::POST {
        return Some(plain(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed, supported: [POST]"));
    }
    let text = "415 unsupported media type, supported: [application/grpc]";
    (!is_grpc(&head.headers)).then(|| plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}

/// Finds what a method takes.
fn route(path: &str) -> Result<Signal, Failure> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Ok(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Ok(Signal::Metrics),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Ok(Signal::Logs),
        _ => Err(Failure::Unimplemented(format!("unknown service or method {path}"))),
    }
}

/// Whether the content type is gRPC's, with or without a message format.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let Some(rest) = content_type.and_then(|value| value.strip_prefix(b"application/grpc")) else {
        return false;
    };
    matches!(rest, [] | [b'+' | b';' | b' ', ..])
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Failure> {
    let Some(value) = headers.get("grpc-encoding") else { return Ok(Encoding::Identity) };
    let known = value.to_str().ok().and_then(Encoding::parse);
    known.ok_or_else(|| {
        Failure::Encoding(format!("grpc-encoding {value:?} is not supported, use gzip or zstd"))
    })
}
