//! YAML text to nodes. The only module that knows the YAML crate.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{Error as DeError, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Error, Location, NonFiniteFloatPolicy, Options, Spanned, budget::BudgetBreach};

use crate::{Entry, Key, Map, Node, Place, Problem, Source, Value, suspect};

/// The largest text that is parsed.
pub const MAX_SOURCE_BYTES: usize = 16 << 20;

/// How deep maps and lists may nest; deeper ones would only serve to exhaust the stack.
pub const MAX_DEPTH: usize = 32;

/// Parses one document. An empty one is null.
///
/// YAML 1.2 with merge keys (`<<`) and anchors; only `true` and `false` are booleans.
///
/// *Errors*: syntax, a key written twice, several documents, an unknown tag, and documents above
/// [`MAX_SOURCE_BYTES`], [`MAX_DEPTH`] or 250,000 values.
pub fn parse(source: &Arc<Source>) -> Result<Node, Box<Problem>> {
    if source.text.len() > MAX_SOURCE_BYTES {
        let message = format!("has {} bytes, more than the {MAX_SOURCE_BYTES} allowed", source.text.len());
        return Err(Box::new(Problem::error(Some(Place::start_of(source)), "", message)));
    }
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    if is_blank(text) {
        return Ok(Node::new(Value::Null, Place::start_of(source)));
    }
    let skipped = source.text.len() - text.len();
    let build = Builder { source, skipped };
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options()) {
        Ok(tree) => Ok(build.node(tree)),
        Err(error) => Err(Box::new(build.problem(&error))),
    }
}

/// Parts a text at lines of three dashes, as [`parse`] takes one document. Returns each with the number of its first
/// line.
pub fn documents(text: &str) -> Vec<(usize, String)> {
    let mut found = vec![(1, String::new())];
    for (index, line) in text.lines().enumerate() {
        if line.trim_end() == "---" {
            found.push((index + 2, String::new()));
        } else if let Some((_, last)) = found.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    found
}

fn options() -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        // Refused where a number is read: here it would hide every other problem.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, flow_nesting_limit: MAX_DEPTH },
    }
}

/// Whether a text holds nothing but comments.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#')
    })
}

/// What the YAML crate fills; places are in its own terms.
enum Tree {
    Scalar(Value),
    Seq(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: DeError>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_none<E: DeError>(self) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_bool<E: DeError>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: DeError>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Int(value.into())))
    }

    fn visit_u64<E: DeError>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Int(value.into())))
    }

    fn visit_f64<E: DeError>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Float(value)))
    }

    fn visit_str<E: DeError>(self, value: &str) -> Result<Tree, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: DeError>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

/// Turns the YAML crate's places and errors into ours.
struct Builder<'s> {
    source: &'s Arc<Source>,
    /// Bytes before the parsed text: a byte order mark.
    skipped: usize,
}

impl Builder<'_> {
    fn node(&self, tree: Spanned<Tree>) -> Node {
        // Where an anchor's text stands, rather than where it is used: there the mistake is mended.
        let place = self.place(tree.defined);
        let value = match tree.value {
            Tree::Scalar(value) => value,
            Tree::Seq(items) => Value::Seq(items.into_iter().map(|item| self.node(item)).collect()),
            Tree::Map(entries) => {
                let entries = entries.into_iter().map(|(key, value)| self.entry(key, value)).collect();
                Value::Map(Map { entries })
            }
        };
        Node::new(value, place)
    }

    fn entry(&self, key: Spanned<String>, value: Spanned<Tree>) -> Entry {
        let key = Key { place: self.place(key.defined), name: key.value };
        let mut value = self.node(value);
        if value.is_null() && value.place.span.is_empty() {
            // Nothing was written: the key is all there is to point at.
            value.place = key.place.clone();
        }
        Entry { key, value }
    }

    fn place(&self, location: Location) -> Place {
        let bytes = |offset: Option<u64>| offset.and_then(|offset| usize::try_from(offset).ok());
        let span = location.span();
        let start = match bytes(span.byte_offset()) {
            Some(offset) => offset + self.skipped,
            None => self.offset_of(location),
        };
        let text = &self.source.text;
        let end = start.saturating_add(bytes(span.byte_len()).unwrap_or(0));
        let span = match text.get(start..end) {
            // A block ends where the next begins; the blanks between are no part of it.
            Some(written) => start..start + written.trim_end().len(),
            None => start.min(text.len())..start.min(text.len()),
        };
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).max(1);
        Place {
            file: Arc::clone(self.source),
            line: number(location.line()),
            column: number(location.column()),
            span,
        }
    }

    /// Finds the byte of a line and column, which is all that errors have.
    fn offset_of(&self, location: Location) -> usize {
        let text = self.source.text.get(self.skipped..).unwrap_or_default();
        let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let line_index = index(location.line());
        let line_start: usize = text.split_inclusive('\n').take(line_index).map(str::len).sum();
        let line = text.get(line_start..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
        let content = line.trim_end_matches('\r');
        let column = content.char_indices().nth(index(location.column())).map_or(content.len(), |(at, _)| at);
        self.skipped + line_start + column
    }

    fn problem(&self, error: &Error) -> Problem {
        let error = error.without_snippet();
        let place = error.location().map_or_else(|| Place::start_of(self.source), |at| self.place(at));
        let (message, help) = explain(error);
        // No type says what is a secret here.
        let message = suspect::hide(&place, message);
        Problem { help: help.map(str::to_owned), ..Problem::error(Some(place), "", message) }
    }
}

/// Puts the YAML crate's errors into words for operators, where its own are for programmers.
fn explain(error: &Error) -> (String, Option<&'static str>) {
    match error {
        Error::DuplicateMappingKey { key, .. } => (
            format!("key `{}` is written twice", key.as_deref().unwrap_or_default()),
            Some("join both, or remove one of them"),
        ),
        Error::MultipleDocuments { .. } => (
            "a second document begins here".to_owned(),
            Some("write each document to a file of its own, and name them all: they are merged"),
        ),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            (format!("maps and lists nest deeper than {MAX_DEPTH} levels"), None)
        }
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            ("the document holds more values than any configuration".to_owned(), None)
        }
        Error::UnknownAnchor { .. } => ("the alias names no anchor above it".to_owned(), None),
        Error::AliasError { error, .. } => explain(error.without_snippet()),
        Error::UnsupportedTag { tag, .. } => (format!("tag `{tag}` is not supported"), None),
        other => {
            let rendered = other.to_string();
            let help = rendered.contains("tabs").then_some("indent with spaces: YAML allows no tabs there");
            (without_position(&rendered).to_owned(), help)
        }
    }
}

/// Drops `line 3 column 4: ` or ` at line 3, column 4`, which the snippet says already.
fn without_position(message: &str) -> &str {
    let message = match message.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => rest,
        None => message,
    };
    message.split(" at line ").next().unwrap_or(message).trim_end()
}

#[cfg(test)]
mod tests;
