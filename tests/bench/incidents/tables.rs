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
    let mut tables = vec![ranks(outcome), incidents(outcome)];
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
