//! Scores as a table: a line for each number, a column for each configuration.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::score::{AgainstTruth, Score};
use crate::replay::short_span;

/// Writes the table.
///
/// # Errors
/// When nobody takes it.
pub(super) fn write(scores: &[Score], out: &mut impl Write) -> io::Result<()> {
    let mut lines = vec![line("", scores, |score| score.configuration.clone())];
    lines.push(line("recorded", scores, |score| span(Some(score.recorded_seconds))));
    lines.push(line("alerts", scores, |score| score.alerts.to_string()));
    lines.push(line("alerts per day", scores, |score| number(score.alerts_per_day)));
    lines.push(line("delay from onset (median)", scores, |score| span(score.delay_from_onset_seconds)));
    if scores.iter().any(|score| score.against_truth.is_some()) {
        let mut known = |name: &'static str, cell: fn(&AgainstTruth) -> String| {
            lines.push(line(name, scores, |score| score.against_truth.as_ref().map_or_else(none, cell)));
        };
        known("alerts that are right", |it| it.right_alerts.to_string());
        known("precision", |it| number(it.precision));
        known("faults found", |it| format!("{} of {}", it.faults_found, it.faults));
        known("… at their service", |it| format!("{} of {}", it.faults_found_at_service, it.faults));
        known("recall", |it| number(it.recall));
        known("delay (median)", |it| span(it.delay_seconds_median));
        known("delay (longest)", |it| span(it.delay_seconds_max));
    }
    let widths: Vec<usize> = (0..=scores.len()).map(|column| width(&lines, column)).collect();
    for cells in &lines {
        let mut text = format!("{:width$}", cells[0], width = widths[0]);
        for (cell, width) in cells.iter().zip(&widths).skip(1) {
            text += &format!("  {cell:>width$}");
        }
        writeln!(out, "{text}")?;
    }
    Ok(())
}

fn line(name: &str, scores: &[Score], cell: impl Fn(&Score) -> String) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(scores.iter().map(cell)).collect()
}

fn width(lines: &[Vec<String>], column: usize) -> usize {
    lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(none, |value| format!("{value:.2}"))
}

fn span(seconds: Option<f64>) -> String {
    seconds.map_or_else(none, |seconds| short_span(Duration::from_secs_f64(seconds)))
}

/// What stands where nothing is known.
fn none() -> String {
    "–".to_owned()
}
