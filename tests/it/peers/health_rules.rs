//! The rules about trueline's own health, by the oldest and the newest Prometheus that is promised, and on the series
//! that a trueline has.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use testbed::{Exposition, Line, eventually, part};

use super::{
    SOON,
    gateway::{Gateway, Recipe},
};
use crate::rig::Folder;

/// Labels that Prometheus adds to what it scrapes.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus")
}

#[test]
fn rules_about_the_health_of_trueline_pass_their_tests() -> Result<()> {
    for prometheus in ["prometheus", "prometheus-debian"] {
        let output = Command::new(part(prometheus, "promtool")?)
            .args(["test", "rules", "trueline.rules.test.yaml"])
            .current_dir(folder())
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "{prometheus}: {}", String::from_utf8_lossy(&said));
    }
    Ok(())
}

#[test]
fn the_rules_ask_for_series_that_a_trueline_has_and_their_tests_show_them_with_its_labels() -> Result<()> {
    let rules = std::fs::read_to_string(folder().join("trueline.rules.yaml"))?;
    let tests = std::fs::read_to_string(folder().join("trueline.rules.test.yaml"))?;
    let (asked, shown) = (names(&rules), shown(&tests)?);
    ensure!(asked.len() > 15 && shown.len() > 30, "{asked:?} {shown:?}");
    let untested = asked.iter().find(|name| !shown.iter().any(|line| line.name == **name));
    ensure!(untested.is_none(), "no test shows {untested:?}");
    let state = Folder::new()?;
    let gateway = with_all_that_the_rules_watch(&state)?;
    eventually("every series is on the page before anything is lost", SOON, || {
        let page = gateway.trueline.metrics()?;
        for name in &asked {
            ensure!(page.lines.iter().any(|line| line.name == *name), "{name} is not on the page");
        }
        shown.iter().try_for_each(|line| is_on(&page, line))
    })
}

/// A trueline with a component of every kind that the rules name.
fn with_all_that_the_rules_watch(state: &Folder) -> Result<Gateway> {
    Gateway::start(&Recipe {
        components: &format!(
            "processors: {{aggregation: , alerting: }}
connectors: {{span_metrics: }}
exporters:
  nop:
  otlp_http: {{endpoint: 'http://127.0.0.1:9'}}
  alert_webhook:
    queue: {{directory: '{}'}}
    destinations: [{{name: pager, url: 'http://127.0.0.1:9'}}]",
            state.file("alerts").display()
        ),
        pipelines: "
traces: {receivers: [otlp], exporters: [span_metrics]}
metrics: {receivers: [span_metrics], exporters: [nop]}
telemetry: {receivers: [otlp], processors: [aggregation, alerting], exporters: [otlp_http, alert_webhook]}",
        state: Some(&state.file("state")),
        ..Recipe::default()
    })
}

/// Returns the names of own metrics in the rules.
fn names(rules: &str) -> BTreeSet<&str> {
    let words = rules.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("otelcol_") || word.starts_with("trueline_")).collect()
}

/// Returns the series of own metrics that the tests of the rules show.
fn shown(tests: &str) -> Result<Vec<Line>> {
    let series = tests.lines().filter_map(|line| line.split_once("series: '")?.1.split_once("',"));
    let text: String = series.map(|(series, _)| format!("{series} 0\n")).collect();
    let mut lines = Exposition::parse(&text).context("the series of the tests")?.lines;
    lines.retain(|line| line.name.starts_with("otelcol_") || line.name.starts_with("trueline_"));
    Ok(lines)
}

/// Whether the page has a series of the name with the same labels, and the same reason where it has one.
fn is_on(page: &Exposition, shown: &Line) -> Result<()> {
    let keys = |line: &Line| -> Vec<String> {
        line.labels.keys().filter(|key| !OF_THE_SCRAPE.contains(&key.as_str())).cloned().collect()
    };
    let is_like = |line: &&Line| {
        line.name == shown.name
            && keys(line) == keys(shown)
            && line.labels.get("reason") == shown.labels.get("reason")
    };
    ensure!(page.lines.iter().any(|line| is_like(&line)), "{shown:?} is not on the page");
    Ok(())
}
