//! A reader of the Prometheus and OpenMetrics text formats, as far as a test needs one.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// All samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    pub lines: Vec<Line>,
}

/// One sample: `name{labels} value`. Time stamps and exemplars are not kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Exposition {
    /// *Errors*: a line is not of the format; it is quoted.
    pub fn parse(text: &str) -> Result<Self> {
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = samples.map(|line| parse_line(line).with_context(|| format!("sample line {line:?}")));
        Ok(Self { lines: lines.collect::<Result<_>>()? })
    }

    /// Returns the samples of a name that carry all given labels.
    pub fn find<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| {
            line.name == name
                && labels.iter().all(|(key, value)| line.labels.get(*key).is_some_and(|own| own == value))
        })
    }

    /// Returns the sum over the samples of a name that carry all given labels; none found is `None`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.find(name, labels).map(|line| line.value).reduce(|sum, value| sum + value)
    }
}

fn parse_line(line: &str) -> Result<Line> {
    let name_end = line.find(['{', ' ', '\t']).context("has no value")?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = parse_labels(inside, &mut labels)?;
    }
    let value = rest.split_whitespace().next().context("has no value")?;
    // Rust reads `+Inf`, `-Inf` and `NaN` as Prometheus writes them.
    let value = value.parse().with_context(|| format!("value is {value}, must be a number"))?;
    Ok(Line { name: name.to_owned(), labels, value })
}

/// Reads labels up to the closing brace and returns what follows it.
fn parse_labels<'a>(mut rest: &'a str, labels: &mut BTreeMap<String, String>) -> Result<&'a str> {
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let (key, quoted) = rest.split_once("=\"").context("a label has no quoted value")?;
        let (value, after) = parse_quoted(quoted)?;
        if labels.insert(key.trim().to_owned(), value).is_some() {
            bail!("label {key} stands twice");
        }
        rest = after;
    }
}

/// Reads a value after its opening quote and returns it with what follows the closing one.
fn parse_quoted(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next().context("the line ends in a backslash")?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    bail!("a label's value has no closing quote")
}
