//! Names of components and pipelines.

use std::{fmt, str::FromStr, sync::LazyLock};

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::did_you_mean;

/// `type` or `type/name`, as written: aliases of a type are the registry's business.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ComponentId {
    pub component_type: String,
    pub name: Option<String>,
}

/// What a pipeline carries, and its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PipelineId {
    pub signal: PipelineSignal,
    /// As written: `traces/shop`.
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PipelineSignal {
    Traces,
    Metrics,
    Logs,
    /// Any name that is no signal's: all of them.
    All,
}

/// Why a name is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdError {
    #[error("in \"{0}\" id: the part before / should not be empty")]
    NoType(String),
    #[error("in \"{0}\" id: the part after / should not be empty")]
    NoName(String),
    #[error("invalid type \"{0}\": it has a letter, then up to 62 letters, digits or `_`")]
    BadType(String),
    #[error("invalid name \"{0}\": it has 1 to 1024 characters, none of them space, control or symbol")]
    BadName(String),
    #[error("pipelines of profiles are not supported")]
    Profiles,
    /// Any other name means all signals, which nobody means who has misspelt one.
    #[error("\"{0}\" is no signal, did you mean \"{1}\"? A pipeline for all signals may have any other name")]
    NearSignal(String, &'static str),
}

/// The collector's own rules, so that whoever writes an id for one can use it with the other.
static TYPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[a-zA-Z][0-9a-zA-Z_]{0,62}$").expect("the pattern is a constant"));
static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[^\pZ\pC\pS]+$").expect("the pattern is a constant"));
const LONGEST_NAME: usize = 1024;

impl FromStr for ComponentId {
    type Err = IdError;

    /// Spaces around both parts are dropped.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (kind.trim(), Some(name.trim())),
            None => (text.trim(), None),
        };
        if kind.is_empty() {
            return Err(IdError::NoType(text.to_owned()));
        }
        if !TYPE.is_match(kind) {
            return Err(IdError::BadType(kind.to_owned()));
        }
        match name {
            Some("") => Err(IdError::NoName(text.to_owned())),
            Some(name) if name.chars().count() > LONGEST_NAME || !NAME.is_match(name) => {
                Err(IdError::BadName(name.to_owned()))
            }
            _ => Ok(Self { component_type: kind.to_owned(), name: name.map(str::to_owned) }),
        }
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.component_type)?;
        match &self.name {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}

impl Serialize for ComponentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ComponentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What the collector's pipelines carry.
const SIGNALS: [&str; 4] = ["traces", "metrics", "logs", "profiles"];

impl FromStr for PipelineId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let id: ComponentId = text.parse()?;
        let signal = match id.component_type.as_str() {
            "traces" => PipelineSignal::Traces,
            "metrics" => PipelineSignal::Metrics,
            "logs" => PipelineSignal::Logs,
            "profiles" => return Err(IdError::Profiles),
            other => match did_you_mean(other, SIGNALS.iter().copied()) {
                Some(near) => return Err(IdError::NearSignal(other.to_owned(), near)),
                None => PipelineSignal::All,
            },
        };
        Ok(Self { signal, text: id.to_string() })
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
