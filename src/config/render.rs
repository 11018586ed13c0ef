//! Problems as people and programs read them.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::{Place, Problem, Severity};

/// Whether a terminal reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    Plain,
    Colored,
}

/// Shows each problem with its source line, a caret and what to do, without colour.
///
/// Meant for [`crate::Problems::sorted`] problems.
pub fn render(problems: &[Problem]) -> String {
    render_styled(problems, Style::Plain)
}

/// Shows problems like [`render`], for a terminal where `style` says so.
pub fn render_styled(problems: &[Problem], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colored => Renderer::styled(),
    };
    let mut text = String::new();
    for problem in problems {
        text.push_str(&render_one(problem, &renderer));
        text.push_str("\n\n");
    }
    text.truncate(text.trim_end().len());
    text
}

fn render_one(problem: &Problem, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut title = level.primary_title(problem.title());
    if let Some(lint) = problem.lint {
        title = title.id(lint);
    }
    let snippet = problem.place.as_ref().map(|place| {
        let (line, span) = line_of(place);
        Snippet::source(line)
            .path(place.file.name.as_str())
            .line_start(place.line as usize)
            .annotation(AnnotationKind::Primary.span(span))
    });
    let help = problem.help.as_deref().map(|help| Level::HELP.message(help));
    let group = match (snippet, help) {
        (Some(snippet), Some(help)) => title.element(snippet).element(help),
        (Some(snippet), None) => title.element(snippet),
        (None, Some(help)) => title.element(help),
        (None, None) => annotate_snippets::Group::with_title(title),
    };
    renderer.render(&[group])
}

/// Returns a place's first line and what to underline in it.
fn line_of(place: &Place) -> (&str, Range<usize>) {
    let text = place.file.text.as_str();
    let start = text.floor_char_boundary(place.span.start);
    let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let start = (start - line_start).min(line.len());
    let end = line.floor_char_boundary(place.span.end.saturating_sub(line_start));
    // At least one character, so that there is a caret.
    let next = line.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |c| start + c.len_utf8());
    (line, start..end.max(next))
}

/// Writes problems as a JSON array of objects with `severity`, `path`, `message`, and where known
/// `help`, `file`, `line`, `column` and the bytes of the value in the file, and for a warning that can be switched off `lint`.
pub fn to_json(problems: &[Problem]) -> String {
    #[derive(Serialize)]
    struct Row<'p> {
        severity: Severity,
        path: &'p str,
        message: &'p str,
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<&'p str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<&'p str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        column: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        span: Option<Span>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lint: Option<&'p str>,
    }
    #[derive(Serialize)]
    struct Span {
        start: usize,
        end: usize,
    }
    let rows: Vec<Row<'_>> = problems
        .iter()
        .map(|problem| Row {
            severity: problem.severity,
            path: &problem.path,
            message: &problem.message,
            help: problem.help.as_deref(),
            file: problem.place.as_ref().map(|place| place.file.name.as_str()),
            line: problem.place.as_ref().map(|place| place.line),
            column: problem.place.as_ref().map(|place| place.column),
            span: problem.place.as_ref().map(|place| Span { start: place.span.start, end: place.span.end }),
            lint: problem.lint,
        })
        .collect();
    serde_json::to_string_pretty(&rows).expect("rows of strings and numbers are always JSON")
}

#[cfg(test)]
mod tests;
