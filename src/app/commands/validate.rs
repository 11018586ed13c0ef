//! `trueline validate`: everything that is wrong with a configuration, at once.

use std::{io::IsTerminal, process::ExitCode};

use clap::ValueEnum;
use config::{ConfigUri, Problems, Style, SystemEnvironment};
use engine::Loaded;

use crate::{
    config_args::ConfigArgs,
    exit::{self, fail},
    registry::registry,
    telemetry,
};

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the problems are what was asked for")]
pub(super) fn validate(args: &ConfigArgs, format: Format, deny_warnings: bool) -> ExitCode {
    let uris = match args.uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let Loaded { problems, .. } = check(&uris);
    match format {
        Format::Json => println!("{}", config::to_json(&problems.sorted())),
        Format::Text if problems.is_empty() => eprintln!("the configuration is good"),
        Format::Text => println!("{}", render(&problems, std::io::stdout().is_terminal())),
    }
    let is_refused = problems.has_errors() || (deny_warnings && !problems.is_empty());
    if is_refused { ExitCode::from(exit::CONFIG) } else { ExitCode::SUCCESS }
}

/// Reads a configuration as far as it can be judged without running it. The start uses it too.
pub(crate) fn check(uris: &[ConfigUri]) -> Loaded {
    with_telemetry(engine::load(uris, &SystemEnvironment, &registry()))
}

/// The same where windows come from a recording of one series, as wide as it says.
pub(crate) fn check_for_given_windows(uris: &[ConfigUri]) -> Loaded {
    with_telemetry(engine::load_for_given_windows(uris, &SystemEnvironment, &registry()))
}

fn with_telemetry(mut loaded: Loaded) -> Loaded {
    if let Some(settings) = &loaded.telemetry {
        telemetry::check(settings, &mut loaded.problems);
    }
    if loaded.problems.has_errors() {
        loaded.plan = None;
    }
    loaded
}

/// Renders problems for people; colours are for terminals.
pub(crate) fn render(problems: &Problems, is_terminal: bool) -> String {
    let style = if is_terminal { Style::Colored } else { Style::Plain };
    config::render_styled(&problems.sorted(), style)
}
