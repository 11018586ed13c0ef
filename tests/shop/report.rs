//! The table: what both sides said of each fault, and of the time between.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::run::{Outcome, Trial};

const BEGIN: &str = "<!-- shop:begin -->";
const END: &str = "<!-- shop:end -->";

/// Writes the table as Markdown.
pub(crate) fn markdown(outcome: &Outcome) -> String {
    let mut out = String::new();
    write_trials(&mut out, outcome).expect("a String takes everything");
    write_sums(&mut out, outcome).expect("a String takes everything");
    out
}

fn write_trials(out: &mut String, outcome: &Outcome) -> std::fmt::Result {
    writeln!(
        out,
        "| fault | seed | size | behind it | first three causes | rank | incidents | opened | right first | pages | first page | \
         Prometheus pages | first page |\n|---|---:|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    )?;
    for trial in &outcome.trials {
        let causes: Vec<String> = trial
            .causes
            .iter()
            .take(3)
            .map(|it| format!("{} ({} {:.0} %)", it.service, it.kind, it.confidence * 100.0))
            .collect();
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            trial.kind.name(),
            trial.seed,
            trial.size,
            trial.kind.truth().name(),
            if causes.is_empty() { "–".to_owned() } else { causes.join(", ") },
            trial.rank().map_or("–".to_owned(), |rank| rank.to_string()),
            trial.n_incidents,
            seconds(trial.opened),
            seconds(trial.named),
            trial.ours.len(),
            seconds(trial.ours.first().copied()),
            trial.theirs.len(),
            seconds(trial.theirs.first().copied()),
        )?;
    }
    Ok(())
}

fn write_sums(out: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let trials = &outcome.trials;
    let at =
        |limit: usize| trials.iter().filter(|trial| trial.rank().is_some_and(|rank| rank <= limit)).count();
    let pages = |of: fn(&Trial) -> usize| trials.iter().map(of).sum::<usize>();
    let later = trials.iter().filter(|trial| is_later(trial)).count();
    let n = trials.len();
    writeln!(
        out,
        "\nRight root at 1: {} of {n}; at 3: {} of {n}. Pages: {}, Prometheus {}; later than Prometheus by more than a second: {later} faults.",
        at(1),
        at(3),
        pages(|trial| trial.ours.len()),
        pages(|trial| trial.theirs.len()),
    )?;
    let [ours, theirs] = outcome.alerts;
    writeln!(out, "Alerts that fired, those of the start included: {ours}, Prometheus {theirs}.")?;
    let hours = outcome.quiet.as_secs_f64() / 3600.0;
    let per_hour = |count: usize| if hours > 0.0 { count as f64 / hours } else { 0.0 };
    writeln!(
        out,
        "In {:.0} quiet minutes: {} false pages ({:.1} an hour), Prometheus {} ({:.1} an hour); {} false incidents.",
        hours * 60.0,
        outcome.false_pages[0],
        per_hour(outcome.false_pages[0]),
        outcome.false_pages[1],
        per_hour(outcome.false_pages[1]),
        outcome.false_incidents.len(),
    )?;
    for title in &outcome.false_incidents {
        writeln!(out, "* false incident: {title}")?;
    }
    for why in &outcome.left_out {
        writeln!(out, "* left out: {why}")?;
    }
    Ok(())
}

/// Whether Prometheus paged and trueline did not, or did so more than a second later: half a group's wait.
fn is_later(trial: &Trial) -> bool {
    match (trial.ours.first(), trial.theirs.first()) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(ours), Some(theirs)) => *ours > *theirs + Duration::from_secs(1),
    }
}

fn seconds(duration: Option<Duration>) -> String {
    duration.map_or("–".to_owned(), |duration| format!("{} s", duration.as_secs()))
}

/// Replaces what stands between the marks of a file.
pub(crate) fn into_file(path: &Path, markdown: &str) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let (before, rest) =
        text.split_once(BEGIN).with_context(|| format!("{} has no {BEGIN}", path.display()))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{} has no {END}", path.display()))?;
    ensure!(!after.contains(BEGIN), "{} has two {BEGIN}", path.display());
    std::fs::write(path, format!("{before}{BEGIN}\n{markdown}{END}{after}"))
        .with_context(|| format!("writing {}", path.display()))
}
