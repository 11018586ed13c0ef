//! Tables as text and as Markdown.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// What is written.
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) tables: Vec<Table>,
}

/// A table whose lines are as long as its heading.
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) heading: Vec<String>,
    pub(crate) lines: Vec<Vec<String>>,
}

/// Returns aligned columns for a terminal.
pub(crate) fn text(report: &Report) -> String {
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
pub(crate) fn markdown(report: &Report) -> String {
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

/// How tables are written.
#[derive(clap::Args)]
pub(crate) struct Output {
    /// Print Markdown.
    #[arg(long)]
    markdown: bool,
    /// Put the Markdown between the markers of a file.
    #[arg(long, value_name = "FILE", requires = "markdown")]
    into: Option<PathBuf>,
}

impl Output {
    /// Writes a report to stdout, or between the markers of that name.
    ///
    /// # Errors
    /// As [`replace_between_markers`], or what stdout says.
    pub(crate) fn write(&self, report: &Report, name: &str) -> Result<()> {
        match &self.into {
            Some(file) => replace_between_markers(file, name, &self.text(report)),
            None => self.print(report),
        }
    }

    /// Writes a report to stdout.
    ///
    /// # Errors
    /// What stdout says.
    pub(crate) fn print(&self, report: &Report) -> Result<()> {
        std::io::stdout().write_all(self.text(report).as_bytes()).context("writing the tables")
    }

    fn text(&self, report: &Report) -> String {
        if self.markdown { markdown(report) } else { text(report) }
    }
}

/// Writes the text into a file in place of what stands between the markers of that name.
///
/// *Errors*: the file does not hold both markers once, in this order; it is then as it was.
pub(crate) fn replace_between_markers(file: &Path, name: &str, text: &str) -> Result<()> {
    let old = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let new = replaced(&old, name, text).with_context(|| file.display().to_string())?;
    fs::write(file, new).with_context(|| format!("writing {}", file.display()))
}

/// Returns a page with other text between its markers `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
pub(crate) fn replaced(page: &str, name: &str, text: &str) -> Result<String> {
    let [begin, end] = ["begin", "end"].map(|side| format!("<!-- {name}:{side} -->"));
    ensure!(
        page.matches(&begin).count() == 1 && page.matches(&end).count() == 1,
        "the page must hold {begin} and {end} once each"
    );
    let (before, rest) = page.split_once(&begin).context("the begin has no place")?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("{end} stands before {begin}"))?;
    Ok(format!("{before}{begin}\n{text}{end}{after}"))
}
