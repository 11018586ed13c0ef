//! Times the stages that find causes: what they add to the way of a span, what a judgement takes, and what all of it
//! takes while nothing is wrong.
//!
//! `cargo run --release -p bench -- costs`; see README.md of the benchmarks for what each figure is.

mod ingest;
mod judging;
mod stage;
mod tables;
mod traffic;

use anyhow::{Result, ensure};

use crate::analysis::{CORE, reference_walk};
use crate::table;

/// Times the stages that find causes.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    output: table::Output,
}

/// Everything that was measured.
struct Measured {
    reference_walk_nanos: f64,
    ingest: Vec<ingest::Figures>,
    judging: Vec<judging::Figures>,
}

/// Spans in a second.
const INGEST_RATES: [u32; 3] = [5_000, 60_000, 200_000];
/// Below what is sampled, and all of it.
const REST_RATES: [u32; 2] = [500, 5_000];

/// Measures all and writes the tables to stdout.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(
        core_affinity::set_for_current(core_affinity::CoreId { id: CORE }),
        "cannot be pinned to core {CORE}"
    );
    let before = reference_walk()?;
    let mut ingest = Vec::new();
    for rate in INGEST_RATES {
        eprintln!("{rate} spans/s through the ingest halves");
        ingest.push(ingest::measure(rate)?);
    }
    let mut judging = Vec::new();
    for rate in REST_RATES {
        eprintln!("{} services with {rate} spans/s for {} minutes", traffic::SERVICES, judging::MINUTES);
        judging.push(judging::measure(rate)?);
    }
    let reference_walk_nanos = before.min(reference_walk()?);
    let report = tables::report(&Measured { reference_walk_nanos, ingest, judging });
    args.output.write(&report, "costs")
}
