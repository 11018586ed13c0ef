//! Conditions on attributes, as an operator writes them: `http.response.status_code >= 500`.

use std::time::Duration;

use regex::Regex;
use wire::view::AnyValue;

use crate::{glob::fits, promql::compile};

/// A condition on one field.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Condition {
    pub(super) field: Field,
    pub(super) test: Test,
}

/// What is looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Field {
    /// `span.kind`: `server`, `client`, ….
    Kind,
    /// `span.name`.
    Name,
    /// `otel.status`: `ok`, `error`, `unset`.
    Status,
    /// `span.duration`, in seconds.
    Duration,
    /// `span.is_root`.
    IsRoot,
    /// An attribute of the span or point; where it has none, of the resource.
    Attribute(String),
}

/// What must be so.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Test {
    /// As text. Numbers and truth values are compared as they are usually written.
    Is(String),
    /// Also true of what is absent, which is an empty text here as it is in Prometheus.
    IsNot(String),
    /// Holds a pattern with `*` for any text.
    Fits(String),
    Matches(Pattern),
    /// Also true of what is absent, unless the pattern fits nothing too.
    MatchesNot(Pattern),
    Compare(Comparison, f64),
    Exists,
}

/// A regular expression for whole texts, as Prometheus takes it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    regex: Regex,
}

/// A compiled pattern may take so much.
const MOST_PATTERN_BYTES: usize = 1 << 20;

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        // In other places a star alone stands for any text; here it would repeat the slash.
        if text.contains("/*") {
            let meant = text.replace('*', ".*");
            return Err(format!("`{text}` is a regular expression here; for any text write `{meant}`"));
        }
        Ok(Self { text: text.to_owned(), regex: compile(text, MOST_PATTERN_BYTES)? })
    }

    fn fits(&self, seen: Seen<'_>) -> bool {
        match seen {
            Seen::Text(text) => std::str::from_utf8(text).is_ok_and(|text| self.regex.is_match(text)),
            Seen::Integer(number) => self.regex.is_match(&number.to_string()),
            Seen::Number(number) => self.regex.is_match(&number.to_string()),
            Seen::Truth(truth) => self.regex.is_match(if truth { "true" } else { "false" }),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Operators, longer ones first.
const OPERATORS: [&str; 8] = ["==", "!=", ">=", "<=", "=~", "!~", ">", "<"];

impl Condition {
    /// Reads `attribute operator value`; the name of an attribute alone asks whether it is there.
    ///
    /// *Errors*: what is wrong and what to write.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let first = OPERATORS.iter().filter_map(|operator| Some((text.find(operator)?, *operator)));
        let Some((at, operator)) = first.min_by_key(|(at, operator)| (*at, usize::MAX - operator.len()))
        else {
            let name = text.trim();
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(malformed(text));
            }
            return Ok(Self { field: Field::of_name(name), test: Test::Exists });
        };
        let (name, value) = (text[..at].trim(), text[at + operator.len()..].trim());
        if name.is_empty() || value.is_empty() || name.contains(char::is_whitespace) {
            return Err(malformed(text));
        }
        let field = Field::of_name(name);
        let test = Test::of(&field, operator, value)?;
        Ok(Self { field, test })
    }

    /// Reads an entry of `match`: the value, with `*` for any text, or a comparison such as `>= 500`.
    pub(super) fn of_match(name: &str, value: &str) -> Result<Self, String> {
        if OPERATORS.iter().any(|operator| value.trim_start().starts_with(operator)) {
            return Self::parse(&format!("{name} {value}"));
        }
        let field = Field::of_name(name);
        let text = canonical(&field, value);
        let test = if text.contains('*') { Test::Fits(text) } else { Test::Is(text) };
        Ok(Self { field, test })
    }
}

fn malformed(text: &str) -> String {
    format!("`{text}` is no condition; write `attribute operator value` with one of {}", OPERATORS.join(" "))
}

impl Field {
    pub(super) fn of_name(name: &str) -> Self {
        match name {
            "span.kind" => Self::Kind,
            "span.name" => Self::Name,
            "otel.status" | "status.code" => Self::Status,
            "span.duration" => Self::Duration,
            "span.is_root" => Self::IsRoot,
            _ => Self::Attribute(name.to_owned()),
        }
    }
}

impl Test {
    fn of(field: &Field, operator: &str, value: &str) -> Result<Self, String> {
        let text = unquoted(value);
        let comparison = match operator {
            "==" => return Ok(Self::Is(canonical(field, text))),
            "!=" => return Ok(Self::IsNot(canonical(field, text))),
            "=~" => return Pattern::parse(text).map(Self::Matches),
            "!~" => return Pattern::parse(text).map(Self::MatchesNot),
            ">=" => Comparison::GreaterOrEqual,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            _ => Comparison::Less,
        };
        let number = match field {
            Field::Duration => seconds(text),
            _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
        };
        let Some(number) = number else {
            let remedy = if *field == Field::Duration { "a duration such as `800ms`" } else { "a number" };
            return Err(format!("`{text}` can not be compared with {operator}; write {remedy}"));
        };
        Ok(Self::Compare(comparison, number))
    }

    /// Whether it holds of a value, none for what is absent.
    pub(super) fn holds(&self, seen: Option<Seen<'_>>) -> bool {
        let Some(seen) = seen else { return self.holds_of_nothing() };
        match self {
            Self::Is(text) => seen.is(text),
            Self::IsNot(text) => !seen.is(text),
            Self::Fits(pattern) => seen.fits(pattern),
            Self::Matches(pattern) => pattern.fits(seen),
            Self::MatchesNot(pattern) => !pattern.fits(seen),
            Self::Compare(comparison, with) => {
                seen.number().is_some_and(|number| comparison.holds(number, *with))
            }
            Self::Exists => true,
        }
    }
}

impl Test {
    fn holds_of_nothing(&self) -> bool {
        match self {
            Self::Is(text) => text.is_empty(),
            Self::IsNot(text) => !text.is_empty(),
            Self::Matches(pattern) => pattern.fits(Seen::Text(b"")),
            Self::MatchesNot(pattern) => !pattern.fits(Seen::Text(b"")),
            Self::Fits(_) | Self::Compare(..) | Self::Exists => false,
        }
    }
}

impl Comparison {
    fn holds(self, number: f64, with: f64) -> bool {
        match self {
            Self::Less => number < with,
            Self::LessOrEqual => number <= with,
            Self::Greater => number > with,
            Self::GreaterOrEqual => number >= with,
        }
    }
}

/// What stands in a field.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Seen<'a> {
    Text(&'a [u8]),
    Integer(i64),
    Number(f64),
    Truth(bool),
}

impl<'a> Seen<'a> {
    /// Reads the body of an `AnyValue`; none for what is empty or no scalar.
    pub(super) fn of_value(body: &'a [u8]) -> Option<Self> {
        Some(match AnyValue::of(body) {
            AnyValue::Str(text) => Self::Text(text),
            AnyValue::Int(number) => Self::Integer(number),
            AnyValue::Double(number) => Self::Number(number),
            AnyValue::Bool(truth) => Self::Truth(truth),
            _ => return None,
        })
    }

    fn is(self, text: &str) -> bool {
        match self {
            Self::Text(seen) => seen == text.as_bytes(),
            Self::Integer(number) => text.parse() == Ok(number),
            Self::Number(number) => text.parse() == Ok(number),
            Self::Truth(truth) => text.parse() == Ok(truth),
        }
    }

    fn fits(self, pattern: &str) -> bool {
        match self {
            Self::Text(seen) => std::str::from_utf8(seen).is_ok_and(|seen| fits(pattern, seen)),
            Self::Integer(number) => fits(pattern, &number.to_string()),
            Self::Number(number) => fits(pattern, &number.to_string()),
            Self::Truth(truth) => fits(pattern, if truth { "true" } else { "false" }),
        }
    }

    /// Returns the number; of text what it spells, as some libraries send status codes as text.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            Self::Integer(number) => Some(number as f64),
            Self::Number(number) => Some(number),
            Self::Truth(_) => None,
        }
    }
}

fn unquoted(value: &str) -> &str {
    let quoted = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
    quoted('\'').or_else(|| quoted('"')).unwrap_or(value)
}

/// Names of kinds and states may be written as OTLP's JSON does.
fn canonical(field: &Field, text: &str) -> String {
    let prefix = match field {
        Field::Kind => "SPAN_KIND_",
        Field::Status => "STATUS_CODE_",
        _ => return text.to_owned(),
    };
    text.strip_prefix(prefix).unwrap_or(text).to_lowercase()
}

/// Reads a duration with one unit.
fn seconds(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "us" => Duration::from_micros(1),
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return None,
    };
    Some(number.trim().parse::<f64>().ok()? * unit.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, seen: Option<Seen<'_>>) -> bool {
        Condition::parse(text).unwrap().test.holds(seen)
    }

    #[test]
    fn conditions_hold_of_what_they_say() {
        for (text, seen, expected) in [
            ("http.response.status_code >= 500", Some(Seen::Integer(500)), true),
            ("http.response.status_code >= 500", Some(Seen::Integer(499)), false),
            ("http.response.status_code >= 500", Some(Seen::Text(b"503")), true),
            ("http.response.status_code>=500", None, false),
            ("a == 5", Some(Seen::Integer(5)), true),
            ("a == 5.0", Some(Seen::Number(5.0)), true),
            ("a == true", Some(Seen::Truth(true)), true),
            ("http.route == '/health'", Some(Seen::Text(b"/health")), true),
            ("http.route == \"/health\"", Some(Seen::Text(b"/healthz")), false),
            ("http.route =~ /api/.*", Some(Seen::Text(b"/api/checkout")), true),
            ("http.route =~ api", Some(Seen::Text(b"/api/checkout")), false),
            ("http.route !~ '/api/(a|b)'", Some(Seen::Text(b"/api/a")), false),
            ("http.route !~ '/api/(a|b)'", Some(Seen::Text(b"/api/c")), true),
            ("code =~ 5..", Some(Seen::Integer(503)), true),
            ("code !~ 5..|429", Some(Seen::Integer(429)), false),
            ("code !~ 5..", None, true),
            ("code =~ .*", None, true),
            ("code =~ .+", None, false),
            ("code == ''", None, true),
            ("code != ''", None, false),
            ("error.type != timeout", None, true),
            ("error.type", None, false),
            ("error.type", Some(Seen::Text(b"")), true),
            ("otel.status == STATUS_CODE_ERROR", Some(Seen::Text(b"error")), true),
            ("span.duration > 800ms", Some(Seen::Number(0.801)), true),
            ("span.duration > 800ms", Some(Seen::Number(0.8)), false),
        ] {
            assert_eq!(holds(text, seen), expected, "{text} of {seen:?}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_the_remedy() {
        for text in ["", "a b", ">= 500", "a >=", "a b == c"] {
            assert!(Condition::parse(text).unwrap_err().contains("attribute operator value"), "{text}");
        }
        assert!(Condition::parse("a > many").unwrap_err().contains("a number"));
        assert!(Condition::parse("a =~ /api/*").unwrap_err().contains("write `/api/.*`"));
        assert!(Condition::parse("a =~ (").unwrap_err().contains("no regular expression"));
        assert!(Condition::parse("span.duration > 5").unwrap_err().contains("800ms"));
    }

    #[test]
    fn an_entry_of_match_is_a_value_a_pattern_or_a_comparison() {
        let test = |value| Condition::of_match("a", value).unwrap().test;
        assert_eq!(test("x"), Test::Is("x".to_owned()));
        assert_eq!(test("/api/*"), Test::Fits("/api/*".to_owned()));
        assert_eq!(test(">= 500"), Test::Compare(Comparison::GreaterOrEqual, 500.0));
        assert_eq!(test("!= x"), Test::IsNot("x".to_owned()));
        assert_eq!(test("=~ 5.."), Test::Matches(Pattern::parse("5..").unwrap()));
        assert_eq!(test("!~ 5.."), Test::MatchesNot(Pattern::parse("5..").unwrap()));
    }
}
