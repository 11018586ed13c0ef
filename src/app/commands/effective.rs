//! `trueline config`: what a configuration amounts to, and how two differ.

use std::{io::IsTerminal, process::ExitCode};

use clap::{Args, Subcommand, ValueEnum};
use component::Registry;
use config::{Component, ComponentKind, ConfigUri, Effective, Redaction, Severity, Telemetry, differences};
use engine::Loaded;

use super::validate::{check, render};
use crate::{
    config_args::ConfigArgs,
    exit::{self, fail, tell},
    registry::registry,
};

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Write the configuration that is in force: merged, expanded, without secrets
    Print(PrintArgs),
    /// Tell what two configurations do not share, once merged and expanded
    Diff(DiffArgs),
}

#[derive(Args)]
pub(super) struct PrintArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Whether secrets are shown
    #[arg(long, value_enum, default_value_t = Mode::Redacted)]
    mode: Mode,
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
    /// Whether a configuration that is refused is not written
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    validate: bool,
}

#[derive(Args)]
pub(super) struct DiffArgs {
    /// A file, `file:PATH`, `env:NAME` or `yaml:TEXT`
    #[arg(value_name = "A")]
    left: ConfigUri,
    /// The other
    #[arg(value_name = "B")]
    right: ConfigUri,
    /// Lines for people, or an array of objects
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    format: DiffFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Redacted,
    Unredacted,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum DiffFormat {
    Text,
    Json,
}

pub(super) fn run(before: &ConfigArgs, command: &ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Print(args) => print(before, args),
        ConfigCommand::Diff(_) if !before.is_empty() => {
            fail(exit::USAGE, "config diff takes the two that it compares, and no --config")
        }
        ConfigCommand::Diff(args) => diff(args),
    }
}

pub(super) fn print(before: &ConfigArgs, args: &PrintArgs) -> ExitCode {
    let uris = match before.clone().and(args.config.clone()).uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let loaded = check(&uris);
    if !is_good(&loaded) && args.validate {
        return fail(exit::CONFIG, "the configuration is refused; every problem is listed above");
    }
    let Some(tree) = &loaded.tree else { return fail(exit::CONFIG, "there is nothing to write") };
    let redaction = match args.mode {
        Mode::Redacted => redaction(&loaded, &registry()),
        Mode::Unredacted => Redaction::none(),
    };
    let tree = Effective::new(tree, &redaction);
    match args.format {
        Format::Yaml => match config::write(&tree) {
            Ok(yaml) => tell(&yaml),
            Err(problem) => fail(exit::RUNTIME, &problem.title()),
        },
        Format::Json => match serde_json::to_string_pretty(&tree) {
            Ok(json) => tell(&(json + "\n")),
            Err(problem) => fail(exit::RUNTIME, &problem.to_string()),
        },
    }
}

/// Says on standard error what is wrong with a configuration. Returns whether it could be started.
#[expect(clippy::print_stderr, reason = "problems are for the person who asks")]
pub(crate) fn is_good(loaded: &Loaded) -> bool {
    if !loaded.problems.has_errors() {
        return true;
    }
    eprintln!("{}", render(&loaded.problems, std::io::stderr().is_terminal()));
    false
}

/// Returns what is secret: what was read as such, and all of what could not be read.
fn redaction(loaded: &Loaded, registry: &Registry) -> Redaction {
    use ComponentKind::{Connector, Exporter, Extension, Processor, Receiver};
    let errors: Vec<&str> = loaded
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| problem.path.as_str())
        .collect();
    let is_unread = |path: &str| {
        errors.iter().any(|error| {
            error.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    };
    let kinds = [Receiver, Processor, Connector, Exporter, Extension];
    let components = kinds.into_iter().flat_map(|kind| loaded.collector.section(kind));
    let unread =
        components.filter(|it| !is_known(it, registry) || is_unread(&it.path())).map(Component::path);
    let telemetry = Some(Telemetry::PATH.to_owned()).filter(|path| is_unread(path));
    let opaque = loaded.problems.opaque().iter().map(|opaque| opaque.path.clone());
    Redaction::of(opaque.chain(unread).chain(telemetry))
}

fn is_known(component: &Component, registry: &Registry) -> bool {
    let name = component.id.component_type.as_str();
    match component.kind {
        ComponentKind::Receiver => registry.receivers.iter().any(|row| row.answers_to(name)),
        ComponentKind::Processor => registry.processors.iter().any(|row| row.answers_to(name)),
        ComponentKind::Connector => registry.connectors.iter().any(|row| row.answers_to(name)),
        ComponentKind::Exporter => registry.exporters.iter().any(|row| row.answers_to(name)),
        ComponentKind::Extension => registry.extensions.iter().any(|row| row.answers_to(name)),
    }
}

fn diff(args: &DiffArgs) -> ExitCode {
    let (left, right) = (check(std::slice::from_ref(&args.left)), check(std::slice::from_ref(&args.right)));
    // Both are looked at, so that both are told of.
    let are_good = [is_good(&left), is_good(&right)];
    let ([true, true], Some(before), Some(after)) = (are_good, &left.tree, &right.tree) else {
        return fail(exit::CONFIG, "a configuration is refused; every problem is listed above");
    };
    let registry = registry();
    let found = differences((before, &redaction(&left, &registry)), (after, &redaction(&right, &registry)));
    let told = match args.format {
        DiffFormat::Text => {
            let line = |sign: char, path: &str, value: Option<&String>| {
                value.map_or(String::new(), |value| format!("{sign} {path}: {value}\n"))
            };
            let text = found
                .iter()
                .map(|it| line('-', &it.path, it.left.as_ref()) + &line('+', &it.path, it.right.as_ref()));
            tell(&text.collect::<String>())
        }
        DiffFormat::Json => {
            let read =
                |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let rows: Vec<serde_json::Value> = found
                .iter()
                .map(|it| {
                    let mut row = serde_json::json!({ "path": it.path });
                    for (key, value) in [("a", read(&it.left)), ("b", read(&it.right))] {
                        if let Some(value) = value {
                            row[key] = value;
                        }
                    }
                    row
                })
                .collect();
            tell(&format!("{:#}\n", serde_json::Value::Array(rows)))
        }
    };
    if found.is_empty() || told != ExitCode::SUCCESS { told } else { ExitCode::from(exit::TESTS) }
}
