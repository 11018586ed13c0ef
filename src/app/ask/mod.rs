//! Commands that ask a running service, over its extension `api`.

mod client;
mod incidents;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::{io::Write, process::ExitCode};
pub(crate) use table::Table;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

pub(crate) use crate::http_client::Followed;
use crate::{
    exit::{self, fail},
    http_client::Unreached,
};
pub(crate) use client::{ApiArgs, Format, Service};

/// `trueline alerts`
#[derive(Args)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    command: Option<AlertsCommand>,
    #[command(flatten)]
    api: ApiArgs,
    /// Only alerts in this state: pending, firing, recovering, cooldown, or all
    #[arg(long)]
    state: Option<String>,
    /// Only alerts of this severity
    #[arg(long)]
    severity: Option<String>,
}

#[derive(Subcommand)]
enum AlertsCommand {
    /// One alert with everything that happened to it
    Show { fingerprint: String },
    /// Take care of an alert: it is not escalated any more
    Ack {
        fingerprint: String,
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Give an alert back
    Unack { fingerprint: String },
    /// Say whether an alert was worth it
    Feedback { fingerprint: String, verdict: Verdict },
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Verdict {
    Useful,
    Noise,
}

/// `trueline incidents`
#[derive(Args)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    command: Option<IncidentsCommand>,
    #[command(flatten)]
    api: ApiArgs,
    /// Only incidents in this state: open, mitigating, resolved, closed
    #[arg(long, global = true)]
    state: Option<String>,
}

#[derive(Subcommand)]
enum IncidentsCommand {
    /// All incidents of late, the newest first; also without a command
    List,
    /// One incident: its cause, who suffers, and everything that belongs to it
    Show {
        /// Its id, or a beginning of it that no other has
        id: String,
    },
    /// Say what to think of an incident: noise counts as a false alarm of each anomaly in it
    Feedback {
        /// Its id, or a beginning of it that no other has
        id: String,
        verdict: IncidentVerdict,
        /// The service that is the cause instead, with wrong_cause
        #[arg(long, value_name = "SERVICE")]
        root: Option<String>,
    },
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum IncidentVerdict {
    /// Something was wrong, and its cause is the one that is named
    True,
    /// Nothing was wrong that anybody should have been told of
    Noise,
    /// Something was wrong, and its cause is another
    #[value(name = "wrong_cause")]
    WrongCause,
}

impl IncidentVerdict {
    const fn name(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::Noise => "noise",
            Self::WrongCause => "wrong_cause",
        }
    }
}

/// `trueline changes`
#[derive(Args)]
pub(crate) struct ChangesArgs {
    #[command(subcommand)]
    command: Option<ChangesCommand>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Subcommand)]
enum ChangesCommand {
    /// Changes of late, the newest first; also without a command
    List,
    /// Tell that a service was changed now, as that may explain an incident
    Add {
        service: String,
        /// What was changed, for people: `version 2.3 was deployed`
        title: String,
    },
}

/// `trueline silences`
#[derive(Args)]
pub(crate) struct SilencesArgs {
    #[command(subcommand)]
    command: Option<SilencesCommand>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Subcommand)]
enum SilencesCommand {
    /// Tell nobody of some alerts for a time
    Add {
        /// `alertname=Slow`, `severity=~"info|warning"`, `team!=shop`; all must hold
        #[arg(required = true)]
        matchers: Vec<String>,
        /// For how long: `2h`
        #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
        duration: String,
        #[arg(long)]
        comment: String,
    },
    /// End a silence now
    End { id: String },
}

/// `trueline explain`
#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// A rule, an objective, a metric, or the fingerprint of an alert
    subject: String,
    /// An instant of the last 24 hours, as RFC 3339 has it; now when it is left out
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// `trueline slos`
#[derive(Args)]
pub(crate) struct SlosArgs {
    /// One objective in full, by its id; all in short when it is left out
    id: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn alerts(args: &AlertsArgs) -> ExitCode {
    report(&args.api, text::alerts, |service| {
        let done = |fingerprint: &str, what: &str, body: &Value| {
            service.ask(Method::POST, &["alerts", fingerprint, what], &[], body)
        };
        match &args.command {
            None => {
                let state = args.state.as_deref().map(|state| ("state", state));
                let severity = args.severity.as_deref().map(|severity| ("severity", severity));
                let wanted: Vec<_> = state.into_iter().chain(severity).collect();
                service.get(&["alerts"], &wanted)
            }
            Some(_) if args.state.is_some() || args.severity.is_some() => {
                bail!("--state and --severity choose among all alerts; leave them out here")
            }
            Some(AlertsCommand::Show { fingerprint }) => service.get(&["alerts", fingerprint], &[]),
            Some(AlertsCommand::Ack { fingerprint, comment }) => {
                done(fingerprint, "ack", &json!({ "comment": comment }))
            }
            Some(AlertsCommand::Unack { fingerprint }) => done(fingerprint, "unack", &Value::Null),
            Some(AlertsCommand::Feedback { fingerprint, verdict }) => {
                let verdict = match verdict {
                    Verdict::Useful => "useful",
                    Verdict::Noise => "noise",
                };
                done(fingerprint, "feedback", &json!({ "verdict": verdict }))
            }
        }
    })
}

pub(crate) fn incidents(args: &IncidentsArgs) -> ExitCode {
    report(&args.api, incidents::incidents, |service| match &args.command {
        None | Some(IncidentsCommand::List) => {
            let state = args.state.as_deref().map(|state| ("state", state));
            service.get(&["incidents"], state.as_slice())
        }
        Some(_) if args.state.is_some() => {
            bail!("--state chooses among all incidents; leave it out here")
        }
        Some(IncidentsCommand::Show { id }) => service.get(&["incidents", id], &[]),
        Some(IncidentsCommand::Feedback { verdict, root: Some(_), .. })
            if *verdict != IncidentVerdict::WrongCause =>
        {
            bail!("--root says which cause is the right one; it goes with wrong_cause alone")
        }
        Some(IncidentsCommand::Feedback { id, verdict, root }) => {
            let body = json!({ "verdict": verdict.name(), "root": root });
            service.ask(Method::POST, &["incidents", id, "feedback"], &[], &body)
        }
    })
}

pub(crate) fn changes(args: &ChangesArgs) -> ExitCode {
    report(&args.api, incidents::changes, |asked| match &args.command {
        None | Some(ChangesCommand::List) => asked.get(&["changes"], &[]),
        Some(ChangesCommand::Add { service, title }) => {
            let body = json!({ "service": service, "title": title });
            asked.ask(Method::POST, &["changes"], &[], &body)
        }
    })
}

pub(crate) fn silences(args: &SilencesArgs) -> ExitCode {
    report(&args.api, text::silences, |service| match &args.command {
        None => service.get(&["silences"], &[]),
        Some(SilencesCommand::Add { matchers, duration, comment }) => {
            let body = json!({ "match": matchers, "duration": duration, "comment": comment });
            service.ask(Method::POST, &["silences"], &[], &body)
        }
        Some(SilencesCommand::End { id }) => {
            service.ask(Method::DELETE, &["silences", id], &[], &Value::Null)
        }
    })
}

pub(crate) fn explain(args: &ExplainArgs) -> ExitCode {
    report(&args.api, text::explain, |service| {
        let at = args.at.as_deref().map(|at| ("at", at));
        let parameters: Vec<_> = std::iter::once(("subject", args.subject.as_str())).chain(at).collect();
        let mut answer = service.get(&["explain"], &parameters)?;
        add_deliveries(service, &mut answer)?;
        Ok(answer)
    })
}

/// Adds to each alert what exporters did with its notifications.
fn add_deliveries(service: &Service, answer: &mut Value) -> anyhow::Result<()> {
    let at = answer["at"].as_str().unwrap_or_default().to_owned();
    let Some(alerts) = answer["alerts"].as_array_mut() else { return Ok(()) };
    for alert in alerts {
        let fingerprint = alert["alert"]["fingerprint"].as_str().unwrap_or_default().to_owned();
        let parameters = [("fingerprint", fingerprint.as_str()), ("at", &at)];
        let told = service.get_of_each("deliveries", &parameters)?;
        let of_exporter = told.into_iter().map(|(exporter, told)| {
            json!({ "exporter": exporter, "since": told["since"], "deliveries": told["deliveries"] })
        });
        alert["delivery"] = of_exporter.collect();
    }
    Ok(())
}

pub(crate) fn slos(args: &SlosArgs) -> ExitCode {
    report(&args.api, text::slos, |service| match &args.id {
        None => service.get(&["slos"], &[]),
        Some(id) => service.get(&["slos", id], &[]),
    })
}

/// Asks and writes the answer as it is wanted.
fn report(
    args: &ApiArgs,
    as_text: fn(&Value) -> String,
    ask: impl FnOnce(&Service) -> anyhow::Result<Value>,
) -> ExitCode {
    let answer = match Service::of(args).and_then(|service| ask(&service)) {
        Ok(answer) => answer,
        Err(problem) if problem.is::<Unreached>() => {
            let help = "is it running, with the extension `api`? --api says where";
            return fail(exit::UNREACHED, &format!("{problem:#}\n  help: {help}"));
        }
        Err(problem) => return fail(exit::RUNTIME, &format!("{problem:#}")),
    };
    let written = match args.format {
        Format::Text => as_text(&answer),
        Format::Json => format!("{answer:#}\n"),
    };
    // A reader that has seen enough is no failure.
    let _gone = std::io::stdout().write_all(written.as_bytes());
    ExitCode::SUCCESS
}
