//! What the pages for operators say of keys: their tables, read.

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

/// A page's tables of keys.
pub(super) struct Page {
    about: Option<String>,
    rows: Vec<Row>,
}

/// What a page says of a key.
pub(super) struct Row {
    /// Keys, joined by dots: from the component's section on, or from the part of it that the table is about.
    key: String,
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

    /// Returns what is said of a key: of that path, or of the longest end of it. Where tables differ over a short end,
    /// nobody knows which is meant.
    pub(super) fn row(&self, path: &[String]) -> Option<&Row> {
        for from in 0..path.len() {
            let end = path.get(from..)?.join(".");
            let mut found = self.rows.iter().filter(|row| row.key == end);
            let Some(first) = found.next() else { continue };
            let is_clear = from == 0 || found.all(|other| other.table == first.table);
            return is_clear.then_some(first);
        }
        None
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Row {
    pub(super) fn description(&self) -> String {
        let default =
            if self.default.is_empty() { String::new() } else { format!("Default: {}", self.default) };
        let parts = [self.meaning.as_str(), &default];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
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

/// Reads every table whose columns are a key, a default and a meaning, or the first and the last of them.
fn rows(text: &str) -> Vec<Row> {
    let (mut rows, mut table, mut columns) = (Vec::new(), 0, None);
    for line in text.lines() {
        let Some(cells) = cells(line) else {
            columns = None;
            continue;
        };
        let Some((default, meaning)) = columns else {
            table += 1;
            let is_of_keys = cells.first().is_some_and(|head| head.starts_with("key"));
            let column = |name: &str| cells.iter().position(|head| head == name);
            columns = Some((column("default"), column("meaning").filter(|_| is_of_keys)));
            continue;
        };
        let Some(meaning) = meaning.and_then(|at| cells.get(at)) else { continue };
        let default = default.and_then(|at| cells.get(at)).cloned().unwrap_or_default();
        let Some(first) = cells.first() else { continue };
        for key in first.split('`').skip(1).step_by(2) {
            rows.push(Row {
                key: key.replace("::", "."),
                table,
                default: default.clone(),
                meaning: meaning.clone(),
            });
        }
    }
    rows
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
