//! `trueline validate`: everything that is wrong with a configuration, at once.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use config::{ConfigUri, Problems, Style, SystemEnvironment};
use engine::Loaded;

use crate::{
    cardinality::estimate,
    config_args::ConfigArgs,
    exit::{self, fail, tell},
    lints,
    registry::registry,
    telemetry, terminal,
};

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// How problems are written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// End with code 3 when there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Leave out the warnings of a name, the one in brackets
    #[arg(long, value_name = "NAME", value_parser = lints::NAMES)]
    allow: Vec<String>,
    /// Recorded telemetry, as `replay` takes it: tells what each exporter would have to carry of it
    #[arg(long, value_name = "FILE")]
    estimate: Vec<PathBuf>,
}

#[expect(clippy::print_stderr, reason = "that all is well is for a person, and no problem")]
pub(super) fn validate(before: &ConfigArgs, args: &ValidateArgs) -> ExitCode {
    let uris = match before.clone().and(args.config.clone()).uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let Loaded { mut problems, plan, collector, .. } = check(&uris);
    let collecting = collecting(&collector);
    problems.retain(|problem| !problem.lint.is_some_and(|name| args.allow.iter().any(|it| it == name)));
    let loads = match plan.filter(|_| !args.estimate.is_empty()) {
        None => None,
        Some(plan) => match estimate::estimate(plan, &args.estimate) {
            Ok(loads) => Some(loads),
            Err(problem) => return fail(exit::RUNTIME, &format!("{problem:#}")),
        },
    };
    let told = match args.format {
        Format::Json if loads.is_some() => tell(&with_loads(&problems, loads.as_deref(), &collecting)),
        Format::Json => tell(&(config::to_json(&problems.sorted()) + "\n")),
        Format::Text if problems.is_empty() => {
            eprintln!("the configuration is good");
            ExitCode::SUCCESS
        }
        Format::Text => tell(&(render(&problems, std::io::stdout().is_terminal()) + "\n")),
    };
    let told = match loads.as_deref().filter(|_| matches!(args.format, Format::Text)) {
        Some(loads) => tell(&(estimate::text(loads) + &not_in_it(&collecting))),
        None => told,
    };
    match told {
        _ if problems.has_errors() => ExitCode::from(exit::CONFIG),
        _ if args.deny_warnings && !problems.is_empty() => ExitCode::from(exit::WARNINGS),
        told => told,
    }
}

/// Writes problems beside what exporters would have to carry.
fn with_loads(problems: &Problems, loads: Option<&[estimate::Load]>, collecting: &[String]) -> String {
    let problems: serde_json::Value =
        serde_json::from_str(&config::to_json(&problems.sorted())).expect("it has just been written");
    format!(
        "{:#}\n",
        serde_json::json!({ "problems": problems, "estimate": loads, "not_estimated": collecting })
    )
}

/// Returns the receivers that collect by themselves: no recording has what they bring.
fn collecting(collector: &config::Collector) -> Vec<String> {
    let kinds = ["prometheus", "host_metrics", "hostmetrics"];
    let of_kind = |it: &&config::Component| kinds.contains(&it.id.component_type.as_str());
    collector.receivers.iter().filter(of_kind).map(|it| it.id.to_string()).collect()
}

/// Says that an estimate is no whole where receivers collect by themselves.
fn not_in_it(collecting: &[String]) -> String {
    if collecting.is_empty() {
        return String::new();
    }
    let names = collecting.join(", ");
    format!(
        "not in it: series that receivers collect by themselves ({names}); exporters behind them carry those too\n"
    )
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
    telemetry::check(&loaded.collector.service.telemetry, &mut loaded.problems);
    if loaded.problems.has_errors() {
        loaded.plan = None;
    }
    lints::check(&loaded.collector, loaded.tree.as_ref(), &mut loaded.problems);
    loaded
}

/// Renders problems for people.
pub(crate) fn render(problems: &Problems, is_terminal: bool) -> String {
    let style = if terminal::is_colored(is_terminal) { Style::Colored } else { Style::Plain };
    config::render_styled(&problems.sorted(), style)
}
