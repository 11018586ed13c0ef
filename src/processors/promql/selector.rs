//! A selector of series: `http_requests_total{job="shop",code=~"5.."}`.

use std::fmt;

use promql_parser::{
    label::{MatchOp, Matcher as Parsed},
    parser::{Expr, VectorSelector},
};
use regex::Regex;

use super::{
    expression::{bare, parse, selector, shown},
    pattern::compile,
    series::Named,
};

/// A compiled pattern may take so much.
const MOST_PATTERN_BYTES: usize = 1 << 20;
const NAME: &str = "__name__";

/// Which series are meant, by their names and labels in Prometheus.
#[derive(Clone, PartialEq, Debug)]
pub struct Selector {
    /// `__name__` among them.
    matchers: Vec<Matcher>,
}

/// A condition on one label. A label that is missing is an empty one.
#[derive(Clone, Debug)]
struct Matcher {
    label: String,
    operator: &'static str,
    value: String,
    /// Of `=~` and `!~`; fits the whole text.
    regex: Option<Regex>,
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// What is wrong with it, or can not be told of the series here.
    pub fn parse(text: &str) -> Result<Self, String> {
        match bare(&parse(text)?) {
            Expr::VectorSelector(parsed) => selector(parsed),
            _ => Err(format!("`{}` is no selector; write name{{label=\"value\"}}", shown(text))),
        }
    }

    pub(super) fn of(parsed: &VectorSelector) -> Result<Self, String> {
        if !parsed.matchers.or_matchers.is_empty() {
            return Err(format!("`{}` joins labels by `or`, which is not read", shown(parsed)));
        }
        let by_name = parsed.name.as_ref().map(|name| Matcher::of(NAME, "=", name)).transpose()?;
        let by_labels =
            parsed.matchers.matchers.iter().map(Matcher::of_parsed).collect::<Result<Vec<_>, _>>()?;
        let made = Self { matchers: by_name.into_iter().chain(by_labels).collect() };
        if !made.matchers.iter().any(|matcher| matcher.label == NAME && !matcher.fits("")) {
            return Err(format!("`{}` names no metric", shown(parsed)));
        }
        let is_of_bucket = |it: &Matcher| {
            matches!(it.label.as_str(), "le" | "quantile")
                || (it.label == NAME && it.value.ends_with("_bucket"))
        };
        if made.matchers.iter().any(is_of_bucket) {
            return Err(format!(
                "`{}` asks for buckets or quantiles, of which no windows are kept; the counts of whole histograms are",
                shown(parsed)
            ));
        }
        Ok(made)
    }

    /// Returns the metric's name, when it is one and no pattern.
    pub fn metric(&self) -> Option<&str> {
        let by_name = |it: &&Matcher| it.label == NAME && it.operator == "=";
        self.matchers.iter().find(by_name).map(|matcher| matcher.value.as_str())
    }

    /// Whether a series is meant.
    pub(crate) fn fits(&self, series: &Named<'_>) -> bool {
        let (by_name, by_label): (Vec<_>, Vec<_>) = self.matchers.iter().partition(|it| it.label == NAME);
        series.names().iter().any(|name| by_name.iter().all(|matcher| matcher.fits(name)))
            && by_label.iter().all(|matcher| matcher.fits(&series.label(&matcher.label)))
    }
}

impl Matcher {
    fn of(label: &str, operator: &'static str, value: &str) -> Result<Self, String> {
        let is_pattern = operator.ends_with('~');
        let regex = is_pattern.then(|| compile(value, MOST_PATTERN_BYTES)).transpose()?;
        Ok(Self { label: label.to_owned(), operator, value: value.to_owned(), regex })
    }

    fn of_parsed(parsed: &Parsed) -> Result<Self, String> {
        let operator = match parsed.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Re(_) => "=~",
            MatchOp::NotRe(_) => "!~",
        };
        Self::of(&parsed.name, operator, &parsed.value)
    }

    fn fits(&self, text: &str) -> bool {
        let is_same = self.regex.as_ref().map_or_else(|| text == self.value, |regex| regex.is_match(text));
        is_same != self.operator.starts_with('!')
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.operator, &self.value) == (&other.label, other.operator, &other.value)
    }
}

/// As PromQL writes it.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_classic = |text: &str, is_inner: fn(char) -> bool| {
            !text.is_empty() && text.chars().all(is_inner) && !text.starts_with(|c: char| c.is_ascii_digit())
        };
        let metric = self
            .metric()
            .filter(|name| is_classic(name, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':'));
        f.write_str(metric.unwrap_or_default())?;
        let is_first =
            |it: &Matcher| it.label == NAME && it.operator == "=" && metric == Some(it.value.as_str());
        let rest: Vec<String> = self
            .matchers
            .iter()
            .filter(|matcher| !is_first(matcher))
            .map(|Matcher { label, operator, value, .. }| {
                let is_plain = is_classic(label, |c| c.is_ascii_alphanumeric() || c == '_');
                let label = if is_plain { label.clone() } else { quoted(label) };
                format!("{label}{operator}{}", quoted(value))
            })
            .collect();
        if rest.is_empty() { Ok(()) } else { write!(f, "{{{}}}", rest.join(",")) }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
