//! The collector project's own load generator.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::part;
use crate::process::last_lines;

/// Long enough for the complaint that stands before its usage.
const TAIL_LINES: usize = 100;

/// Runs `telemetrygen` to its end and returns what it wrote.
///
/// The first argument is `traces`, `metrics` or `logs`. Over gRPC it takes
/// `--otlp-endpoint 127.0.0.1:PORT --otlp-insecure`, over HTTP `--otlp-http` besides.
/// `--traces N` makes `N × (1 + child spans)` spans in each worker; `--rate 0` is unlimited.
///
/// *Errors*: it failed; the message quotes the end of its output.
pub fn telemetrygen<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<String> {
    let program = part("telemetrygen", "telemetrygen")?;
    let output = Command::new(&program).args(args).output();
    let output = output.with_context(|| format!("starting {}", program.display()))?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!(
            "telemetrygen ended with {}; its output ends:\n{}",
            output.status,
            last_lines(&text, TAIL_LINES)
        );
    }
    Ok(text)
}
