//! Why a value could not be read, in words for operators.

use std::fmt::{self, Display};

use serde::de::{Expected, Unexpected};

use super::NodeId;
use crate::{Place, Problem, did_you_mean};

/// Serde's error. Boxed, as it travels through every `Result` of a reading.
#[derive(Debug)]
pub(super) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    message: String,
    help: Option<String>,
    reason: Reason,
    wants_found: bool,
    site: Option<Site>,
}

/// What a failure means for the list of problems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    Told,
    /// Nothing was written where a value is wanted: the default shall be used.
    Empty,
    Missing(&'static str),
}

/// Where a failure happened.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// The value to leave out of the next reading.
    pub culprit: NodeId,
    pub place: Place,
    pub path: String,
    pub already_told: bool,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            message: message.into(),
            help: None,
            reason: Reason::Told,
            wants_found: false,
            site: None,
        }))
    }

    /// Nothing is wrong, but there is nothing to read either.
    pub(super) fn empty() -> Self {
        let mut failure = Self::new("has no value");
        failure.0.reason = Reason::Empty;
        failure
    }

    pub(super) fn expected(what: &str) -> Self {
        let mut failure = Self::new(format!("expected {what}"));
        failure.0.wants_found = true;
        failure
    }

    pub(super) fn with_help(mut self, help: Option<String>) -> Self {
        self.0.help = self.0.help.or(help);
        self
    }

    /// Says where, unless something further in has said so.
    pub(super) fn at(mut self, found: impl FnOnce() -> String, site: impl FnOnce() -> Site) -> Self {
        if self.0.site.is_none() {
            if self.0.wants_found {
                self.0.message = format!("{}, found {}", self.0.message, found());
            }
            self.0.site = Some(site());
        }
        self
    }

    /// Has the whole of a value left out, where its parts cannot be: the content of a variant.
    pub(super) fn blaming(mut self, culprit: NodeId) -> Self {
        if let Some(site) = &mut self.0.site {
            site.culprit = culprit;
        }
        self
    }

    pub(super) fn site(&self) -> Option<&Site> {
        self.0.site.as_ref()
    }

    pub(super) fn reason(&self) -> Reason {
        self.0.reason
    }

    /// A failure to find nothing becomes one, for visitors that want something.
    pub(super) fn into_empty(mut self) -> Self {
        if self.0.site.is_none() {
            self.0.reason = Reason::Empty;
        }
        self
    }

    pub(super) fn into_problem(self, place: Option<Place>, path: String) -> Problem {
        Problem { help: self.0.help, ..Problem::error(place, path, self.0.message) }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    /// A second line is the help: what to write instead.
    fn custom<T: Display>(message: T) -> Self {
        let text = message.to_string();
        match text.split_once('\n') {
            Some((message, help)) => Self::new(message).with_help(Some(help.to_owned())),
            None => Self::new(text),
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(&in_words(&expected.to_string()))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let value = match unexpected {
            Unexpected::Unsigned(value) => value.to_string(),
            Unexpected::Signed(value) => value.to_string(),
            Unexpected::Float(value) => value.to_string(),
            Unexpected::Str(value) => format!("`{value}`"),
            other => other.to_string(),
        };
        Self::new(format!("{value} is out of range, expected {}", in_words(&expected.to_string())))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("has {length} items, expected {}", in_words(&expected.to_string())))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown value `{variant}`"))
            .with_help(Some(suggestion(variant, expected, "values")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(unknown_key(field)).with_help(Some(suggestion(field, expected, "keys")))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut failure = Self::new(format!("missing required key `{field}`"));
        failure.0.reason = Reason::Missing(field);
        failure
    }
}

pub(super) fn unknown_key(key: &str) -> String {
    format!("unknown key `{key}`")
}

/// Offers the nearest name, and all of them where they are few.
pub(super) fn suggestion(name: &str, valid: &[&str], kind: &str) -> String {
    const FEW: usize = 16;
    // `INFO` beside `info` is there to be lenient, not to be advertised.
    let is_other_case =
        |name: &str| valid.contains(&name.to_lowercase().as_str()) && name.to_lowercase() != name;
    let shown: Vec<&str> = valid.iter().copied().filter(|name| !is_other_case(name)).collect();
    let list = || shown.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match did_you_mean(name, shown.iter().copied()) {
        Some(near) if shown.len() > FEW => format!("did you mean `{near}`?"),
        Some(near) => format!("did you mean `{near}`? valid {kind}: {}", list()),
        None if shown.is_empty() => format!("there are no valid {kind} here"),
        None => format!("valid {kind}: {}", list()),
    }
}

/// Puts serde's names of Rust types into words of YAML.
fn in_words(expected: &str) -> String {
    let range = match expected {
        "u8" => "0 to 255",
        "u16" => "0 to 65535",
        "u32" => "0 to 4294967295",
        "u64" | "usize" => "0 to 18446744073709551615",
        "i8" => "-128 to 127",
        "i16" => "-32768 to 32767",
        "i32" => "-2147483648 to 2147483647",
        "i64" | "isize" => "-9223372036854775808 to 9223372036854775807",
        "f32" | "f64" => return "a number".to_owned(),
        "a boolean" => return "true or false".to_owned(),
        "a sequence" => return "a list".to_owned(),
        other if other.starts_with("nonzero ") => return "an integer that is not 0".to_owned(),
        other if other.starts_with("struct ") => return "a map".to_owned(),
        other => return other.to_owned(),
    };
    format!("an integer from {range}")
}
