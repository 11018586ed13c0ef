//! Is the data path up and moving? Answers over HTTP, with the collector's paths and words.

mod answer;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, future::ready};

use component::{
    AuthConfig, AuthSide, AuthUse, BoxError, Checks, Config, Extension, ExtensionCx, ExtensionDef, Listen,
    Stop,
};
use config::{NotSupported, NotSupportedKeys, Secret, Section};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use transport::{ServerTlsConfig, TLS_NOT_SUPPORTED};

use self::answer::{Answers, header};
use crate::serve::{Front, MAX_CONNECTIONS, validate_front};

/// See the README for each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct HealthCheckConfig {
    pub endpoint: String,
    pub max_connections: usize,
    pub tls: Section<ServerTlsConfig>,
    pub auth: Section<AuthConfig>,
    pub path: String,
    pub response_body: Option<Bodies>,
    /// Added to every answer.
    pub response_headers: BTreeMap<String, Secret>,
    /// Read for configurations that have it; it does nothing, here as in the collector.
    pub check_collector_pipeline: Section<CheckCollectorPipeline>,
}

/// What older collectors asked of their exporters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CheckCollectorPipeline {
    pub enabled: bool,
    pub interval: String,
    pub exporter_failure_threshold: i64,
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
            max_connections: MAX_CONNECTIONS,
            tls: Section::default(),
            auth: Section::default(),
            path: "/".to_owned(),
            response_body: None,
            response_headers: BTreeMap::new(),
            check_collector_pipeline: Section::default(),
        }
    }
}

/// Keys of the collector's servers, and of its second version of this extension.
const NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new("middlewares", "there are no middleware extensions", "remove it"),
    NotSupported::new("cors", "the answer is for probers, not for scripts in browsers", "remove it"),
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
        if !self.path.starts_with('/') {
            checks.error("path", format!("path is {:?}, must start with /", self.path));
        } else if self.path.contains(['{', '}']) {
            checks.error("path", format!("path is {:?}, must be written out, without {{…}}", self.path));
        }
        for (name, value) in &self.response_headers {
            if header(name, value.expose()).is_none() {
                checks.error("response_headers", format!("{name:?} or its value can not be a header"));
            }
        }
        if self.check_collector_pipeline.get().is_some() {
            let message = "check_collector_pipeline does nothing, here as in the collector: the answer always \
                           tells whether the pipelines move, remove it";
            checks.warn("check_collector_pipeline", message);
        }
        validate_front(&self.endpoint, self.max_connections, &self.tls, &self.auth, checks);
    }
}

pub(crate) struct HealthCheck {
    front: Front,
    answers: Answers,
}

impl ExtensionDef for HealthCheck {
    const KIND: &'static str = "health_check";
    type Config = HealthCheckConfig;

    fn listens(config: &HealthCheckConfig) -> Vec<Listen> {
        vec![Listen {
            name: "http",
            address: config.endpoint.clone(),
            max_connections: config.max_connections,
        }]
    }

    fn build(config: &HealthCheckConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let front = Front::new(&cx, &config.tls, cx.authenticators.server(&config.auth));
        Box::new(HealthCheck { front, answers: Answers::new(config, cx.state, cx.clock) })
    }
}

impl Extension for HealthCheck {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        let Self { front, answers } = *self;
        Box::pin(front.serve(stop, move |request| ready(answers.to(&request))))
    }
}
