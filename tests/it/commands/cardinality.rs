//! `cardinality` and `validate --estimate` over a recorded load.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use testbed::{Trueline, Watch, eventually, free_port};

use super::text;
use crate::program::{trueline, trueline_succeeds};

const CONFIG: &str = "--config=yaml:{receivers: {otlp: {protocols: {grpc: }}}, \
    connectors: {span_metrics: {dimensions: [{name: http.route}], metrics_flush_interval: 15s}}, \
    exporters: {nop: , prometheus: {endpoint: 'localhost:8889'}}, service: {pipelines: { \
    traces: {receivers: [otlp], exporters: [span_metrics, nop]}, metrics: {receivers: [span_metrics], exporters: [prometheus]}}}}";

#[test]
fn the_series_of_a_recorded_load_are_told_by_what_makes_them() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("load.jsonl").display().to_string();
    trueline_succeeds(&["load", "--rate", "100", "--duration", "2m", "--output", &file])?;
    let told = trueline_succeeds(&["cardinality", &file, CONFIG, "--format=json"])?;
    let told: Value = serde_json::from_slice(&told.stdout)?;
    let metrics = told["metrics"].as_array().cloned().unwrap_or_default();
    let sum: u64 = metrics.iter().filter_map(|metric| metric["series"].as_u64()).sum();
    ensure!(sum > 0 && told["series"] == sum, "{told:#}");
    let makes_series = |metric: &Value| {
        let first = &metric["attributes"][0];
        first["series_without"].as_u64() < metric["series"].as_u64() && first["values"].as_u64() > Some(1)
    };
    ensure!(metrics.iter().any(makes_series), "{told:#}");
    let table = text(&trueline_succeeds(&["cardinality", &file, CONFIG, "--top=1"])?.stdout);
    ensure!(table.contains("series without it") && table.contains("more; --top shows them"), "{table}");
    let full = "--set=connectors.span_metrics.max_series=3";
    let table = text(&trueline_succeeds(&["cardinality", &file, CONFIG, full])?.stdout);
    ensure!(table.contains("a table was full"), "{table}");
    let refused = table.split_once("Found no room in a full table:").map(|(_, refused)| refused);
    let routes = refused.is_some_and(|refused| refused.lines().any(|line| line.contains("http.route")));
    ensure!(routes, "{table}");

    let estimate = trueline_succeeds(&["validate", CONFIG, "--estimate", &file, "--format=json"])?;
    let estimate: Value = serde_json::from_slice(&estimate.stdout)?;
    let of = |exporter: &str| {
        let all = estimate["estimate"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|load| load["exporter"] == exporter).unwrap_or_default()
    };
    assert_eq!(of("prometheus")["series"], told["series"]);
    assert_eq!(of("prometheus")["spans_per_second"], 0.0);
    let spans = of("nop")["spans_per_second"].as_f64().unwrap_or_default();
    ensure!((80.0..120.0).contains(&spans), "{spans}");
    assert_eq!(trueline(&["cardinality", "/nowhere.jsonl", CONFIG])?.status.code(), Some(1));
    assert_eq!(estimate["not_estimated"], serde_json::json!([]));
    let scraping = "--config=yaml:{receivers: {hostmetrics/own: {scrapers: {load: }}}, \
        service: {pipelines: {metrics/own: {receivers: [hostmetrics/own], exporters: [nop]}}}, exporters: {nop: }}";
    let told = trueline_succeeds(&["validate", CONFIG, scraping, "--estimate", &file])?;
    let told = text(&told.stdout);
    assert!(
        told.contains("not in it: series that receivers collect by themselves (hostmetrics/own)"),
        "{told}"
    );
    assert_eq!(trueline(&["validate", CONFIG, "--estimate", "/nowhere.jsonl"])?.status.code(), Some(1));
    Ok(())
}

#[test]
fn the_series_of_a_running_instance_are_told_from_its_page() -> Result<()> {
    let [health, grpc, page] = [free_port(), free_port(), free_port()];
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}}}}}}}
connectors: {{span_metrics: {{metrics_flush_interval: 1s}}}}
exporters: {{prometheus: {{endpoint: '127.0.0.1:{page}'}}}}
extensions: {{health_check: {{endpoint: '127.0.0.1:{health}'}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics]}}
    metrics: {{receivers: [span_metrics], exporters: [prometheus]}}
"
    );
    let watch = Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None };
    let _instance = Trueline::start(&yaml, watch)?;
    let endpoint = format!("127.0.0.1:{grpc}");
    trueline_succeeds(&["load", "--endpoint", &endpoint, "--rate", "100", "--duration", "2s"])?;
    let url = format!("http://127.0.0.1:{page}/metrics");
    eventually("series on the page", Duration::from_secs(60), || {
        let told = text(&trueline_succeeds(&["cardinality", "--scrape", &url])?.stdout);
        ensure!(told.contains("traces_span_metrics_duration") && told.contains("span_name"), "{told}");
        Ok(())
    })?;
    let nobody = format!("http://127.0.0.1:{}/metrics", free_port());
    assert_eq!(trueline(&["cardinality", "--scrape", &nobody])?.status.code(), Some(6));
    assert_eq!(trueline(&["cardinality", "--scrape", &url, "x.jsonl"])?.status.code(), Some(2));
    Ok(())
}
