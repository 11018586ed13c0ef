//! What the pages for operators say of keys: their tables, read.

use std::sync::LazyLock;

use serde_json::Value;

/// The pages, by section and component.
const PAGES: &[(&str, &str, &str)] = &[
    ("receivers", "host_metrics", include_str!("../../receivers/host_metrics/README.md")),
    ("receivers", "otlp", include_str!("../../receivers/otlp/README.md")),
    ("receivers", "otlp_file", include_str!("../../receivers/otlp_file/README.md")),
    ("receivers", "prometheus", include_str!("../../receivers/prometheus/README.md")),
    ("processors", "aggregation", include_str!("../../processors/aggregation/README.md")),
    ("processors", "alerting", include_str!("../../processors/alerting/README.md")),
    ("processors", "anomaly", include_str!("../../processors/anomaly/README.md")),
    ("processors", "attributes", include_str!("../../processors/attributes/README.md")),
    ("processors", "baseline", include_str!("../../processors/baseline/README.md")),
    ("processors", "batch", include_str!("../../processors/batch/README.md")),
    ("processors", "bottleneck", include_str!("../../processors/bottleneck/README.md")),
    ("processors", "correlation", include_str!("../../processors/correlation/README.md")),
    ("processors", "cumulativetodelta", include_str!("../../processors/cumulativetodelta/README.md")),
    ("processors", "deltatocumulative", include_str!("../../processors/deltatocumulative/README.md")),
    ("processors", "enrichment", include_str!("../../processors/enrichment/README.md")),
    ("processors", "filter", include_str!("../../processors/filter/README.md")),
    ("processors", "forecast", include_str!("../../processors/forecast/README.md")),
    ("processors", "memory_limiter", include_str!("../../processors/memory_limiter/README.md")),
    ("processors", "probabilistic_sampler", include_str!("../../processors/probabilistic_sampler/README.md")),
    ("processors", "redaction", include_str!("../../processors/redaction/README.md")),
    ("processors", "resource", include_str!("../../processors/resource/README.md")),
    ("processors", "resource_detection", include_str!("../../processors/resource_detection/README.md")),
    ("processors", "sla", include_str!("../../processors/sla/README.md")),
    ("processors", "tail_sampling", include_str!("../../processors/tail_sampling/README.md")),
    ("processors", "transform", include_str!("../../processors/transform/README.md")),
    ("connectors", "forward", include_str!("../../processors/forward/README.md")),
    ("connectors", "routing", include_str!("../../processors/routing/README.md")),
    ("connectors", "service_graph", include_str!("../../processors/service_graph/README.md")),
    ("connectors", "span_metrics", include_str!("../../processors/span_metrics/README.md")),
    ("exporters", "alert_webhook", include_str!("../../exporters/alert_webhook/README.md")),
    ("exporters", "debug", include_str!("../../exporters/debug/README.md")),
    ("exporters", "nop", include_str!("../../exporters/nop/README.md")),
    ("exporters", "otlp_file", include_str!("../../exporters/otlp_file/README.md")),
    ("exporters", "otlp_grpc", include_str!("../../exporters/otlp_grpc/README.md")),
    ("exporters", "otlp_http", include_str!("../../exporters/otlp_http/README.md")),
    ("exporters", "prometheus", include_str!("../../exporters/prometheus/README.md")),
    (
        "exporters",
        "prometheus_remote_write",
        include_str!("../../exporters/prometheus_remote_write/README.md"),
    ),
    ("extensions", "api", include_str!("../../extensions/api/README.md")),
    ("extensions", "basicauth", include_str!("../../extensions/basicauth/README.md")),
    ("extensions", "bearertokenauth", include_str!("../../extensions/bearertokenauth/README.md")),
    ("extensions", "file_storage", include_str!("../../extensions/file_storage/README.md")),
    ("extensions", "headers_setter", include_str!("../../extensions/headers_setter/README.md")),
    ("extensions", "health_check", include_str!("../../extensions/health_check/README.md")),
    ("extensions", "oauth2client", include_str!("../../extensions/oauth2client/README.md")),
    ("extensions", "pprof", include_str!("../../extensions/pprof/README.md")),
    ("extensions", "zpages", include_str!("../../extensions/zpages/README.md")),
    ("service", "telemetry", include_str!("../telemetry/README.md")),
    ("service", "trueline", include_str!("../../../README.md")),
];

/// What many components have in common, and what stands before the keys of that page.
const SHARED: &[(&str, &str)] =
    &[("", include_str!("../../component/README.md")), ("tls.", include_str!("../../transport/README.md"))];

static SHARED_ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let of_page = |(prefix, text): &(&str, &str)| {
        let mut rows = rows(text);
        rows.iter_mut().for_each(|row| row.key.insert_str(0, prefix));
        rows
    };
    SHARED.iter().flat_map(of_page).collect()
});

/// A page's tables of keys.
pub(super) struct Page {
    about: Option<String>,
    rows: Vec<Row>,
}

/// What a page says of a key.
pub(super) struct Row {
    /// Keys, joined by dots: from the component's section on, or from the part of it that the table is about.
    key: String,
    /// The heading above the table, where that is a key.
    below: Option<String>,
    /// Which table of the page.
    table: usize,
    default: String,
    meaning: String,
}

impl Page {
    /// Returns the page of a component; an empty one for a component without.
    pub(super) fn of(section: &str, kind: &str) -> Self {
        let text = PAGES
            .iter()
            .find(|(of, name, _)| (*of, *name) == (section, kind))
            .map_or("", |(_, _, text)| text);
        Self { about: about(text), rows: rows(text) }
    }

    /// Returns the page's first paragraph.
    pub(super) fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// Returns what is said of a key: of that path, or of the longest end of it, by the page or for all components. Where
    /// tables differ over a short end, nobody knows which is meant.
    pub(super) fn row(&self, path: &[String]) -> Option<&Row> {
        (0..path.len()).find_map(|from| {
            let end = path.get(from..)?.join(".");
            let named =
                |row: &&Row| row.key == end && (from == 0 || row.fits(path.get(..from).unwrap_or_default()));
            let mut found = self.rows.iter().filter(named);
            match found.next() {
                Some(first) => {
                    let is_clear =
                        from == 0 || first.below.is_some() || found.all(|other| other.table == first.table);
                    is_clear.then_some(first)
                }
                None => SHARED_ROWS.iter().find(|row| row.key == end),
            }
        })
    }

    /// Returns what is said of the settings around a key, where its name stands in that.
    pub(super) fn mention(&self, path: &[String]) -> Option<String> {
        let (key, around) = path.split_last()?;
        (1..=around.len()).rev().find_map(|upto| {
            let around = around.get(..upto)?;
            let row = self.row(around)?;
            let names_it =
                row.meaning.contains(&format!("`{key}`")) || row.meaning.contains(&format!("{key}:"));
            let meaning = without_links(&row.meaning).replace(", see below", "");
            names_it.then(|| format!("Of `{}`: {meaning}", around.last().map_or("", String::as_str)))
        })
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Row {
    /// Whether the heading above the table is among the keys around, where it is a key.
    fn fits(&self, around: &[String]) -> bool {
        self.below.as_ref().is_none_or(|below| around.contains(below))
    }

    /// Returns what an editor shows: without links, which lead nowhere from there. None where the page says it elsewhere.
    pub(super) fn description(&self) -> Option<String> {
        let default = if self.default.is_empty() {
            String::new()
        } else {
            format!("Default: {}", without_links(&self.default))
        };
        let meaning = without_links(&self.meaning).replace(", see below", "").replace("see below", "");
        let parts = [meaning.trim(), &default];
        let said = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
        (!said.is_empty()).then_some(said)
    }

    /// Returns the default where the page writes it as one would in a configuration.
    pub(super) fn default_value(&self) -> Option<Value> {
        let written = self.default.strip_prefix('`')?.strip_suffix('`')?;
        if written.contains('`') {
            return None;
        }
        let node = config::parse(&config::Source::new("", written)).ok()?;
        let value = serde_json::to_value(config::Effective::new(&node, &config::Redaction::none())).ok()?;
        (!value.is_null()).then_some(value)
    }
}

/// Returns the first paragraph after the heading, on one line.
fn about(text: &str) -> Option<String> {
    let lines = text.lines().skip_while(|line| line.is_empty() || line.starts_with('#'));
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    (!paragraph.is_empty()).then(|| paragraph.join(" "))
}

/// Returns the text with `[words](address)` as its words.
fn without_links(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("](") {
        let Some((address, behind)) = after.split_once(')') else { break };
        match before.rsplit_once('[') {
            Some((before, words)) => out += &format!("{before}{words}"),
            None => out += &format!("{before}]({address})"),
        }
        rest = behind;
    }
    out + rest
}

/// Returns the key that a heading is, such as `## grpc`. That of the page itself is the component's name.
fn key_of_heading(line: &str) -> Option<String> {
    let name = line.strip_prefix("##")?.trim_start_matches('#').trim().trim_matches('`');
    let is_key = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    is_key.then(|| name.to_owned())
}

/// Reads the keys of a cell: `a.b`, `.c` are `a.b` and `a.c`.
fn keys(cell: &str) -> Vec<String> {
    let mut keys = Vec::<String>::new();
    for written in cell.split('`').skip(1).step_by(2) {
        let key = written.replace("::", ".");
        let around = keys.last().and_then(|last| Some(last.rsplit_once('.')?.0.to_owned()));
        keys.push(match (key.starts_with('.'), around) {
            (true, Some(around)) => around + &key,
            _ => key,
        });
    }
    keys
}

/// Returns the default of each of several keys, where a cell has one for each: `` `1.2`, `1.3` ``.
fn defaults(cell: &str, n_keys: usize) -> Vec<String> {
    let each: Vec<String> = cell.split(", ").map(str::to_owned).collect();
    let is_code = |text: &String| {
        text.len() > 1 && text.matches('`').count() == 2 && text.starts_with('`') && text.ends_with('`')
    };
    if each.len() == n_keys && each.iter().all(is_code) { each } else { vec![cell.to_owned(); n_keys] }
}

/// Reads every table whose columns are a key, a default and a meaning, or the first and the last of them.
fn rows(text: &str) -> Vec<Row> {
    let (mut rows, mut table, mut columns, mut below, mut are_kinds) = (Vec::new(), 0, None, None, false);
    for line in text.lines() {
        let Some(cells) = cells(line) else {
            columns = None;
            if line.starts_with('#') {
                below = key_of_heading(line);
            }
            continue;
        };
        let Some((default, meaning)) = columns else {
            table += 1;
            are_kinds = cells.get(1).is_some_and(|head| head == "keys");
            let is_of_keys = cells.first().is_some_and(|head| head.starts_with("key"));
            let column = |name: &str| cells.iter().position(|head| head == name);
            let default = column("default");
            let last = cells.len().checked_sub(1).filter(|last| *last > 0 && Some(*last) != default);
            columns = Some((default, column("meaning").or(last).filter(|_| is_of_keys)));
            continue;
        };
        if are_kinds {
            rows.extend(kinds(&cells, table));
            continue;
        }
        let Some(meaning) = meaning.and_then(|at| cells.get(at)) else { continue };
        let default = default.and_then(|at| cells.get(at)).cloned().unwrap_or_default();
        let Some(first) = cells.first() else { continue };
        let keys = keys(first);
        let defaults = defaults(&default, keys.len());
        rows.extend(keys.into_iter().zip(defaults).map(|(key, default)| Row {
            key,
            below: below.clone(),
            table,
            default,
            meaning: meaning.clone(),
        }));
    }
    rows
}

/// Reads a row of a kind, the keys that it has, and what it does: of each key it is known what it is for.
fn kinds(cells: &[String], table: usize) -> Vec<Row> {
    let [kind, keys_of_kind, .., meaning] = cells else { return Vec::new() };
    let row = |key: String| {
        let (below, default, meaning) = (None, String::new(), meaning.clone());
        Row { key, below, table, default, meaning }
    };
    let of_kind = |kind: String| {
        let inner =
            keys(keys_of_kind).into_iter().map(|key| row(format!("{kind}.{key}"))).collect::<Vec<_>>();
        std::iter::once(row(kind)).chain(inner)
    };
    keys(kind).into_iter().flat_map(of_kind).collect()
}

/// Splits a row of a table. A bar within code separates nothing.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?;
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    let (mut cells, mut cell, mut is_code) = (Vec::new(), String::new(), false);
    for letter in inner.chars() {
        match letter {
            '|' if !is_code => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            _ => {
                is_code ^= letter == '`';
                cell.push(letter);
            }
        }
    }
    cells.push(cell.trim().to_owned());
    Some(cells)
}
