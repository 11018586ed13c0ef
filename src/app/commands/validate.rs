//! `trueline validate`: everything that is wrong with a configuration, at once.

use std::{io::IsTerminal, process::ExitCode};

use clap::ValueEnum;
use config::{ConfigUri, Problems, Style, SystemEnvironment};
use engine::Loaded;

use crate::{
    config_args::ConfigArgs,
    exit::{self, fail, tell},
    registry::registry,
    telemetry, terminal,
};

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[expect(clippy::print_stderr, reason = "that all is well is for a person, and no problem")]
pub(super) fn validate(args: &ConfigArgs, format: Format, deny_warnings: bool) -> ExitCode {
    let uris = match args.uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let Loaded { problems, .. } = check(&uris);
    let told = match format {
        Format::Json => tell(&(config::to_json(&problems.sorted()) + "\n")),
        Format::Text if problems.is_empty() => {
            eprintln!("the configuration is good");
            ExitCode::SUCCESS
        }
        Format::Text => tell(&(render(&problems, std::io::stdout().is_terminal()) + "\n")),
    };
    match told {
        _ if problems.has_errors() => ExitCode::from(exit::CONFIG),
        _ if deny_warnings && !problems.is_empty() => ExitCode::from(exit::WARNINGS),
        told => told,
    }
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

/// Renders problems for people; colours are for terminals, unless `NO_COLOR` is set.
pub(crate) fn render(problems: &Problems, is_terminal: bool) -> String {
    let style = if is_terminal && terminal::may_color() { Style::Colored } else { Style::Plain };
    config::render_styled(&problems.sorted(), style)
}
