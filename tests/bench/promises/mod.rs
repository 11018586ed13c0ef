//! Times promises and alarms: `sla` with a thousand objectives, `alerting` with ten thousand rules.
//!
//! `cargo run --release -p bench -- promises`; see README.md beside this file for what each figure is. The stages
//! are measured in a process of their own, pinned to one core; Prometheus with the rules that Sloth makes of as many
//! objectives runs on the same core afterwards.

mod child;
mod past;
mod peer;
mod sloth;
mod stages;
mod tables;

use std::io::Write;

use anyhow::{Context, Result, ensure};

use crate::analysis::{CORE, reference_walk};
use crate::table;

/// Times promises and alarms, beside Prometheus with Sloth's rules.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave Prometheus out.
    #[arg(long)]
    without_prometheus: bool,
    #[command(flatten)]
    output: table::Output,
    /// Measure a part in this process and print JSON: what this command starts.
    #[arg(long, value_name = "PART", hide = true)]
    measure: Option<child::Part>,
}

const OBJECTIVES: u32 = 1_000;
const RULES: u32 = 10_000;
/// How often both evaluate.
///
/// *Units*: seconds.
const EVERY: u64 = 10;

/// Everything that was measured.
struct Measured {
    reference_walk_nanos: f64,
    ours: child::Figures,
    peer: Option<peer::Figures>,
}

/// Measures all and writes the tables to stdout.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(
        core_affinity::set_for_current(core_affinity::CoreId { id: CORE }),
        "cannot be pinned to core {CORE}"
    );
    if let Some(part) = args.measure {
        let figures = child::measure(part)?;
        return std::io::stdout().write_all(figures.as_bytes()).context("writing the figures");
    }
    let before = reference_walk()?;
    eprintln!("{OBJECTIVES} objectives and {RULES} rules");
    let ours = child::figures()?;
    let reference_walk_nanos = before.min(reference_walk()?);
    let peer = if args.without_prometheus { None } else { measured_peer()? };
    let report = tables::report(&Measured { reference_walk_nanos, ours, peer });
    args.output.write(&report, "promises")
}

/// Measures Prometheus; none when it is not built.
fn measured_peer() -> Result<Option<peer::Figures>> {
    match (testbed::part("prometheus", "prometheus"), testbed::part("prometheus", "promtool")) {
        (Ok(program), Ok(promtool)) => Ok(Some(peer::measure(&program, &promtool, OBJECTIVES)?)),
        (Err(problem), _) | (_, Err(problem)) => {
            eprintln!("Prometheus is left out: {problem:#}");
            Ok(None)
        }
    }
}
