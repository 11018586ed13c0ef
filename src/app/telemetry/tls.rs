//! Whom senders of own telemetry trust, and who they say they are.

use std::{fmt, sync::Arc};

use config::OtlpTarget;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A file that can not be used, and its key below the exporter.
#[derive(Debug)]
pub(super) struct TlsProblem {
    pub(super) key: &'static str,
    pub(super) message: String,
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsProblem {}

/// What TLS connections are made with, in the forms of both transports.
pub(super) struct Trust {
    pub(super) http: Arc<ClientConfig>,
    pub(super) grpc: ClientTlsConfig,
}

const CERTIFICATE: &str = "certificate";
const CLIENT_CERTIFICATE: &str = "client_certificate";
const CLIENT_KEY: &str = "client_key";

impl Trust {
    /// Reads the files of a target.
    ///
    /// # Errors
    /// The first file that can not be read or does not hold what it should.
    pub(super) fn read(target: &OtlpTarget) -> Result<Self, TlsProblem> {
        let mut grpc = ClientTlsConfig::new();
        let mut roots = RootCertStore::empty();
        match &target.certificate {
            Some(path) => {
                let pem = read(CERTIFICATE, path)?;
                for authority in certificates(CERTIFICATE, path, &pem)? {
                    roots.add(authority).map_err(|error| problem(CERTIFICATE, path, &error))?;
                }
                grpc = grpc.ca_certificate(Certificate::from_pem(pem));
            }
            None if target.is_secure => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                grpc = grpc.with_native_roots();
            }
            None => {}
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots);
        let Some((certificate, key)) = &target.client_identity else {
            return Ok(Self { http: Arc::new(builder.with_no_client_auth()), grpc });
        };
        let certificate_pem = read(CLIENT_CERTIFICATE, certificate)?;
        let chain = certificates(CLIENT_CERTIFICATE, certificate, &certificate_pem)?;
        let key_pem = read(CLIENT_KEY, key)?;
        let own_key =
            PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| problem(CLIENT_KEY, key, &error))?;
        let http = builder
            .with_client_auth_cert(chain, own_key)
            .map_err(|error| problem(CLIENT_KEY, key, &error))?;
        Ok(Self { http: Arc::new(http), grpc: grpc.identity(Identity::from_pem(certificate_pem, key_pem)) })
    }
}

fn read(key: &'static str, path: &str) -> Result<Vec<u8>, TlsProblem> {
    std::fs::read(path).map_err(|error| {
        let message = format!("{path} can not be read: {error}; make it readable or change {key}");
        TlsProblem { key, message }
    })
}

fn certificates(
    key: &'static str,
    path: &str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(problem(key, path, &"it holds no PEM certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(problem(key, path, &error)),
    }
}

fn problem(key: &'static str, path: &str, error: &dyn fmt::Display) -> TlsProblem {
    TlsProblem { key, message: format!("{path} can not be used as {key}: {error}") }
}
