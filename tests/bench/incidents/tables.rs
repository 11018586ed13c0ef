//! The tables of a corpus.

use std::collections::BTreeSet;

use super::case::Corpus;
use super::references;
use super::score::{Found, among, specificity};
use super::subject::Incident;
use super::telemetry::SECOND;
use crate::table::Table;

const FIRSTS: [usize; 3] = [1, 3, 5];
/// Of what was named in place of the cause, as much as is shown.
const NAMED: usize = 3;

/// What was found of a corpus.
pub(super) struct Outcome {
    pub(super) corpus: Corpus,
    /// In the order of its cases.
    pub(super) found: Vec<Found>,
    /// What was told of its recording without a fault; none where that is too short to be judged.
    pub(super) healthy: Option<Vec<Incident>>,
}

pub(super) fn tables(outcome: &Outcome) -> Vec<Table> {
    let mut tables = vec![ranks(outcome), incidents(outcome), sureness(outcome)];
    tables.extend(misses(outcome));
    tables
}

fn ranks(outcome: &Outcome) -> Table {
    let Outcome { corpus, found, .. } = outcome;
    let kinds: BTreeSet<&str> = corpus.cases.iter().map(|case| &*case.kind).collect();
    let line = |name: &str, rank: fn(&Found) -> Option<usize>| {
        let mut line = vec![name.to_owned()];
        line.extend(FIRSTS.map(|first| format!("{:.3}", among(found.iter().map(rank), first))));
        line.extend(kinds.iter().map(|kind| {
            let ranks = corpus.cases.iter().zip(found).filter(|(case, _)| case.kind == **kind);
            let ranks: Vec<_> = ranks.map(|(_, found)| rank(found)).collect();
            format!("{} of {}", ranks.iter().filter(|rank| **rank == Some(1)).count(), ranks.len())
        }));
        line
    };
    let n_services = corpus.services().len();
    let chance = |first| references::chance(n_services, first);
    let mut random = vec!["random".to_owned()];
    random.extend(FIRSTS.map(|first| format!("{:.3}", chance(first))));
    random.extend(kinds.iter().map(|kind| {
        let n_faults = corpus.cases.iter().filter(|case| case.kind == **kind).count();
        format!("{:.1} of {n_faults}", n_faults as f64 * chance(1))
    }));
    let heading = ["row", "AS@1", "AS@3", "AS@5"].map(str::to_owned).into_iter();
    Table {
        caption: format!(
            "{}: {} faults whose cause is the first, or among the first three and five, of {n_services} services; then \
             those of each kind whose cause is the first.",
            corpus.title,
            found.len()
        ),
        heading: heading.chain(kinds.iter().map(|kind| (*kind).to_owned())).collect(),
        lines: vec![
            line("trueline", |it| it.rank),
            line("trueline, last word", |it| it.last_rank),
            line("max-z", |it| it.max_z_rank),
            random,
        ],
    }
}

fn incidents(outcome: &Outcome) -> Table {
    let Outcome { corpus, found, healthy } = outcome;
    let total = |count: fn(&Found) -> usize| found.iter().map(count).sum::<usize>();
    let per = |count: usize, of: usize| format!("{:.1}", count as f64 / of.max(1) as f64);
    let n_found = found.iter().filter(|it| it.n_incidents > 0).count();
    let mut delays: Vec<_> = found.iter().filter_map(|it| it.delay).collect();
    delays.sort_unstable();
    let delay =
        |place: usize| delays.get(place).map_or("–".to_owned(), |nanos| format!("{} s", nanos / SECOND));
    let specific = healthy.as_ref().map(|told| format!("{:.2}", specificity(&corpus.splits, told)));
    let days = (corpus.end - corpus.begin) * corpus.time_factor / SECOND;
    let false_alarms =
        healthy.as_ref().map(|told| format!("{:.1}", told.len() as f64 / (days as f64 / 86_400.0)));
    let or_dash = |text: Option<String>| text.unwrap_or("–".to_owned());
    Table {
        caption: "Incidents. Delays are those from the injection to the first line; specificity and incidents a day are of \
                  the recording without a fault."
            .to_owned(),
        heading: [
            "faults with an incident",
            "incidents per fault",
            "events per incident",
            "told before the fault",
            "delay, median",
            "delay, longest",
            "specificity",
            "incidents a day without a fault",
        ]
        .map(str::to_owned)
        .to_vec(),
        lines: vec![vec![
            format!("{n_found} of {}", found.len()),
            per(total(|it| it.n_incidents), n_found),
            per(total(|it| it.n_events), total(|it| it.n_incidents)),
            per(total(|it| it.n_before), found.len()),
            delay(delays.len() / 2),
            delay(delays.len().saturating_sub(1)),
            or_dash(specific),
            or_dash(false_alarms),
        ]],
    }
}

/// Bounds of confidence that are told apart.
const SURENESS: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// How often a cause that is told with a confidence is right.
fn sureness(outcome: &Outcome) -> Table {
    let all: Vec<(f64, bool)> = outcome.found.iter().flat_map(|it| it.sureness.iter().copied()).collect();
    let between = |low: f64, high: f64| {
        let is_in = |(sure, _): &&(f64, bool)| *sure >= low && (*sure < high || high >= 1.0);
        let within: Vec<_> = all.iter().filter(is_in).collect();
        let n_right = within.iter().filter(|(_, is_right)| *is_right).count();
        let right = match within.len() {
            0 => "–".to_owned(),
            n => format!("{:.2}", n_right as f64 / n as f64),
        };
        vec![format!("{low:.1} to {high:.1}"), within.len().to_string(), right]
    };
    Table {
        caption: "Incidents while faults lasted, by the confidence with which a cause is told; below 0.2 none is called the cause."
            .to_owned(),
        heading: ["confidence", "incidents", "right"].map(str::to_owned).to_vec(),
        lines: SURENESS.windows(2).map(|bounds| between(bounds[0], bounds[1])).collect(),
    }
}

/// The faults whose cause is not the first; none where there is none.
fn misses(outcome: &Outcome) -> Option<Table> {
    let cases = outcome.corpus.cases.iter().zip(&outcome.found);
    let missed = cases.filter(|(_, found)| found.rank != Some(1));
    let lines: Vec<_> = missed
        .map(|(case, found)| {
            let place = found.rank.map_or("–".to_owned(), |rank| rank.to_string());
            let named = found.named.iter().take(NAMED).map(|name| &**name).collect::<Vec<_>>().join(", ");
            let named = if found.n_incidents == 0 { "no incident".to_owned() } else { named };
            vec![case.name.clone(), case.cause.clone(), place, named]
        })
        .collect();
    (!lines.is_empty()).then(|| Table {
        caption: "Faults whose cause is not the first.".to_owned(),
        heading: ["fault", "cause", "its place", "named first"].map(str::to_owned).to_vec(),
        lines,
    })
}
