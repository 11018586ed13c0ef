//! Whose certificates the program trusts when it is a client, read from files or from the system.

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A file that can not be used, and the key or option that names it.
#[derive(Debug)]
pub(crate) struct TlsProblem {
    pub(crate) key: &'static str,
    pub(crate) message: String,
}

impl TlsProblem {
    pub(crate) fn new(key: &'static str, path: &Path, problem: &dyn fmt::Display) -> Self {
        Self { key, message: format!("{} can not be used as {key}: {problem}", path.display()) }
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsProblem {}

/// Returns the authorities that the system trusts.
///
/// *Cost*: reads a hundred files and more.
pub(crate) fn of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Some systems hold certificates that no one can parse; the rest still count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Returns the authorities of a file, whose text is `pem`.
pub(crate) fn of_file(key: &'static str, path: &Path, pem: &[u8]) -> Result<RootCertStore, TlsProblem> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(key, path, pem)? {
        roots.add(authority).map_err(|problem| TlsProblem::new(key, path, &problem))?;
    }
    Ok(roots)
}

/// Begins the client's side of TLS.
pub(crate) fn client(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
}

pub(crate) fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsProblem> {
    std::fs::read(path).map_err(|problem| {
        let path = path.display();
        let message = format!("{path} can not be read: {problem}; make it readable or change {key}");
        TlsProblem { key, message }
    })
}

pub(crate) fn certificates(
    key: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsProblem::new(key, path, &"it holds no PEM certificate")),
        Ok(found) => Ok(found),
        Err(problem) => Err(TlsProblem::new(key, path, &problem)),
    }
}
