//! The program, run as people run it.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

/// Runs it to its end, whatever that is.
pub(crate) fn trueline(args: &[&str]) -> Result<Output> {
    let program = testbed::trueline_binary()?;
    Command::new(&program).args(args).output().with_context(|| program.display().to_string())
}

/// Runs it to its end, which must be a success.
pub(crate) fn trueline_succeeds(args: &[&str]) -> Result<Output> {
    let output = trueline(args)?;
    ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}
