//! OTLP over HTTP/1.1 and HTTP/2, protobuf and JSON.

use std::{convert::Infallible, rc::Rc, time::Duration};

use bytes::Bytes;
use component::{Place, Receipt, Stop};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use model::Signal;
use tokio::io::{AsyncRead, AsyncWrite};

use transport::LocalExecutor;

use super::{
    answer::{Failure, Format, Reply, http_success, plain},
    body::Encoding,
    collect::{Collected, Reader, decompress, within},
    config::{HttpConfig, with_slash},
    connection::{self, Life, Lifetimes, Watched, drive},
    cors::Cors,
    faults::Reason,
    shard::Shard,
};

const TRANSPORT: &str = "http";

/// How long a connection may wait for a whole request head when the operator sets no limit: longer
/// than the minute that metrics are usually sent at.
const LONGEST_WAIT_FOR_HEAD: Duration = Duration::from_secs(120);

/// The HTTP server of one thread.
pub(super) struct Http {
    shard: Shard,
    /// *Units*: bytes, before and after decompression.
    max_body: usize,
    paths: [(String, Signal); 3],
    encodings: Vec<Encoding>,
    cors: Option<Cors>,
    response_headers: Vec<(HeaderName, HeaderValue)>,
    read_timeout: Duration,
    write_timeout: Duration,
    builder: auto::Builder<LocalExecutor>,
    lifetimes: Lifetimes,
}

/// What the head of a request says about its body.
struct Target {
    signal: Signal,
    format: Format,
}

/// Why a request is no export request.
enum Mismatch {
    Path,
    Method,
    MediaType,
}

impl Http {
    pub(super) fn new(config: &HttpConfig, shard: Shard) -> Self {
        let paths = [
            (with_slash(&config.traces_url_path), Signal::Traces),
            (with_slash(&config.metrics_url_path), Signal::Metrics),
            (with_slash(&config.logs_url_path), Signal::Logs),
        ];
        let headers = config.response_headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value.expose()).ok()?))
        });
        Self {
            shard,
            max_body: config.max_body(),
            paths,
            encodings: config
                .compression_algorithms
                .iter()
                .filter_map(|name| Encoding::parse(name))
                .collect(),
            cors: config.cors.get().and_then(Cors::new),
            response_headers: headers.collect(),
            read_timeout: config.read_timeout.get(),
            write_timeout: config.write_timeout.get(),
            builder: builder(config),
            lifetimes: Lifetimes { max_idle: config.idle_timeout.get(), ..Lifetimes::default() },
        }
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
        let mut builder = self.builder.clone();
        builder
            .http2()
            .max_frame_size(stream_window)
            .initial_stream_window_size(stream_window)
            .initial_connection_window_size(connection_window);
        let life = Life::new(place);
        let stream = TokioIo::new(Watched::new(stream, &life));
        let service = service_fn(|request| {
            let (server, active) = (Rc::clone(&self), life.begin());
            async move {
                let _active = active;
                Ok::<_, Infallible>(server.answer(request).await)
            }
        });
        let connection = builder.serve_connection(stream, service);
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
        let mut response = match &self.cors {
            Some(cors) if Cors::is_preflight(&head) => cors.preflight(&head.headers),
            _ => self.answer_export(&head, body).await,
        };
        if let Some(cors) = &self.cors {
            cors.decorate(&head.headers, response.headers_mut());
        }
        for (name, value) in &self.response_headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    async fn answer_export(&self, head: &request::Parts, body: Incoming) -> Response<Reply> {
        if let Err(failure) = self.shard.authenticate(&head.headers).await {
            // Of who is not known nothing is read, so over HTTP/1.1 the connection ends.
            return failure.http(format(&head.headers).unwrap_or(Format::Json));
        }
        let mut reader = Reader::new(body, self.read_timeout);
        let target = match self.target(head) {
            Ok(target) => target,
            Err(mismatch) => {
                self.shard.faults.add(Reason::Unsupported);
                forget(reader, &head.headers);
                return mismatch.answer();
            }
        };
        match within(self.write_timeout, self.export(&target, head, &mut reader)).await {
            Ok(receipt) => http_success(&receipt, target.signal, target.format),
            Err(failure) => {
                forget(reader, &head.headers);
                failure.http(target.format)
            }
        }
    }

    fn target(&self, head: &request::Parts) -> Result<Target, Mismatch> {
        let known = self.paths.iter().find(|(path, _)| path == head.uri.path());
        let (_, signal) = known.ok_or(Mismatch::Path)?;
        if head.method != Method::POST {
            return Err(Mismatch::Method);
        }
        let format = format(&head.headers).ok_or(Mismatch::MediaType)?;
        Ok(Target { signal: *signal, format })
    }

    async fn export(
        &self,
        target: &Target,
        head: &request::Parts,
        reader: &mut Reader,
    ) -> Result<Receipt, Failure> {
        let collected =
            self.collect(target, head, reader).await.inspect_err(|failure| self.shard.faults.count(failure));
        let Collected { bytes, claim } = collected?;
        let receipt = self.shard.push(target.signal, bytes, TRANSPORT, &head.headers).await;
        drop(claim);
        receipt
    }

    /// Reads the body and returns it as protobuf.
    async fn collect(
        &self,
        target: &Target,
        head: &request::Parts,
        reader: &mut Reader,
    ) -> Result<Collected, Failure> {
        if !self.shard.takes(target.signal) {
            return Err(Failure::no_pipeline(target.signal));
        }
        let encoding = self.encoding(&head.headers)?;
        let body = self.read(target.signal, reader).await?;
        let body = decompress(target.signal, body, encoding, self.max_body, &self.shard).await?;
        match target.format {
            Format::Protobuf => Ok(body),
            Format::Json => self.transcode(target.signal, body).await,
        }
    }

    /// Turns JSON into protobuf. What comes out longer than the text, in odd cases only, has claimed room for as
    /// much as it may become.
    async fn transcode(&self, signal: Signal, body: Collected) -> Result<Collected, Failure> {
        let Collected { bytes: json, claim } = body;
        let within = |max_len| {
            wire::json::json_to_wire_within(signal, &json, max_len)
                .map_err(|e| Failure::Malformed(format!("body is not OTLP in JSON: {e}")))
        };
        if let Some(bytes) = within(json.len())? {
            return Ok(Collected { bytes: Bytes::from(bytes), claim });
        }
        drop(claim);
        let claim = self.shard.admit(signal, self.max_body).await?;
        match within(self.max_body)? {
            Some(bytes) => Ok(Collected { bytes: Bytes::from(bytes), claim }),
            None => Err(Failure::TooLarge { limit: self.max_body }),
        }
    }

    async fn read(&self, signal: Signal, reader: &mut Reader) -> Result<Collected, Failure> {
        let Some(announced) = reader.announced() else {
            return reader.until_end(signal, self.max_body, &self.shard).await;
        };
        let len = usize::try_from(announced).unwrap_or(usize::MAX);
        if len > self.max_body {
            return Err(Failure::TooLarge { limit: self.max_body });
        }
        let claim = self.shard.admit(signal, len).await?;
        let first = reader.next().await?.unwrap_or_default();
        Ok(Collected { bytes: reader.exactly(first, len, &self.shard).await?, claim })
    }

    fn encoding(&self, headers: &HeaderMap) -> Result<Encoding, Failure> {
        let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
        let known = value.to_str().ok().and_then(|name| Encoding::parse(name.trim()));
        match known {
            Some(encoding) if encoding == Encoding::Identity || self.encodings.contains(&encoding) => {
                Ok(encoding)
            }
            Some(_) => Err(Failure::Encoding(format!(
                "content-encoding {value:?} is not enabled in compression_algorithms"
            ))),
            None => Err(Failure::Encoding(format!("content-encoding {value:?} is not supported"))),
        }
    }
}

impl Mismatch {
    /// Answers in the collector's words.
    fn answer(self) -> Response<Reply> {
        match self {
            Self::Path => plain(StatusCode::NOT_FOUND, "404 page not found"),
            Self::Method => {
                let text = "405 method not allowed, supported: [POST]";
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
                response
            }
            Self::MediaType => plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "415 unsupported media type, supported: [application/json, application/x-protobuf]",
            ),
        }
    }
}

/// Reads the rest of a refused body, unless the sender waits to be asked for it.
fn forget(reader: Reader, headers: &HeaderMap) {
    if !headers.contains_key(header::EXPECT) {
        reader.drain();
    }
}

fn builder(config: &HttpConfig) -> auto::Builder<LocalExecutor> {
    let mut builder = auto::Builder::new(LocalExecutor);
    let wait = config.read_header_timeout.get().max(config.idle_timeout.get());
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(connection::HTTP1_BUFFER)
        .header_read_timeout(if wait.is_zero() { LONGEST_WAIT_FOR_HEAD } else { wait })
        .keep_alive(config.keep_alives_enabled);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(connection::MAX_HEADERS)
        .max_pending_accept_reset_streams(connection::MAX_PENDING_RESETS)
        .max_local_error_reset_streams(connection::MAX_LOCAL_RESETS);
    builder
}

/// Reads the format from the content type, whose parameters say nothing new: both formats are UTF-8
/// or binary by definition.
fn format(headers: &HeaderMap) -> Option<Format> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Format::Protobuf)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Some(Format::Json)
    } else {
        None
    }
}
