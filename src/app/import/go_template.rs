//! Texts with places, as Prometheus fills them by Go's templates.

/// A part of a text.
pub(super) enum Part<'a> {
    Text(&'a str),
    /// What stands between two braces, without the spaces around it.
    Action(&'a str),
}

/// Parts a text. What is opened and not closed is text.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else { break };
        parts.push(Part::Text(before));
        parts.push(Part::Action(action.trim_matches('-').trim()));
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts
}

/// Reads `$labels.job` and `.Labels.job`, with what follows a bar.
pub(super) fn label_of(action: &str) -> Option<(&str, Option<&str>)> {
    let (subject, function) = piped(action);
    let name = subject.strip_prefix("$labels.").or_else(|| subject.strip_prefix(".Labels."))?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, function))
}

/// Parts `$value | humanize`.
pub(super) fn piped(action: &str) -> (&str, Option<&str>) {
    match action.split_once('|') {
        Some((subject, function)) => (subject.trim(), Some(function.trim())),
        None => (action, None),
    }
}
