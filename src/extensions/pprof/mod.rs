//! What becomes of a configuration that asks for profiles of the Go runtime? It runs, and is told that there are none.

use component::{BoxError, Checks, Config, Extension, ExtensionCx, ExtensionDef, Stop};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;

/// The collector's keys; none has an effect.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct PprofConfig {
    pub endpoint: String,
    pub dialer: config::Section<DialerConfig>,
    pub block_profile_fraction: i64,
    pub mutex_profile_fraction: i64,
    pub save_to_file: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DialerConfig {
    pub timeout: config::Duration,
}

impl Default for PprofConfig {
    fn default() -> Self {
        Self {
            endpoint: "localhost:1777".to_owned(),
            dialer: config::Section::default(),
            block_profile_fraction: 0,
            mutex_profile_fraction: 0,
            save_to_file: String::new(),
        }
    }
}

impl Config for PprofConfig {
    fn validate(&self, checks: &mut Checks) {
        let message = format!(
            "there is no Go runtime here to profile, so nothing listens on {}; remove it, or use `perf record -p PID`",
            self.endpoint
        );
        checks.warn("endpoint", message);
    }
}

pub(crate) struct Pprof;

impl ExtensionDef for Pprof {
    const KIND: &'static str = "pprof";
    type Config = PprofConfig;

    fn build(_: &PprofConfig, _: ExtensionCx) -> Box<dyn Extension> {
        Box::new(Pprof)
    }
}

impl Extension for Pprof {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}
