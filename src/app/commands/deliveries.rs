//! `trueline deliveries`: alerts that no destination took, shown and sent again.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand};
use config::{Problems, SystemEnvironment};
use engine::SystemClock;
use exporters::deliveries::{Letter, Letters, Replayer, Summary};

use super::validate::render;
use crate::{
    config_args::ConfigArgs,
    exit::{self, fail, tell},
    terminal::printable,
};

/// The file's name in a queue's directory.
const FILE: &str = "dead_letters.jsonl";

#[derive(Args)]
pub(super) struct DeliveriesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show the dead letters
    List(Place),
    /// Send the dead letters again; those that are taken leave the file
    Replay {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
struct Place {
    /// A file of dead letters, or the queue's directory
    #[arg(value_name = "DIR_OR_FILE")]
    path: PathBuf,
    /// Only those of this destination
    #[arg(long)]
    destination: Option<String>,
}

impl Place {
    fn file(&self) -> PathBuf {
        if self.path.is_dir() { self.path.join(FILE) } else { self.path.clone() }
    }

    fn is_wanted(&self, letter: &Letter) -> bool {
        self.destination.as_deref().is_none_or(|name| name == letter.destination())
    }
}

pub(super) fn run(args: &DeliveriesArgs) -> ExitCode {
    match &args.action {
        Action::List(place) => read(&place.file()).map_or_else(|code| code, |letters| list(place, &letters)),
        Action::Replay { config, place } => replay(config, place),
    }
}

fn read(file: &Path) -> Result<Letters, ExitCode> {
    let letters = Letters::read(file).map_err(|problem| {
        fail(
            exit::RUNTIME,
            &format!("{} can not be read: {problem}; name the file or its folder", file.display()),
        )
    })?;
    for line in &letters.damaged {
        fail(
            exit::RUNTIME,
            &format!("line {line} of {} is no dead letter and is passed over", file.display()),
        );
    }
    Ok(letters)
}

fn list(place: &Place, letters: &Letters) -> ExitCode {
    tell(&table(letters.all.iter().filter(|letter| place.is_wanted(letter)).map(Letter::summary)))
}

/// Writes a table whose columns are as wide as need be; the problem comes last, as it may be long.
fn table(letters: impl Iterator<Item = Summary>) -> String {
    let head = ["TIME", "DESTINATION", "REASON", "ALERTS", "PROBLEM"].map(str::to_owned);
    let row = |letter: Summary| {
        [letter.at, letter.destination, letter.reason, letter.alerts, letter.problem].map(|it| printable(&it))
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(letters.map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(&row[4]);
        text.push('\n');
    }
    text
}

#[expect(clippy::print_stdout, reason = "what became of each letter is what was asked for")]
fn replay(config: &ConfigArgs, place: &Place) -> ExitCode {
    let replayers = match replayers(config) {
        Ok(replayers) => replayers,
        Err(code) => return code,
    };
    let file = place.file();
    let letters = match read(&file) {
        Ok(letters) => letters,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(problem) => return fail(exit::RUNTIME, &format!("could not start: {problem}")),
    };
    let (mut left, mut n_sent, mut n_failed) = (Vec::new(), 0, 0);
    for letter in letters.all {
        if !place.is_wanted(&letter) {
            left.push(letter);
            continue;
        }
        let alerts = printable(&letter.summary().alerts);
        match runtime.block_on(send(&replayers, &letter)) {
            Ok(()) => {
                n_sent += 1;
                println!("{}: {alerts} is delivered", letter.destination());
            }
            Err(problem) => {
                n_failed += 1;
                println!("{}: {alerts} is not delivered: {}", letter.destination(), printable(&problem));
                left.push(letter);
            }
        }
    }
    println!("{n_sent} delivered, {n_failed} not");
    if n_sent > 0
        && let Err(problem) = keep(&file, &left)
    {
        return fail(
            exit::RUNTIME,
            &format!("{} can not be written, it still holds what was delivered: {problem}", file.display()),
        );
    }
    if n_failed > 0 { ExitCode::from(exit::UNREACHED) } else { ExitCode::SUCCESS }
}

async fn send(replayers: &[Replayer], letter: &Letter) -> Result<(), String> {
    let known = replayers.iter().find(|replayer| replayer.has(letter.destination()));
    let replayer = known.ok_or_else(|| "no destination of the configuration has this name".to_owned())?;
    replayer.send(letter).await.map_err(|problem| problem.to_string())
}

/// Reads every `alert_webhook` of the configuration.
#[expect(clippy::print_stderr, reason = "problems are for the person who sends")]
fn replayers(config: &ConfigArgs) -> Result<Vec<Replayer>, ExitCode> {
    let uris = config.uris().map_err(|problem| fail(exit::USAGE, &problem))?;
    let document = config::Document::load(&uris, &SystemEnvironment);
    let mut problems = Problems::default();
    let exporters = document
        .collector
        .exporters
        .iter()
        .filter(|exporter| exporter.path().starts_with("exporters::alert_webhook"));
    let replayers: Vec<Replayer> = exporters
        .filter_map(|exporter| {
            Replayer::new(&exporter.settings, &exporter.path(), Arc::new(SystemClock), &mut problems)
        })
        .collect();
    if problems.has_errors() {
        eprintln!("{}", render(&problems, std::io::stderr().is_terminal()));
        return Err(fail(exit::CONFIG, "the configuration is refused; every problem is listed above"));
    }
    if replayers.is_empty() {
        return Err(fail(exit::CONFIG, "the configuration has no exporter alert_webhook to send with"));
    }
    Ok(replayers)
}

/// Puts the letters that are left in place of the file. Stop trueline before: it may be writing to it.
fn keep(file: &Path, left: &[Letter]) -> std::io::Result<()> {
    let new = file.with_extension("new");
    // For its owner alone, as it was.
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.create(true).write(true).truncate(true).open(&new)?;
    for letter in left {
        writeln!(out, "{}", letter.line())?;
    }
    out.sync_all()?;
    std::fs::rename(new, file)
}
