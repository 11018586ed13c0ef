//! trueline: an OpenTelemetry collector that knows what normal looks like.

mod ask;
mod backfill;
mod backtest;
mod cardinality;
mod commands;
mod compare;
mod config_args;
mod detect;
mod exit;
mod http_client;
mod import;
mod inbox;
mod lints;
mod load;
mod migrate;
mod pipeline_test;
mod range_query;
mod registry;
mod reload;
mod replay;
mod schema;
mod tap;
mod telemetry;
mod terminal;
mod trust;

use std::process::ExitCode;

use clap::Parser;
use commands::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    no_core_dumps();
    Cli::parse().run()
}

/// A core dump would hold every secret of the configuration.
fn no_core_dumps() {
    #[cfg(target_os = "linux")]
    if let Err(problem) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::debug!(error = %problem, "core dumps can not be turned off");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn the_process_leaves_no_core_dump() {
        super::no_core_dumps();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
