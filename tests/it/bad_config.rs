//! What an operator is told about a configuration that can not run: everything at once, each with its
//! place and what to write instead.

use config::{ConfigUri, MapEnvironment};
use expect_test::{Expect, expect};

use crate::rig::registry;

fn check(yaml: &str, expected: Expect) {
    let loaded = engine::load(&[ConfigUri::Yaml(yaml.to_owned())], &MapEnvironment::default(), &registry());
    assert!(loaded.plan.is_none() || !loaded.problems.has_errors());
    expected.assert_eq(&config::render(&loaded.problems.sorted()));
}

#[test]
fn every_problem_is_reported_at_once() {
    check(
        "
receivers:
  otlp:
    protocols:
      grcp:
  kafka:
exporters:
  otlp:
    endpoint: tempo:4317
    sending_queue: {queue_size: 0}
    retry_on_failure: {multiplier: 0.5}
  prometheusremotewritte:
service:
  trueline: {shard: 2}
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [otlp, tempo]
",
        expect![[r#""#]],
    );
}

#[test]
fn a_component_in_a_pipeline_of_another_signal_is_refused() {
    check(
        "
receivers:
  otlp: {protocols: {grpc: }}
connectors:
  span_metrics:
exporters:
  prometheus_remote_write: {endpoint: 'http://localhost:9090/api/v1/write'}
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [prometheus_remote_write, span_metrics]
    logs:
      receivers: [span_metrics]
      exporters: [prometheus_remote_write]
",
        expect![[r#""#]],
    );
}

#[test]
fn a_good_configuration_has_nothing_to_report() {
    check(
        "
receivers:
  otlp: {protocols: {grpc: }}
exporters:
  nop:
service:
  pipelines:
    telemetry: {receivers: [otlp], exporters: [nop]}
",
        expect![""],
    );
}
