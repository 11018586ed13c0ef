//! Problems as people and programs read them.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::{
    Place, Problem, Severity,
    credentials::{credentials, without_credentials},
    values::REDACTED,
};

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

/// Says where a problem stands and what it is in one line, for a log: `config.yaml:5:100: path: message`.
pub fn one_line(problem: &Problem) -> String {
    let place = problem.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let help = problem.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
    let line = format!("{place}{}{help}", problem.title());
    without_credentials(&line).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn render_one(problem: &Problem, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut title = level.primary_title(without_credentials(&problem.title()).into_owned());
    if let Some(lint) = problem.lint {
        title = title.id(lint);
    }
    let snippet = problem.place.as_ref().map(|place| {
        let (line, span) = redacted(place);
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

/// Returns where a place's first line begins, the line, and what to underline in it.
fn line_of(place: &Place) -> (usize, &str, Range<usize>) {
    let text = place.file.text.as_str();
    let start = text.floor_char_boundary(place.span.start);
    let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let start = (start - line_start).min(line.len());
    let end = line.floor_char_boundary(place.span.end.saturating_sub(line_start));
    // At least one character, so that there is a caret.
    let next = line.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |c| start + c.len_utf8());
    (line_start, line, start..end.max(next))
}

/// Returns a place's first line without secrets, and what to underline in it.
fn redacted(place: &Place) -> (String, Range<usize>) {
    let (line_start, line, span) = line_of(place);
    let mut secrets: Vec<Range<usize>> = place.file.secrets();
    secrets.retain(|secret| secret.start < line_start + line.len() && secret.end > line_start);
    secrets.extend(credentials(line).into_iter().map(|it| it.start + line_start..it.end + line_start));
    secrets.sort_by_key(|secret| secret.start);
    let (mut shown, mut at) = (String::new(), 0);
    let (mut start, mut end) = (None, None);
    for secret in secrets {
        let from = line.floor_char_boundary(secret.start.saturating_sub(line_start)).max(at);
        let to = secret.end.saturating_sub(line_start).min(line.len());
        let to = line.ceil_char_boundary(to).max(from);
        // What is underlined keeps its place, or is what stands there instead.
        let shift = |position: usize| shown.len() + position - at;
        if start.is_none() && span.start < to {
            start = Some(shift(span.start.min(from).max(at)));
        }
        if end.is_none() && span.end <= from {
            end = Some(shift(span.end.max(at)));
        }
        let follows_another = from == at && shown.ends_with(REDACTED);
        shown.push_str(line.get(at..from).unwrap_or_default());
        if !follows_another {
            shown.push_str(REDACTED);
        }
        at = to;
        if end.is_none() && span.end <= to {
            end = Some(shown.len());
        }
    }
    let start = start.unwrap_or_else(|| shown.len() + span.start.saturating_sub(at));
    let end = end.unwrap_or_else(|| shown.len() + span.end.saturating_sub(at));
    shown.push_str(line.get(at..).unwrap_or_default());
    (shown, start..end)
}

/// Writes problems as a JSON array of objects with `severity`, `path`, `message`, and where known
/// `help`, `file`, `line`, `column` and the bytes of the value in the file, and for a warning that can be switched off `lint`.
pub fn to_json(problems: &[Problem]) -> String {
    #[derive(Serialize)]
    struct Row<'p> {
        severity: Severity,
        path: &'p str,
        message: String,
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
            message: without_credentials(&problem.message).into_owned(),
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
