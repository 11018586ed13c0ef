//! TLS of the two servers, with the collector's keys.

use std::{fs, path::Path, sync::Arc};

use component::{BoxError, Checks};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::Deserialize;

/// `tls` of a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TlsConfig {
    pub(crate) cert_file: String,
    pub(crate) cert_pem: config::Secret,
    pub(crate) key_file: String,
    pub(crate) key_pem: config::Secret,
    /// Whose certificates clients must show; absent means that clients need none.
    pub(crate) client_ca_file: String,
    /// Known to the collector, where it is for clients; without effect on a server.
    pub(crate) ca_file: String,
    pub(crate) ca_pem: config::Secret,
    pub(crate) include_system_ca_certs_pool: bool,
    /// `1.2` or `1.3`; the default is 1.2.
    pub(crate) min_version: String,
    pub(crate) max_version: String,
    pub(crate) cipher_suites: Vec<String>,
    pub(crate) curve_preferences: Vec<String>,
    pub(crate) reload_interval: config::Duration,
    pub(crate) client_ca_file_reload: bool,
}

impl TlsConfig {
    pub(super) fn validate(&self, path: &str, checks: &mut Checks) {
        let pairs = [("cert", &self.cert_file, &self.cert_pem), ("key", &self.key_file, &self.key_pem)];
        for (key, file, pem) in pairs {
            match (file.is_empty(), pem.expose().is_empty()) {
                (true, true) => {
                    checks.error(path, format!("tls of a server needs a {key}, set {key}_file or {key}_pem"));
                }
                (false, false) => {
                    checks.error(path, format!("{key}_file and {key}_pem are both set, keep one"))
                }
                _ => {}
            }
        }
        for (key, value) in [("min_version", &self.min_version), ("max_version", &self.max_version)] {
            if !matches!(value.as_str(), "" | "1.2" | "1.3") {
                let message = format!("{key} is {value:?}, must be \"1.2\" or \"1.3\"");
                checks.error(&format!("{path}.{key}"), message);
            }
        }
        if self.min_version == "1.3" && self.max_version == "1.2" {
            checks.error(
                &format!("{path}.max_version"),
                "max_version is 1.2, must not be below min_version (1.3)",
            );
        }
        for (key, values) in
            [("cipher_suites", &self.cipher_suites), ("curve_preferences", &self.curve_preferences)]
        {
            if !values.is_empty() {
                let message =
                    format!("{key} can not be chosen here, remove it: only modern ones are offered");
                checks.error(&format!("{path}.{key}"), message);
            }
        }
        if !self.reload_interval.get().is_zero() || self.client_ca_file_reload {
            checks.warn(path, "certificates are read once, at the start; restart to renew them");
        }
    }

    /// Reads the files and builds the server's side.
    ///
    /// # Errors
    /// Which file or key is wrong and why.
    pub(super) fn server(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, BoxError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&self.versions())?;
        let builder = if self.client_ca_file.is_empty() {
            builder.with_no_client_auth()
        } else {
            let roots = self.client_roots()?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| format!("{}: {e}", self.client_ca_file))?)
        };
        let (cert_place, cert) = pem("cert", &self.cert_file, &self.cert_pem)?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert)
            .collect::<Result<_, _>>()
            .map_err(|e| format!("{cert_place}: no certificate can be read: {e}"))?;
        let (key_place, key) = pem("key", &self.key_file, &self.key_pem)?;
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|e| format!("{key_place}: no key can be read: {e}"))?;
        let mut server = builder
            .with_single_cert(chain, key)
            .map_err(|e| format!("{cert_place} and {key_place} can not be used together: {e}"))?;
        server.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(server))
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        match (self.min_version.as_str(), self.max_version.as_str()) {
            ("1.3", _) => vec![&TLS13],
            (_, "1.2") => vec![&TLS12],
            _ => vec![&TLS13, &TLS12],
        }
    }

    fn client_roots(&self) -> Result<RootCertStore, BoxError> {
        let place = &self.client_ca_file;
        let pem = read(place)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate =
                certificate.map_err(|e| format!("{place}: a certificate can not be read: {e}"))?;
            roots.add(certificate).map_err(|e| format!("{place}: a certificate can not be used: {e}"))?;
        }
        if roots.is_empty() {
            return Err(format!("{place}: holds no certificate").into());
        }
        Ok(roots)
    }
}

/// Returns the text and what to call its place in messages.
fn pem(key: &str, file: &str, inline: &config::Secret) -> Result<(String, Vec<u8>), BoxError> {
    if file.is_empty() {
        return Ok((format!("{key}_pem"), inline.expose().as_bytes().to_vec()));
    }
    Ok((file.to_owned(), read(file)?))
}

fn read(file: &str) -> Result<Vec<u8>, BoxError> {
    fs::read(Path::new(file)).map_err(|e| format!("{file}: can not be read: {e}").into())
}
