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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Trueline,
    /// trueline too, from another binary.
    Baseline,
    Otelcol,
}

impl Subject {
    /// Starts a process of the collector on `cores` with a configuration of `configs/`.
    pub(crate) fn start(
        &self,
        cores: &str,
        config: &str,
        endpoint: &str,
        sink: &str,
        log: &Path,
    ) -> Result<Process> {
        let family = match self.kind {
            Kind::Trueline | Kind::Baseline => "trueline",
            Kind::Otelcol => "otelcol",
        };
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(format!("{config}.{family}.yaml"));
        let environment = [
            ("BENCH_ENDPOINT", endpoint.to_owned()),
            ("BENCH_SINK", sink.to_owned()),
            ("BENCH_SHARDS", self.shards.to_string()),
            ("GOMAXPROCS", self.shards.to_string()),
        ];
        Process::start(&self.binary, &[format!("--config={}", file.display())], &environment, cores, log)
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
