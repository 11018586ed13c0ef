//! What is this collector made of, and how is it? Pages for people and programs, at the collector's paths.

mod pages;
#[cfg(test)]
mod tests;

use std::{future::ready, sync::Arc};

use component::{
    AuthConfig, AuthSide, AuthUse, BoxError, Checks, Clock, Config, Extension, ExtensionCx, ExtensionDef,
    Listen, ServerAuth, ServiceState, Sockets, Stop, Telemetry,
};
use config::{NotSupported, NotSupportedKeys, Section};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use transport::{Door, ServerTls, ServerTlsConfig, TLS_NOT_SUPPORTED};

use self::pages::Pages;
use crate::serve::{Locks, serve};

/// See the README for each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct ZpagesConfig {
    pub endpoint: String,
    pub tls: Section<ServerTlsConfig>,
    pub auth: Section<AuthConfig>,
}

impl Default for ZpagesConfig {
    fn default() -> Self {
        Self { endpoint: "localhost:55679".to_owned(), tls: Section::default(), auth: Section::default() }
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
        AuthConfig::validate(&self.auth, "auth", checks);
        if !self.endpoint.contains(':') {
            checks.error("endpoint", format!("endpoint is {:?}, must be host:port", self.endpoint));
        }
        if let Some(tls) = self.tls.get() {
            tls.validate("tls", checks);
        }
    }
}

pub(crate) struct Zpages {
    config: ZpagesConfig,
    sockets: Vec<Sockets>,
    state: Arc<dyn ServiceState>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
    auth: Option<Arc<dyn ServerAuth>>,
}

impl ExtensionDef for Zpages {
    const KIND: &'static str = "zpages";
    type Config = ZpagesConfig;

    fn listens(config: &ZpagesConfig) -> Vec<Listen> {
        vec![Listen { name: "http", address: config.endpoint.clone() }]
    }

    fn build(config: &ZpagesConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let ExtensionCx { sockets, state, clock, telemetry, authenticators, .. } = cx;
        let auth = authenticators.server(&config.auth);
        let sockets = sockets.into_inner();
        Box::new(Zpages { config: config.clone(), sockets, state, clock, telemetry, auth })
    }
}

impl Extension for Zpages {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let Self { config, mut sockets, state, clock, telemetry, auth } = *self;
            let tls = config.tls.get();
            let tls = tls.map(|tls| ServerTls::new(tls, &[b"http/1.1"], Arc::clone(&clock), &telemetry));
            let tls = tls.transpose()?;
            let door = auth.map(|auth| Door::new(auth, &telemetry));
            let pages = Pages { state, clock };
            let Some(sockets) = sockets.pop() else { return Ok(()) };
            serve(sockets, Locks { tls, door }, stop, move |request| ready(pages.answer(&request))).await
        })
    }
}
