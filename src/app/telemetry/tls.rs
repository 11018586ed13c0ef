//! Whom senders of own telemetry trust, and who they say they are.

use std::{path::Path, sync::Arc};

use config::OtlpTarget;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{PrivateKeyDer, pem::PemObject},
};

use crate::trust::{self, TlsProblem};

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
        let roots = match &target.certificate {
            Some(path) => {
                let path = Path::new(path);
                let pem = trust::read(CERTIFICATE, path)?;
                let roots = trust::of_file(CERTIFICATE, path, &pem)?;
                grpc = grpc.ca_certificate(Certificate::from_pem(pem));
                roots
            }
            None if target.is_secure => {
                grpc = grpc.with_native_roots();
                trust::of_system()
            }
            None => RootCertStore::empty(),
        };
        let builder = trust::client(roots);
        let Some((certificate, key)) = &target.client_identity else {
            return Ok(Self { http: Arc::new(builder.with_no_client_auth()), grpc });
        };
        let (certificate, key) = (Path::new(certificate), Path::new(key));
        let certificate_pem = trust::read(CLIENT_CERTIFICATE, certificate)?;
        let chain = trust::certificates(CLIENT_CERTIFICATE, certificate, &certificate_pem)?;
        let key_pem = trust::read(CLIENT_KEY, key)?;
        let unusable = |problem: &dyn std::fmt::Display| TlsProblem::new(CLIENT_KEY, key, problem);
        let own_key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|problem| unusable(&problem))?;
        let http = builder.with_client_auth_cert(chain, own_key).map_err(|problem| unusable(&problem))?;
        Ok(Self { http: Arc::new(http), grpc: grpc.identity(Identity::from_pem(certificate_pem, key_pem)) })
    }
}
