//! A receiver on free ports, a recorder behind it, and clients that say exactly what a test wants.

use std::{
    cell::RefCell, convert::Infallible, future::Future, io::Write, net::SocketAddr, rc::Rc, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use component::{
    Authenticators, Inlet, Intake, Places, ReceiverCx, ReceiverDef, Socket, Sockets, Stop, Telemetry,
    testing::ManualClock,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Frame, client::conn};
use hyper_util::rt::TokioIo;
use model::{Signal, SignalSet, Timestamp};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
    task::{JoinHandle, LocalSet},
};
use transport::LocalExecutor;

use crate::testing::Recorder;

use super::super::{
    Otlp,
    config::{GrpcConfig, HttpConfig, OtlpConfig, ProtocolsConfig},
};

/// A running receiver.
pub(super) struct Server {
    addresses: Vec<SocketAddr>,
    pub(super) places: Vec<Arc<Places>>,
    pub(super) intake: Rc<Recorder>,
    pub(super) telemetry: Telemetry,
    pub(super) stop: Stop,
    pub(super) running: JoinHandle<Result<(), String>>,
}

impl Server {
    pub(super) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Returns how many requests were turned away, or connections closed, for a reason.
    pub(super) fn turned_away(&self, reason: &str) -> u64 {
        let rows = self.telemetry.read().into_iter();
        let label = ("reason".to_owned(), reason.to_owned());
        rows.filter(|row| row.labels.contains(&label)).map(|row| row.value).sum()
    }
}

/// Runs a test on one thread, as a shard runs a receiver.
pub(super) fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

pub(super) fn grpc_only(config: GrpcConfig) -> OtlpConfig {
    let grpc = config::Section::on(config);
    OtlpConfig { protocols: ProtocolsConfig { grpc, http: config::Section::default() } }
}

pub(super) fn http_only(config: HttpConfig) -> OtlpConfig {
    let http = config::Section::on(config);
    OtlpConfig { protocols: ProtocolsConfig { grpc: config::Section::default(), http } }
}

pub(super) async fn start(config: &OtlpConfig) -> Server {
    start_with(config, SignalSet::ALL).await
}

/// Starts a receiver whose ports are free ones, whatever the configuration says.
pub(super) async fn start_with(config: &OtlpConfig, signals: SignalSet) -> Server {
    start_guarded(config, signals, Authenticators::default()).await
}

/// The same with authenticators.
pub(super) async fn start_guarded(
    config: &OtlpConfig,
    signals: SignalSet,
    authenticators: Authenticators,
) -> Server {
    let (mut addresses, mut sockets, mut all_places) = (Vec::new(), Vec::new(), Vec::new());
    for listen in Otlp::listens(config) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        let (hand_out, accepted) = mpsc::unbounded_channel();
        let places = Places::new(100);
        all_places.push(Arc::clone(&places));
        tokio::task::spawn_local(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let Some(place) = places.take() else {
                    places.ask_one_to_leave();
                    continue;
                };
                let stream = stream.into_std().unwrap();
                if hand_out.send(Socket { stream, peer, place }).is_err() {
                    return;
                }
            }
        });
        sockets.push(Sockets { name: listen.name, accepted });
    }
    let (intake, telemetry, stop) = (Rc::new(Recorder::default()), Telemetry::default(), Stop::new());
    let cx = ReceiverCx {
        id: "otlp".to_owned(),
        inlet: Inlet(Rc::clone(&intake) as Rc<dyn Intake>),
        sockets: RefCell::new(sockets),
        signals,
        clock: Arc::new(ManualClock::new(Timestamp(0))),
        authenticators,
        telemetry: telemetry.clone(),
    };
    let receiver = Otlp::build(config, &cx);
    let until = stop.clone();
    let running =
        tokio::task::spawn_local(async move { receiver.run(until).await.map_err(|e| e.to_string()) });
    Server { addresses, places: all_places, intake, telemetry, stop, running }
}

pub(super) type ClientBody = UnsyncBoxBody<Bytes, Infallible>;

pub(super) fn whole(body: impl Into<Bytes>) -> ClientBody {
    Full::new(body.into()).boxed_unsync()
}

/// A body that ends when the sender is dropped, and has no stated length.
pub(super) fn streamed() -> (mpsc::UnboundedSender<Bytes>, ClientBody) {
    let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(chunk)), receiver))
    });
    (sender, StreamBody::new(frames).boxed_unsync())
}

pub(super) fn chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> ClientBody {
    let (sender, body) = streamed();
    for chunk in chunks {
        sender.send(Bytes::copy_from_slice(chunk)).unwrap();
    }
    body
}

/// What came back, whichever protocol it was.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Headers and trailers.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn grpc_status(&self) -> &str {
        self.header("grpc-status").unwrap_or("none")
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn answer(response: http::Response<hyper::body::Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let mut headers = head.headers;
    headers.extend(collected.trailers().cloned().unwrap_or_default());
    Answer { status: head.status, headers, body: collected.to_bytes() }
}

/// An HTTP/2 connection.
#[derive(Clone)]
pub(super) struct Http2(conn::http2::SendRequest<ClientBody>);

impl Http2 {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream).await
    }

    pub(super) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Self {
        let handshake = conn::http2::handshake(LocalExecutor, TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        tokio::task::spawn_local(connection);
        Self(sender)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    pub(super) async fn send(&mut self, request: Request<ClientBody>) -> Answer {
        answer(self.0.send_request(request).await.unwrap()).await
    }

    /// Calls an OTLP method with one message, framed here.
    pub(super) async fn export(&mut self, signal: Signal, encoding: Option<&str>, message: &[u8]) -> Answer {
        let body = whole(framed(encoding.is_some(), message));
        self.send(grpc_request(&method(signal), encoding, body)).await
    }
}

/// An HTTP/1.1 connection.
pub(super) struct Http1(conn::http1::SendRequest<ClientBody>);

impl Http1 {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::task::spawn_local(connection);
        Self(sender)
    }

    pub(super) async fn send(&mut self, request: Request<ClientBody>) -> Answer {
        self.0.ready().await.unwrap();
        answer(self.0.send_request(request).await.unwrap()).await
    }
}

pub(super) fn method(signal: Signal) -> String {
    let (package, service) = match signal {
        Signal::Traces => ("trace", "Trace"),
        Signal::Metrics => ("metrics", "Metrics"),
        Signal::Logs => ("logs", "Logs"),
    };
    format!("/opentelemetry.proto.collector.{package}.v1.{service}Service/Export")
}

pub(super) fn grpc_request(path: &str, encoding: Option<&str>, body: ClientBody) -> Request<ClientBody> {
    let request = Request::builder().method(Method::POST).uri(format!("http://localhost{path}"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    let request = match encoding {
        Some(encoding) => request.header("grpc-encoding", encoding),
        None => request,
    };
    request.body(body).unwrap()
}

pub(super) fn framed(is_compressed: bool, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![u8::from(is_compressed)];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

/// Bytes that compress, but not to nothing.
pub(super) fn telemetry(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i / 7) * (i % 31 + 1) % 251) as u8).collect()
}

/// Compresses as a sender of that content encoding would.
pub(in super::super) fn compress(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    fn finish<W: Write>(mut writer: W, bytes: &[u8], end: fn(W) -> Vec<u8>) -> Vec<u8> {
        writer.write_all(bytes).unwrap();
        end(writer)
    }
    use flate2::{Compression, write};
    let level = Compression::new(6);
    match encoding {
        "gzip" => finish(write::GzEncoder::new(Vec::new(), level), bytes, |w| w.finish().unwrap()),
        "zlib" | "deflate" => {
            finish(write::ZlibEncoder::new(Vec::new(), level), bytes, |w| w.finish().unwrap())
        }
        "raw deflate" => {
            finish(write::DeflateEncoder::new(Vec::new(), level), bytes, |w| w.finish().unwrap())
        }
        "zstd" => zstd::bulk::compress(bytes, 3).unwrap(),
        "zstd stream" => zstd::encode_all(bytes, 3).unwrap(),
        "snappy" => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
        "x-snappy-framed" => {
            finish(snap::write::FrameEncoder::new(Vec::new()), bytes, |w| w.into_inner().unwrap())
        }
        "lz4" => finish(lz4_flex::frame::FrameEncoder::new(Vec::new()), bytes, |w| w.finish().unwrap()),
        other => panic!("no compressor for {other}"),
    }
}

/// Lets every task that can run do so.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until something holds; a test that waits too long fails.
pub(super) async fn eventually(mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("did not come to hold within some seconds");
}
