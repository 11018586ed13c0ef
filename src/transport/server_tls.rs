//! TLS of servers, with the collector's keys.

use std::{
    fs,
    path::Path,
    sync::{Arc, OnceLock},
};

use component::Checks;
use config::NotSupported;
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::Deserialize;

use crate::crypto_provider;

/// `tls` of a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerTlsConfig {
    pub cert_file: String,
    pub cert_pem: config::Secret,
    pub key_file: String,
    pub key_pem: config::Secret,
    /// Whose certificates clients must show; absent means that clients need none.
    pub client_ca_file: String,
    /// Known to the collector, where it is for clients; without effect on a server.
    pub ca_file: String,
    pub ca_pem: config::Secret,
    pub include_system_ca_certs_pool: bool,
    /// `1.2` or `1.3`; the default is 1.2.
    pub min_version: String,
    pub max_version: String,
    pub cipher_suites: Vec<String>,
    pub curve_preferences: Vec<String>,
    pub reload_interval: config::Duration,
    pub client_ca_file_reload: bool,
    /// What the checks have read, so that the start can not find something else.
    #[serde(skip)]
    pub read: OnceLock<Arc<ServerConfig>>,
}

/// The collector's keys of `tls` that are refused.
pub const SERVER_TLS_NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new("include_insecure_cipher_suites", "no insecure cipher suite is offered", "remove it"),
    NotSupported::new("tpm", "keys are read from files or from `key_pem`", "set `key_file`"),
];

/// A value that can not be used, and its key.
#[derive(Debug)]
pub struct ServerTlsProblem {
    key: String,
    message: String,
}

impl ServerTlsProblem {
    fn new(key: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self { key: key.into(), message: message.to_string() }
    }
}

impl std::fmt::Display for ServerTlsProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tls.{}: {}", self.key, self.message)
    }
}

impl std::error::Error for ServerTlsProblem {}

impl ServerTlsConfig {
    /// Checks every key, and that the files are there and hold what they should.
    pub fn validate(&self, path: &str, checks: &mut Checks) {
        let has_pairs = self.validate_pairs(path, checks);
        let has_versions = self.validate_versions(path, checks);
        if !self.reload_interval.get().is_zero() || self.client_ca_file_reload {
            checks.warn(path, "certificates are read once, at the start; restart to renew them");
        }
        if has_pairs
            && has_versions
            && let Err(problem) = self.read()
        {
            checks.error(&format!("{path}.{}", problem.key), problem.message);
        }
    }

    fn validate_pairs(&self, path: &str, checks: &mut Checks) -> bool {
        let mut is_good = true;
        let pairs = [("cert", &self.cert_file, &self.cert_pem), ("key", &self.key_file, &self.key_pem)];
        for (key, file, pem) in pairs {
            let message = match (file.is_empty(), pem.expose().is_empty()) {
                (true, true) => format!("tls of a server needs a {key}, set {key}_file or {key}_pem"),
                (false, false) => format!("{key}_file and {key}_pem are both set, keep one"),
                _ => continue,
            };
            checks.error(path, message);
            is_good = false;
        }
        is_good
    }

    fn validate_versions(&self, path: &str, checks: &mut Checks) -> bool {
        let mut is_good = true;
        for (key, value) in [("min_version", &self.min_version), ("max_version", &self.max_version)] {
            if !matches!(value.as_str(), "" | "1.2" | "1.3") {
                let message = format!("{key} is {value:?}, must be \"1.2\" or \"1.3\"");
                checks.error(&format!("{path}.{key}"), message);
                is_good = false;
            }
        }
        if self.min_version == "1.3" && self.max_version == "1.2" {
            checks.error(
                &format!("{path}.max_version"),
                "max_version is 1.2, must not be below min_version (1.3)",
            );
            is_good = false;
        }
        is_good
    }

    /// Returns the server's side as the checks have found it, with the protocols it agrees to.
    ///
    /// # Errors
    /// Which file or key is wrong and why; none once the checks have passed.
    pub fn server(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, ServerTlsProblem> {
        let mut server = ServerConfig::clone(&*self.read()?);
        server.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(server))
    }

    /// Reads the files once.
    fn read(&self) -> Result<Arc<ServerConfig>, ServerTlsProblem> {
        if let Some(read) = self.read.get() {
            return Ok(Arc::clone(read));
        }
        let read = Arc::new(self.build()?);
        Ok(Arc::clone(self.read.get_or_init(|| read)))
    }

    fn build(&self) -> Result<ServerConfig, ServerTlsProblem> {
        let provider = crypto_provider(&self.cipher_suites, &self.curve_preferences).map_err(|unknown| {
            ServerTlsProblem::new(format!("{}.{}", unknown.key, unknown.index), unknown)
        })?;
        let provider = Arc::new(provider);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_protocol_versions(&self.versions())
            .map_err(|problem| ServerTlsProblem::new("cipher_suites", problem))?;
        let builder = if self.client_ca_file.is_empty() {
            builder.with_no_client_auth()
        } else {
            let roots = self.client_roots()?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let place = &self.client_ca_file;
            let verifier = verifier
                .map_err(|problem| ServerTlsProblem::new("client_ca_file", format!("{place}: {problem}")))?;
            builder.with_client_cert_verifier(verifier)
        };
        let (cert_key, cert_place, cert) = pem("cert", &self.cert_file, &self.cert_pem)?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert).collect::<Result<_, _>>().map_err(|e| {
            ServerTlsProblem::new(cert_key, format!("{cert_place}: no certificate can be read: {e}"))
        })?;
        let (key_key, key_place, key) = pem("key", &self.key_file, &self.key_pem)?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| {
            ServerTlsProblem::new(key_key.clone(), format!("{key_place}: no key can be read: {e}"))
        })?;
        builder.with_single_cert(chain, key).map_err(|e| {
            let message = format!("{cert_place} and {key_place} can not be used together: {e}");
            ServerTlsProblem::new(key_key, message)
        })
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        match (self.min_version.as_str(), self.max_version.as_str()) {
            ("1.3", _) => vec![&TLS13],
            (_, "1.2") => vec![&TLS12],
            _ => vec![&TLS13, &TLS12],
        }
    }

    fn client_roots(&self) -> Result<RootCertStore, ServerTlsProblem> {
        const KEY: &str = "client_ca_file";
        let place = &self.client_ca_file;
        let pem = read(KEY, place)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|problem| {
                ServerTlsProblem::new(KEY, format!("{place}: a certificate can not be read: {problem}"))
            })?;
            roots.add(certificate).map_err(|problem| {
                ServerTlsProblem::new(KEY, format!("{place}: a certificate can not be used: {problem}"))
            })?;
        }
        if roots.is_empty() {
            return Err(ServerTlsProblem::new(KEY, format!("{place}: holds no certificate")));
        }
        Ok(roots)
    }
}

/// Returns the key that is set, what to call the text's place in messages, and the text.
fn pem(
    what: &str,
    file: &str,
    inline: &config::Secret,
) -> Result<(String, String, Vec<u8>), ServerTlsProblem> {
    if file.is_empty() {
        let key = format!("{what}_pem");
        return Ok((key.clone(), key, inline.expose().as_bytes().to_vec()));
    }
    let key = format!("{what}_file");
    let bytes = read(&key, file)?;
    Ok((key, file.to_owned(), bytes))
}

fn read(key: &str, file: &str) -> Result<Vec<u8>, ServerTlsProblem> {
    fs::read(Path::new(file)).map_err(|problem| {
        ServerTlsProblem::new(
            key,
            format!("{file} can not be read: {problem}; make it readable or change {key}"),
        )
    })
}
