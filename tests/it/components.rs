//! `trueline components`: what a configuration may name.

use std::process::Command;

use anyhow::{Result, ensure};
use expect_test::expect;
use testbed::trueline_binary;

use crate::rig::registry;

fn listed() -> Result<String> {
    let output = Command::new(trueline_binary()?).arg("components").output()?;
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// A name that is gone or means another kind breaks configurations: whoever changes this list means to.
#[test]
fn components_are_listed_by_kind_under_their_names() -> Result<()> {
    let listed = listed()?.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    expect![[r#"
        buildinfo:
          command: trueline
          version: VERSION
        receivers:
          - name: host_metrics
            aliases: [hostmetrics]
          - name: otlp
          - name: otlp_file
            aliases: [otlpjsonfile]
          - name: prometheus
        processors:
          - name: aggregation
          - name: alerting
          - name: anomaly
          - name: attributes
          - name: baseline
          - name: batch
          - name: bottleneck
          - name: correlation
          - name: cumulativetodelta
          - name: deltatocumulative
            aliases: [delta_to_cumulative]
          - name: enrichment
          - name: filter
          - name: forecast
          - name: memory_limiter
          - name: probabilistic_sampler
          - name: redaction
          - name: resource
          - name: resource_detection
            aliases: [resourcedetection]
          - name: sla
            aliases: [slo]
          - name: tail_sampling
          - name: transform
        connectors:
          - name: forward
          - name: routing
          - name: service_graph
            aliases: [servicegraph]
          - name: span_metrics
            aliases: [spanmetrics]
        exporters:
          - name: alert_webhook
          - name: debug
          - name: nop
          - name: otlp_file
            aliases: [file]
          - name: otlp_grpc
            aliases: [otlp]
          - name: otlp_http
            aliases: [otlphttp]
          - name: prometheus
          - name: prometheus_remote_write
            aliases: [prometheusremotewrite]
        extensions:
          - name: api
          - name: basicauth
          - name: bearertokenauth
          - name: file_storage
          - name: headers_setter
          - name: health_check
          - name: oauth2client
          - name: pprof
          - name: zpages
    "#]]
    .assert_eq(&listed);
    Ok(())
}

/// Sections of the list, with the names and aliases that each should tell.
fn expected() -> Vec<(&'static str, Vec<String>)> {
    fn line(kind: &str, aliases: &[&str]) -> String {
        match aliases {
            [] => kind.to_owned(),
            aliases => format!("{kind} [{}]", aliases.join(", ")),
        }
    }
    let registry = registry();
    vec![
        ("receivers", registry.receivers.iter().map(|row| line(row.kind, row.aliases)).collect()),
        ("processors", registry.processors.iter().map(|row| line(row.kind, row.aliases)).collect()),
        ("connectors", registry.connectors.iter().map(|row| line(row.kind, row.aliases)).collect()),
        ("exporters", registry.exporters.iter().map(|row| line(row.kind, row.aliases)).collect()),
        ("extensions", registry.extensions.iter().map(|row| line(row.kind, row.aliases)).collect()),
    ]
}

#[test]
fn all_components_of_every_layer_are_listed_and_no_other() -> Result<()> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let listed = listed()?;
    for line in listed.lines() {
        if let Some(section) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            found.push((section.to_owned(), Vec::new()));
        } else if let Some((_, names)) = found.last_mut() {
            if let Some(name) = line.strip_prefix("  - name: ") {
                names.push(name.to_owned());
            } else if let (Some(aliases), Some(name)) = (line.strip_prefix("    aliases: "), names.last_mut())
            {
                *name = format!("{name} {aliases}");
            }
        }
    }
    let expected = expected().into_iter().map(|(section, mut names)| {
        names.sort();
        (section.to_owned(), names)
    });
    ensure!(found.first().is_some_and(|(section, _)| section == "buildinfo"), "{listed}");
    assert_eq!(found.into_iter().skip(1).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    Ok(())
}
