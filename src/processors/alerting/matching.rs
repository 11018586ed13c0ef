//! Which series a rule is about, and which alerts a silence or a schedule is about.

use std::{collections::BTreeMap, fmt};

use model::Series;
use regex::Regex;
use wire::view::attributes;

use super::labels::Labels;
use crate::{glob::fits, promql::compile};

/// A compiled pattern may take so much, and a text of it be so long.
const MOST_REGEX_BYTES: usize = 64 << 10;
const MOST_PATTERN_BYTES: usize = 512;
/// An attribute's text is cut here before it becomes a label.
pub(super) const MOST_LABEL_BYTES: usize = 1024;

/// Finds an attribute of a series: of its points, else of its resource.
pub(super) fn attribute_of(series: &Series, key: &str) -> Option<String> {
    let of_point = attributes(&series.attributes, 1);
    let of_resource = attributes(&series.resource, 1);
    of_point
        .chain(of_resource)
        .find(|attribute| attribute.key == key.as_bytes())
        .map(|attribute| crate::text::cut(attribute.value().to_label_string(), MOST_LABEL_BYTES))
}

/// Whether a series has all attributes that are wanted; `*` stands for any text, also for none.
pub(super) fn has_attributes(series: &Series, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, pattern)| fits(pattern, &attribute_of(series, key).unwrap_or_default()))
}

/// Whether labels fit patterns by name.
pub(super) fn labels_fit(patterns: &BTreeMap<String, String>, name: &str, labels: &Labels) -> bool {
    patterns.iter().all(|(key, pattern)| fits(pattern, label_of(key, name, labels)))
}

/// A label that is missing is an empty one, as in Alertmanager.
fn label_of<'a>(key: &str, name: &'a str, labels: &'a Labels) -> &'a str {
    if key == super::ALERTNAME { name } else { labels.get(key).unwrap_or_default() }
}

/// One condition of a silence, in Alertmanager's terms.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    pub(super) name: String,
    pub(super) operator: Operator,
    pub(super) value: String,
    /// Of `=~` and `!~`; fits the whole text.
    regex: Option<Regex>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Fits,
    FitsNot,
}

impl Operator {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Fits => "=~",
            Self::FitsNot => "!~",
        }
    }

    /// As Alertmanager's API tells them.
    pub(super) const fn of(is_regex: bool, is_equal: bool) -> Self {
        match (is_regex, is_equal) {
            (false, true) => Self::Equal,
            (false, false) => Self::NotEqual,
            (true, true) => Self::Fits,
            (true, false) => Self::FitsNot,
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.operator, &self.value) == (&other.name, other.operator, &other.value)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.operator.text(), self.value)
    }
}

impl Matcher {
    /// Makes a matcher; patterns are bounded in the memory that they take, and matching takes time in proportion to
    /// the text.
    ///
    /// *Errors*: what is wrong and what is right.
    pub(super) fn new(name: &str, operator: Operator, value: &str) -> Result<Self, String> {
        if name.is_empty() || name.len() > MOST_PATTERN_BYTES {
            return Err(format!(
                "the name of a matcher is {name:?}, must have 1 to {MOST_PATTERN_BYTES} bytes"
            ));
        }
        if value.len() > MOST_PATTERN_BYTES {
            return Err(format!(
                "the value for {name:?} has {} bytes, at most {MOST_PATTERN_BYTES} are taken",
                value.len()
            ));
        }
        let is_regex = matches!(operator, Operator::Fits | Operator::FitsNot);
        let regex = if is_regex { Some(compile(value, MOST_REGEX_BYTES)?) } else { None };
        Ok(Self { name: name.to_owned(), operator, value: value.to_owned(), regex })
    }

    /// Reads `name="value"`, also without quotes.
    ///
    /// *Errors*: what is wrong and what is right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let at = text.find(['=', '!']);
        let (name, rest) = text.split_at(at.ok_or_else(|| no_operator(text))?);
        // The longer ones first: `=~` begins with `=`.
        let all = [Operator::Fits, Operator::FitsNot, Operator::NotEqual, Operator::Equal];
        let found = all.into_iter().find_map(|it| Some((it, rest.strip_prefix(it.text())?)));
        let (operator, value) = found.ok_or_else(|| no_operator(text))?;
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        Self::new(name.trim(), operator, unquoted)
    }

    pub(super) fn fits(&self, name: &str, labels: &Labels) -> bool {
        self.fits_text(label_of(&self.name, name, labels))
    }

    pub(super) fn fits_text(&self, label: &str) -> bool {
        let is_same = self.regex.as_ref().map_or_else(|| label == self.value, |regex| regex.is_match(label));
        is_same == matches!(self.operator, Operator::Equal | Operator::Fits)
    }

    /// Whether it fits where there is no such label: a silence of such alone would silence everything.
    pub(super) fn fits_nothing(&self) -> bool {
        self.fits_text("")
    }
}

fn no_operator(text: &str) -> String {
    format!(
        "{text:?} is no matcher, write a name, one of =, !=, =~, !~, and a value: severity=~\"warning|info\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits_all(matcher: &str, service: &str) -> bool {
        let labels = Labels::from(&BTreeMap::from([("service.name".to_owned(), service.to_owned())]));
        Matcher::parse(matcher).expect("the matcher is sound").fits("Slow", &labels)
    }

    #[test]
    fn the_four_operators_of_alertmanager() {
        for (matcher, expected) in [
            ("service.name=cart", [true, false]),
            ("service.name!=\"cart\"", [false, true]),
            ("service.name=~\"ca.*\"", [true, false]),
            ("service.name=~\"a\"", [false, false]),
            ("service.name!~ca|x", [true, true]),
            ("alertname=Slow", [true, true]),
            ("none=\"\"", [true, true]),
            ("service.name=~cart|pay", [true, true]),
        ] {
            assert_eq!(["cart", "pay"].map(|service| fits_all(matcher, service)), expected, "{matcher}");
        }
    }

    #[test]
    fn patterns_that_cost_too_much_are_refused() {
        for value in ["x{1000}{1000}", &"(".repeat(100), &"a".repeat(600), "(", "a)|(b"] {
            assert!(Matcher::new("a", Operator::Fits, value).is_err(), "{value}");
        }
        for text in ["severity", "=x", ""] {
            assert!(Matcher::parse(text).is_err(), "{text}");
        }
    }
}
