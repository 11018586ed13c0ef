//! The command line.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{files::documents, output, output::Report, rules, settings, sloth};
use crate::exit::{self, fail};

/// Files of Sloth to objectives
///
/// Exit codes: 0 all was imported; 1 something was left out, which is named, or the output can not be written; 2 the
/// options can not be understood.
#[derive(Args)]
pub(crate) struct ImportSlos {
    /// Files of Sloth: `prometheus/v1`, its objects of Kubernetes, and `AlertWindows`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the settings go; standard output when it is left out
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The period of the objectives, which Sloth takes from its own command line
    #[arg(long, value_name = "DAYS", default_value = "30d")]
    window: String,
}

/// `trueline slo import`
pub(crate) fn import_slos(args: &ImportSlos) -> ExitCode {
    let mut report = Report::default();
    let found = documents(&args.files, &mut report);
    let slos = sloth::import(&found, &args.window, &mut report);
    let settings = settings::Written { processors: settings::SlaStage { sla: settings::Sla { slos } } };
    end(&settings, args.output.as_deref(), &report, "objectives")
}

/// Files of Prometheus's rules to rules
///
/// Exit codes: 0 all was imported; 1 something was left out, which is named, or the output can not be written; 2 the
/// options can not be understood.
#[derive(Args)]
pub(crate) struct ImportRules {
    /// Files of rules of Prometheus, or objects `PrometheusRule` of Kubernetes
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the settings go; standard output when it is left out
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// `trueline rules import`
pub(crate) fn import_rules(args: &ImportRules) -> ExitCode {
    let mut report = Report::default();
    let found = documents(&args.files, &mut report);
    let rules = rules::import(&found, &mut report);
    let alerting = settings::Alerting { rules };
    let settings = settings::Written { processors: settings::AlertingStage { alerting } };
    end(&settings, args.output.as_deref(), &report, "rules")
}

#[expect(clippy::print_stderr, reason = "what was left out is for the person who imports")]
fn end(settings: &impl Serialize, output: Option<&std::path::Path>, report: &Report, what: &str) -> ExitCode {
    for line in &report.lines {
        eprintln!("{line}");
    }
    let Report { n_imported, n_left_out, .. } = report;
    eprintln!("imported {n_imported} {what}, left out {n_left_out}");
    if *n_imported > 0
        && let Err(problem) = output::write(settings, output)
    {
        return fail(exit::RUNTIME, &format!("{problem:#}"));
    }
    if *n_left_out > 0 { ExitCode::from(exit::RUNTIME) } else { ExitCode::SUCCESS }
}
