//! What is this collector made of, and how is it? Pages for people and programs, at the collector's paths.

mod pages;
#[cfg(test)]
mod tests;

use std::future::ready;

use component::{
    AuthConfig, AuthSide, AuthUse, BoxError, Checks, Config, Extension, ExtensionCx, ExtensionDef, Listen,
    Stop,
};
use config::{NotSupported, NotSupportedKeys, Section};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use transport::{ServerTlsConfig, TLS_NOT_SUPPORTED};

use self::pages::Pages;
use crate::serve::{Front, MAX_CONNECTIONS, validate_front};

/// See the README for each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct ZpagesConfig {
    pub endpoint: String,
    pub max_connections: usize,
    pub tls: Section<ServerTlsConfig>,
    pub auth: Section<AuthConfig>,
}

impl Default for ZpagesConfig {
    fn default() -> Self {
        Self {
            endpoint: "localhost:55679".to_owned(),
            max_connections: MAX_CONNECTIONS,
            tls: Section::default(),
            auth: Section::default(),
        }
    }
}

/// Keys of the collector's servers.
const NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new(
        "expvar",
        "it shows variables of a Go program; self-metrics are on `service.telemetry.metrics`",
        "remove it",
    ),
    NotSupported::new("middlewares", "there are no middleware extensions", "remove it"),
    NotSupported::new("cors", "the pages are not for scripts of other pages", "remove it"),
    NotSupported::new("response_headers", "the pages have the headers that they need", "remove it"),
    NotSupported::new("include_metadata", "no component reads the headers of requests", "remove it"),
];

impl Config for ZpagesConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[("", NOT_SUPPORTED), ("tls", TLS_NOT_SUPPORTED)];

    fn auth(&self) -> Vec<AuthUse> {
        AuthConfig::uses(&self.auth, "auth", AuthSide::Server).into_iter().collect()
    }

    fn validate(&self, checks: &mut Checks) {
        validate_front(&self.endpoint, self.max_connections, &self.tls, &self.auth, checks);
    }
}

pub(crate) struct Zpages {
    front: Front,
    pages: Pages,
}

impl ExtensionDef for Zpages {
    const KIND: &'static str = "zpages";
    type Config = ZpagesConfig;

    fn listens(config: &ZpagesConfig) -> Vec<Listen> {
        vec![Listen {
            name: "http",
            address: config.endpoint.clone(),
            max_connections: config.max_connections,
        }]
    }

    fn build(config: &ZpagesConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let front = Front::new(&cx, &config.tls, cx.authenticators.server(&config.auth));
        Box::new(Zpages { front, pages: Pages { state: cx.state, clock: cx.clock } })
    }
}

impl Extension for Zpages {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        let Self { front, pages } = *self;
        Box::pin(front.serve(stop, move |request| ready(pages.answer(&request))))
    }
}
