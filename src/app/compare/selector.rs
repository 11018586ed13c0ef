//! Selectors of series, as far as must be known of them to add a name.

use std::str::FromStr;

/// `name{label="value"}`, either part of which may be missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Selector {
    name: String,
    inner: String,
    /// The labels that it asks for.
    pub(super) labels: Vec<String>,
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
        let labels = labels(&inner).ok_or_else(wrong)?;
        Ok(Self { name, inner, labels })
    }
}

impl Selector {
    /// Writes it as PromQL.
    pub(super) fn all(&self) -> String {
        format!("{}{{{}}}", self.name, self.inner)
    }

    /// Writes it for the series of one name.
    pub(super) fn of_name(&self, name: &str) -> String {
        if !self.name.is_empty() {
            return self.all();
        }
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        let comma = if self.inner.is_empty() { "" } else { "," };
        format!("{{{}{comma}__name__=\"{name}\"}}", self.inner)
    }
}

/// Returns the labels of `a="b",c=~"d"`; none where it is nothing of the kind.
fn labels(inner: &str) -> Option<Vec<String>> {
    let mut labels = Vec::new();
    let mut rest = inner;
    while !rest.trim().is_empty() {
        let at = rest.find(['=', '!'])?;
        let (label, value) = rest.split_at(at);
        let label = label.trim().trim_matches('"');
        if label.is_empty() {
            return None;
        }
        if label != "__name__" {
            labels.push(label.to_owned());
        }
        let value = value.trim_start_matches(['=', '!', '~']).trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
        let end = end_of_text(value.get(1..)?, quote)?;
        rest = value.get(end + 2..)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(labels)
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
