//! What is imported is what `validate` accepts.

use std::process::Command;

use anyhow::{Result, ensure};

use super::import;
use crate::rig::Folder;

const COLLECTOR: &str = "
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}}
processors: {aggregation: }
exporters: {nop: }
service: {pipelines: {telemetry: {receivers: [otlp], processors: [aggregation, sla, alerting], exporters: [nop]}}}
";

const SLOTH: &str = r#"
version: prometheus/v1
service: shop
labels: {owner: 'team "a": x'}
slos:
  - name: availability
    objective: 99.95
    description: |
      Two lines, with $HOME, ${env:HOME} and 'quotes'.
      The second.
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="shop",path=~"/a$|/b\\.c",code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="shop"}[{{.window}}]))
    alerting:
      name: Shop
      annotations: {runbook: 'https://example.org/{{ $labels.sloth_slo }}'}
      page_alert: {labels: {to: '#pager'}}
      ticket_alert: {disable: true}
"#;

const RULES: &str = r#"
groups:
  - name: shop
    rules:
      - alert: Errors
        expr: sum by (job) (rate(http_requests_total{code=~"5..",path!~".*\\$"}[5m])) > 0.5
        for: 5m
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.job }}: {{ $value }} cost $5'}
      - alert: Down
        expr: up == 0
"#;

#[test]
fn what_is_imported_is_accepted_word_for_word() -> Result<()> {
    let folder = Folder::new()?;
    let mut validate = Command::new(testbed::trueline_binary()?);
    validate.args(["validate", "--format", "json", "--deny-warnings"]);
    let mut written = String::new();
    for (what, text) in [("slo", SLOTH), ("rules", RULES)] {
        let file = folder.file(&format!("{what}.yaml"));
        std::fs::write(&file, text)?;
        let imported = import(what, &file)?;
        std::fs::write(folder.file(&format!("{what}.imported.yaml")), &imported)?;
        written += &imported;
    }
    std::fs::write(folder.file("collector.yaml"), COLLECTOR)?;
    for file in ["collector.yaml", "slo.imported.yaml", "rules.imported.yaml"] {
        validate.arg(format!("--config={}", folder.file(file).display()));
    }
    let output = validate.output()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.success(), "{said}\nof\n{written}");
    // No dollar sign is taken for a variable.
    ensure!(written.contains("$$HOME") && written.contains("cost $$5"), "{written}");
    Ok(())
}
