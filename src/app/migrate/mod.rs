//! `trueline migrate`: what of a Go collector's configuration runs here, and what does not.

mod contrib;
mod report;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use config::{ConfigUri, SystemEnvironment};

use self::report::Report;
use crate::{
    exit::{self, fail, tell},
    registry::registry,
};

/// What of a Go collector's configuration runs here
///
/// Exit codes: 0 all of it runs; 2 the options can not be understood; 4 something does not.
#[derive(Args)]
pub(crate) struct MigrateArgs {
    /// The configuration: files, `file:PATH`, `env:NAME` or `yaml:TEXT`, merged as the collector merges them
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<ConfigUri>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) fn run(args: &MigrateArgs) -> ExitCode {
    let registry = registry();
    let loaded = engine::load(&args.configs, &SystemEnvironment, &registry);
    let report = Report::of(&loaded, &registry);
    if loaded.tree.is_none() {
        return fail(exit::CONFIG, &report.text());
    }
    let told = tell(&match args.format {
        Format::Text => report.text(),
        Format::Json => report.json(),
    });
    if report.all_runs() { told } else { ExitCode::from(exit::CONFIG) }
}
