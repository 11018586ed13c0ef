//! A target made by hand.

use std::{cell::RefCell, io::Write, net::SocketAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// What the server writes after a request.
#[derive(Clone)]
pub(super) enum Reply {
    /// A head and a body, as they are.
    Whole(String, Bytes),
    /// A head, and then these bytes again and again.
    Endless(String, Bytes),
    /// Nothing, ever.
    Silence,
}

impl Reply {
    pub(super) fn ok(body: impl Into<Bytes>) -> Self {
        Self::with("200 OK", "content-type: text/plain", body)
    }

    pub(super) fn with(status: &str, header: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len();
        Self::Whole(
            format!("HTTP/1.1 {status}\r\n{header}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"),
            body,
        )
    }

    pub(super) fn gzip(body: &[u8]) -> Self {
        Self::with("200 OK", "content-encoding: gzip\r\ncontent-type: text/plain", packed(body))
    }
}

pub(super) fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

type Handler = Rc<dyn Fn(&str) -> Reply>;

/// A server on a free port of the loopback address.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Heads of requests.
    pub(super) seen: Rc<RefCell<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(handler: impl Fn(&str) -> Reply + 'static) -> Self {
        Self::listen(Rc::new(handler), None).await
    }

    pub(super) async fn with_tls(
        tls: rustls::ServerConfig,
        handler: impl Fn(&str) -> Reply + 'static,
    ) -> Self {
        Self::listen(Rc::new(handler), Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    async fn listen(handler: Handler, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Rc<RefCell<Vec<String>>> = Rc::default();
        let log = Rc::clone(&seen);
        let accepting = tokio::task::spawn_local(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (handler, log, tls) = (Rc::clone(&handler), Rc::clone(&log), tls.clone());
                tokio::task::spawn_local(async move {
                    match tls {
                        None => serve(tcp, handler, log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, handler, log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, accepting }
    }

    /// Returns the value of a header of the last request.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let seen = self.seen.borrow();
        let head = seen.last()?;
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")))?;
        Some(line.split_once(": ")?.1.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut io: impl AsyncRead + AsyncWrite + Unpin, handler: Handler, log: Rc<RefCell<Vec<String>>>) {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match io.read(&mut buffer).await {
            Ok(n) if n > 0 => head.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    log.borrow_mut().push(head.clone());
    // Whoever asks may go before all is written.
    let _ended = match handler(&head) {
        Reply::Whole(head, body) => {
            let _written = io.write_all(head.as_bytes()).await;
            let _written = io.write_all(&body).await;
            io.shutdown().await
        }
        Reply::Endless(head, part) => {
            let mut written = io.write_all(head.as_bytes()).await;
            while written.is_ok() {
                written = io.write_all(&part).await;
            }
            written
        }
        Reply::Silence => std::future::pending().await,
    };
}

/// An authority as PEM, and the settings of a server that it has signed.
pub(super) fn certified() -> (String, rustls::ServerConfig) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = KeyPair::generate().unwrap();
    let authority = params.self_signed(&own).unwrap().pem();
    let issuer = Issuer::new(params, own);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    (authority, builder.with_single_cert(chain, key).unwrap())
}
