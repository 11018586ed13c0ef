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
        expect![[r#"
            error: receivers::otlp::protocols: unknown key `grcp`
             --> yaml::5:7
              |
            5 |       grcp:
              |       ^^^^
              |
              = help: did you mean `grpc`? valid keys: `grpc`, `http`

            error: receivers::otlp::protocols: must specify at least one protocol when using the OTLP receiver
             --> yaml::5:7
              |
            5 |       grcp:
              |       ^

            error: receivers: unknown type: "kafka" for id: "kafka"
             --> yaml::6:3
              |
            6 |   kafka:
              |   ^^^^^
              |
              = help: valid values: otlp, otlp_file

            error: exporters::otlp::sending_queue::queue_size: queue_size is 0, must be above 0
              --> yaml::10:33
               |
            10 |     sending_queue: {queue_size: 0}
               |                                 ^

            error: exporters::otlp::retry_on_failure::multiplier: multiplier is 0.5, must be at least 1
              --> yaml::11:36
               |
            11 |     retry_on_failure: {multiplier: 0.5}
               |                                    ^^^

            error: exporters: unknown type: "prometheusremotewritte" for id: "prometheusremotewritte"
              --> yaml::12:3
               |
            12 |   prometheusremotewritte:
               |   ^^^^^^^^^^^^^^^^^^^^^^
               |
               = help: did you mean `prometheus_remote_write`? valid values: otlp_grpc, otlp_http, otlp_file, debug, nop, prometheus, prometheus_remote_write

            error: service::trueline: unknown key `shard`
              --> yaml::14:14
               |
            14 |   trueline: {shard: 2}
               |              ^^^^^
               |
               = help: did you mean `shards`? valid keys: `shards`, `max_in_flight`, `max_connections`, `shutdown_timeout`, `hop`, `instance_id`

            error: service::pipelines::traces: references processor "batch" which is not configured
              --> yaml::18:20
               |
            18 |       processors: [batch]
               |                    ^^^^^
               |
               = help: add `batch:` to `processors`

            error: service::pipelines::traces: references exporter "tempo" which is not configured
              --> yaml::19:25
               |
            19 |       exporters: [otlp, tempo]
               |                         ^^^^^
               |
               = help: add `tempo:` to `exporters`"#]],
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
        expect![[r#"
            error: service::pipelines::traces: exporter "prometheus_remote_write" takes metrics, the pipeline carries traces: telemetry type is not supported
              --> yaml::12:19
               |
            12 |       exporters: [prometheus_remote_write, span_metrics]
               |                   ^^^^^^^^^^^^^^^^^^^^^^^
               |
               = help: move it to a pipeline of metrics

            error: service::pipelines::logs: connector "span_metrics" emits metrics, the pipeline carries logs: telemetry type is not supported
              --> yaml::14:19
               |
            14 |       receivers: [span_metrics]
               |                   ^^^^^^^^^^^^
               |
               = help: move it to a pipeline of metrics

            error: service::pipelines::logs: exporter "prometheus_remote_write" takes metrics, the pipeline carries logs: telemetry type is not supported
              --> yaml::15:19
               |
            15 |       exporters: [prometheus_remote_write]
               |                   ^^^^^^^^^^^^^^^^^^^^^^^
               |
               = help: move it to a pipeline of metrics"#]],
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
