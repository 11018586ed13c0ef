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
mod telemetry;
mod terminal;
mod trust;

use std::process::ExitCode;

use clap::Parser;
use commands::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
