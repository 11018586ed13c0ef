//! The command, which asks a running service and writes what it shows.

use std::{
    io::{ErrorKind, Write},
    ops::ControlFlow,
    process::ExitCode,
};

use clap::Args;
use serde_json::Value;

use super::{
    text,
    wanted::{DEFAULT_DURATION, DEFAULT_LIMIT, DEFAULT_RATE, MAX_LIMIT, MAX_RATE, duration},
};
use crate::{
    ask::{ApiArgs, Followed, Format, Service},
    exit::{self, fail, tell},
    http_client::Unreached,
};

/// `trueline tap`
#[derive(Args)]
pub(crate) struct TapArgs {
    /// Where to look: PIPELINE/COMPONENT, at what leaves it, or at what comes to an exporter; without it, at what
    /// enters pipelines
    #[arg(long, value_name = "EDGE")]
    at: Option<String>,
    /// Look at what comes to the component instead
    #[arg(long, requires = "at")]
    before: bool,
    /// Only traces, metrics or logs
    #[arg(long)]
    signal: Option<String>,
    /// Only what this condition holds for, in OTTL or short: 'service.name == "checkout"'
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// End after so many spans, metrics or log records
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, value_parser = clap::value_parser!(u64).range(1..=MAX_LIMIT))]
    limit: u64,
    /// Show at most so many in a second
    #[arg(long, value_name = "N", default_value_t = DEFAULT_RATE, value_parser = clap::value_parser!(u64).range(1..=MAX_RATE))]
    rate: u64,
    /// End after this time, an hour at most
    #[arg(long = "for", value_name = "DURATION", default_value = DEFAULT_DURATION, value_parser = checked)]
    duration: String,
    /// Show secrets too; the token needs `tap: full`
    #[arg(long)]
    show_secrets: bool,
    /// Write the names of all edges instead
    #[arg(long, conflicts_with_all = ["at", "signal", "condition", "show_secrets"])]
    list: bool,
    #[command(flatten)]
    api: ApiArgs,
}

fn checked(text: &str) -> Result<String, String> {
    duration(text).map(|_good| text.to_owned())
}

pub(crate) fn run(args: &TapArgs) -> ExitCode {
    let done = Service::of(&args.api).and_then(|service| match args.list {
        true => list(&service, args.api.format),
        false => follow(&service, args),
    });
    done.unwrap_or_else(|problem| match problem.is::<Unreached>() {
        true => {
            let help = "is it running, with the extension `api`? --api says where";
            fail(exit::UNREACHED, &format!("{problem:#}\n  help: {help}"))
        }
        false => fail(exit::RUNTIME, &format!("{problem:#}")),
    })
}

fn list(service: &Service, format: Format) -> anyhow::Result<ExitCode> {
    let answer = service.get(&["tap", "edges"], &[])?;
    let names = answer["edges"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(tell(&match format {
        Format::Json => format!("{answer:#}\n"),
        Format::Text => names.map(|name| format!("{name}\n")).collect(),
    }))
}

fn follow(service: &Service, args: &TapArgs) -> anyhow::Result<ExitCode> {
    let (limit, rate) = (args.limit.to_string(), args.rate.to_string());
    let mut parameters = vec![("limit", limit.as_str()), ("rate", &rate), ("for", &args.duration)];
    let given = [("at", &args.at), ("signal", &args.signal), ("where", &args.condition)];
    parameters.extend(given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    if args.before {
        parameters.push(("side", "before"));
    }
    if args.show_secrets {
        parameters.push(("secrets", "show"));
    }
    let mut writer = Writer { format: args.api.format, end: None, failed: None };
    let followed = service.follow(&["tap"], &parameters, |line| writer.take(line))?;
    Ok(match (followed, writer.end, writer.failed) {
        (_, _, Some(problem)) if problem.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        (_, _, Some(problem)) => {
            fail(exit::RUNTIME, &format!("standard output can not be written: {problem}"))
        }
        (Followed::Interrupted, ..) => ExitCode::from(exit::INTERRUPTED),
        (Followed::ToTheEnd, Some(end), None) => told(&end),
        (Followed::ToTheEnd, None, None) => {
            fail(exit::RUNTIME, "the service ended before it had shown all that was asked for")
        }
    })
}

/// Says how the tap ended, for people.
#[expect(clippy::print_stderr, reason = "the command line speaks to a person")]
fn told(end: &Value) -> ExitCode {
    eprintln!("{}", text::end(end));
    ExitCode::SUCCESS
}

/// Writes lines as they come.
struct Writer {
    format: Format,
    end: Option<Value>,
    failed: Option<std::io::Error>,
}

impl Writer {
    fn take(&mut self, line: &[u8]) -> ControlFlow<()> {
        let Ok(mut read) = serde_json::from_slice::<Value>(line) else { return ControlFlow::Continue(()) };
        if let Some(end) = read.get_mut("tap") {
            self.end = Some(end.take());
            return ControlFlow::Break(());
        }
        let written = match self.format {
            Format::Json => [line, b"\n"].concat(),
            Format::Text => text::lines(&read).into_bytes(),
        };
        let mut out = std::io::stdout();
        match out.write_all(&written).and_then(|()| out.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(problem) => {
                self.failed = Some(problem);
                ControlFlow::Break(())
            }
        }
    }
}
