//! From options to an exit code: sends or writes, states the truth, sums up.

use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::LocalSet;

use super::args::{LoadArgs, Protocol};
use super::client::Target;
use super::clock;
use super::output::{self, is_stdout};
use super::send::{Load, Patience, send_all};
use super::tally::Tally;
use super::traffic::Traffic;
use crate::exit::{self, fail};
use crate::terminal::shows_progress;

/// Requests in flight on a gRPC connection.
const IN_FLIGHT: usize = 4;
const PROGRESS_PERIOD: Duration = Duration::from_millis(250);

/// Sends until the duration is over or Ctrl-C is pressed, or writes a file, and prints a summary.
pub(crate) fn run(args: LoadArgs) -> ExitCode {
    let target = Target::new(&args.endpoint, args.protocol);
    let target = match args.check().and_then(|()| target.map_err(|problem| format!("{problem:#}"))) {
        Ok(target) => target,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let start = args.start.map_or_else(clock::unix_nanos, |seconds| seconds * 1_000_000_000);
    let done = match &args.output {
        Some(path) => write(&args, start, path),
        None => send(&args, start, target),
    };
    done.unwrap_or_else(|problem| fail(exit::RUNTIME, &format!("{problem:#}")))
}

fn write(args: &LoadArgs, start: u64, path: &std::path::Path) -> Result<ExitCode> {
    let mut traffic = Traffic::new(args, start);
    let written = output::write(&mut traffic, path)?;
    state_truth(args, start, Some(traffic.told_until()))?;
    let summary = written.summary(path);
    // Standard output is for the data where they go there.
    if is_stdout(path) {
        io::stderr().write_all(summary.as_bytes()).context("writing the summary")?;
    } else {
        io::stdout().write_all(summary.as_bytes()).context("writing the summary")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn send(args: &LoadArgs, start: u64, target: Target) -> Result<ExitCode> {
    let planned_end = args.duration.map(|duration| start + duration.as_nanos() as u64);
    state_truth(args, start, planned_end)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let in_flight = if target.protocol() == Protocol::Grpc { IN_FLIGHT } else { 1 };
    let bar = progress_bar(args.duration);
    let voice = bar.clone();
    let load = Rc::new(Load::new(args, start, &target, Patience::OF_AN_SDK, move |line| say(&voice, line)));
    runtime.block_on(LocalSet::new().run_until(async {
        let progress = tokio::task::spawn_local(show_progress(Rc::clone(&load), bar));
        send_all(Rc::clone(&load), target, args.connections, in_flight).await;
        progress.abort();
    }));
    state_truth(args, start, Some(load.told_until()))?;
    let mut summary = load.tally.summary(load.begin.elapsed());
    let unsent = planned_end.map_or(0, |end| end.saturating_sub(load.told_until()));
    if unsent > 0 {
        summary += &format!("not sent: the last {:.1} s of the traffic\n", unsent as f64 / 1e9);
    }
    io::stdout().write_all(summary.as_bytes()).context("writing the summary")?;
    Ok(verdict(&load.tally))
}

/// Tells a script whether what was sent has arrived.
pub(crate) fn verdict(tally: &Tally) -> ExitCode {
    match tally.lost() {
        0 => ExitCode::SUCCESS,
        _ if tally.is_nothing_acknowledged() => fail(exit::UNREACHED, "nobody took anything of the load"),
        lost => fail(exit::RUNTIME, &format!("{lost} {} were lost", tally.what_counts())),
    }
}

/// Writes the faults as far as they lie before the end, where that is known.
fn state_truth(args: &LoadArgs, start: u64, end: Option<u64>) -> Result<()> {
    let Some(file) = &args.truth else { return Ok(()) };
    let lines: String =
        args.faults.iter().filter_map(|fault| fault.truth(start, end)).map(|line| line + "\n").collect();
    std::fs::write(file, lines).with_context(|| format!("writing the truth to {}", file.display()))
}

/// Says something to the person, above the progress where that is shown.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        // Nobody is there to be told when standard error is closed.
        drop(writeln!(io::stderr(), "{line}"));
    } else {
        bar.println(line);
    }
}

fn progress_bar(duration: Option<Duration>) -> ProgressBar {
    if !shows_progress() {
        return ProgressBar::hidden();
    }
    let seconds = duration.map(|duration| duration.as_secs().max(1));
    let bar = seconds.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = if seconds.is_some() { "{bar:30} {elapsed} {msg}" } else { "{spinner} {elapsed} {msg}" };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
    bar
}

async fn show_progress(load: Rc<Load>, bar: ProgressBar) {
    let mut acked_before = 0;
    loop {
        clock::sleep(PROGRESS_PERIOD).await;
        let spans = &load.tally.spans;
        let acked = spans.acked.get();
        let per_second = (acked - acked_before) as f64 / PROGRESS_PERIOD.as_secs_f64();
        acked_before = acked;
        bar.set_position(load.begin.elapsed().as_secs());
        bar.set_message(format!(
            "{acked} spans acknowledged, {per_second:.0}/s, {} refused, {} retried",
            spans.refused.get(),
            spans.retried.get()
        ));
    }
}
