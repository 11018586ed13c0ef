//! The keys of `api`.

use std::{net::IpAddr, sync::OnceLock};

use component::{Checks, Config};
use config::{NotSupported, NotSupportedKeys, Secret, Section};
use serde::Deserialize;
use transport::{ServerTlsConfig, TLS_NOT_SUPPORTED};

use super::access::{Access, Right, TapRight, Token};
use crate::serve::{MAX_CONNECTIONS, validate_max_connections};

/// See the README for each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct ApiConfig {
    pub endpoint: String,
    pub max_connections: usize,
    pub tls: Section<ServerTlsConfig>,
    pub tokens: Vec<TokenConfig>,
    /// What the checks have read of files, so that the start can not find something else.
    #[serde(skip)]
    pub(super) read: OnceLock<Vec<Token>>,
}

/// Who may ask, and how they show it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenConfig {
    pub name: String,
    pub token: Secret,
    pub token_file: String,
    pub access: Right,
    pub tap: TapRight,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            endpoint: "localhost:8390".to_owned(),
            max_connections: MAX_CONNECTIONS,
            tls: Section::default(),
            tokens: Vec::new(),
            read: OnceLock::new(),
        }
    }
}

/// Shorter ones can be guessed.
const SHORTEST_TOKEN: usize = 16;

impl Config for ApiConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        (
            "",
            &[NotSupported::new(
                "auth",
                "an authenticator does not tell who asks, nor who may change something",
                "set `tokens`, each with a `name` and `access`",
            )],
        ),
        ("tls", TLS_NOT_SUPPORTED),
    ];

    fn validate(&self, checks: &mut Checks) {
        validate_max_connections(self.max_connections, checks);
        if let Some(tls) = self.tls.get() {
            tls.validate("tls", checks);
        }
        match self.endpoint.rsplit_once(':') {
            None => checks.error("endpoint", format!("endpoint is {:?}, must be host:port", self.endpoint)),
            Some((host, _)) if self.tokens.is_empty() && !is_loopback(host) => checks.error(
                "endpoint",
                format!(
                    "endpoint is {:?}, which others reach, and nobody needs a token; set `tokens`, or listen on \
                     localhost",
                    self.endpoint
                ),
            ),
            Some(_) => {}
        }
        let mut tokens = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            if self.tokens[..index].iter().any(|other| other.name == token.name) {
                checks.error(
                    &format!("tokens.{index}.name"),
                    format!("name is {:?}, which another token has; the name tells who asked", token.name),
                );
            }
            tokens.extend(token.read(index, checks));
        }
        // The first reading counts; a second one is of a copy that is not used.
        let _read_before = self.read.set(tokens);
    }
}

impl TokenConfig {
    fn read(&self, index: usize, checks: &mut Checks) -> Option<Token> {
        let key = |key: &str| format!("tokens.{index}.{key}");
        if self.name.is_empty() {
            checks.error(&key("name"), "name is empty; it tells who asked");
        }
        let secret = match (self.token.is_empty(), self.token_file.is_empty()) {
            (false, true) => self.token.clone(),
            (true, false) => match std::fs::read_to_string(&self.token_file) {
                Ok(text) => Secret::new(text.trim()),
                Err(problem) => {
                    checks
                        .error(&key("token_file"), format!("can not read {:?}: {problem}", self.token_file));
                    return None;
                }
            },
            _ => {
                checks.error(&format!("tokens.{index}"), "set either `token` or `token_file`");
                return None;
            }
        };
        if secret.expose().len() < SHORTEST_TOKEN {
            let place = if self.token_file.is_empty() { "token" } else { "token_file" };
            checks.error(
                &key(place),
                format!("the token has fewer than {SHORTEST_TOKEN} characters and can be guessed"),
            );
            return None;
        }
        Some(Token { name: self.name.clone(), secret, right: self.access, tap: self.tap })
    }
}

impl ApiConfig {
    /// Returns who may do what.
    pub(super) fn access(&self) -> Access {
        Access::new(self.read.get().cloned().unwrap_or_default())
    }
}

/// Whether only programs on this machine reach an address.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
