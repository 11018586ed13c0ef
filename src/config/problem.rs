//! What is wrong with a configuration, and where.

use serde::Serialize;

use crate::{Node, Place, Value};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// Legal, and probably a mistake.
    Warning,
}

/// One thing wrong with the configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    pub severity: Severity,
    /// Absent for what stands nowhere: a missing section, an unreadable file.
    pub place: Option<Place>,
    /// Keys from the top, joined as the collector joins them: `receivers::otlp::protocols`.
    pub path: String,
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The name under which a warning can be switched off; none for what always is told.
    pub lint: Option<&'static str>,
    /// Whether it is about a key that the collector has and we do not.
    pub is_not_supported: bool,
}

/// A value that is a secret, as the type says that it was read into.
#[derive(Clone, PartialEq, Debug)]
pub struct Opaque {
    /// Keys from the top, joined as in [`Problem::path`].
    pub path: String,
    pub place: Place,
}

impl Problem {
    pub fn error(place: Option<Place>, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place,
            path: path.into(),
            message: message.into(),
            help: None,
            lint: None,
            is_not_supported: false,
        }
    }

    pub fn warning(place: Option<Place>, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, path, message) }
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn with_lint(mut self, name: &'static str) -> Self {
        self.lint = Some(name);
        self
    }

    /// Returns the path and the message as one line: `service::pipelines::traces: must have at least
    /// one receiver`.
    pub fn title(&self) -> String {
        if self.path.is_empty() { self.message.clone() } else { format!("{}: {}", self.path, self.message) }
    }
}

/// Every problem found so far, and which values must not be shown.
#[derive(Clone, Default, Debug)]
pub struct Problems {
    list: Vec<Problem>,
    opaque: Vec<Opaque>,
    misread: Vec<String>,
}

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Reports about the value at `relative` below `node`, which stands at `path`. A key that was not
    /// written (its default is what is wrong) is shown at its nearest ancestor.
    pub fn at(
        &mut self,
        node: &Node,
        path: &str,
        relative: impl KeyPath,
        message: impl Into<String>,
    ) -> &mut Problem {
        let keys = relative.keys();
        let place = deepest(node, &keys).place.clone();
        let path = path_below(path, keys.as_slice());
        self.list.push(Problem::error(Some(place), path, message));
        self.list.last_mut().expect("a problem was just added")
    }

    /// Reports what a component's own checks found; see [`Problems::at`].
    pub fn report(
        &mut self,
        node: &Node,
        path: &str,
        relative: &str,
        message: impl Into<String>,
        is_warning: bool,
    ) {
        let problem = self.at(node, path, relative, message);
        if is_warning {
            problem.severity = Severity::Warning;
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.list.extend(other.list);
        self.opaque.extend(other.opaque);
        self.misread.extend(other.misread);
    }

    pub(crate) fn push_misread(&mut self, path: String) {
        self.misread.push(path);
    }

    /// Whether what stands at `path`, or what it stands in, was written in a way that could not be read, or under a
    /// misspelt key. That has been told, and to complain of the default in its place would be to tell it twice.
    pub fn was_misread(&self, path: &str) -> bool {
        self.misread.iter().any(|misread| is_at_or_below(path, misread))
    }

    /// Whether something at `path` or within it was misread.
    pub fn was_misread_within(&self, path: &str) -> bool {
        self.misread.iter().any(|misread| is_at_or_below(misread, path) || is_at_or_below(path, misread))
    }

    pub(crate) fn push_opaque(&mut self, opaque: Opaque) {
        self.opaque.push(opaque);
    }

    /// Returns the values that were read as secrets.
    pub fn opaque(&self) -> &[Opaque] {
        &self.opaque
    }

    /// Takes out warnings that nobody wants.
    pub fn retain(&mut self, is_wanted: impl FnMut(&Problem) -> bool) {
        self.list.retain(is_wanted);
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn error_count(&self) -> usize {
        self.list.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    pub fn has_errors(&self) -> bool {
        self.error_count() > 0
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// Returns the problems without repetitions, by file, line and column. What stands nowhere comes
    /// last.
    pub fn sorted(&self) -> Vec<Problem> {
        fn order(problem: &Problem) -> (bool, &str, u32, u32) {
            match &problem.place {
                Some(place) => (false, &place.file.name, place.line, place.column),
                None => (true, "", 0, 0),
            }
        }
        let mut list = self.list.clone();
        list.sort_by(|a, b| order(a).cmp(&order(b)));
        list.dedup();
        list
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Keys from a node to a value below it: `"protocols.grpc.endpoint"`, or a slice where a key itself
/// has dots.
pub trait KeyPath {
    fn keys(&self) -> Vec<&str>;
}

impl KeyPath for &str {
    fn keys(&self) -> Vec<&str> {
        self.split('.').filter(|key| !key.is_empty()).collect()
    }
}

impl KeyPath for &[&str] {
    fn keys(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl<const N: usize> KeyPath for &[&str; N] {
    fn keys(&self) -> Vec<&str> {
        self.to_vec()
    }
}

/// Returns the path of a value below `path`, by the keys to it.
pub fn path_below(path: &str, relative: impl KeyPath) -> String {
    relative.keys().iter().fold(path.to_owned(), |path, key| join(&path, key))
}

/// Whether one path is another, or leads to something below it.
pub fn is_at_or_below(path: &str, above: &str) -> bool {
    above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Joins a key to a path in the collector's way.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}::{key}") }
}

fn deepest<'n>(node: &'n Node, keys: &[&str]) -> &'n Node {
    let Some((key, rest)) = keys.split_first() else { return node };
    let child = match &node.value {
        Value::Map(map) => map.get(key),
        Value::Seq(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    };
    child.map_or(node, |child| deepest(child, rest))
}
