//! From options to an exit code.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::bail;

use super::{
    BacktestArgs,
    args::Format,
    past::{self, Candidate, Refused, Told},
    score::{Score, Telling},
    table,
    truth::{self, Fault},
};
use crate::{
    detect::Recording,
    exit::{self, fail},
    replay::{Console, Files, short_span},
};

pub(crate) fn run(args: &BacktestArgs) -> ExitCode {
    let candidates = match candidates(&args.config) {
        Ok(candidates) => candidates,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    match backtest(args, &candidates) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(left_out) => fail(exit::RUNTIME, &format!("{left_out} damaged lines were left out")),
        Err(problem) if problem.is::<Refused>() => fail(exit::CONFIG, &problem.to_string()),
        Err(problem) => fail(exit::RUNTIME, &format!("{problem:#}")),
    }
}

fn candidates(configs: &[String]) -> Result<Vec<Candidate>, String> {
    let candidate = |name: &String| {
        let uri = name.parse().map_err(|problem| format!("--config={name}: {problem}"))?;
        Ok(Candidate { name: name.clone(), uri })
    };
    configs.iter().map(candidate).collect()
}

/// Plays and prints everything. Returns how much was left out as damaged.
fn backtest(args: &BacktestArgs, candidates: &[Candidate]) -> anyhow::Result<u64> {
    let truth = args.truth.as_deref().map(truth::read).transpose()?;
    let is_series = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "csv");
    let (series, telemetry): (Vec<&PathBuf>, Vec<&PathBuf>) = args.files.iter().partition(is_series);
    let telemetry: Vec<PathBuf> = telemetry.into_iter().cloned().collect();
    let recordings: Vec<Recording> =
        series.into_iter().map(|path| Recording::read(path)).collect::<anyhow::Result<_>>()?;
    let console = Console::new(Files::length(&telemetry)?);
    let warnings = recordings.iter().filter_map(|recording| recording.warning.as_ref());
    warnings.for_each(|warning| console.say(&format!("warning: {warning}")));
    let mut tellings: Vec<Vec<Telling>> = candidates.iter().map(|_| Vec::new()).collect();
    let faults = truth.as_deref().unwrap_or_default();
    if !telemetry.is_empty() {
        let all = past::telemetry(&telemetry, candidates, &args.event, &console)?;
        // What happened to a series did not happen to a service.
        let of_services = |fault: &&Fault| recordings.iter().all(|it| it.name != fault.service);
        let faults: Vec<Fault> = faults.iter().filter(of_services).cloned().collect();
        add(&mut tellings, all, &faults);
    }
    for recording in &recordings {
        let all: anyhow::Result<Vec<Told>> =
            candidates.iter().map(|candidate| past::series(recording, candidate, &args.event)).collect();
        let of_series = |fault: &&Fault| fault.service == recording.name;
        let faults: Vec<Fault> = faults.iter().filter(of_series).cloned().collect();
        add(&mut tellings, all?, &faults);
    }
    let elapsed = console.finish();
    let grace = truth.is_some().then_some(args.grace);
    if tellings.iter().flatten().all(|telling| telling.span.is_zero()) {
        bail!("there is nothing to play, or all of it is of one instant");
    }
    print(args.format, candidates, &tellings, grace)?;
    console.say(&format!("played in {}", short_span(elapsed)));
    Ok(console.n_damaged())
}

fn add(tellings: &mut [Vec<Telling>], all: Vec<Told>, faults: &[Fault]) {
    for (of_candidate, Told { alerts, span }) in tellings.iter_mut().zip(all) {
        of_candidate.push(Telling { alerts, span, faults: faults.to_vec() });
    }
}

fn print(
    format: Format,
    candidates: &[Candidate],
    tellings: &[Vec<Telling>],
    grace: Option<Duration>,
) -> io::Result<()> {
    let both = candidates.iter().zip(tellings);
    let scores: Vec<Score> =
        both.map(|(candidate, tellings)| Score::of(&candidate.name, tellings, grace)).collect();
    let mut out = io::stdout().lock();
    match format {
        Format::Table => table::write(&scores, &mut out),
        Format::Jsonl => scores.iter().try_for_each(|score| {
            serde_json::to_writer(&mut out, score)?;
            out.write_all(b"\n")
        }),
    }
}
