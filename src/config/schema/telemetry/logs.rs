//! `service::telemetry::logs`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::SpanProcessor;
use crate::Duration;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct LogsTelemetry {
    pub level: LogLevel,
    pub encoding: LogEncoding,
    pub development: bool,
    pub disable_caller: bool,
    pub disable_stacktrace: bool,
    pub disable_zap_resource: bool,
    pub sampling: LogSampling,
    /// `stdout`, `stderr` or paths.
    pub output_paths: Vec<String>,
    pub error_output_paths: Vec<String>,
    pub initial_fields: BTreeMap<String, Json>,
    pub processors: Vec<SpanProcessor>,
}

/// Of equal lines within a tick, the first `initial` and then every `thereafter`th are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct LogSampling {
    pub enabled: bool,
    pub tick: Duration,
    pub initial: u32,
    pub thereafter: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    #[serde(alias = "DEBUG")]
    Debug,
    #[default]
    #[serde(alias = "INFO")]
    Info,
    #[serde(alias = "WARN")]
    Warn,
    #[serde(alias = "ERROR")]
    Error,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEncoding {
    #[default]
    Console,
    Json,
}

impl Default for LogsTelemetry {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            encoding: LogEncoding::Console,
            development: false,
            disable_caller: false,
            disable_stacktrace: false,
            disable_zap_resource: false,
            sampling: LogSampling::default(),
            output_paths: vec!["stderr".to_owned()],
            error_output_paths: vec!["stderr".to_owned()],
            initial_fields: BTreeMap::new(),
            processors: Vec::new(),
        }
    }
}

impl Default for LogSampling {
    fn default() -> Self {
        Self { enabled: true, tick: Duration::from_secs(10), initial: 10, thereafter: 100 }
    }
}
