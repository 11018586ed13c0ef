//! `${env:VAR}` and its kin.

use std::path::Path;

use crate::{
    Entry, Environment, MAX_DEPTH, MAX_SOURCE_BYTES, Map, Node, Original, Place, Problem, Problems, Source,
    Value, parse, problem::join,
};

/// Replaces every `${…}` in the values of a tree; keys are left alone.
///
/// * `${env:VAR}`, `${VAR}`: a variable; `${env:VAR:-text}` with a default. One that is not set is
///   null, with a warning.
/// * `${file:path}`: a file's content.
/// * `$$`: a dollar sign. A lone `$` stays.
///
/// A value that is nothing but one expansion is read as YAML and remembers its text, so that it fits
/// numbers and strings alike; within a longer string the text is put in. The text is what the variable
/// holds to the letter, quotes and `#` included, and of a file all but the line breaks at its end. What
/// an expansion yields is expanded again, and so are names within names: `${env:${env:WHICH}}`.
///
/// *Errors*, to `problems`: an unknown scheme, a bad name, an unreadable file, a circle, more than
/// 1,000 expansions in a value; such a value becomes null.
pub fn expand(root: Node, environment: &dyn Environment, problems: &mut Problems) -> Node {
    let mut expander = Expander { environment, problems, stack: Vec::new(), expansions: 0, bytes: 0 };
    expander.node(root, "", 0)
}

/// The collector's limit, per value.
const MOST_EXPANSIONS: usize = 1000;

/// All that expansions may add to one configuration.
const MOST_BYTES: usize = 4 * MAX_SOURCE_BYTES;

struct Expander<'e> {
    environment: &'e dyn Environment,
    problems: &'e mut Problems,
    /// Expansions being replaced, outermost first: one that appears twice is a circle.
    stack: Vec<String>,
    /// Made so far for the written value at hand.
    expansions: usize,
    /// Text taken in so far.
    bytes: usize,
}

/// What is wrong with an expansion, and what to do.
struct Refusal {
    message: String,
    help: Option<String>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// A written value: its place and path, for messages.
#[derive(Clone, Copy)]
struct Site<'s> {
    place: &'s Place,
    path: &'s str,
    depth: usize,
}

impl Expander<'_> {
    fn node(&mut self, node: Node, path: &str, depth: usize) -> Node {
        let Node { value, place, original } = node;
        let value = match value {
            Value::Map(map) => Value::Map(self.map(map, path, depth)),
            Value::Seq(items) => {
                let items = items.into_iter().enumerate();
                Value::Seq(
                    items
                        .map(|(at, item)| self.node(item, &join(path, &at.to_string()), depth + 1))
                        .collect(),
                )
            }
            Value::String(written) if written.contains('$') => {
                return self.written(&written, Site { place: &place, path, depth });
            }
            scalar => scalar,
        };
        Node { value, place, original }
    }

    fn map(&mut self, map: Map, path: &str, depth: usize) -> Map {
        let entries = map.entries.into_iter().map(|Entry { key, value }| {
            let value = self.node(value, &join(path, &key.name), depth + 1);
            Entry { key, value }
        });
        Map { entries: entries.collect() }
    }

    /// Replaces a string, and turns a refusal into a problem.
    fn written(&mut self, text: &str, site: Site<'_>) -> Node {
        if self.stack.is_empty() {
            self.expansions = 0;
        }
        self.string(text, site).unwrap_or_else(|refusal| {
            let problem = Problem::error(Some(site.place.clone()), site.path, refusal.message);
            self.problems.push(Problem { help: refusal.help, ..problem });
            self.problems.push_misread(site.path.to_owned());
            Node::new(Value::Null, site.place.clone())
        })
    }

    fn string(&mut self, text: &str, site: Site<'_>) -> Result<Node, Refusal> {
        let pieces = pieces(text)?;
        if let [Piece::Expansion(inner)] = pieces.as_slice() {
            let uri = self.text(inner, site)?;
            return self.whole(&uri, site);
        }
        let text = self.joined(&pieces, site)?;
        Ok(Node::new(Value::String(text), site.place.clone()))
    }

    /// Replaces within text, where values are put in as they are written.
    fn text(&mut self, text: &str, site: Site<'_>) -> Result<String, Refusal> {
        if !text.contains('$') {
            return Ok(text.to_owned());
        }
        let pieces = pieces(text)?;
        self.joined(&pieces, site)
    }

    fn joined(&mut self, pieces: &[Piece<'_>], site: Site<'_>) -> Result<String, Refusal> {
        let mut joined = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => joined.push_str(text),
                Piece::Expansion(inner) => {
                    let uri = self.text(inner, site)?;
                    joined.push_str(&self.within(&uri, site)?);
                }
            }
        }
        Ok(joined)
    }

    /// Replaces an expansion that is all of a value.
    fn whole(&mut self, uri: &str, site: Site<'_>) -> Result<Node, Refusal> {
        let Some(fetched) = self.fetch(uri, site)? else {
            return Ok(Node::new(Value::Null, site.place.clone()));
        };
        // An empty default is an empty string, not nothing.
        let is_empty_default = fetched.origin == Origin::Default && fetched.text.is_empty();
        let source = Source::new(fetched.name.clone(), fetched.text.as_str());
        let is_file = fetched.origin == Origin::File;
        let text = fetched.into_text();
        let node = match parse(&source) {
            Ok(node) => node,
            Err(problem) if is_file && text.contains('\n') => {
                self.problems.push(Problem { path: site.path.to_owned(), ..*problem });
                self.problems.push_misread(site.path.to_owned());
                return Ok(Node::new(Value::Null, site.place.clone()));
            }
            // What is no YAML may be a token or a template: `@daily`, `[::1]:4317`.
            Err(_) => Node::new(Value::String(String::new()), site.place.clone()),
        };
        let node = if is_file { node } else { placed(node, site.place) };
        self.guarded(uri, |this| match &node.value {
            Value::Seq(_) | Value::Map(_) if site.depth + depth(&node) > MAX_DEPTH => {
                Err(Refusal::new(format!("`${{{uri}}}` nests deeper than {MAX_DEPTH} levels")))
            }
            Value::Seq(_) | Value::Map(_) => {
                let original = this.original(&text, site);
                Ok(Node { original, ..this.node(node, site.path, site.depth) })
            }
            // Quotes, comments and folds of YAML belong to a secret that happens to look like them.
            Value::String(_) if text.contains('$') => this.string(&text, site),
            Value::String(_) => Ok(Node { value: Value::String(text), ..node }),
            Value::Null if is_empty_default => Ok(Node { value: Value::String(text), ..node }),
            _ => Ok(Node { original: Some(Original::new(text)), ..node }),
        })
    }

    /// Expands the text of a map or list too, for a setting that wants a string. Whatever is wrong there is
    /// wrong in the map or list, and told of it.
    fn original(&mut self, text: &str, site: Site<'_>) -> Option<Original> {
        let expansions = self.expansions;
        let mut unheard = Problems::default();
        let mut expander = Expander {
            environment: self.environment,
            problems: &mut unheard,
            stack: std::mem::take(&mut self.stack),
            expansions,
            bytes: self.bytes,
        };
        let expanded = expander.text(text, site);
        (self.stack, self.bytes) = (expander.stack, expander.bytes);
        expanded.ok().map(Original::new)
    }

    /// Replaces an expansion that is a part of a string.
    fn within(&mut self, uri: &str, site: Site<'_>) -> Result<String, Refusal> {
        let Some(fetched) = self.fetch(uri, site)? else { return Ok(String::new()) };
        let text = fetched.into_text();
        self.guarded(uri, |this| this.text(&text, site))
    }

    /// Runs what may expand again, on watch for circles.
    fn guarded<T>(
        &mut self,
        uri: &str,
        run: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.stack.push(uri.to_owned());
        let result = run(self);
        self.stack.pop();
        result
    }

    fn fetch(&mut self, uri: &str, site: Site<'_>) -> Result<Option<Fetched>, Refusal> {
        if let Some(start) = self.stack.iter().position(|earlier| earlier == uri) {
            let circle = self.stack.iter().skip(start).map(String::as_str).chain([uri]);
            let circle = circle.map(|uri| format!("${{{uri}}}")).collect::<Vec<_>>().join(" -> ");
            return Err(Refusal::new(format!("expansions go round in a circle: {circle}")));
        }
        if self.stack.len() > MAX_DEPTH {
            return Err(Refusal::new(format!("expansions lead to one another more than {MAX_DEPTH} times")));
        }
        self.expansions += 1;
        if self.expansions > MOST_EXPANSIONS {
            return Err(Refusal::new(format!("more than {MOST_EXPANSIONS} expansions in one value")));
        }
        let fetched = match Reference::parse(uri)? {
            Reference::Variable { name, default } => self.variable(name, default, site),
            Reference::File(path) => Some(self.file(path)?),
        };
        self.bytes += fetched.as_ref().map_or(0, |fetched| fetched.text.len());
        if self.bytes > MOST_BYTES {
            return Err(Refusal::new(format!("expansions add more than {} MiB", MOST_BYTES >> 20)));
        }
        Ok(fetched)
    }

    fn variable(&mut self, name: &str, default: Option<&str>, site: Site<'_>) -> Option<Fetched> {
        let (text, origin) = match (self.environment.variable(name), default) {
            (Some(value), _) => (value, Origin::Variable),
            (None, Some(default)) => (default.to_owned(), Origin::Default),
            (None, None) => {
                self.warn_unset(name, site);
                return None;
            }
        };
        Some(Fetched { name: format!("env:{name}"), text, origin })
    }

    fn warn_unset(&mut self, name: &str, site: Site<'_>) {
        let message = format!("environment variable `{name}` is not set");
        let warning = Problem::warning(Some(site.place.clone()), site.path, message);
        self.problems.push(warning.with_help(format!("set it, or give a default: `${{env:{name}:-value}}`")));
    }

    fn file(&self, path: &str) -> Result<Fetched, Refusal> {
        let text = self
            .environment
            .read_file(Path::new(path))
            .map_err(|error| Refusal::new(format!("cannot read `{path}`: {error}")))?;
        Ok(Fetched { name: path.to_owned(), text, origin: Origin::File })
    }
}

/// What an expansion stands for.
struct Fetched {
    name: String,
    text: String,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Variable,
    Default,
    /// A file has lines of its own to point at.
    File,
}

impl Fetched {
    /// Returns the text for a string: an editor ends a file with a line break that nobody means.
    fn into_text(mut self) -> String {
        if self.origin == Origin::File {
            self.text.truncate(self.text.trim_end_matches(['\n', '\r']).len());
        }
        self.text
    }
}

/// What stands between `${` and `}`.
enum Reference<'u> {
    Variable { name: &'u str, default: Option<&'u str> },
    File(&'u str),
}

impl<'u> Reference<'u> {
    fn parse(uri: &'u str) -> Result<Self, Refusal> {
        let (name, default) = match uri.split_once(':') {
            Some(("file", path)) => return Ok(Self::File(path)),
            Some(("env", rest)) => match rest.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (rest, None),
            },
            // The collector takes this for a scheme; nobody means that.
            Some((name, rest)) if rest.starts_with('-') => (name, rest.strip_prefix('-')),
            Some((scheme, _)) => {
                let refusal = Refusal::new(format!("`${{{uri}}}` has the unknown scheme `{scheme}`"));
                return Err(refusal.with_help(format!(
                    "use `env:` or `file:`, or write `$${{{uri}}}` for the text itself"
                )));
            }
            None => (uri, None),
        };
        if is_variable_name(name) {
            return Ok(Self::Variable { name, default });
        }
        let refusal = Refusal::new(format!("`${{{uri}}}` does not name an environment variable"));
        Err(refusal.with_help(format!(
            "names have letters, digits and `_`; write `$${{{uri}}}` for the text itself"
        )))
    }
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A string is plain text and expansions in turn.
enum Piece<'t> {
    Text(&'t str),
    /// What stands between `${` and its `}`, itself not yet expanded.
    Expansion(&'t str),
}

/// Takes a string apart. `${` without its `}` is text, as in the collector.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Refusal> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        if let Some(after) = from.strip_prefix("$$") {
            pieces.push(Piece::Text("$"));
            rest = after;
        } else if let Some((inner, after)) = from.strip_prefix("${").and_then(braced) {
            if inner.matches("${").count() > MAX_DEPTH {
                return Err(Refusal::new(format!("more than {MAX_DEPTH} expansions within one `${{…}}`")));
            }
            pieces.push(Piece::Expansion(inner));
            rest = after;
        } else {
            pieces.push(Piece::Text("$"));
            rest = from.strip_prefix('$').unwrap_or_default();
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// Splits after the `}` that ends what an opened `${` holds.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut open = 1;
    let mut at = 0;
    while let Some(offset) = text.get(at..)?.find(['$', '}']) {
        at += offset;
        let from = text.get(at..)?;
        if from.starts_with("${") {
            open += 1;
            at += 2;
        } else if from.starts_with("$$") {
            at += 2;
        } else {
            if from.starts_with('}') {
                open -= 1;
            }
            if open == 0 {
                return Some((text.get(..at)?, text.get(at + 1..)?));
            }
            at += 1;
        }
    }
    None
}

/// Moves a value to where its expansion is written: a variable has no lines of its own.
fn placed(node: Node, place: &Place) -> Node {
    let value = match node.value {
        Value::Seq(items) => Value::Seq(items.into_iter().map(|item| placed(item, place)).collect()),
        Value::Map(map) => {
            let entries = map.entries.into_iter().map(|Entry { mut key, value }| {
                key.place = place.clone();
                Entry { key, value: placed(value, place) }
            });
            Value::Map(Map { entries: entries.collect() })
        }
        scalar => scalar,
    };
    Node { value, place: place.clone(), original: node.original }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Seq(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
