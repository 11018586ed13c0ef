//! Is the data path up and moving? Answers over HTTP, with the collector's paths and words.

mod answer;
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

use crate::serve::{Locks, serve};

/// See the README for each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct HealthCheckConfig {
    pub endpoint: String,
    pub tls: Section<ServerTlsConfig>,
    pub auth: Section<AuthConfig>,
    pub path: String,
    pub response_body: Option<Bodies>,
}

/// Replaces the collector's JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Bodies {
    pub healthy: String,
    pub unhealthy: String,
}

impl Default for HealthCheckConfig {
    fn default() -> Self {
        Self {
            endpoint: "localhost:13133".to_owned(),
            tls: Section::default(),
            auth: Section::default(),
            path: "/".to_owned(),
            response_body: None,
        }
    }
}

/// Keys of the collector's servers, and of its second version of this extension.
const NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new(
        "check_collector_pipeline",
        "the answer always tells whether the pipelines move",
        "remove it",
    ),
    NotSupported::new("middlewares", "there are no middleware extensions", "remove it"),
    NotSupported::new("cors", "the answer is for probers, not for scripts in browsers", "remove it"),
    NotSupported::new("response_headers", "the answer has the headers that probers read", "remove it"),
    NotSupported::new("include_metadata", "no component reads the headers of requests", "remove it"),
    NotSupported::new("use_v2", "there is one version", "write `endpoint` and `path` beside each other"),
    NotSupported::new("http", "it belongs to the second version", "write `endpoint` and `path` directly"),
    NotSupported::new("grpc", "health is told over HTTP only", "probe `endpoint` over HTTP"),
    NotSupported::new("component_health", "the answer tells of the whole data path", "remove it"),
];

impl Config for HealthCheckConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[("", NOT_SUPPORTED), ("tls", TLS_NOT_SUPPORTED)];

    fn auth(&self) -> Vec<AuthUse> {
        AuthConfig::uses(&self.auth, "auth", AuthSide::Server).into_iter().collect()
    }

    fn validate(&self, checks: &mut Checks) {
        AuthConfig::validate(&self.auth, "auth", checks);
        if !self.path.starts_with('/') {
            checks.error("path", format!("path is {:?}, must start with /", self.path));
        }
        if !self.endpoint.contains(':') {
            checks.error("endpoint", format!("endpoint is {:?}, must be host:port", self.endpoint));
        }
        if let Some(tls) = self.tls.get() {
            tls.validate("tls", checks);
        }
    }
}

pub(crate) struct HealthCheck {
    config: HealthCheckConfig,
    sockets: Vec<Sockets>,
    state: Arc<dyn ServiceState>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
    auth: Option<Arc<dyn ServerAuth>>,
}

impl ExtensionDef for HealthCheck {
    const KIND: &'static str = "health_check";
    type Config = HealthCheckConfig;

    fn listens(config: &HealthCheckConfig) -> Vec<Listen> {
        vec![Listen { name: "http", address: config.endpoint.clone() }]
    }

    fn build(config: &HealthCheckConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let ExtensionCx { sockets, state, clock, telemetry, authenticators, .. } = cx;
        let auth = authenticators.server(&config.auth);
        Box::new(HealthCheck {
            config: config.clone(),
            sockets: sockets.into_inner(),
            state,
            clock,
            telemetry,
            auth,
        })
    }
}

impl Extension for HealthCheck {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let Self { config, mut sockets, state, clock, telemetry, auth } = *self;
            let tls = config.tls.get();
            let tls = tls.map(|tls| ServerTls::new(tls, &[b"http/1.1"], Arc::clone(&clock), &telemetry));
            let tls = tls.transpose()?;
            let door = auth.map(|auth| Door::new(auth, &telemetry));
            let answers = answer::Answers { config, state, clock };
            let Some(sockets) = sockets.pop() else { return Ok(()) };
            serve(sockets, Locks { tls, door }, stop, move |request| ready(answers.to(&request))).await
        })
    }
}
