//! The command line of `detect`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config_args::ConfigArgs;

/// What to judge, and how to tell it
#[derive(Args)]
pub(crate) struct DetectArgs {
    /// Files of `timestamp,value` lines, the first of which may be a header
    #[arg(required = true, value_name = "FILE.csv")]
    pub(crate) files: Vec<PathBuf>,
    /// Without one, `baseline` and `anomaly` work with their defaults
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// A table of episodes, or every point as a line of JSON
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    Table,
    Jsonl,
}
