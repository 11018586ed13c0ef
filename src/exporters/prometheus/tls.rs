//! The certificate that scrapes are answered with.

use std::{fmt, path::PathBuf, sync::Arc};

use component::{BoxError, Checks};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use super::config::ServerTlsConfig;

/// A file that can not be used, and its key.
#[derive(Debug)]
struct TlsProblem {
    key: &'static str,
    message: String,
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tls.{} {}", self.key, self.message)
    }
}

impl std::error::Error for TlsProblem {}

impl ServerTlsConfig {
    /// Checks that the files are named, are there and hold what they should.
    pub(super) fn validate(&self, checks: &mut Checks) {
        if self.cert_file.is_none() {
            checks.error("tls.cert_file", "cert_file is missing, a server needs a certificate");
        }
        if self.key_file.is_none() {
            checks.error("tls.key_file", "key_file is missing, a server needs its certificate's key");
        }
        let is_named = self.cert_file.is_some() && self.key_file.is_some();
        if is_named && let Err(problem) = load(self) {
            checks.error(&format!("tls.{}", problem.key), problem.message);
        }
    }
}

/// Reads the files and returns what makes TLS connections of accepted sockets.
///
/// # Errors
/// When a file can not be read or does not hold what it should.
pub(super) async fn acceptor(tls: ServerTlsConfig) -> Result<TlsAcceptor, BoxError> {
    let config = tokio::task::spawn_blocking(move || load(&tls)).await??;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn load(tls: &ServerTlsConfig) -> Result<ServerConfig, TlsProblem> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3");
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(_) => {
            const KEY: &str = "client_ca_file";
            let problem = |error: &dyn fmt::Display| TlsProblem { key: KEY, message: error.to_string() };
            let mut roots = RootCertStore::empty();
            for authority in certificates(KEY, &tls.client_ca_file)? {
                roots.add(authority).map_err(|error| problem(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| problem(&error))?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&read("key_file", &tls.key_file)?).map_err(|error| {
        TlsProblem { key: "key_file", message: format!("holds no usable PEM private key: {error}") }
    })?;
    builder.with_single_cert(certificates("cert_file", &tls.cert_file)?, key).map_err(|error| TlsProblem {
        key: "key_file",
        message: format!("does not fit to cert_file: {error}"),
    })
}

fn certificates(
    key: &'static str,
    file: &Option<PathBuf>,
) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let pem = read(key, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsProblem { key, message: "holds no PEM certificate".to_owned() })
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TlsProblem { key, message: format!("holds no usable PEM certificate: {error}") }),
    }
}

fn read(key: &'static str, file: &Option<PathBuf>) -> Result<Vec<u8>, TlsProblem> {
    let missing =
        || TlsProblem { key, message: "is missing, a server needs a certificate and its key".into() };
    let path = file.as_ref().ok_or_else(missing)?;
    std::fs::read(path).map_err(|error| {
        let path = path.display();
        let message = format!("{path} can not be read: {error}; make the file readable or change tls.{key}");
        TlsProblem { key, message }
    })
}
