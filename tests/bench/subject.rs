//! The collectors: where their binaries are and how each is started for a path.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::Process;

/// A way to run a collector.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) binary: PathBuf,
    /// Threads of work.
    pub(crate) shards: usize,
    /// A `taskset` list for each process.
    pub(crate) processes: &'static [&'static str],
    /// The stem of its file in `configs/`.
    pub(crate) config: &'static str,
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

/// Where a collector finds what is around it.
pub(crate) struct Surroundings<'a> {
    pub(crate) endpoint: String,
    pub(crate) sink: String,
    /// The folder of certificates.
    pub(crate) certificates: &'a Path,
    /// Where its own metrics listen.
    pub(crate) own_metrics_port: u16,
    /// Where metrics are written; empty without a Prometheus.
    pub(crate) remote_write: String,
    pub(crate) log: &'a Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Trueline,
    /// trueline too, from another binary.
    Baseline,
    Otelcol,
}

impl Subject {
    /// Starts a process of the collector on `cores`.
    pub(crate) fn start(&self, cores: &str, around: &Surroundings<'_>) -> Result<Process> {
        let family = match self.kind {
            Kind::Trueline | Kind::Baseline => "trueline",
            Kind::Otelcol => "otelcol",
        };
        let file = format!("{}.{family}.yaml", self.config);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(file);
        let mut environment = vec![
            ("BENCH_ENDPOINT", around.endpoint.clone()),
            ("BENCH_SINK", around.sink.clone()),
            ("BENCH_CERTIFICATES", around.certificates.display().to_string()),
            ("BENCH_OWN_METRICS_PORT", around.own_metrics_port.to_string()),
            ("BENCH_REMOTE_WRITE", around.remote_write.clone()),
            ("BENCH_SHARDS", self.shards.to_string()),
            ("GOMAXPROCS", self.shards.to_string()),
        ];
        environment.extend(self.environment.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let arguments = [format!("--config={}", file.display())];
        Process::start(&self.binary, &arguments, &environment, cores, around.log)
    }
}

/// Returns the Go collector of the testbed's cache, where it is built.
pub(crate) fn find_otelcol() -> Option<PathBuf> {
    testbed::part("otelcol", "otelcol").ok()
}

/// Builds trueline in release mode and returns its binary, which stands beside this one.
pub(crate) fn build_trueline() -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding this binary")?;
    let place = own.parent().context("this binary has no folder")?;
    let target = place.parent().context("the build folder has no parent")?;
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "trueline", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "building trueline failed; name a binary with --trueline");
    Ok(target.join("release/trueline"))
}
