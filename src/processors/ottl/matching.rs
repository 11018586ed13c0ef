//! What `include` and `exclude` of processors of the collector say of an item, as a condition.

use regex::bytes::Regex;
use wire::view::AnyValue;

use super::{
    compare::compare,
    context::Context,
    expression::{Condition, Resolver},
    fields::Access,
    regexes,
    syntax::{Comparison, Path, Segment},
    value::Value,
};

/// Texts of which a field must be one, or patterns of which it must fit one.
#[derive(Clone, Debug)]
pub(crate) enum Texts {
    Exact(Vec<String>),
    Patterns(Vec<Regex>),
}

/// One thing that is asked of an item.
#[derive(Clone, Debug)]
pub(crate) enum Property {
    Text(Place, Texts),
    /// The name of the service, `<nil-service-name>` where the resource has none.
    Service(Texts),
    /// An attribute of the item, or of the resource that it is of.
    Attribute {
        of: Owner,
        key: String,
        wanted: Option<Wanted>,
    },
    /// A record without a severity fits when `undefined` is set.
    Severity {
        min: i64,
        undefined: bool,
    },
}

/// Where a text stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    SpanName,
    SpanKind,
    ScopeName,
    ScopeVersion,
    LogBody,
    SeverityText,
    MetricName,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Item,
    Resource,
}

/// The value that an attribute must have.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// The body of an `AnyValue`, of the same type and equal.
    Value(Vec<u8>),
    /// A pattern for texts, and for numbers and flags as they are written.
    Pattern(Regex),
}

/// What is asked of the value of a path.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Text(Texts),
    Service(Texts),
    Attribute { key: Vec<u8>, wanted: Option<Wanted> },
    Severity { min: i64, undefined: bool },
}

impl Texts {
    /// *Errors*: by its place in the list, what is wrong with a pattern.
    pub(crate) fn new(texts: &[String], is_pattern: bool) -> Result<Self, (usize, String)> {
        if !is_pattern {
            return Ok(Self::Exact(texts.to_vec()));
        }
        let compiled = |(index, text): (usize, &String)| {
            regexes::compile(text.as_bytes()).map_err(|message| (index, message))
        };
        texts.iter().enumerate().map(compiled).collect::<Result<_, _>>().map(Self::Patterns)
    }

    fn fit(&self, found: &[u8]) -> bool {
        match self {
            Self::Exact(texts) => texts.iter().any(|text| text.as_bytes() == found),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_match(found)),
        }
    }
}

/// Returns the condition that all properties hold.
pub(super) fn condition(resolver: &mut Resolver, properties: &[Property]) -> Condition {
    let context = resolver.context;
    let of_property = |property: &Property| {
        let (path, asked): (&[&str], _) = match property {
            Property::Text(place, texts) => (place.path(), Asked::Text(texts.clone())),
            Property::Service(texts) => (&["resource", "attributes"], Asked::Service(texts.clone())),
            Property::Attribute { of, key, wanted } => {
                let path: &[&str] = match of {
                    Owner::Item => &["attributes"],
                    Owner::Resource => &["resource", "attributes"],
                };
                (path, Asked::Attribute { key: key.clone().into_bytes(), wanted: wanted.clone() })
            }
            Property::Severity { min, undefined } => {
                (&["log", "severity_number"], Asked::Severity { min: *min, undefined: *undefined })
            }
        };
        resolver.shared(Condition::Asks(access(context, path), Box::new(asked)))
    };
    Condition::All(properties.iter().map(of_property).collect())
}

/// Finds the field of a path that is written here and not by an operator.
pub(super) fn access(context: Context, path: &[&str]) -> Access {
    let segment = |name: &&str| Segment { at: 0, name: (*name).to_owned(), keys: Vec::new() };
    let path = Path { segments: path.iter().map(segment).collect() };
    Access::new(context, &path).expect("properties are asked in contexts that have their fields")
}

impl Place {
    fn path(self) -> &'static [&'static str] {
        match self {
            Self::SpanName => &["span", "name"],
            Self::SpanKind => &["span", "kind", "deprecated_string"],
            Self::ScopeName => &["scope", "name"],
            Self::ScopeVersion => &["scope", "version"],
            Self::LogBody => &["log", "body", "string"],
            Self::SeverityText => &["log", "severity_text"],
            Self::MetricName => &["metric", "name"],
        }
    }
}

impl Asked {
    pub(super) fn holds(&self, found: &Value<'_>) -> bool {
        match (self, found) {
            (Self::Text(texts), Value::Text(found)) => texts.fit(found),
            (Self::Service(texts), Value::Map(resource)) => match resource.get(b"service.name") {
                Some(name) => texts.fit(AnyValue::of(name).to_label_string().as_bytes()),
                None => texts.fit(b"<nil-service-name>"),
            },
            (Self::Attribute { key, wanted }, Value::Map(map)) => match (map.get(key), wanted) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(value), Some(wanted)) => wanted.is(&Value::of(value)),
            },
            (Self::Severity { undefined, .. }, Value::Int(0)) => *undefined,
            (Self::Severity { min, .. }, Value::Int(number)) => number >= min,
            _ => false,
        }
    }
}

impl Wanted {
    fn is(&self, found: &Value<'_>) -> bool {
        let pattern = match self {
            Self::Value(wanted) => {
                let wanted = Value::of(wanted);
                return wanted.kind() == found.kind() && compare(&wanted, found, Comparison::Equal);
            }
            Self::Pattern(pattern) => pattern,
        };
        match found {
            Value::Text(text) => pattern.is_match(text),
            Value::Bool(flag) => pattern.is_match(flag.to_string().as_bytes()),
            Value::Int(number) => pattern.is_match(number.to_string().as_bytes()),
            Value::Double(number) if number.is_infinite() => {
                pattern.is_match(if *number > 0.0 { b"+Inf" } else { b"-Inf" })
            }
            Value::Double(number) => pattern.is_match(number.to_string().as_bytes()),
            _ => false,
        }
    }
}
