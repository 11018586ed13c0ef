//! The command line of `backtest`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::load::parse_duration;

/// Which configurations to compare, on what
///
/// Exit codes: 0 all was played; 1 a line was left out, or a file can not be read; 2 the options can not be understood; 4
/// a configuration is refused.
#[derive(Args)]
pub(crate) struct BacktestArgs {
    /// Recorded telemetry (OTLP JSON lines, `.gz`, `.zst`), or series (`.csv` of `timestamp,value`)
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// A configuration, each for itself; repeatable
    #[arg(long = "config", value_name = "URI", required = true)]
    pub(crate) config: Vec<String>,
    /// What really happened: the file that `trueline load --truth` writes
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,
    /// How long after its end an alert still belongs to a fault
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub(crate) grace: Duration,
    /// Only events whose names begin so are alerts
    #[arg(long, value_name = "PREFIX", default_value = crate::replay::PREFIX)]
    pub(crate) event: String,
    /// A table, or a JSON object for each configuration
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    Table,
    Jsonl,
}
