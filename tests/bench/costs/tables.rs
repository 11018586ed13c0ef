//! The tables.

use super::{Measured, ingest, judging, traffic::SERVICES};
use crate::analysis::{met, none, scaled, thousands};
use crate::table::{Report, Table};

/// Per span on top of the hot path, scaled.
const MOST_NANOS: f64 = 40.0;
/// For one judgement, scaled.
const MOST_SECONDS: f64 = 0.05;
/// Of one core at rest, scaled.
const MOST_SHARE: f64 = 0.01;

pub(super) fn report(measured: &Measured) -> Report {
    let (scale, title) = scaled(measured.reference_walk_nanos, "One core.");
    let tables = vec![
        on_top(&measured.ingest, scale),
        judgement(&measured.judging, scale),
        rest(&measured.judging, scale),
    ];
    Report { title, tables }
}

fn heading(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn on_top(figures: &[ingest::Figures], scale: f64) -> Table {
    let line = |it: &ingest::Figures| {
        let nanos = |nanos: f64| format!("{nanos:.1}");
        // What is sampled at the default is less than all where more comes than that.
        let is_met =
            if it.spans_per_second > 5_000 { met(it.on_top() * scale <= MOST_NANOS) } else { none() };
        vec![
            thousands(f64::from(it.spans_per_second)),
            nanos(it.hot_path),
            nanos(it.walking),
            nanos(it.keeping),
            nanos(it.assembling),
            nanos(it.on_top()),
            nanos(it.on_top() * scale),
            is_met,
        ]
    };
    Table {
        caption: format!(
            "What `bottleneck` adds to the way of a span behind `aggregation`, ns/span; at most {MOST_NANOS:.0} scaled."
        ),
        heading: heading(&["spans/s", "hot path", "walk", "keeping", "assembly", "on top", "scaled", "met"]),
        lines: figures.iter().map(line).collect(),
    }
}

fn judgement(figures: &[judging::Figures], scale: f64) -> Table {
    let line = |it: &judging::Figures| {
        let millis = |seconds: f64| format!("{:.2}", seconds * 1e3);
        let most = it.opening_seconds.max(it.dearest_seconds);
        vec![
            thousands(f64::from(it.spans_per_second)),
            millis(it.opening_seconds),
            millis(it.dearest_seconds),
            millis(most * scale),
            met(most * scale <= MOST_SECONDS),
        ]
    };
    Table {
        caption: format!(
            "Looking for the cause of an incident among {SERVICES} services, half an hour remembered, ms; at most {:.0} scaled.",
            MOST_SECONDS * 1e3
        ),
        heading: heading(&["spans/s", "when it is opened", "the dearest second after", "scaled", "met"]),
        lines: figures.iter().map(line).collect(),
    }
}

fn rest(figures: &[judging::Figures], scale: f64) -> Table {
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let line = |it: &judging::Figures| {
        vec![
            thousands(f64::from(it.spans_per_second)),
            percent(it.bottleneck_share),
            percent(it.bottleneck_share * scale),
            percent(it.correlation_share),
            percent(it.correlation_share * scale),
            met(it.correlation_share * scale <= MOST_SHARE),
        ]
    };
    Table {
        caption: format!(
            "{SERVICES} services, windows of 10 s, nothing wrong: shares of a core; `correlation` at most {:.0} % scaled.",
            MOST_SHARE * 100.0
        ),
        heading: heading(&["spans/s", "`bottleneck`", "scaled", "`correlation`", "scaled", "met"]),
        lines: figures.iter().map(line).collect(),
    }
}
