//! `graph`, `components --format json` and `completions`.

use anyhow::{Result, ensure};
use expect_test::expect;
use serde_json::{Value, json};

use super::{root, text};
use crate::program::{trueline, trueline_succeeds};

fn quick_start(format: &str) -> Result<String> {
    let config = format!("--config={}", root().join("pipelines/quick-start.yaml").display());
    Ok(text(&trueline_succeeds(&["graph", "--format", format, &config])?.stdout))
}

#[test]
fn the_text_shows_every_pipeline_with_what_its_stages_do() -> Result<()> {
    expect![[r#"
        extensions: file_storage, health_check, api

        telemetry: traces, metrics, logs
          from otlp
             | aggregation  reads traces, metrics; adds windows of series
             | baseline     reads windows of series; adds baselines
             | anomaly      reads windows of series, baselines; adds anomalies; makes metrics, logs
             | bottleneck   reads traces, windows of series; takes baselines; adds calls between services; makes metrics, logs
             | sla          reads traces; takes windows of series; adds conditions; makes metrics, logs
             | alerting     takes windows of series, baselines, anomalies, conditions, calls between services; makes metrics, logs
             | correlation  reads traces, logs, windows of series, calls between services; takes conditions; adds incidents; makes metrics
          to   prometheus (takes metrics), alert_webhook (takes logs), service_graph (makes metrics for metrics), span_metrics (makes metrics for metrics)

        metrics: metrics
          from service_graph (fed by telemetry), span_metrics (fed by telemetry)
          to   prometheus
    "#]].assert_eq(&quick_start("text")?);
    Ok(())
}

#[test]
fn a_drawing_has_every_part_once_and_stages_in_their_pipelines() -> Result<()> {
    expect![[r#"
        flowchart LR
          subgraph p0["telemetry: traces, metrics, logs"]
            n0["aggregation"]
            n1["baseline"]
            n2["anomaly"]
            n3["bottleneck"]
            n4["sla"]
            n5["alerting"]
            n6["correlation"]
          end
          subgraph p1["metrics: metrics"]
            n12["passes on"]
          end
          n7(["otlp"])
          n8(["prometheus"])
          n9(["alert_webhook"])
          n10{{"service_graph"}}
          n11{{"span_metrics"}}
          n0 --> n1
          n1 --> n2
          n2 --> n3
          n3 --> n4
          n4 --> n5
          n5 --> n6
          n7 --> n0
          n6 -->|metrics| n8
          n6 -->|logs| n9
          n6 -->|traces| n10
          n6 -->|traces| n11
          n12 --> n8
          n10 -->|metrics| n12
          n11 -->|metrics| n12
    "#]]
    .assert_eq(&quick_start("mermaid")?);
    let dot = quick_start("dot")?;
    ensure!(dot.starts_with("digraph trueline {") && dot.ends_with("}\n"), "{dot}");
    ensure!(
        dot.matches("subgraph cluster_").count() == 2 && dot.matches("label=\"prometheus\"").count() == 1,
        "{dot}"
    );
    ensure!(dot.matches('{').count() == dot.matches('}').count(), "{dot}");
    Ok(())
}

#[test]
fn names_can_not_break_out_of_a_drawing() -> Result<()> {
    let config = "--config=yaml:{receivers: {'otlp/a\"b#c': {protocols: {grpc: }}}, exporters: {nop: }, \
        service: {pipelines: {traces: {receivers: ['otlp/a\"b#c'], exporters: [nop]}}}}";
    let mermaid = text(&trueline_succeeds(&["graph", "--format=mermaid", config])?.stdout);
    ensure!(mermaid.contains("([\"otlp/a#quot;b#35;c\"])"), "{mermaid}");
    let dot = text(&trueline_succeeds(&["graph", "--format=dot", config])?.stdout);
    ensure!(dot.contains(r#"label="otlp/a\"b#c""#), "{dot}");
    Ok(())
}

#[test]
fn components_are_listed_for_programs_too() -> Result<()> {
    let listed: Value = serde_json::from_slice(&trueline_succeeds(&["components", "--format=json"])?.stdout)?;
    let exporters = listed["exporters"].as_array().cloned().unwrap_or_default();
    assert!(exporters.contains(&json!({"name": "otlp_grpc", "aliases": ["otlp"]})), "{listed:#}");
    assert_eq!(listed["buildinfo"]["command"], "trueline");
    Ok(())
}

#[test]
fn every_shell_gets_a_script_and_bash_takes_its_own() -> Result<()> {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&trueline_succeeds(&["completions", shell])?.stdout);
        ensure!(script.contains("print-config") && script.contains("deny-warnings"), "{shell}: {script}");
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("trueline.bash");
    std::fs::write(&file, trueline_succeeds(&["completions", "bash"])?.stdout)?;
    // What bash would offer behind `trueline valid`.
    let ask = format!(
        "source '{}'; COMP_WORDS=(trueline valid); COMP_CWORD=1; _trueline trueline valid trueline; echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let offered = std::process::Command::new("bash").args(["-c", &ask]).output()?;
    assert_eq!(text(&offered.stdout), "validate\n", "{}", text(&offered.stderr));
    assert_eq!(trueline(&["completions", "csh"])?.status.code(), Some(2));
    Ok(())
}
