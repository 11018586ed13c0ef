//! The collector's `tls` section of a client, read when a connection is first needed.

use std::{cell::RefCell, path::PathBuf, sync::Arc, time::Duration};

use component::{Checks, Clock, Telemetry};
use model::Timestamp;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use serde::{Deserialize, Deserializer};

use super::{Counts, warn_of_open_secret};
use crate::crypto_provider;

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientTlsConfig {
    /// Plaintext. Only gRPC heeds it: an HTTP endpoint has a scheme.
    pub insecure: bool,
    pub insecure_skip_verify: bool,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "secret_or_unset")]
    pub ca_pem: Option<config::Secret>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub cert_file: Option<PathBuf>,
    #[serde(deserialize_with = "secret_or_unset")]
    pub cert_pem: Option<config::Secret>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub key_file: Option<PathBuf>,
    #[serde(deserialize_with = "secret_or_unset")]
    pub key_pem: Option<config::Secret>,
    /// Trust the system's authorities beside `ca_file`; without `ca_file` they are trusted anyway.
    pub include_system_ca_certs_pool: bool,
    /// The name that the server's certificate must bear, where it is not the endpoint's.
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub server_name_override: Option<String>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub min_version: Option<TlsVersion>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub max_version: Option<TlsVersion>,
    /// Which of TLS 1.2 are offered; absent means all that are safe.
    pub cipher_suites: Vec<String>,
    pub include_insecure_cipher_suites: bool,
    /// The key exchanges, the best first; absent means all that are safe.
    pub curve_preferences: Vec<String>,
    /// Read the files again for connections made this long after; absent or zero means never.
    pub reload_interval: Option<config::Duration>,
}

/// Reads a secret as one, so that no message shows its line, and none of an empty one.
fn secret_or_unset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<config::Secret>, D::Error> {
    Ok(Option::<config::Secret>::deserialize(deserializer)?.filter(|secret| !secret.is_empty()))
}

/// A version of TLS that is still safe to speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// Why no TLS connection can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientTlsError {
    #[error("tls.{key} {path} can not be read: {source}; make the file readable or change tls.{key}")]
    Read { key: &'static str, path: String, source: std::io::Error },
    #[error("tls.{key} holds no usable PEM {what}: {problem}")]
    Pem { key: &'static str, what: &'static str, problem: String },
    #[error("the system has no certificate authorities; install ca-certificates or set tls.ca_file")]
    NoSystemRoots,
    #[error("tls: {0}")]
    Rustls(#[from] rustls::Error),
}

impl ClientTlsConfig {
    /// Checks every key; `path` is where the section stands.
    pub fn validate(&self, path: &str, checks: &mut Checks) {
        super::refuse_insecure(path, self.include_insecure_cipher_suites, checks);
        both_forms(path, self.ca_file.is_some(), self.ca_pem.is_some(), "ca", checks);
        both_forms(path, self.cert_file.is_some(), self.cert_pem.is_some(), "cert", checks);
        both_forms(path, self.key_file.is_some(), self.key_pem.is_some(), "key", checks);
        let has_cert = self.cert_file.is_some() || self.cert_pem.is_some();
        let has_key = self.key_file.is_some() || self.key_pem.is_some();
        if has_cert != has_key {
            let (have, lack) = if has_cert { ("cert", "key") } else { ("key", "cert") };
            checks.error(
                path,
                format!("{have}_file is set without {lack}_file, a client certificate needs both"),
            );
        }
        if let (Some(least), Some(most)) = (self.min_version, self.max_version)
            && least > most
        {
            checks.error(&format!("{path}.max_version"), "max_version is below min_version");
        }
        if let Err(unknown) = crypto_provider(&self.cipher_suites, &self.curve_preferences) {
            checks.error(&format!("{path}.{}.{}", unknown.key, unknown.index), unknown.to_string());
        }
        if let Some(name) = &self.server_name_override
            && ServerName::try_from(name.as_str()).is_err()
        {
            let message = format!("server_name_override is {name:?}, must be a host name or an address");
            checks.error(&format!("{path}.server_name_override"), message);
        }
        for (key, file) in
            [("ca_file", &self.ca_file), ("cert_file", &self.cert_file), ("key_file", &self.key_file)]
        {
            if let Some(file) = file
                && !file.exists()
            {
                checks.warn(&format!("{path}.{key}"), format!("{} does not exist here", file.display()));
            }
        }
        if let Some(file) = &self.key_file {
            warn_of_open_secret(&format!("{path}.key_file"), file, checks);
        }
        self.validate_pem(path, checks);
    }

    fn validate_pem(&self, path: &str, checks: &mut Checks) {
        if let Some(pem) = &self.ca_pem
            && let Err(error) = certificates("ca_pem", pem.expose().as_bytes())
        {
            checks.error(&format!("{path}.ca_pem"), error.to_string());
        }
        if let Some(pem) = &self.cert_pem
            && let Err(error) = certificates("cert_pem", pem.expose().as_bytes())
        {
            checks.error(&format!("{path}.cert_pem"), error.to_string());
        }
        if let Some(pem) = &self.key_pem
            && let Err(error) = private_key("key_pem", pem.expose().as_bytes())
        {
            checks.error(&format!("{path}.key_pem"), error.to_string());
        }
    }

    /// Returns the name that the server's certificate must bear.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>, ClientTlsError> {
        let name = self.server_name_override.as_deref().unwrap_or(host).trim_matches(['[', ']']).to_owned();
        let problem = format!("{name:?} is neither a host name nor an address");
        ServerName::try_from(name).map_err(|_| ClientTlsError::Rustls(rustls::Error::General(problem)))
    }

    /// Reads the files.
    ///
    /// *Cost*: blocks; call it where that is allowed.
    fn read(&self) -> Result<Pem, ClientTlsError> {
        Ok(Pem {
            ca: pem_of("ca_file", &self.ca_file, &self.ca_pem)?,
            cert: pem_of("cert_file", &self.cert_file, &self.cert_pem)?,
            key: pem_of("key_file", &self.key_file, &self.key_pem)?,
        })
    }

    /// Returns what connections are made with.
    ///
    /// *Cost*: may read the system's authorities; call it where blocking is allowed.
    fn build(&self, pem: &Pem) -> Result<ClientConfig, ClientTlsError> {
        let provider = crypto_provider(&self.cipher_suites, &self.curve_preferences);
        let provider = Arc::new(provider.map_err(|unknown| rustls::Error::General(unknown.to_string()))?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&self.versions())?;
        let builder = if self.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(self.roots(pem.ca.as_deref())?)
        };
        let (Some(certificate), Some(key)) = (&pem.cert, &pem.key) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates("cert_file", certificate)?;
        Ok(builder.with_client_auth_cert(chain, private_key("key_file", key)?)?)
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let least = self.min_version.unwrap_or(TlsVersion::V1_2);
        let most = self.max_version.unwrap_or(TlsVersion::V1_3);
        let all = [(TlsVersion::V1_3, &rustls::version::TLS13), (TlsVersion::V1_2, &rustls::version::TLS12)];
        all.into_iter().filter(|(version, _)| (least..=most).contains(version)).map(|(_, tls)| tls).collect()
    }

    fn roots(&self, own: Option<&[u8]>) -> Result<RootCertStore, ClientTlsError> {
        let mut roots = RootCertStore::empty();
        if own.is_none() || self.include_system_ca_certs_pool {
            // Some systems hold certificates that no one can parse; the rest still count.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() && own.is_none() {
                return Err(ClientTlsError::NoSystemRoots);
            }
        }
        if let Some(pem) = own {
            for certificate in certificates("ca_file", pem)? {
                roots.add(certificate)?;
            }
        }
        Ok(roots)
    }
}

fn both_forms(path: &str, file: bool, pem: bool, what: &str, checks: &mut Checks) {
    if file && pem {
        checks.error(path, format!("{what}_file and {what}_pem are both set, keep one"));
    }
}

fn pem_of(
    key: &'static str,
    file: &Option<PathBuf>,
    pem: &Option<config::Secret>,
) -> Result<Option<Vec<u8>>, ClientTlsError> {
    if let Some(pem) = pem {
        return Ok(Some(pem.expose().as_bytes().to_vec()));
    }
    let Some(path) = file else { return Ok(None) };
    let bytes = std::fs::read(path);
    bytes.map(Some).map_err(|source| ClientTlsError::Read { key, path: path.display().to_string(), source })
}

fn certificates(key: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClientTlsError> {
    let what = "certificate";
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(ClientTlsError::Pem { key, what, problem: "none found".into() }),
        Ok(found) => Ok(found),
        Err(error) => Err(ClientTlsError::Pem { key, what, problem: error.to_string() }),
    }
}

fn private_key(key: &'static str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, ClientTlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| ClientTlsError::Pem {
        key,
        what: "private key",
        problem: error.to_string(),
    })
}

/// What the files hold; empty for those that are not set.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    ca: Option<Vec<u8>>,
    cert: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

/// The client's side of TLS: read once, and again when the files may have changed.
pub struct ClientTls {
    config: ClientTlsConfig,
    clock: Arc<dyn Clock>,
    loaded: RefCell<Option<Loaded>>,
    counts: Counts,
}

#[derive(Clone)]
struct Loaded {
    at: Timestamp,
    pem: Arc<Pem>,
    client: Arc<ClientConfig>,
}

impl ClientTls {
    pub fn new(config: ClientTlsConfig, clock: Arc<dyn Clock>, telemetry: &Telemetry) -> Self {
        Self { config, clock, loaded: RefCell::new(None), counts: Counts::new(telemetry) }
    }

    pub const fn config(&self) -> &ClientTlsConfig {
        &self.config
    }

    /// Returns what connections are made with now; the same `Arc` until the files hold something else.
    ///
    /// # Errors
    /// When files are missing or hold no PEM. Try again later: certificates are often put in place by
    /// something that starts at the same time. A file that spoils while we run is counted and told in the log, and
    /// the last good one kept.
    pub async fn get(&self) -> Result<Arc<ClientConfig>, ClientTlsError> {
        let now = self.clock.now();
        let last = self.loaded.borrow().clone();
        let Some(last) = last else {
            let (pem, client) = self.load(None).await?.expect("nothing is known that could be the same");
            let (pem, client) = (Arc::new(pem), Arc::new(client));
            *self.loaded.borrow_mut() = Some(Loaded { at: now, pem, client: Arc::clone(&client) });
            return Ok(client);
        };
        if !self.is_stale(now.since(last.at)) {
            return Ok(last.client);
        }
        // Those who come meanwhile take what there is.
        *self.loaded.borrow_mut() = Some(Loaded { at: now, ..last.clone() });
        match self.load(Some(Arc::clone(&last.pem))).await {
            Ok(None) => Ok(last.client),
            Ok(Some((pem, client))) => {
                self.counts.reloads.add(1);
                let client = Arc::new(client);
                *self.loaded.borrow_mut() =
                    Some(Loaded { at: now, pem: Arc::new(pem), client: Arc::clone(&client) });
                Ok(client)
            }
            Err(error) => {
                self.counts.failures.add(1);
                tracing::warn!(%error, "certificates can not be read again, the last ones stay in use");
                Ok(last.client)
            }
        }
    }

    fn is_stale(&self, age: Duration) -> bool {
        let interval = self.config.reload_interval.map_or(Duration::ZERO, |interval| interval.get());
        !interval.is_zero() && age >= interval
    }

    /// Reads the files; none when they hold what is known.
    async fn load(&self, known: Option<Arc<Pem>>) -> Result<Option<(Pem, ClientConfig)>, ClientTlsError> {
        let config = self.config.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let pem = config.read()?;
            if known.is_some_and(|known| *known == pem) {
                return Ok(None);
            }
            let client = config.build(&pem)?;
            Ok(Some((pem, client)))
        });
        loading.await.unwrap_or_else(|error| Err(rustls::Error::General(error.to_string()).into()))
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
