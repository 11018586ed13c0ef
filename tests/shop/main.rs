//! A real shop that trueline is measured on, beside Prometheus with rules as Sloth writes them; see `README.md`.

mod clock;
mod faults;
mod inbox;
mod incidents;
mod promises;
mod report;
mod run;
mod sandbox;
mod services;
mod stores;
mod watchers;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, ValueEnum};

use crate::faults::Kind;
use crate::run::{Outcome, Pace, Run};
use crate::sandbox::Parts;

/// Breaks a real shop in ten ways and tells what trueline and Prometheus said of it.
#[derive(Parser)]
#[command(name = "shop")]
struct Args {
    /// Kinds of faults; all when none is named
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Each kind is made once with each seed, which chooses its time and size
    #[arg(long, value_delimiter = ',', default_value = "1")]
    seeds: Vec<u64>,
    /// Three kinds, each only until its service is named; fails when one is not
    #[arg(long)]
    short: bool,
    /// Minutes without a fault before the first one, beyond the warm-up
    #[arg(long, default_value_t = 5)]
    quiet: u64,
    /// Seconds at the start that are not judged
    #[arg(long, default_value_t = 360)]
    warm_up: u64,
    /// Seconds that a fault lasts
    #[arg(long, default_value_t = 150)]
    fault: u64,
    /// Seconds between the aftermath of a fault, which takes a minute, and the next fault, at least
    #[arg(long, default_value_t = 60)]
    between: u64,
    /// Requests of customers in a second
    #[arg(long, default_value_t = 24)]
    rate: u32,
    /// The binary to measure; else the newest build
    #[arg(long)]
    trueline: Option<PathBuf>,
    /// Write the incidents of each fault to this file, as lines of JSON
    #[arg(long)]
    record: Option<PathBuf>,
    /// Replace the table in this file, between `<!-- shop:begin -->` and `<!-- shop:end -->`
    #[arg(long)]
    into: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("shop: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let args = Args::parse();
    let Some(parts) = Parts::inside() else {
        let status = sandbox::run_inside(args.trueline.as_deref())?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    sandbox::set_up(&stores::names())?;
    let parts = parts?;
    let record = match &args.record {
        Some(path) => Some(File::create(path).with_context(|| format!("creating {}", path.display()))?),
        None => None,
    };
    let mut run = Run::start(&parts, args.pace(), record)?;
    let outcome = run.all(&args.kinds(), &args.seeds)?;
    let table = report::markdown(&outcome);
    std::io::stdout().write_all(table.as_bytes())?;
    if let Some(path) = &args.into {
        report::into_file(path, &table)?;
    }
    run.end()?;
    if args.short {
        demand(&outcome)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn kinds(&self) -> Vec<Kind> {
        if !self.kinds.is_empty() {
            return self.kinds.clone();
        }
        if self.short {
            return vec![Kind::BadDeployment, Kind::SlowQuery, Kind::Lock];
        }
        Kind::value_variants().to_vec()
    }

    fn pace(&self) -> Pace {
        let seconds = Duration::from_secs;
        if self.short {
            return Pace {
                warm_up: seconds(60),
                quiet: Duration::ZERO,
                fault: seconds(120),
                aftermath: seconds(10),
                between: Duration::ZERO,
                calm_limit: seconds(120),
                until_named: true,
                requests_per_second: self.rate,
            };
        }
        Pace {
            warm_up: seconds(self.warm_up),
            quiet: seconds(self.quiet * 60),
            fault: seconds(self.fault),
            aftermath: seconds(60),
            between: seconds(self.between),
            calm_limit: seconds(360),
            until_named: false,
            requests_per_second: self.rate,
        }
    }
}

/// What the short form must show: of each fault a page, and the right service as its first cause.
fn demand(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.left_out.is_empty(), "left out: {:?}", outcome.left_out);
    for trial in &outcome.trials {
        if trial.ours.is_empty() || trial.named.is_none() {
            bail!(
                "{}: paged {} times, its service was named after {:?}",
                trial.kind.name(),
                trial.ours.len(),
                trial.named
            );
        }
    }
    Ok(())
}
