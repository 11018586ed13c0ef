//! The documents that the command line names.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use crate::{
    Entry, Environment, Key, MAX_DEPTH, Map, Node, Place, Problem, Problems, Source, Value, expand, merge,
    parse,
};

/// Where a document comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigUri {
    /// `file:path`, or a bare path; relative to the working directory.
    File(PathBuf),
    /// `env:NAME`: the variable holds the whole document.
    Env(String),
    /// `yaml:text`: the document itself.
    Yaml(String),
    /// `--set a.b.c=value`, kept apart from `yaml:` for the sake of messages.
    Set { key: String, value: String },
}

/// A location that cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UriError {
    #[error("configuration location is empty, write a path, `env:NAME` or `yaml:text`")]
    Empty,
    #[error("scheme `{0}` is not supported, use `file:`, `env:` or `yaml:`")]
    UnknownScheme(String),
    #[error(
        "a configuration is not fetched over {0}: fetch it to a file, `curl -fsS -o collector.yaml URL`, or pipe it, \
         `curl -fsS URL | trueline --config=/dev/stdin`"
    )]
    OverNetwork(String),
    #[error("`{0}` is not of the form `key.subkey=value`")]
    NoEquals(String),
}

/// More than anyone needs; the collector's own limit.
const MOST_URIS: usize = 100;

impl ConfigUri {
    /// Reads the argument of `--set`.
    pub fn set(argument: &str) -> Result<Self, UriError> {
        match argument.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self::Set { key: key.trim().to_owned(), value: value.to_owned() })
            }
            _ => Err(UriError::NoEquals(argument.to_owned())),
        }
    }
}

impl FromStr for ConfigUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.is_empty() {
            return Err(UriError::Empty);
        }
        let Some((scheme, rest)) = text.split_once(':') else { return Ok(Self::File(text.into())) };
        match scheme {
            "file" => Ok(Self::File(rest.into())),
            "env" => Ok(Self::Env(rest.to_owned())),
            "yaml" => Ok(Self::Yaml(rest.to_owned())),
            "http" | "https" => Err(UriError::OverNetwork(scheme.to_owned())),
            _ if is_scheme(scheme) => Err(UriError::UnknownScheme(scheme.to_owned())),
            _ => Ok(Self::File(text.into())),
        }
    }
}

/// A single letter is a drive, and anything with a slash or dot first is a path.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
}

impl fmt::Display for ConfigUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Yaml(_) => f.write_str("yaml:"),
            Self::Set { key, .. } => write!(f, "--set {key}"),
        }
    }
}

/// Reads every document, merges them from left to right, and expands `${…}` in the result.
///
/// Problems of one document do not keep the others from being read. Null is returned if there is none.
pub fn load(uris: &[ConfigUri], environment: &dyn Environment, problems: &mut Problems) -> Option<Node> {
    if uris.is_empty() {
        problems.push(Problem::error(None, "", "at least one config flag must be provided"));
        return None;
    }
    if uris.len() > MOST_URIS {
        let message = format!("{} configuration locations, at most {MOST_URIS} are read", uris.len());
        problems.push(Problem::error(None, "", message));
        return None;
    }
    let mut merged: Option<Node> = None;
    for uri in uris {
        let Some(document) = document(uri, environment, problems) else { continue };
        merged = Some(match merged {
            // An empty document says nothing, rather than erasing what the others said.
            Some(base) if document.is_null() => base,
            Some(base) => merge(base, document),
            None => document,
        });
    }
    Some(expand(merged?, environment, problems))
}

fn document(uri: &ConfigUri, environment: &dyn Environment, problems: &mut Problems) -> Option<Node> {
    let source = match read(uri, environment) {
        Ok(source) => source,
        Err(message) => {
            problems.push(Problem::error(None, "", message));
            return None;
        }
    };
    let node = match parse(&source) {
        Ok(node) => node,
        Err(problem) => {
            problems.push(*problem);
            return None;
        }
    };
    match node.value {
        Value::Map(map) => Some(unfolded(map, &node.place)),
        Value::Null => Some(node),
        _ => {
            let message = format!("expected a map at the top, found {}", node.describe());
            problems.push(Problem::error(Some(node.place), "", message));
            None
        }
    }
}

fn read(uri: &ConfigUri, environment: &dyn Environment) -> Result<Arc<Source>, String> {
    let name = uri.to_string();
    let text = match uri {
        ConfigUri::File(path) => {
            environment.read_file(path).map_err(|error| format!("cannot read {name}: {error}"))?
        }
        ConfigUri::Env(variable) => environment
            .variable(variable)
            .ok_or_else(|| format!("environment variable `{variable}` is not set"))?,
        ConfigUri::Yaml(text) => text.clone(),
        ConfigUri::Set { key, value } => format!("{}: {value}", key.replace('.', "::")),
    };
    Ok(Source::new(name, text))
}

/// Unfolds `a::b: v` to `a: {b: v}`, which the collector does to keys at the top.
fn unfolded(map: Map, place: &Place) -> Node {
    let is_folded = |entry: &Entry| (2..MAX_DEPTH).contains(&entry.key.name.split("::").count());
    let (folded, plain): (Vec<_>, Vec<_>) = map.entries.into_iter().partition(is_folded);
    let node = |entries| Node::new(Value::Map(Map { entries }), place.clone());
    folded.into_iter().fold(node(plain), |base, entry| merge(base, node(vec![unfolded_entry(entry)])))
}

fn unfolded_entry(entry: Entry) -> Entry {
    let Entry { key: Key { name, place }, value } = entry;
    let mut parts = name.rsplit("::");
    let key = |part: &str| Key { name: part.to_owned(), place: place.clone() };
    let innermost = Entry { key: key(parts.next().unwrap_or_default()), value };
    parts.fold(innermost, |inner, part| Entry {
        key: key(part),
        value: Node::new(Value::Map(Map { entries: vec![inner] }), place.clone()),
    })
}

#[cfg(test)]
mod tests;
