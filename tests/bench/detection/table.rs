//! Tables as text and as Markdown.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

const BEGIN: &str = "<!-- detection:begin -->";
const END: &str = "<!-- detection:end -->";

/// What is written.
pub(super) struct Report {
    pub(super) title: String,
    pub(super) tables: Vec<Table>,
}

/// A table whose lines are as long as its heading.
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) heading: Vec<String>,
    pub(super) lines: Vec<Vec<String>>,
}

/// Returns aligned columns for a terminal.
pub(super) fn text(report: &Report) -> String {
    let mut out = format!("{}\n", report.title);
    for table in &report.tables {
        write!(out, "\n{}\n", table.caption).expect("a String takes everything");
        let widths: Vec<usize> = (0..table.heading.len())
            .map(|column| all_lines(table).map(|line| line[column].chars().count()).max().unwrap_or(0))
            .collect();
        for line in all_lines(table) {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let cells = cells.collect::<Vec<_>>().join("  ");
            writeln!(out, "{}", cells.trim_end()).expect("a String takes everything");
        }
    }
    out
}

/// Returns Markdown.
pub(super) fn markdown(report: &Report) -> String {
    let mut out = format!("{}\n", report.title);
    for table in &report.tables {
        write!(out, "\n{}\n\n", table.caption).expect("a String takes everything");
        for (number, line) in all_lines(table).enumerate() {
            writeln!(out, "| {} |", line.join(" | ")).expect("a String takes everything");
            if number == 0 {
                writeln!(out, "|---{}|", "|---:".repeat(line.len() - 1)).expect("a String takes everything");
            }
        }
    }
    out
}

fn all_lines(table: &Table) -> impl Iterator<Item = &Vec<String>> {
    [&table.heading].into_iter().chain(&table.lines)
}

/// Writes the text into a file in place of what stands between the markers.
///
/// *Errors*: the file does not hold both markers once, in this order; it is then as it was.
pub(super) fn replace_between_markers(file: &Path, text: &str) -> Result<()> {
    let old = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let new = replaced(&old, text).with_context(|| file.display().to_string())?;
    fs::write(file, new).with_context(|| format!("writing {}", file.display()))
}

/// Returns a page with other text between its markers.
pub(super) fn replaced(page: &str, text: &str) -> Result<String> {
    ensure!(
        page.matches(BEGIN).count() == 1 && page.matches(END).count() == 1,
        "the page must hold {BEGIN} and {END} once each"
    );
    let (before, rest) = page.split_once(BEGIN).context("the begin has no place")?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{END} stands before {BEGIN}"))?;
    Ok(format!("{before}{BEGIN}\n{text}{END}{after}"))
}
