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
    all_file_descriptors();
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

/// Connections are file descriptors, of which systems give fewer than they would on demand.
fn all_file_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(problem) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(error = %problem, "the number of file descriptors can not be raised");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit, setrlimit};

    #[test]
    fn the_process_leaves_no_core_dump() {
        super::no_core_dumps();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }

    #[test]
    fn the_process_may_open_as_many_files_as_the_system_allows() {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = Some(limit.maximum.map_or(1000, |most| most.min(1000)));
        setrlimit(Resource::Nofile, limit).unwrap();
        super::all_file_descriptors();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}
