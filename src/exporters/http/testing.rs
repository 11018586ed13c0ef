//! A server made by hand, for tests of everything that goes out over HTTP.

use std::{cell::RefCell, convert::Infallible, net::SocketAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use component::{Clock, ExporterCx, Stop, Telemetry, testing::ManualClock};
use futures_util::future::LocalBoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{rt::TokioIo, server::conn::auto};
use model::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// When tests take place.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Runs a test on a thread like a shard's.
pub(crate) fn on_a_shard<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

pub(crate) fn exporter_cx(clock: &ManualClock) -> ExporterCx {
    ExporterCx {
        id: "under_test".to_owned(),
        sockets: RefCell::default(),
        clock: Arc::new(clock.clone()),
        started_at: clock.now(),
        telemetry: Telemetry::default(),
        instance_id: "test".to_owned(),
        desk: component::Desk::default(),
        authenticators: component::Authenticators::default(),
    }
}

/// Writes a file that only we can read.
pub(crate) fn write_secret(path: impl AsRef<std::path::Path>, secret: &str) {
    std::fs::write(&path, secret).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// A request as the server got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What the server says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Reply {
    pub(crate) fn of(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        Self { status, headers: map(headers), body: body.into(), trailers: None }
    }

    /// An answer of gRPC: one message and trailers.
    pub(crate) fn grpc(message: &[u8], trailers: &[(&str, &str)]) -> Self {
        let mut body = vec![0];
        body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend(message);
        let headers = map(&[("content-type", "application/grpc")]);
        Self { status: 200, headers, body: body.into(), trailers: Some(map(trailers)) }
    }

    pub(crate) fn grpc_ok() -> Self {
        Self::grpc(b"", &[("grpc-status", "0")])
    }
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    headers.iter().map(pair).collect()
}

/// The body of a reply, then its trailers.
struct ReplyBody(Option<Bytes>, Option<HeaderMap>);

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let data = this.0.take().filter(|data| !data.is_empty()).map(Frame::data);
        std::task::Poll::Ready(data.or_else(|| this.1.take().map(Frame::trailers)).map(Ok))
    }
}

type Handler = Rc<dyn Fn(Seen) -> LocalBoxFuture<'static, Reply>>;

/// A server on a free port of the loopback address.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Rc<RefCell<Vec<Seen>>>,
    connections: Rc<RefCell<Vec<JoinHandle<()>>>>,
    goaway: Rc<RefCell<Stop>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers every request alike.
    pub(crate) async fn replying(reply: Reply) -> Self {
        Self::start(move |_| Box::pin(std::future::ready(reply.clone()))).await
    }

    pub(crate) async fn start(handler: impl Fn(Seen) -> LocalBoxFuture<'static, Reply> + 'static) -> Self {
        Self::listen(Rc::new(handler), None, "127.0.0.1:0").await
    }

    pub(crate) async fn start_at(address: SocketAddr, reply: Reply) -> Self {
        let handler: Handler = Rc::new(move |_| Box::pin(std::future::ready(reply.clone())));
        Self::listen(handler, None, &address.to_string()).await
    }

    pub(crate) async fn with_tls(tls: rustls::ServerConfig, reply: Reply) -> Self {
        let handler: Handler = Rc::new(move |_| Box::pin(std::future::ready(reply.clone())));
        Self::listen(handler, Some(TlsAcceptor::from(Arc::new(tls))), "127.0.0.1:0").await
    }

    async fn listen(handler: Handler, tls: Option<TlsAcceptor>, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Rc<RefCell<Vec<Seen>>> = Rc::default();
        let connections: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
        let goaway = Rc::new(RefCell::new(Stop::new()));
        let (log, open, leave) = (Rc::clone(&seen), Rc::clone(&connections), Rc::clone(&goaway));
        let accepting = tokio::task::spawn_local(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (handler, log, tls, leave) =
                    (Rc::clone(&handler), Rc::clone(&log), tls.clone(), leave.borrow().clone());
                let task = tokio::task::spawn_local(async move {
                    match tls {
                        None => serve(tcp, handler, log, leave).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, handler, log, leave).await;
                            }
                        }
                    }
                });
                open.borrow_mut().push(task);
            }
        });
        Self { address, seen, connections, goaway, accepting }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Cuts every connection, as a crash of the server does.
    pub(crate) fn cut(&self) {
        for task in self.connections.borrow_mut().drain(..) {
            task.abort();
        }
    }

    /// Cuts every connection and gives the port back.
    pub(crate) async fn stop(mut self) {
        self.cut();
        self.accepting.abort();
        assert!((&mut self.accepting).await.unwrap_err().is_cancelled());
    }

    /// Asks every client to leave: GOAWAY, or `connection: close`.
    pub(crate) fn say_goodbye(&self) {
        self.goaway.replace(Stop::new()).cancel();
    }

    /// Returns the one request that came.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen.borrow();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    handler: Handler,
    log: Rc<RefCell<Vec<Seen>>>,
    leave: Stop,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, log) = (Rc::clone(&handler), Rc::clone(&log));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let seen = Seen { uri: head.uri, version: head.version, headers: head.headers, body };
            log.borrow_mut().push(seen.clone());
            let reply = handler(seen).await;
            let mut response = Response::new(ReplyBody(Some(reply.body), reply.trailers));
            *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap();
            *response.headers_mut() = reply.headers;
            Ok::<_, hyper::Error>(response)
        }
    });
    let builder = auto::Builder::new(transport::LocalExecutor);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = leave.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}

/// An authority, and what it has signed.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Returns a certificate for the name and its key, both as PEM.
    pub(crate) fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Returns the settings of a server that calls itself `name` and, if told, wants clients to show a
    /// certificate of this authority.
    pub(crate) fn server(&self, name: &str, clients: ClientCertificates) -> rustls::ServerConfig {
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
        let (certificate, key) = self.sign(name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Required => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
                let verifier =
                    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

/// Whether a server asks clients who they are.
#[derive(Clone, Copy)]
pub(crate) enum ClientCertificates {
    Ignored,
    Required,
}

/// Undoes a compression, by the name it has in headers.
pub(crate) fn unpack(encoding: &str, body: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut plain = Vec::new();
    match encoding {
        "" => plain.extend_from_slice(body),
        "gzip" => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap()),
        "zlib" | "deflate" => drop(flate2::read::ZlibDecoder::new(body).read_to_end(&mut plain).unwrap()),
        "zstd" => plain = zstd::stream::decode_all(body).unwrap(),
        "snappy" => plain = snap::raw::Decoder::new().decompress_vec(body).unwrap(),
        "x-snappy-framed" => drop(snap::read::FrameDecoder::new(body).read_to_end(&mut plain).unwrap()),
        "lz4" => drop(lz4_flex::frame::FrameDecoder::new(body).read_to_end(&mut plain).unwrap()),
        other => panic!("no such encoding: {other}"),
    }
    plain
}
