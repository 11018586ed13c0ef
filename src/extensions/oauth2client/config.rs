//! The keys of `oauth2client`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, sync::OnceLock, time::Duration};

use component::{Checks, Config};
use config::{NotSupported, NotSupportedKeys, Secret};
use http::Uri;
use serde::Deserialize;
use transport::{ClientTlsConfig, TLS_NOT_SUPPORTED};

use super::source::{Credentials, Part, TokenSource};
use crate::rotating::Rotating;

/// See the README for each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct OAuth2ClientConfig {
    pub client_id: Secret,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub client_id_file: Option<PathBuf>,
    pub client_secret: Secret,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub client_secret_file: Option<PathBuf>,
    pub token_url: String,
    pub scopes: Vec<String>,
    pub endpoint_params: BTreeMap<String, Vec<Secret>>,
    pub timeout: config::Duration,
    pub tls: ClientTlsConfig,
    pub expiry_buffer: config::Duration,
    pub grant_type: GrantType,
    /// What the checks have made.
    #[serde(skip)]
    made: OnceLock<Arc<TokenSource>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GrantType {
    #[default]
    ClientCredentials,
}

impl Default for OAuth2ClientConfig {
    fn default() -> Self {
        Self {
            client_id: Secret::default(),
            client_id_file: None,
            client_secret: Secret::default(),
            client_secret_file: None,
            token_url: String::new(),
            scopes: Vec::new(),
            endpoint_params: BTreeMap::new(),
            timeout: Duration::from_secs(10).into(),
            tls: ClientTlsConfig::default(),
            expiry_buffer: Duration::from_secs(300).into(),
            grant_type: GrantType::ClientCredentials,
            made: OnceLock::new(),
        }
    }
}

const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

impl Config for OAuth2ClientConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        (
            "",
            &[
                NotSupported::new(
                    "client_certificate_key",
                    "only client credentials are spoken",
                    "set `client_secret`",
                ),
                NotSupported::new(
                    "client_certificate_key_file",
                    "only client credentials are spoken",
                    "set `client_secret_file`",
                ),
                NotSupported::new(
                    "subject_token",
                    "tokens are not exchanged",
                    "use `bearertokenauth` with `filename`",
                ),
            ],
        ),
        ("tls", TLS_NOT_SUPPORTED),
    ];

    fn validate(&self, checks: &mut Checks) {
        let id = part("client_id", &self.client_id, &self.client_id_file, checks);
        let secret = part("client_secret", &self.client_secret, &self.client_secret_file, checks);
        let url = self.url(checks);
        self.tls.validate("tls", checks);
        let timeout = self.timeout.get();
        if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
            checks.error("timeout", format!("timeout is {}, must be above 0s and at most 10m", self.timeout));
        }
        if let (Some(id), Some(secret), Some(url)) = (id, secret, url) {
            let mut form: Vec<(String, Secret)> =
                vec![("grant_type".to_owned(), Secret::new("client_credentials"))];
            if !self.scopes.is_empty() {
                form.push(("scope".to_owned(), Secret::new(self.scopes.join(" "))));
            }
            for (name, values) in &self.endpoint_params {
                form.extend(values.iter().map(|value| (name.clone(), value.clone())));
            }
            let credentials = Credentials { id, secret, form };
            let source =
                TokenSource::new(url, credentials, self.tls.clone(), timeout, self.expiry_buffer.get());
            let _made_before = self.made.set(Arc::new(source));
        }
    }
}

impl OAuth2ClientConfig {
    /// Returns what the checks have made.
    pub(super) fn source(&self) -> Option<Arc<TokenSource>> {
        self.made.get().cloned()
    }

    fn url(&self, checks: &mut Checks) -> Option<Uri> {
        let url: Option<Uri> = self.token_url.parse().ok();
        let is_good = |url: &Uri| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.authority().is_some_and(|it| !it.host().is_empty() && !it.as_str().contains('@'))
        };
        let url = url.filter(is_good);
        match &url {
            // The URL may hold a secret and is not repeated.
            None if self.token_url.is_empty() => checks.error("token_url", "token_url is missing"),
            None => checks.error(
                "token_url",
                "token_url must be a URL such as https://login.example.com/oauth2/token, without a user name",
            ),
            Some(url) if url.scheme_str() == Some("http") => {
                checks.warn("token_url", "token_url is http, so the secret crosses the network in the clear");
            }
            Some(_) => {}
        }
        url
    }
}

/// Reads a part; as with the collector, the file wins.
fn part(key: &str, inline: &Secret, file: &Option<PathBuf>, checks: &mut Checks) -> Option<Part> {
    match file {
        Some(file) => {
            let path = format!("{key}_file");
            Rotating::first(file, |text| !text.is_empty(), &path, checks).map(Part::File)
        }
        None if inline.is_empty() => {
            checks.error(key, format!("{key} is missing, set {key} or {key}_file"));
            None
        }
        None => Some(Part::Fixed(Arc::new(inline.clone()))),
    }
}
