//! Objectives and rules of others, by the binary: what is imported is accepted, and tells what a real Prometheus tells.
//!
//! * `agreement`: the imported objective has the error ratio of the PromQL that it was, on the same series.
//! * `backfill`: a budget of thirty days is filled from a Prometheus that holds them.
//! * `history`: counters of the past, for both sides.

mod agreement;
mod backfill;
mod history;
mod validate;

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

/// Longer than any wait that succeeds takes.
const SOON: Duration = Duration::from_secs(120);

/// Runs `trueline … import` and returns what it writes.
fn import(what: &str, file: &Path) -> Result<String> {
    let output = Command::new(testbed::trueline_binary()?).args([what, "import"]).arg(file).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{what} import: {said}");
    String::from_utf8(output.stdout).context(said)
}
