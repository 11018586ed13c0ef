//! Scores the causes that incidents name: faults in TrainTicket and PetShop, replayed through the whole program.
//!
//! `cargo run --release -p bench -- incidents`; see README.md beside this file for what each figure is. Nothing is
//! fitted to the scored files: one configuration stands for all of them.

mod case;
mod nezha;
mod references;
mod score;
mod scripted;
mod shop;
mod subject;
mod tables;
mod telemetry;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use self::case::{Corpus, MAX_COPIES};
use self::score::Found;
use self::subject::Subject;
use self::tables::Outcome;
use crate::machine::Machine;
use crate::subject::build_trueline;
use crate::table::{self, Report};

/// Scores the causes that incidents name.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Words of which one stands in the title of a set, such as `trainticket`; all sets when there is none. `load` is that
    /// of faults by script.
    sets: Vec<String>,
    /// Score only faults in whose name this stands.
    #[arg(long, value_name = "WORD")]
    fault: Option<String>,
    /// Folder that holds the public data as `trainticket-*.tar.xz` and `petshop-*/`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How often TrainTicket's fault-free minute comes before each fault.
    #[arg(long, value_name = "N", default_value_t = 75)]
    repeat: u64,
    /// Of faults by script, how many of each kind.
    #[arg(long, value_name = "N", default_value_t = 20)]
    seeds: u64,
    /// Another configuration, to judge a change.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep what is replayed in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// A trueline binary, instead of building this tree's.
    #[arg(long, value_name = "FILE")]
    trueline: Option<PathBuf>,
    #[command(flatten)]
    output: table::Output,
}

/// Healthy days take a minute each.
const HEALTHY_SEEDS: u64 = 2;

/// The name of the set of faults by script.
const LOAD: &str = "load";

/// Scores every set and writes the tables.
pub(crate) fn run(args: &Args) -> Result<()> {
    let repeat = args.repeat;
    ensure!((1..=MAX_COPIES).contains(&repeat), "--repeat is {repeat}, must be from 1 to {MAX_COPIES}");
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = args.data.clone().unwrap_or_else(|| own.join("../../../shared/data"));
    let work = tempfile::tempdir().context("making a folder for the telemetry")?;
    let mut corpora = nezha::corpora(&data, &work.path().join("unpacked"), repeat)?;
    corpora.extend(shop::corpora(&data)?);
    let has_word = |corpus: &Corpus| {
        let title = corpus.title.to_lowercase();
        args.sets.is_empty() || args.sets.iter().any(|word| title.contains(&word.to_lowercase()))
    };
    corpora.retain(has_word);
    if let Some(word) = &args.fault {
        corpora.iter_mut().for_each(|corpus| corpus.cases.retain(|case| case.name.contains(word)));
        corpora.retain(|corpus| !corpus.cases.is_empty());
    }
    let has_load =
        args.fault.is_none() && (args.sets.is_empty() || args.sets.iter().any(|word| word == LOAD));
    if corpora.is_empty() && !has_load {
        eprintln!("no such data in {}: nothing is scored; name its folder with --data", data.display());
        return Ok(());
    }
    let binary = match &args.trueline {
        Some(binary) => binary.clone(),
        None => build_trueline()?,
    };
    let config = |name: &str| args.config.clone().unwrap_or_else(|| own.join("incidents").join(name));
    let subject = |name: &str| Subject { binary: binary.clone(), config: config(name) };
    let mut tables = Vec::new();
    if has_load {
        tables.push(scripted::table(&subject("load.yaml"), work.path(), args.seeds)?);
        tables.push(scripted::healthy(&subject("load.yaml"), work.path(), HEALTHY_SEEDS)?);
    }
    let subject = subject("incidents.yaml");
    for (number, corpus) in corpora.into_iter().enumerate() {
        let folder = args.keep.as_deref().unwrap_or(work.path()).join(format!("set-{number}"));
        let outcome = judge(corpus, &subject, &folder)?;
        tables.extend(tables::tables(&outcome));
    }
    let stamp = Machine::here().stamp();
    let title = format!("Causes named by incidents, and the two rules that they have to beat; {stamp}.");
    args.output.write(&Report { title, tables }, "incidents")
}

/// Replays all faults of a set.
fn judge(corpus: Corpus, subject: &Subject, folder: &Path) -> Result<Outcome> {
    let baseline = corpus.write_baseline(folder)?;
    let healthy = match corpus.splits.is_empty() {
        true => None,
        false => Some(subject.replay(&[&baseline], &corpus.calls).context("without a fault")?),
    };
    let mut found = Vec::new();
    for case in &corpus.cases {
        let fault = corpus.write_case(case, folder)?;
        let told = subject.replay(&[&baseline, &fault], &corpus.calls).with_context(|| case.name.clone())?;
        let result = Found::of(&corpus, case, &told);
        let rank = result.rank.map_or("not named".to_owned(), |rank| format!("place {rank}"));
        eprintln!("{}: {}, {rank}, {} incidents", case.name, case.cause, result.n_incidents);
        found.push(result);
    }
    Ok(Outcome { corpus, found, healthy })
}
