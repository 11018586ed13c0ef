//! The two text formats: Prometheus 0.0.4 and OpenMetrics 1.0.

use std::{collections::HashSet, fmt::Write as _};

use bytes::Bytes;

use super::{classic::classic, table::Table};
use crate::prometheus_names::{Exemplar, Explicit, Family, FamilyKind, Labels, Sample, Value};

/// What a scraper has asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Format {
    /// Exemplars, units, creation times and a mark at the end.
    pub is_open_metrics: bool,
    /// Names may hold any character, and are quoted if they do.
    pub allows_utf8: bool,
    pub has_timestamps: bool,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match (self.is_open_metrics, self.allows_utf8) {
            (true, true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (true, false) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            (false, true) => "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            (false, false) => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        }
    }
}

/// Writes every series, in order of metrics and labels.
///
/// *Cost*: one pass over the table; the page is held in memory.
pub(super) fn write(table: &Table, format: Format) -> String {
    let mut page =
        Page { out: String::new(), format, seen: HashSet::new(), family: Bytes::new(), is_shown: false };
    table.visit(|family, labels, sample| {
        if page.family != family.names.name {
            page.open(family);
        }
        if page.is_shown {
            page.series(family, labels, sample);
        }
    });
    if format.is_open_metrics {
        page.out.push_str("# EOF\n");
    }
    page.out
}

struct Page {
    out: String,
    format: Format,
    /// Metrics written so far, as they are named in this format.
    seen: HashSet<String>,
    /// The metric being written.
    family: Bytes,
    /// False for a metric whose name, escaped, is another's.
    is_shown: bool,
}

/// What stands on one line.
struct Line<'a> {
    base: &'a str,
    suffix: &'a str,
    labels: &'a Labels,
    /// `le` or `quantile`.
    extra: Option<(&'static str, f64)>,
    exemplar: Option<&'a Exemplar>,
}

impl Page {
    fn open(&mut self, family: &Family) {
        self.family = family.names.name.clone();
        let base = self.base(family);
        self.is_shown = self.seen.insert(base.clone());
        if !self.is_shown {
            return;
        }
        // The older format knows a counter by the name of its series.
        let is_total = family.kind == FamilyKind::Counter && !self.format.is_open_metrics;
        let name = quoted(&if is_total { self.name(&family.names.name) } else { base });
        let help = escaped(&String::from_utf8_lossy(&family.help), self.format.is_open_metrics);
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", family.kind.word()));
        let unit = self.name(&family.names.unit);
        if self.format.is_open_metrics
            && !unit.is_empty()
            && name.trim_end_matches('"').ends_with(&format!("_{unit}"))
        {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
    }

    fn series(&mut self, family: &Family, labels: &Labels, sample: &Sample) {
        let base = self.base(family);
        let plain = |suffix| Line { base: &base, suffix, labels, extra: None, exemplar: None };
        match &sample.value {
            Value::Number(value) if family.kind == FamilyKind::Counter => {
                let has_total = self.format.is_open_metrics || family.names.name.ends_with(b"_total");
                let exemplar = sample.exemplars.iter().max_by_key(|exemplar| exemplar.at_ms);
                self.value(
                    &Line { exemplar, ..plain(if has_total { "_total" } else { "" }) },
                    *value,
                    sample,
                );
                self.created(&plain("_created"), sample);
            }
            Value::Number(value) => self.value(&plain(""), *value, sample),
            Value::Explicit(histogram) => self.histogram(&plain(""), histogram, sample),
            Value::Exponential(histogram) => self.histogram(&plain(""), &classic(histogram), sample),
            Value::Summary(summary) => {
                for &(quantile, value) in &summary.quantiles {
                    self.value(&Line { extra: Some(("quantile", quantile)), ..plain("") }, value, sample);
                }
                self.value(&plain("_sum"), summary.sum, sample);
                self.value(&plain("_count"), summary.count as f64, sample);
                self.created(&plain("_created"), sample);
            }
        }
    }

    fn histogram(&mut self, line: &Line<'_>, histogram: &Explicit, sample: &Sample) {
        let mut cumulative = 0_u64;
        let mut below = f64::NEG_INFINITY;
        let counts = histogram.counts.iter();
        for (&bound, &count) in histogram.bounds.iter().zip(counts) {
            cumulative = cumulative.saturating_add(count);
            self.bucket(line, (below, bound), cumulative, sample);
            below = bound;
        }
        self.bucket(line, (below, f64::INFINITY), histogram.count, sample);
        // OpenMetrics has a sum only where it can not fall, and a count only beside a sum.
        let may_fall = histogram.bounds.first().is_some_and(|bound| *bound < 0.0);
        let sum = histogram.sum.filter(|_| !(self.format.is_open_metrics && may_fall));
        if let Some(sum) = sum {
            self.value(&Line { suffix: "_sum", ..*line }, sum, sample);
        }
        if sum.is_some() || !self.format.is_open_metrics {
            self.value(&Line { suffix: "_count", ..*line }, histogram.count as f64, sample);
        }
        self.created(&Line { suffix: "_created", ..*line }, sample);
    }

    fn bucket(&mut self, line: &Line<'_>, (below, bound): (f64, f64), cumulative: u64, sample: &Sample) {
        let lies_in = |exemplar: &&Exemplar| exemplar.value > below && exemplar.value <= bound;
        let exemplar = sample.exemplars.iter().filter(lies_in).max_by_key(|exemplar| exemplar.at_ms);
        let line = Line { suffix: "_bucket", extra: Some(("le", bound)), exemplar, ..*line };
        self.value(&line, cumulative as f64, sample);
    }

    /// Writes when a series began; only OpenMetrics has a place for it.
    fn created(&mut self, line: &Line<'_>, sample: &Sample) {
        if self.format.is_open_metrics && sample.start_ms != 0 {
            self.head(line);
            self.line(format_args!(" {}", seconds(sample.start_ms)));
        }
    }

    fn value(&mut self, line: &Line<'_>, value: f64, sample: &Sample) {
        self.head(line);
        self.out.push(' ');
        self.out.push_str(&number(value));
        if self.format.has_timestamps {
            let at = sample.at_ms;
            self.out.push(' ');
            self.out.push_str(&if self.format.is_open_metrics { seconds(at) } else { at.to_string() });
        }
        if self.format.is_open_metrics
            && let Some(exemplar) = line.exemplar
        {
            self.out.push_str(" # ");
            self.labels(None, &exemplar.labels, None);
            let at = seconds(exemplar.at_ms);
            write!(self.out, " {} {at}", number(exemplar.value)).expect("a string takes any text");
        }
        self.out.push('\n');
    }

    fn head(&mut self, line: &Line<'_>) {
        let name = format!("{}{}", line.base, line.suffix);
        if is_classic(&name) {
            self.out.push_str(&name);
            if !line.labels.is_empty() || line.extra.is_some() {
                self.labels(None, line.labels, line.extra);
            }
        } else {
            self.labels(Some(&name), line.labels, line.extra);
        }
    }

    /// Writes labels in braces. A quoted name stands among them.
    fn labels(&mut self, name: Option<&str>, labels: &Labels, extra: Option<(&'static str, f64)>) {
        let mut separator = '{';
        let mut put = |out: &mut String, text: std::fmt::Arguments<'_>| {
            out.push(separator);
            separator = ',';
            out.write_fmt(text).expect("a string takes any text");
        };
        if let Some(name) = name {
            put(&mut self.out, format_args!("{}", quoted(name)));
        }
        let mut written = HashSet::new();
        for label in labels {
            let key = self.name(&label.name);
            if extra.is_some_and(|(extra, _)| extra == key) || !written.insert(key.clone()) {
                continue;
            }
            let value = escaped(&String::from_utf8_lossy(&label.value), true);
            put(&mut self.out, format_args!("{}=\"{value}\"", quoted(&key)));
        }
        if let Some((key, bound)) = extra {
            let bound = self.bound(bound);
            put(&mut self.out, format_args!("{key}=\"{bound}\""));
        }
        // Nothing was written, not even the opening brace.
        if separator == '{' {
            self.out.push('{');
        }
        self.out.push('}');
    }

    /// Writes a bound as Go's exporters do, so that `le` is the same whoever is scraped. OpenMetrics wants a
    /// point in it.
    fn bound(&self, bound: f64) -> String {
        let text = if bound.is_finite() { shortest(bound) } else { number(bound) };
        let is_whole = bound.is_finite() && !text.contains(['.', 'e']);
        if self.format.is_open_metrics && is_whole { format!("{text}.0") } else { text }
    }

    /// Returns the name of a metric without what its type adds.
    fn base(&self, family: &Family) -> String {
        let name = self.name(&family.names.name);
        if family.kind == FamilyKind::Counter {
            name.strip_suffix("_total").unwrap_or(&name).to_owned()
        } else {
            name
        }
    }

    /// Returns a name as this format can hold it.
    fn name(&self, name: &Bytes) -> String {
        let name = String::from_utf8_lossy(name);
        if self.format.allows_utf8 {
            return name.into_owned();
        }
        let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' };
        let name: String = name.chars().map(legal).collect();
        if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a string takes any text");
        self.out.push('\n');
    }
}

fn is_classic(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn quoted(name: &str) -> String {
    if is_classic(name) { name.to_owned() } else { format!("\"{}\"", escaped(name, true)) }
}

fn escaped(text: &str, with_quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if with_quotes => out.push_str("\\\""),
            _ => out.push(c),
        }
    }
    out
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else if value != 0.0 && !(1e-6..1e17).contains(&value.abs()) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// Writes a number as Go's `%g` with the fewest digits: `0.005`, `1e+06`, `2.5e-05`.
fn shortest(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("a finite number has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Milliseconds as seconds, exactly.
fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
