//! The collector's `tls` section of a client, read when a connection is first needed.

use std::{cell::RefCell, path::PathBuf, sync::Arc, time::Duration};

use component::{Checks, Clock};
use config::NotSupported;
use model::Timestamp;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use serde::Deserialize;
use transport::crypto_provider;

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TlsConfig {
    /// Plaintext. Only gRPC heeds it: an HTTP endpoint has a scheme.
    pub(crate) insecure: bool,
    pub(crate) insecure_skip_verify: bool,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) ca_pem: Option<config::Secret>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) cert_file: Option<PathBuf>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) cert_pem: Option<config::Secret>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) key_file: Option<PathBuf>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) key_pem: Option<config::Secret>,
    /// Trust the system's authorities beside `ca_file`; without `ca_file` they are trusted anyway.
    pub(crate) include_system_ca_certs_pool: bool,
    /// The name that the server's certificate must bear, where it is not the endpoint's.
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) server_name_override: Option<String>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) min_version: Option<TlsVersion>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) max_version: Option<TlsVersion>,
    /// Which of TLS 1.2 are offered; absent means all that are safe.
    pub(crate) cipher_suites: Vec<String>,
    /// The key exchanges, the best first; absent means all that are safe.
    pub(crate) curve_preferences: Vec<String>,
    /// Read the files again for connections made this long after; absent or zero means never.
    pub(crate) reload_interval: Option<config::Duration>,
}

/// The collector's keys of `tls` that are refused.
pub(crate) const TLS_NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new("include_insecure_cipher_suites", "no insecure cipher suite is offered", "remove it"),
    NotSupported::new("tpm", "keys are read from files or from `key_pem`", "set `key_file`"),
];

/// A version of TLS that is still safe to speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
pub(crate) enum TlsVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// Why no TLS connection can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("tls.{key} {path} can not be read: {source}; make the file readable or change tls.{key}")]
    Read { key: &'static str, path: String, source: std::io::Error },
    #[error("tls.{key} holds no usable PEM {what}: {problem}")]
    Pem { key: &'static str, what: &'static str, problem: String },
    #[error("the system has no certificate authorities; install ca-certificates or set tls.ca_file")]
    NoSystemRoots,
    #[error("tls: {0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsConfig {
    /// Checks the section, which stands at `tls`.
    pub(crate) fn validate(&self, checks: &mut Checks) {
        both_forms(self.ca_file.is_some(), self.ca_pem.is_some(), "ca", checks);
        both_forms(self.cert_file.is_some(), self.cert_pem.is_some(), "cert", checks);
        both_forms(self.key_file.is_some(), self.key_pem.is_some(), "key", checks);
        let has_cert = self.cert_file.is_some() || self.cert_pem.is_some();
        let has_key = self.key_file.is_some() || self.key_pem.is_some();
        if has_cert != has_key {
            let (have, lack) = if has_cert { ("cert", "key") } else { ("key", "cert") };
            checks.error(
                "tls",
                format!("{have}_file is set without {lack}_file, a client certificate needs both"),
            );
        }
        if let (Some(least), Some(most)) = (self.min_version, self.max_version)
            && least > most
        {
            checks.error("tls.max_version", "max_version is below min_version");
        }
        if let Err(unknown) = crypto_provider(&self.cipher_suites, &self.curve_preferences) {
            checks.error(&format!("tls.{}.{}", unknown.key, unknown.index), unknown.to_string());
        }
        if let Some(name) = &self.server_name_override
            && ServerName::try_from(name.as_str()).is_err()
        {
            let message = format!("server_name_override is {name:?}, must be a host name or an address");
            checks.error("tls.server_name_override", message);
        }
        for (key, file) in
            [("ca_file", &self.ca_file), ("cert_file", &self.cert_file), ("key_file", &self.key_file)]
        {
            if let Some(path) = file
                && !path.exists()
            {
                checks.warn(&format!("tls.{key}"), format!("{} does not exist here", path.display()));
            }
        }
        self.validate_pem(checks);
    }

    fn validate_pem(&self, checks: &mut Checks) {
        if let Some(pem) = &self.ca_pem
            && let Err(error) = certificates("ca_pem", pem.expose().as_bytes())
        {
            checks.error("tls.ca_pem", error.to_string());
        }
        if let Some(pem) = &self.cert_pem
            && let Err(error) = certificates("cert_pem", pem.expose().as_bytes())
        {
            checks.error("tls.cert_pem", error.to_string());
        }
        if let Some(pem) = &self.key_pem
            && let Err(error) = private_key("key_pem", pem.expose().as_bytes())
        {
            checks.error("tls.key_pem", error.to_string());
        }
    }

    /// Returns the name that the server's certificate must bear.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = self.server_name_override.as_deref().unwrap_or(host).trim_matches(['[', ']']).to_owned();
        let problem = format!("{name:?} is neither a host name nor an address");
        ServerName::try_from(name).map_err(|_| TlsError::Rustls(rustls::Error::General(problem)))
    }

    /// Reads the files and returns what connections are made with.
    ///
    /// *Cost*: reads files, among them the system's authorities; call it where blocking is allowed.
    fn load(&self) -> Result<ClientConfig, TlsError> {
        let provider = crypto_provider(&self.cipher_suites, &self.curve_preferences);
        let provider = Arc::new(provider.map_err(|unknown| rustls::Error::General(unknown.to_string()))?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&self.versions())?;
        let builder = if self.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let certificate = pem_of("cert_file", &self.cert_file, &self.cert_pem)?;
        let key = pem_of("key_file", &self.key_file, &self.key_pem)?;
        let (Some(certificate), Some(key)) = (certificate, key) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates("cert_file", &certificate)?;
        Ok(builder.with_client_auth_cert(chain, private_key("key_file", &key)?)?)
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let least = self.min_version.unwrap_or(TlsVersion::V1_2);
        let most = self.max_version.unwrap_or(TlsVersion::V1_3);
        let all = [(TlsVersion::V1_3, &rustls::version::TLS13), (TlsVersion::V1_2, &rustls::version::TLS12)];
        all.into_iter().filter(|(version, _)| (least..=most).contains(version)).map(|(_, tls)| tls).collect()
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let own = pem_of("ca_file", &self.ca_file, &self.ca_pem)?;
        if own.is_none() || self.include_system_ca_certs_pool {
            // Some systems hold certificates that no one can parse; the rest still count.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() && own.is_none() {
                return Err(TlsError::NoSystemRoots);
            }
        }
        if let Some(pem) = own {
            for certificate in certificates("ca_file", &pem)? {
                roots.add(certificate)?;
            }
        }
        Ok(roots)
    }
}

fn both_forms(file: bool, pem: bool, what: &str, checks: &mut Checks) {
    if file && pem {
        checks.error("tls", format!("{what}_file and {what}_pem are both set, keep one"));
    }
}

fn pem_of(
    key: &'static str,
    file: &Option<PathBuf>,
    pem: &Option<config::Secret>,
) -> Result<Option<Vec<u8>>, TlsError> {
    if let Some(pem) = pem {
        return Ok(Some(pem.expose().as_bytes().to_vec()));
    }
    let Some(path) = file else { return Ok(None) };
    let bytes = std::fs::read(path);
    bytes.map(Some).map_err(|source| TlsError::Read { key, path: path.display().to_string(), source })
}

fn certificates(key: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificate";
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::Pem { key, what, problem: "none found".into() }),
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::Pem { key, what, problem: error.to_string() }),
    }
}

fn private_key(key: &'static str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| TlsError::Pem {
        key,
        what: "private key",
        problem: error.to_string(),
    })
}

/// Loads a section once, and again when its files may have changed.
pub(crate) struct TlsLoader {
    config: TlsConfig,
    clock: Arc<dyn Clock>,
    loaded: RefCell<Option<(Timestamp, Arc<ClientConfig>)>>,
}

impl TlsLoader {
    pub(crate) fn new(config: TlsConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock, loaded: RefCell::new(None) }
    }

    pub(crate) const fn config(&self) -> &TlsConfig {
        &self.config
    }

    /// Returns what connections are made with now; the same `Arc` until the files are read again.
    ///
    /// # Errors
    /// When files are missing or hold no PEM. Try again later: certificates are often put in place by
    /// something that starts at the same time. A file that spoils while we run is reported in the log
    /// and the last good one kept.
    pub(crate) async fn get(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let now = self.clock.now();
        let last = self.loaded.borrow().clone();
        if let Some((at, loaded)) = &last
            && !self.is_stale(now.since(*at))
        {
            return Ok(Arc::clone(loaded));
        }
        match (self.load().await, last) {
            (Ok(loaded), _) => {
                let loaded = Arc::new(loaded);
                *self.loaded.borrow_mut() = Some((now, Arc::clone(&loaded)));
                Ok(loaded)
            }
            (Err(error), Some((_, kept))) => {
                tracing::warn!(%error, "certificates can not be reloaded, the last ones stay in use");
                *self.loaded.borrow_mut() = Some((now, Arc::clone(&kept)));
                Ok(kept)
            }
            (Err(error), None) => Err(error),
        }
    }

    fn is_stale(&self, age: Duration) -> bool {
        let interval = self.config.reload_interval.map_or(Duration::ZERO, |interval| interval.get());
        !interval.is_zero() && age >= interval
    }

    async fn load(&self) -> Result<ClientConfig, TlsError> {
        let config = self.config.clone();
        match tokio::task::spawn_blocking(move || config.load()).await {
            Ok(loaded) => loaded,
            Err(error) => Err(TlsError::Rustls(rustls::Error::General(error.to_string()))),
        }
    }
}

/// Takes any certificate, as `insecure_skip_verify` asks; the handshake's signature is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
