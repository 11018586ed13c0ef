//! The figures of a row, and the tables of all rows.

use testbed::series::SCALES;

use super::corpus::Corpus;
use super::events::{self, AtBudget};
use super::nab::{self, PROFILES, Swept};
use super::points;
use super::rows::Outcome;
use crate::machine::Machine;
use crate::table::{Report, Table};

/// False alarms per series and day: one a month, three a month, two a week.
const BUDGETS: [f64; 3] = [0.03, 0.1, 0.3];

/// The budget at which recall is told for each size of fault.
const SCALE_BUDGET_IDX: usize = 1;

/// Everything that is told about one row.
pub(super) struct Figures {
    name: String,
    level: Option<AtLevel>,
    /// For each profile, with a threshold that has seen the labels.
    swept: Vec<Swept>,
    at_budgets: Vec<AtBudget>,
    average_precision: f64,
    /// Faults found and all faults, for each size.
    found_of_scales: Vec<(usize, usize)>,
    cpu_micros_per_point: f64,
}

/// What a row reaches at the level that it is configured with.
struct AtLevel {
    /// NAB score for each profile, every point above the level being a detection.
    nab: Vec<f64>,
    /// NAB's standard score when only the first point of each alert is a detection.
    nab_of_openings: f64,
    f1: f64,
}

impl Figures {
    pub(super) fn of(corpus: &Corpus, outcome: &Outcome) -> Self {
        let level = outcome.detected.as_ref().map(|detected| {
            let openings: Vec<_> = detected.iter().map(|detected| events::openings(detected)).collect();
            AtLevel {
                nab: PROFILES.iter().map(|profile| nab::score(corpus, detected, profile)).collect(),
                nab_of_openings: nab::score(corpus, &openings, &PROFILES[0]),
                f1: points::f1(corpus, detected),
            }
        });
        let at_budgets = events::at_budgets(corpus, &outcome.scores, &BUDGETS);
        let threshold = at_budgets[SCALE_BUDGET_IDX].threshold;
        let found = |scale: &f64| events::found_of_scale(corpus, &outcome.scores, threshold, *scale);
        Self {
            name: outcome.name.clone(),
            level,
            swept: PROFILES.iter().map(|profile| nab::sweep(corpus, &outcome.scores, profile)).collect(),
            average_precision: points::average_precision(corpus, &outcome.scores),
            found_of_scales: SCALES.iter().map(found).collect(),
            cpu_micros_per_point: outcome.cpu_micros_per_point,
            at_budgets,
        }
    }
}

/// Returns the tables for a corpus, one line for each row.
pub(super) fn report(corpus: &Corpus, figures: &[Figures]) -> Report {
    let tables = if corpus.is_nab {
        vec![nab_table(figures), alerts_table(corpus, figures)]
    } else {
        vec![alerts_table(corpus, figures), scales_table(figures)]
    };
    let title = format!(
        "{}; {} points, {:.0} series-days and {} windows count after the probation; {}.",
        corpus.title,
        corpus.n_points(),
        corpus.scored_days(),
        corpus.n_scored_windows(),
        Machine::here().stamp()
    );
    Report { title, tables }
}

fn nab_table(figures: &[Figures]) -> Table {
    let names = PROFILES.map(|profile| profile.name).join(" / ");
    let lines = figures.iter().map(|figures| {
        let fixed = figures.level.as_ref().map(|level| joined(&level.nab));
        let openings = figures.level.as_ref().map(|level| format!("{:.1}", level.nab_of_openings));
        let swept: Vec<_> = figures.swept.iter().map(|swept| swept.score).collect();
        let threshold = format!("{:.3}", figures.swept[0].threshold);
        vec![figures.name.clone(), or_dash(fixed), or_dash(openings), joined(&swept), threshold]
    });
    Table {
        caption: format!("NAB scores ({names}); 0 is no detection, 100 each window at its first point."),
        heading: [
            "row",
            "at the row's own fixed level",
            "the same, first point of each alert (standard)",
            "at the threshold that is best on these labels",
            "that threshold (standard)",
        ]
        .map(str::to_owned)
        .to_vec(),
        lines: lines.collect(),
    }
}

fn alerts_table(corpus: &Corpus, figures: &[Figures]) -> Table {
    let everything = points::f1_of_everything(corpus);
    let budgets = BUDGETS.iter().map(|budget| format!("recall / precision at {budget}"));
    let heading = ["row".to_owned()]
        .into_iter()
        .chain(budgets)
        .chain(["AUC-PR", "F1 at the fixed level / of everything", "CPU µs/point"].map(str::to_owned));
    let lines = figures.iter().map(|figures| {
        let mut line = vec![figures.name.clone()];
        line.extend(figures.at_budgets.iter().map(|at| {
            let precision = or_dash(at.precision.map(|precision| format!("{precision:.2}")));
            format!("{:.2} / {precision}", at.recall)
        }));
        line.push(format!("{:.3}", figures.average_precision));
        let f1 = figures.level.as_ref().map(|level| format!("{:.2} / {everything:.2}", level.f1));
        line.push(or_dash(f1));
        line.push(micros(figures.cpu_micros_per_point));
        line
    });
    Table {
        caption:
            "Recall of windows and precision of alerts, every row at the same number of false alarms per \
                  series and day."
                .to_owned(),
        lines: lines.collect(),
        heading: heading.collect(),
    }
}

fn scales_table(figures: &[Figures]) -> Table {
    let scales = SCALES.iter().map(|scale| format!("{scale} σ"));
    let lines = figures.iter().map(|figures| {
        let found = figures.found_of_scales.iter();
        let found =
            found.map(|(n_found, n_windows)| format!("{:.2}", *n_found as f64 / (*n_windows).max(1) as f64));
        [figures.name.clone()].into_iter().chain(found).collect()
    });
    Table {
        caption: format!(
            "Recall by size of fault, in deviations of the noise, at {} false alarms per series and day.",
            BUDGETS[SCALE_BUDGET_IDX]
        ),
        lines: lines.collect(),
        heading: ["row".to_owned()].into_iter().chain(scales).collect(),
    }
}

fn joined(scores: &[f64]) -> String {
    scores.iter().map(|score| format!("{score:.1}")).collect::<Vec<_>>().join(" / ")
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

fn micros(micros: f64) -> String {
    match micros {
        micros if micros < 1.0 => format!("{micros:.3}"),
        micros if micros < 10.0 => format!("{micros:.2}"),
        _ => format!("{micros:.0}"),
    }
}
