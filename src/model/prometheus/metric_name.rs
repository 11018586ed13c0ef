//! The name of a metric in Prometheus.

use super::{
    Naming,
    unit::{UnitWords, escape_unit, unit_words},
};

/// What decides which suffix a name gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NameKind {
    /// A monotonic sum: `_total`.
    Counter,
    /// A gauge: `_ratio` when its unit is `1`.
    Gauge,
    /// A non-monotonic sum, a histogram or a summary: neither.
    Other,
}

/// Translates a metric's name, or returns none when nothing legal is left of it.
pub fn metric_name(
    name: &str,
    unit: &str,
    kind: NameKind,
    namespace: &str,
    naming: Naming,
) -> Option<String> {
    let translated = match (naming.escapes, naming.adds_suffixes) {
        (true, true) => classic_with_suffixes(name, unit, kind, namespace),
        (true, false) => classic(name, namespace),
        (false, true) => utf8_with_suffixes(&prefixed(name, namespace), unit, kind),
        (false, false) => prefixed(name, namespace),
    };
    let says_something = translated == name || translated.contains(|c| c != '_');
    (!name.is_empty() && !translated.is_empty() && says_something).then_some(translated)
}

fn prefixed(name: &str, namespace: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}_{name}") }
}

/// Splits at everything illegal, underscores included, so that runs of them become one.
fn classic_with_suffixes(name: &str, unit: &str, kind: NameKind, namespace: &str) -> String {
    let mut tokens: Vec<&str> =
        name.split(|c: char| !is_classic(c)).filter(|token| !token.is_empty()).collect();
    let UnitWords { main, per } = unit_words(unit);
    let (mut main, mut per) = (escape_unit(&main), escape_unit(&per));
    if tokens.contains(&main.as_str()) {
        main.clear();
    }
    // The word "per" alone says nothing.
    per = if per == "per_" { String::new() } else { per.strip_suffix('_').unwrap_or(&per).to_owned() };
    if tokens.contains(&per.as_str()) {
        per.clear();
    }
    if !per.is_empty() {
        main = main.strip_suffix('_').unwrap_or(&main).to_owned();
    }
    tokens.extend([main.as_str(), per.as_str()].into_iter().filter(|word| !word.is_empty()));
    if let Some(suffix) = type_suffix(unit, kind) {
        tokens.retain(|token| *token != suffix);
        tokens.push(suffix);
    }
    let namespace = legal(namespace);
    if !namespace.is_empty() {
        tokens.insert(0, &namespace);
    }
    without_leading_digit(tokens.join("_"))
}

/// Replaces only what is illegal; underscores stay as many as they are.
fn classic(name: &str, namespace: &str) -> String {
    let (name, namespace) = (legal(name), legal(namespace));
    without_leading_digit(if namespace.is_empty() { name } else { format!("{namespace}_{name}") })
}

fn legal(text: &str) -> String {
    let parts: Vec<&str> =
        text.split(|c: char| !is_classic(c) && c != '_').filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

/// Returns the name of the metric that describes a resource; it takes the namespace, no suffix.
pub fn target_info_name(namespace: &str, naming: Naming) -> String {
    if naming.escapes { classic("target_info", namespace) } else { prefixed("target_info", namespace) }
}

/// Appends what is not there yet, and moves what stands in the wrong place to the end.
fn utf8_with_suffixes(name: &str, unit: &str, kind: NameKind) -> String {
    let UnitWords { main, per } = unit_words(unit);
    let suffix = type_suffix(unit, kind);
    let mut name = suffix.map_or(name, |suffix| trim_word(name, suffix)).to_owned();
    if !per.is_empty() {
        name = trim_word(&name, &per).to_owned();
    }
    if !main.is_empty() && !name.ends_with(&main) {
        name = format!("{name}_{main}");
    }
    for word in [per.as_str(), suffix.unwrap_or("")] {
        if !word.is_empty() {
            name = format!("{name}_{word}");
        }
    }
    name
}

/// Gauges alone become ratios: many counters of things carry the unit `1` though they are none.
fn type_suffix(unit: &str, kind: NameKind) -> Option<&'static str> {
    match kind {
        NameKind::Counter => Some("total"),
        NameKind::Gauge if unit == "1" => Some("ratio"),
        NameKind::Gauge | NameKind::Other => None,
    }
}

/// Cuts a word off the end, and the delimiter before it, if something is left.
fn trim_word<'a>(name: &'a str, word: &str) -> &'a str {
    let Some(rest) = name.strip_suffix(word) else { return name };
    let mut chars = rest.chars();
    match chars.next_back() {
        Some(_) if !chars.as_str().is_empty() => chars.as_str(),
        _ => name,
    }
}

fn without_leading_digit(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn is_classic(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}
