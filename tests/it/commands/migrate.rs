//! `migrate` on configurations of the Go collector, by the program.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::part;

use super::text;
use crate::program::trueline;

/// The list that the program tells from.
const CONTRIB: &str = include_str!("../../../src/app/migrate/contrib.yaml");

#[test]
fn it_ends_with_0_when_all_runs_and_with_4_when_something_does_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, yaml: &str| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, yaml)?;
        Ok(path.display().to_string())
    };
    let base = file(
        "base.yaml",
        "receivers: {otlp: {protocols: {grpc: }}}
exporters: {otlphttp: {endpoint: 'http://localhost:1'}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlphttp]}}}
",
    )?;
    let over = file("over.yaml", "receivers: {kubeletstats: {}, frobnicate: {}}\n")?;
    let good = trueline(&["migrate", &base])?;
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stdout));
    let bad = trueline(&["migrate", &base, &over, "--format=json"])?;
    assert_eq!(bad.status.code(), Some(4));
    let told: Value = serde_json::from_slice(&bad.stdout)?;
    let missing = told["missing"].as_array().cloned().unwrap_or_default();
    ensure!(missing.len() == 2, "{told:#}");
    assert_eq!(missing[0]["place"], format!("{over}:1:13"));
    ensure!(
        missing[0]["message"].as_str().is_some_and(|it| it.contains("the Go collector's receiver")),
        "{told:#}"
    );
    ensure!(missing[1]["message"].as_str().is_some_and(|it| it.contains("neither here nor")), "{told:#}");
    assert_eq!(trueline(&["migrate", "/nowhere.yaml"])?.status.code(), Some(4));
    assert_eq!(trueline(&["migrate"])?.status.code(), Some(2));
    Ok(())
}

/// Every component that both have, with what it can not be without.
const OF_BOTH: &str = "
receivers:
  otlp: {protocols: {grpc: , http: }}
  prometheus: {config: {scrape_configs: [{job_name: a, static_configs: [{targets: ['localhost:1']}]}]}}
processors:
  batch:
  memory_limiter: {check_interval: 1s, limit_mib: 500}
  attributes: {actions: [{key: a, action: delete}]}
  resource: {attributes: [{key: a, action: delete}]}
  filter: {traces: {span: ['name == \"a\"']}}
  tail_sampling: {policies: [{name: a, type: always_sample}]}
  transform: {trace_statements: ['set(span.name, \"a\")']}
  redaction: {allow_all_keys: true}
  probabilistic_sampler: {sampling_percentage: 10}
  cumulativetodelta:
  deltatocumulative:
exporters:
  otlp_grpc: {endpoint: 'localhost:1'}
  otlp_http: {endpoint: 'http://localhost:1'}
  nop:
  debug:
  prometheus_remote_write: {endpoint: 'http://localhost:1/w'}
  prometheus: {endpoint: 'localhost:8889'}
connectors: {forward: , span_metrics: }
extensions: {health_check: , file_storage: {directory: .}}
service:
  extensions: [health_check, file_storage]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch, attributes, resource, filter, tail_sampling, transform, redaction, probabilistic_sampler]
      exporters: [otlp_grpc, otlp_http, nop, debug, span_metrics]
    metrics:
      receivers: [otlp, prometheus, span_metrics]
      processors: [cumulativetodelta, deltatocumulative]
      exporters: [prometheus_remote_write, prometheus]
";

/// Defaults that both spell otherwise and mean alike: what the collector prints as empty, or without a unit.
const ALIKE: [&str; 7] = [
    "receivers.otlp.protocols.grpc.read_buffer_size",
    "processors.cumulativetodelta.initial_value",
    "processors.probabilistic_sampler.mode",
    "processors.redaction.summary",
    "exporters.prometheus.translation_strategy",
    "exporters.prometheus_remote_write.translation_strategy",
    "processors.transform.trace_statements",
];

/// Writes `5m0s` and `300s` alike, and what is empty or zero.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (mut seconds, mut number) = (0.0, String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_milli = letter == 'm' && letters.next_if_eq(&'s').is_some();
        match (letter, number.parse::<f64>()) {
            ('0'..='9' | '.', _) => {
                number.push(letter);
                continue;
            }
            ('m', Ok(n)) if is_milli => seconds += n / 1000.0,
            ('h', Ok(n)) => seconds += n * 3600.0,
            ('m', Ok(n)) => seconds += n * 60.0,
            ('s', Ok(n)) => seconds += n,
            _ => {
                return if matches!(text.as_str(), "" | "[]" | "{}" | "null") {
                    "0".to_owned()
                } else {
                    text
                };
            }
        }
        number.clear();
    }
    if number.is_empty() { seconds.to_string() } else { text }
}

/// Tells every key that both have, nobody wrote and that has a default on both sides.
fn defaults(path: &str, theirs: &Value, ours: &Value, told: &mut impl FnMut(&str, &Value, &Value)) {
    for (key, theirs) in theirs.as_object().into_iter().flatten() {
        let (path, ours) = (format!("{path}.{key}"), &ours["properties"][key]);
        match theirs {
            Value::Object(_) => defaults(&path, theirs, ours, told),
            _ if !ours["default"].is_null() => told(&path, theirs, &ours["default"]),
            _ => {}
        }
    }
}

#[test]
fn every_default_that_is_another_than_the_real_collectors_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("both.yaml");
    std::fs::write(&file, OF_BOTH)?;
    let printed =
        Command::new(part("otelcol", "otelcol")?).args(["print-config", "--config"]).arg(&file).output()?;
    ensure!(printed.status.success(), "{}", text(&printed.stderr));
    let theirs = config::parse(&config::Source::new("otelcol", text(&printed.stdout)))
        .map_err(|problem| anyhow::anyhow!("{}", problem.message))?;
    let theirs = serde_json::to_value(config::Effective::new(&theirs, &config::Redaction::none()))?;
    let ours: Value = serde_json::from_slice(&trueline(&["schema"])?.stdout)?;
    let table = config::parse(&config::Source::new("contrib.yaml", CONTRIB))
        .map_err(|problem| anyhow::anyhow!("{}", problem.message))?;
    let listed: Vec<String> = table
        .get("defaults")
        .and_then(config::Node::as_seq)
        .context("a list")?
        .iter()
        .filter_map(|row| {
            let text = |key| row.get(key).and_then(config::Node::as_str);
            Some(format!("{}.{}", text("component")?.replace('/', "."), text("key")?))
        })
        .collect();
    // What the test had to write is no default.
    let written = ["limit_mib", "sampling_percentage", "allow_all_keys", "directory", "check_interval"];
    let (mut n_seen, mut untold) = (0, Vec::new());
    for section in ["receivers", "processors", "exporters", "connectors", "extensions"] {
        for (kind, settings) in theirs[section].as_object().into_iter().flatten() {
            let path = format!("{section}.{kind}");
            defaults(&path, settings, &ours["definitions"][&path], &mut |path, theirs, ours| {
                n_seen += 1;
                let is_known = listed.iter().any(|it| it == path)
                    || ALIKE.contains(&path)
                    || written.iter().any(|key| path.ends_with(key));
                if plain(theirs) != plain(ours) && !is_known {
                    untold.push(format!("{path}: {theirs} there, {ours} here"));
                }
            });
        }
    }
    ensure!(untold.is_empty(), "{untold:#?}");
    ensure!(n_seen > 100, "only {n_seen} defaults are compared");
    Ok(())
}
