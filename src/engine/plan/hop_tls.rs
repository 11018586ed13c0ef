//! TLS between a process that ingests and one that analyses.

use std::path::PathBuf;

use config::Secret;
use serde::Deserialize;
use transport::{ClientTlsConfig, ServerTlsConfig, TlsVersion};

/// `hop.tls`: the keys of the side that this process is. One section serves both, as they share most of a file.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HopTlsConfig {
    pub(crate) cert_file: String,
    pub(crate) cert_pem: Secret,
    pub(crate) key_file: String,
    pub(crate) key_pem: Secret,
    /// Of the analysis process: whose certificates ingest processes must show.
    pub(crate) client_ca_file: String,
    /// Of ingest processes: whom to trust; absent means the system's authorities.
    pub(crate) ca_file: String,
    pub(crate) ca_pem: Secret,
    pub(crate) server_name_override: String,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub(crate) min_version: Option<TlsVersion>,
    pub(crate) reload_interval: config::Duration,
}

impl HopTlsConfig {
    /// Returns the side of the analysis process.
    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig {
            cert_file: self.cert_file.clone(),
            cert_pem: self.cert_pem.clone(),
            key_file: self.key_file.clone(),
            key_pem: self.key_pem.clone(),
            client_ca_file: self.client_ca_file.clone(),
            min_version: if self.min_version == Some(TlsVersion::V1_3) { "1.3" } else { "" }.to_owned(),
            reload_interval: self.reload_interval,
            ..ServerTlsConfig::default()
        }
    }

    /// Returns the side of an ingest process.
    pub(crate) fn client(&self) -> ClientTlsConfig {
        let file = |file: &str| (!file.is_empty()).then(|| PathBuf::from(file));
        let pem = |pem: &Secret| (!pem.is_empty()).then(|| pem.clone());
        let name = &self.server_name_override;
        ClientTlsConfig {
            ca_file: file(&self.ca_file),
            ca_pem: pem(&self.ca_pem),
            cert_file: file(&self.cert_file),
            cert_pem: pem(&self.cert_pem),
            key_file: file(&self.key_file),
            key_pem: pem(&self.key_pem),
            server_name_override: (!name.is_empty()).then(|| name.clone()),
            min_version: self.min_version,
            reload_interval: Some(self.reload_interval),
            ..ClientTlsConfig::default()
        }
    }
}
