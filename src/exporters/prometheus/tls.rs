//! The certificate that scrapes are answered with.

use std::{path::PathBuf, sync::Arc};

use component::BoxError;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use super::config::ServerTlsConfig;

/// Reads the files and returns what makes TLS connections of accepted sockets.
///
/// # Errors
/// When a file can not be read or does not hold what it should.
pub(super) async fn acceptor(tls: ServerTlsConfig) -> Result<TlsAcceptor, BoxError> {
    let config = tokio::task::spawn_blocking(move || load(&tls)).await??;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn load(tls: &ServerTlsConfig) -> Result<ServerConfig, BoxError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(_) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates("client_ca_file", &tls.client_ca_file)? {
                roots.add(authority)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&read("key_file", &tls.key_file)?)
        .map_err(|error| format!("tls.key_file holds no usable PEM private key: {error}"))?;
    Ok(builder.with_single_cert(certificates("cert_file", &tls.cert_file)?, key)?)
}

fn certificates(key: &str, file: &Option<PathBuf>) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let pem = read(key, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!("tls.{key} holds no PEM certificate").into()),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("tls.{key} holds no usable PEM certificate: {error}").into()),
    }
}

fn read(key: &str, file: &Option<PathBuf>) -> Result<Vec<u8>, BoxError> {
    let path = file.as_ref().ok_or_else(|| format!("tls.{key} is missing"))?;
    std::fs::read(path).map_err(|error| {
        format!(
            "tls.{key} {} can not be read: {error}; make the file readable or change tls.{key}",
            path.display()
        )
        .into()
    })
}
