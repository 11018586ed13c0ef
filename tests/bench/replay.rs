//! Times `trueline replay`: how much faster than real time a configuration goes over recorded traffic.
//!
//! `cargo run --release -p bench -- replay`; see README.md for what each figure is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::machine::Machine;
use crate::table::{self, Report, Table};
use crate::{clock, process, subject};

/// Times `trueline replay` over recorded traffic.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A trueline binary, instead of building this tree's.
    #[arg(long, value_name = "FILE")]
    trueline: Option<PathBuf>,
    /// Each replay is run so many times; the fastest counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    #[command(flatten)]
    output: table::Output,
}

/// The least that is wanted, in times real time.
const WANTED: f64 = 1000.0;

/// A service's own stages of judgement; the shipped `pipelines/normal.yaml` has more.
const JUDGED: &str = "yaml:{receivers: {otlp: {protocols: {grpc: }}}, exporters: {nop: }, \
     processors: {aggregation: {windows: [10s, 1m]}, baseline: , anomaly: }, service: {pipelines: \
     {telemetry: {receivers: [otlp], processors: [aggregation, baseline, anomaly], exporters: [nop]}}}}";

/// What is recorded.
struct Recording {
    /// *Units*: spans per second, on average where a day has a night.
    rate: u32,
    hours: u32,
    has_night: bool,
}

const RECORDINGS: [Recording; 3] = [
    Recording { rate: 20, hours: 24, has_night: true },
    Recording { rate: 100, hours: 3, has_night: false },
    Recording { rate: 300, hours: 1, has_night: false },
];

/// What one replay took.
struct Taken {
    wall: Duration,
    cpu: Duration,
}

/// Records, replays and writes the table.
pub(crate) fn run(args: &Args) -> Result<()> {
    let trueline = match &args.trueline {
        Some(binary) => binary.clone(),
        None => subject::build_trueline()?,
    };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/normal.yaml");
    let configs = [("judging alone", JUDGED.to_owned()), ("`normal.yaml`", shipped.display().to_string())];
    let folder = tempfile::tempdir().context("making a folder")?;
    let mut lines = Vec::new();
    for recording in &RECORDINGS {
        let file = record(&trueline, recording, folder.path())?;
        let bytes = fs::metadata(&file).with_context(|| file.display().to_string())?.len();
        for (name, config) in &configs {
            let taken = fastest(args.runs, &trueline, &file, config, folder.path())?;
            eprintln!("{} spans/s, {name}: {:.1} s", recording.rate, taken.wall.as_secs_f64());
            lines.push(line(recording, bytes, name, &taken));
        }
    }
    let heading = ["spans/s", "hours", "MB", "stages", "time", "CPU", "µs/span", "times real time", "met"];
    let table = Table {
        caption: format!("At least {WANTED:.0} times real time."),
        heading: heading.map(str::to_owned).to_vec(),
        lines,
    };
    let machine = Machine::here();
    let stamp = machine.stamp();
    let Machine { cpu, cores, kernel, .. } = machine;
    let title = format!("{cpu}, {cores} cores, Linux {kernel}; {stamp}. The fastest of {}.", args.runs);
    args.output.write(&Report { title, tables: vec![table] }, "replay")
}

fn line(recording: &Recording, bytes: u64, stages: &str, taken: &Taken) -> Vec<String> {
    let seconds = f64::from(recording.hours) * 3600.0;
    let spans = seconds * f64::from(recording.rate);
    let times = seconds / taken.wall.as_secs_f64();
    vec![
        recording.rate.to_string(),
        recording.hours.to_string(),
        format!("{:.0}", bytes as f64 / 1e6),
        stages.to_owned(),
        format!("{:.1} s", taken.wall.as_secs_f64()),
        format!("{:.1} s", taken.cpu.as_secs_f64()),
        format!("{:.1}", taken.cpu.as_secs_f64() * 1e6 / spans),
        format!("{times:.0}"),
        if times >= WANTED { "yes" } else { "**no**" }.to_owned(),
    ]
}

/// Writes the traffic of `trueline load` to a file.
fn record(trueline: &Path, recording: &Recording, folder: &Path) -> Result<PathBuf> {
    let file = folder.join(format!("{}.jsonl.zst", recording.rate));
    let mut command = Command::new(trueline);
    command.arg("load").arg("--output").arg(&file).args(["--start", "1700000000"]);
    command.args(["--rate", &recording.rate.to_string(), "--duration", &format!("{}h", recording.hours)]);
    if recording.has_night {
        command.args(["--day", "24h"]);
    }
    finish(&mut command)?;
    Ok(file)
}

/// Replays a file some times and returns the fastest.
fn fastest(runs: u32, trueline: &Path, file: &Path, config: &str, folder: &Path) -> Result<Taken> {
    let mut best: Option<Taken> = None;
    for _ in 0..runs {
        let before = process::children_cpu()?;
        let begin = clock::now();
        let mut command = Command::new(trueline);
        command.arg("replay").arg(file).args(["--config", config, "--format", "jsonl"]);
        command.env("TRUELINE_STATE", folder.join("state"));
        finish(&mut command)?;
        let taken = Taken { wall: begin.elapsed(), cpu: process::children_cpu()?.saturating_sub(before) };
        if best.as_ref().is_none_or(|best| taken.wall < best.wall) {
            best = Some(taken);
        }
    }
    best.context("no replay was run")
}

/// Runs a command to its end.
///
/// *Errors*: it can not be started, or fails; what it said on stderr is in the error.
fn finish(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.with_context(|| format!("starting {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, said.trim_end());
    Ok(())
}
