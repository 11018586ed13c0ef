//! TLS of the sender and the sink: one authority, one certificate for all, in files as operators have them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

const HTTP_2: &[u8] = b"h2";

/// Both ends outside of the collector.
#[derive(Clone)]
pub(crate) struct Tls {
    folder: PathBuf,
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Writes `ca.pem`, `server.pem` and `server-key.pem` for `localhost` and `127.0.0.1` into a folder.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let files = [
            ("ca.pem", authority.pem()),
            ("server.pem", certificate.pem()),
            ("server-key.pem", key.serialize_pem()),
        ];
        for (name, text) in files {
            fs::write(folder.join(name), text).with_context(|| format!("writing {name}"))?;
        }

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![HTTP_2.to_vec()];
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        server.alpn_protocols = vec![HTTP_2.to_vec()];
        Ok(Self {
            folder: folder.to_owned(),
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
        })
    }

    /// Returns the folder of the files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) async fn connect(&self, socket: TcpStream) -> Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost")?;
        self.connector.connect(name, socket).await.context("opening TLS")
    }

    pub(crate) async fn accept(&self, socket: TcpStream) -> Result<server::TlsStream<TcpStream>> {
        self.acceptor.accept(socket).await.context("accepting TLS")
    }
}
