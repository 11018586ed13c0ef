//! Selectors of series, as far as must be known of them to add a name.

use std::str::FromStr;

/// `name{label="value"}`, either part of which may be missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Selector {
    name: String,
    inner: String,
    /// The labels that it asks for.
    pub(super) labels: Vec<String>,
    /// Whether series without labels could be selected, which Prometheus refuses.
    may_be_empty: bool,
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` selects no series, write it as `{{job=\"otelcol\"}}`");
        let text = text.trim();
        let (name, rest) = text.split_once('{').unwrap_or((text, "}"));
        let inner = rest.strip_suffix('}').ok_or_else(wrong)?.trim().trim_end_matches(',').to_owned();
        let name = name.trim().to_owned();
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        if !is_name(&name) || (name.is_empty() && inner.is_empty()) {
            return Err(wrong());
        }
        let matchers = matchers(&inner).ok_or_else(wrong)?;
        let may_be_empty = name.is_empty() && !matchers.iter().any(|matcher| matcher.needs_a_value);
        let labels = matchers.into_iter().map(|matcher| matcher.label).filter(|label| label != "__name__");
        Ok(Self { name, inner, labels: labels.collect(), may_be_empty })
    }
}

impl Selector {
    /// Writes it as it was given.
    pub(super) fn written(&self) -> String {
        format!("{}{{{}}}", self.name, self.inner)
    }

    /// Writes it as PromQL. Every series has a name, so to ask for one leaves none out.
    pub(super) fn all(&self) -> String {
        if self.may_be_empty { format!("{{{},__name__=~\".+\"}}", self.inner) } else { self.written() }
    }

    /// Writes it for the series of one name.
    pub(super) fn of_name(&self, name: &str) -> String {
        if !self.name.is_empty() {
            return self.written();
        }
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        let comma = if self.inner.is_empty() { "" } else { "," };
        format!("{{{}{comma}__name__=\"{name}\"}}", self.inner)
    }
}

/// `label="value"`.
struct Matcher {
    label: String,
    /// Whether a series without the label is surely not selected. Of an expression nobody knows.
    needs_a_value: bool,
}

/// Returns the parts of `a="b",c=~"d"`; none where it is nothing of the kind.
fn matchers(inner: &str) -> Option<Vec<Matcher>> {
    let mut matchers = Vec::new();
    let mut rest = inner;
    while !rest.trim().is_empty() {
        let at = rest.find(['=', '!'])?;
        let (label, value) = rest.split_at(at);
        let label = label.trim().trim_matches('"');
        if label.is_empty() {
            return None;
        }
        let (operator, value) = ["=~", "!~", "!=", "="]
            .into_iter()
            .find_map(|operator| Some((operator, value.strip_prefix(operator)?.trim_start())))?;
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
        let end = end_of_text(value.get(1..)?, quote)?;
        let needs_a_value = if end == 0 { operator == "!=" } else { operator == "=" };
        matchers.push(Matcher { label: label.to_owned(), needs_a_value });
        rest = value.get(end + 2..)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(matchers)
}

/// Returns where a quoted text ends.
fn end_of_text(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if quote != '`' => is_escaped = true,
            letter if letter == quote => return Some(at),
            _ => {}
        }
    }
    None
}
