//! The day after a cut-over the budget is that of the month before.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Prometheus, Trueline, Version, Watch, eventually, free_port};

use super::{
    SOON,
    history::{openmetrics, scrapes},
    import,
};
use crate::rig::Folder;

const SLOTH: &str = r#"
version: prometheus/v1
service: shop
slos:
  - name: availability
    objective: 99.5
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="shop"}[{{.window}}]))
  - name: seldom
    objective: 99.97
    sli:
      events:
        error_query: sum(rate(http_requests_total{code="503"}[{{.window}}]))
        total_query: sum(rate(http_requests_total[{{.window}}]))
"#;

/// Asks for an objective over the API, as `trueline slos` does.
fn objective(api: &str, id: &str) -> Result<Value> {
    let mut command = Command::new(testbed::trueline_binary()?);
    let output = command.args(["slos", "--format", "json", "--api", api, id]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn start(imported: &str, prometheus: &str, api: &str) -> Result<Trueline> {
    let (health, otlp) = (format!("127.0.0.1:{}", free_port()), free_port());
    let api = api.trim_start_matches("http://");
    let sla = imported.trim_end().replacen(
        "  sla:\n",
        &format!("  sla:\n    evaluation_interval: 1s\n    backfill: {{prometheus: '{prometheus}'}}\n"),
        1,
    );
    let config = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{otlp}'}}}}}}}}
extensions: {{health_check: {{endpoint: '{health}'}}, api: {{endpoint: '{api}'}}}}
{sla}
  aggregation:
exporters: {{nop: }}
service:
  extensions: [health_check, api]
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, sla], exporters: [nop]}}
"
    );
    let watch = Watch { health: health.parse()?, metrics: None };
    Trueline::start(&config, watch).with_context(|| format!("with\n{config}"))
}

#[test]
fn a_budget_of_thirty_days_is_that_of_promql_within_a_hundredth() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("sloth.yaml");
    std::fs::write(&file, SLOTH)?;
    let imported = import("slo", &file)?;
    // The present is the clock's, as both sides look back from it.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let past = scrapes(now - 31 * 86_400, now, 60);
    // Until Prometheus stands, nobody answers: that is tried again.
    let (port, api) = (free_port(), format!("http://127.0.0.1:{}", free_port()));
    let unanswered = start(&imported, &format!("http://127.0.0.1:{port}"), &api)?;
    let before = eventually("an evaluation", SOON, || {
        ensure!(unanswered.log().contains("the past can not be asked for"), "{}", unanswered.log());
        let told = objective(&api, "shop-availability")?;
        ensure!(told["coverage_ratio"].is_number(), "{told}");
        Ok(told)
    })?;
    ensure!(before["events"]["total"] == 0, "{before}");
    drop(unanswered);
    let prometheus = Prometheus::start_with_past(Version::Three, &openmetrics(&past))?;
    let api = format!("http://127.0.0.1:{}", free_port());
    let trueline = start(&imported, prometheus.url(), &api)?;
    for (id, part, target) in
        [("shop-availability", "code=~\"5..\"", 0.995), ("shop-seldom", "code=\"503\"", 0.9997)]
    {
        let told = eventually("the past is filled in", SOON, || {
            let told = objective(&api, id)?;
            let coverage = told["coverage_ratio"].as_f64().unwrap_or(0.0);
            ensure!(coverage > 0.999, "{coverage} is covered: {}", trueline.log());
            Ok(told)
        })?;
        let query = |part: &str| format!("sum(increase(http_requests_total{{{part}}}[30d]))");
        let of = |part: &str| -> Result<f64> {
            let found = prometheus.query_at(&query(part), now as f64)?;
            found.first().context("Prometheus knows the counters")?.float()
        };
        let (bad, total) = (of(part)?, of("")?);
        let theirs = 1.0 - bad / total / (1.0 - target);
        let ours = told["error_budget_remaining"].as_f64().context("there is a budget")?;
        ensure!((ours - theirs).abs() <= 0.01, "{id}: {ours} here and {theirs} by PromQL");
        ensure!((0.05..0.95).contains(&theirs), "{theirs} is no budget that tells anything");
        let n = told["events"]["total"].as_f64().context("there are events")?;
        ensure!((n / total - 1.0).abs() <= 0.01, "{id}: {n} events here and {total} by PromQL");
        let windows = told["windows"].as_array().context("there are windows")?;
        for (window, range) in [("1d", "1d"), ("3d", "3d")] {
            let row = windows.iter().find(|row| row["window"] == window).context("it is told")?;
            let of = |part: &str| -> Result<f64> {
                let query = format!("sum(increase(http_requests_total{{{part}}}[{range}]))");
                prometheus.query_at(&query, now as f64)?.first().map_or(Ok(0.0), testbed::Sample::float)
            };
            let (bad, total) = (of(part)?, of("")?);
            let ours = row["error_ratio"].as_f64().context("there is a ratio")?;
            // At either edge of the window an error may fall to one side here and to the other there.
            let (theirs, an_error) = (bad / total, 1.0 / total);
            ensure!(
                (ours - theirs).abs() <= 0.02 * theirs + 2.0 * an_error,
                "{id} {window}: {ours} and {theirs}"
            );
        }
    }
    Ok(())
}
