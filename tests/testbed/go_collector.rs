//! The OpenTelemetry collector written in Go, with the components of `go/otelcol/builder.yaml`.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cache::part;
use crate::process::{Launch, Process};

/// What the collector says, at level info, once all receivers listen.
const READY: &str = "Everything is ready";

pub struct GoCollector {
    process: Process,
}

/// What the `debug` exporter saw, summed over its lines of normal or basic verbosity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DebugCounts {
    pub spans: u64,
    pub metrics: u64,
    pub data_points: u64,
    pub log_records: u64,
}

impl GoCollector {
    /// Starts the collector on a configuration that names its own ports, all of 127.0.0.1.
    ///
    /// Its own metrics listen on 8888 unless `service.telemetry.metrics.level` is `none` or says
    /// otherwise, and its log level must let info through, which readiness is read from.
    /// Its log is not sampled, so that every line of the `debug` exporter is there.
    pub fn start(config_yaml: &str) -> Result<Self> {
        let launch = Launch::new("otelcol", part("otelcol", "otelcol")?)?;
        let config = launch.write("config.yaml", config_yaml)?;
        let launch = launch.args([
            format!("--config={}", config.display()),
            "--set=service.telemetry.logs.sampling.enabled=false".to_owned(),
        ]);
        Ok(Self { process: launch.start_until(|process| process.log().contains(READY))? })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns its working folder, where relative paths of its configuration lie.
    pub fn dir(&self) -> &Path {
        self.process.dir()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Lets it drain and waits for its end.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.terminate()?;
        self.process.wait(limit)
    }

    /// Sums what the `debug` exporter reported so far.
    pub fn debug_counts(&self) -> Result<DebugCounts> {
        let mut counts = DebugCounts::default();
        let log = self.log();
        // A line that is being written has no end yet.
        for line in log.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let Some((_, fields)) = line.split_once('{') else { continue };
            if !fields.contains("\"otelcol.component.kind\": \"exporter\"") {
                continue;
            }
            let fields: Value = serde_json::from_str(&format!("{{{fields}"))
                .with_context(|| format!("fields of the collector's log line {line}"))?;
            let field = |name: &str| fields[name].as_u64().unwrap_or(0);
            counts.spans += field("spans");
            counts.metrics += field("metrics");
            counts.data_points += field("data points");
            counts.log_records += field("log records");
        }
        Ok(counts)
    }
}
