//! TLS of servers, with the collector's keys.

use std::{
    cell::RefCell,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use component::{Checks, Clock, Telemetry};
use model::Timestamp;
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Counts, refuse_insecure, warn_of_open_secret};
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
    pub include_insecure_cipher_suites: bool,
    pub curve_preferences: Vec<String>,
    pub reload_interval: config::Duration,
    pub client_ca_file_reload: bool,
    /// What the checks have read, so that the start can not find something else, and what was read since.
    #[serde(skip)]
    pub read: OnceLock<Arc<Reading>>,
}

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
        refuse_insecure(path, self.include_insecure_cipher_suites, checks);
        if !self.key_file.is_empty() {
            warn_of_open_secret(&format!("{path}.key_file"), Path::new(&self.key_file), checks);
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

    /// Reads the files once.
    fn read(&self) -> Result<Arc<Reading>, ServerTlsProblem> {
        if let Some(read) = self.read.get() {
            return Ok(Arc::clone(read));
        }
        let pem = self.read_files()?;
        let server = Arc::new(self.build(&pem)?);
        let reading = Arc::new(Reading(Mutex::new(Current { pem: Arc::new(pem), server, read_at: None })));
        Ok(Arc::clone(self.read.get_or_init(|| reading)))
    }

    fn read_files(&self) -> Result<Pem, ServerTlsProblem> {
        Ok(Pem {
            cert: pem("cert", &self.cert_file, &self.cert_pem)?,
            key: pem("key", &self.key_file, &self.key_pem)?,
            client_ca: match self.client_ca_file.as_str() {
                "" => None,
                file => Some(read(CLIENT_CA, file)?),
            },
        })
    }

    fn build(&self, pem: &Pem) -> Result<ServerConfig, ServerTlsProblem> {
        let provider = crypto_provider(&self.cipher_suites, &self.curve_preferences).map_err(|unknown| {
            ServerTlsProblem::new(format!("{}.{}", unknown.key, unknown.index), unknown)
        })?;
        let provider = Arc::new(provider);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_protocol_versions(&self.versions())
            .map_err(|problem| ServerTlsProblem::new("cipher_suites", problem))?;
        let builder = match &pem.client_ca {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let roots = self.client_roots(authorities)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let place = &self.client_ca_file;
                let verifier = verifier
                    .map_err(|problem| ServerTlsProblem::new(CLIENT_CA, format!("{place}: {problem}")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let Text { key: cert_key, place: cert_place, bytes: cert } = &pem.cert;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(cert).collect::<Result<_, _>>().map_err(|e| {
            ServerTlsProblem::new(cert_key, format!("{cert_place}: no certificate can be read: {e}"))
        })?;
        let Text { key: key_key, place: key_place, bytes: key } = &pem.key;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|e| ServerTlsProblem::new(key_key, format!("{key_place}: no key can be read: {e}")))?;
        builder.with_single_cert(chain, key).map_err(|e| {
            let message = format!("{cert_place} and {key_place} can not be used together: {e}");
            ServerTlsProblem::new(key_key, message)
        })
    }

    /// How long after a reading the files are read again; none for never.
    fn reload_after(&self) -> Option<Duration> {
        let interval = self.reload_interval.get();
        let asked = (!interval.is_zero()).then_some(interval);
        asked.or(self.client_ca_file_reload.then_some(CLIENT_CA_RELOAD))
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        match (self.min_version.as_str(), self.max_version.as_str()) {
            ("1.3", _) => vec![&TLS13],
            (_, "1.2") => vec![&TLS12],
            _ => vec![&TLS13, &TLS12],
        }
    }

    fn client_roots(&self, pem: &[u8]) -> Result<RootCertStore, ServerTlsProblem> {
        let place = &self.client_ca_file;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|problem| {
                ServerTlsProblem::new(CLIENT_CA, format!("{place}: a certificate can not be read: {problem}"))
            })?;
            roots.add(certificate).map_err(|problem| {
                ServerTlsProblem::new(CLIENT_CA, format!("{place}: a certificate can not be used: {problem}"))
            })?;
        }
        if roots.is_empty() {
            return Err(ServerTlsProblem::new(CLIENT_CA, format!("{place}: holds no certificate")));
        }
        Ok(roots)
    }
}

const CLIENT_CA: &str = "client_ca_file";

/// How often files are read again for `client_ca_file_reload` alone.
const CLIENT_CA_RELOAD: Duration = Duration::from_secs(10);

/// What the files hold.
#[derive(PartialEq, Eq)]
struct Pem {
    cert: Text,
    key: Text,
    client_ca: Option<Vec<u8>>,
}

/// The key that is set, what to call the text's place in messages, and the text.
#[derive(PartialEq, Eq)]
struct Text {
    key: String,
    place: String,
    bytes: Vec<u8>,
}

/// What was read last; all threads of a server share it.
pub struct Reading(Mutex<Current>);

#[derive(Clone)]
struct Current {
    pem: Arc<Pem>,
    server: Arc<ServerConfig>,
    /// None before a server has begun.
    read_at: Option<Timestamp>,
}

/// Says nothing of keys.
impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading")
    }
}

impl Reading {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what was read last, when it is the caller's turn to read again.
    fn claim(&self, now: Timestamp, after: Duration) -> Option<Arc<Pem>> {
        let mut current = self.current();
        let is_due = current.read_at.is_some_and(|at| now.since(at) >= after);
        is_due.then(|| {
            current.read_at = Some(now);
            Arc::clone(&current.pem)
        })
    }
}

/// The server's side of TLS on one thread.
///
/// Files are read again when a client comes and `reload_interval` has passed, so that a handshake after that shows what
/// is in them; connections that are open go on with what they agreed on.
pub struct ServerTls {
    config: ServerTlsConfig,
    reading: Arc<Reading>,
    alpn: Vec<Vec<u8>>,
    clock: Arc<dyn Clock>,
    counts: Counts,
    /// What was read, and the same with the protocols.
    acceptor: RefCell<Option<(Arc<ServerConfig>, TlsAcceptor)>>,
}

impl ServerTls {
    /// Takes what the checks have found, and the protocols that the server agrees to.
    ///
    /// # Errors
    /// Which file or key is wrong and why; none once the checks have passed.
    pub fn new(
        config: &ServerTlsConfig,
        alpn: &[&[u8]],
        clock: Arc<dyn Clock>,
        telemetry: &Telemetry,
    ) -> Result<Self, ServerTlsProblem> {
        let reading = config.read()?;
        reading.current().read_at.get_or_insert(clock.now());
        Ok(Self {
            config: config.clone(),
            reading,
            alpn: alpn.iter().map(|name| name.to_vec()).collect(),
            clock,
            counts: Counts::new(telemetry),
            acceptor: RefCell::default(),
        })
    }

    /// Agrees on keys with a client.
    ///
    /// # Errors
    /// When the client hangs up, speaks something else, or shows no certificate that is asked for.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.reload_if_due().await;
        self.acceptor().accept(stream).await
    }

    fn acceptor(&self) -> TlsAcceptor {
        let read = Arc::clone(&self.reading.current().server);
        let mut acceptor = self.acceptor.borrow_mut();
        if let Some((known, acceptor)) = &*acceptor
            && Arc::ptr_eq(known, &read)
        {
            return acceptor.clone();
        }
        let mut server = ServerConfig::clone(&read);
        server.alpn_protocols.clone_from(&self.alpn);
        let made = TlsAcceptor::from(Arc::new(server));
        *acceptor = Some((read, made.clone()));
        made
    }

    async fn reload_if_due(&self) {
        let Some(after) = self.config.reload_after() else { return };
        let now = self.clock.now();
        let Some(known) = self.reading.claim(now, after) else { return };
        let config = self.config.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let pem = config.read_files()?;
            if pem == *known {
                return Ok(None);
            }
            let server = config.build(&pem)?;
            Ok(Some((pem, server)))
        });
        let read = reading.await.unwrap_or_else(|error| Err(ServerTlsProblem::new("cert_file", error)));
        match read {
            Ok(None) => {}
            Ok(Some((pem, server))) => {
                let mut current = self.reading.current();
                (current.pem, current.server) = (Arc::new(pem), Arc::new(server));
                drop(current);
                self.counts.reloads.add(1);
                tracing::info!("certificates have changed and are in use for new connections");
            }
            Err(error) => {
                self.counts.failures.add(1);
                tracing::warn!(%error, "certificates can not be read again, the last ones stay in use");
            }
        }
    }
}

fn pem(what: &str, file: &str, inline: &config::Secret) -> Result<Text, ServerTlsProblem> {
    if file.is_empty() {
        let key = format!("{what}_pem");
        return Ok(Text { place: key.clone(), key, bytes: inline.expose().as_bytes().to_vec() });
    }
    let key = format!("{what}_file");
    let bytes = read(&key, file)?;
    Ok(Text { key, place: file.to_owned(), bytes })
}

fn read(key: &str, file: &str) -> Result<Vec<u8>, ServerTlsProblem> {
    fs::read(Path::new(file)).map_err(|problem| {
        ServerTlsProblem::new(
            key,
            format!("{file} can not be read: {problem}; make it readable or change {key}"),
        )
    })
}
