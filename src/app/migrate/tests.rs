//! What a report tells of configurations of the Go collector.

use config::{ConfigUri, MapEnvironment};
use expect_test::{Expect, expect};
use serde_json::json;

use super::{contrib::CONTRIB, report::Report};
use crate::registry::registry;

fn report(yaml: &str) -> Report {
    let registry = registry();
    let loaded = engine::load(&[ConfigUri::Yaml(yaml.to_owned())], &MapEnvironment::default(), &registry);
    Report::of(&loaded, &registry)
}

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&report(yaml).text());
}

#[test]
fn what_is_missing_is_told_apart_from_what_nobody_has_and_from_refused_keys() {
    let yaml = "
receivers:
  otlp: {protocols: {grpc: {auth: {authenticator: oidc}}, http: {max_request_body_size: 1MiB}}}
  kubeletstats: {collection_interval: 10s}
processors:
  batch:
  k8sattributes:
  frobnicate:
connectors: {spanmetrics: {metrics_flush_interval: 15s}}
exporters:
  otlp: {endpoint: 'tempo:4317', tls: {insecure: true}, sending_queue: {storage: file_storage}}
  prometheus: {endpoint: 'localhost:8889'}
  nop: {typo: 1}
extensions: {oidc: {}, file_storage: {directory: state}}
service:
  extensions: [oidc, file_storage]
  pipelines:
    traces: {receivers: [otlp], processors: [k8sattributes, batch], exporters: [otlp, spanmetrics]}
    metrics: {receivers: [spanmetrics, kubeletstats], exporters: [prometheus, nop]}
";
    check(
        yaml,
        expect![[r#"
            Runs here
              receivers::otlp  (yaml::3:3)
              processors::batch  (yaml::6:3)
              connectors::spanmetrics  (yaml::9:14)
              exporters::prometheus  (yaml::12:3)
              extensions::file_storage  (yaml::14:24)

            Not here
              receivers::kubeletstats  (yaml::4:3)
                  the Go collector's receiver `kubeletstats` is not here
                  pages for Prometheus are read by `prometheus`, as cAdvisor has one, and the machine by `host_metrics`
              processors::k8sattributes  (yaml::7:3)
                  the Go collector's processor `k8sattributes` is not here
                  the Kubernetes API is not asked; set what you know with `resource`, from the environment: `${env:POD_NAME}`, and the node with `resource_detection`
              processors::frobnicate  (yaml::8:3)
                  there is no processor `frobnicate`, neither here nor in otelcol-contrib 0.159.0
              extensions::oidc  (yaml::14:14)
                  the Go collector's extension `oidc` is not here
                  there is no such authenticator; take `basicauth`, `bearertokenauth`, `oauth2client` or `headers_setter`, or set `tls.client_ca_file` in receivers

            Keys that are refused
              exporters::otlp::sending_queue  (yaml::11:73)
                  key `storage` of the collector is not supported: the queue is kept in memory, and what waits in it is lost with the process
                  remove it; set `wait_for_result: true`, so that a sender is answered when its data has arrived

            Refused for another reason
              exporters::nop  (yaml::13:9)
                  unknown key `typo`
                  there are no valid keys here

            Other defaults than in the Go collector
              receivers::otlp::protocols::grpc::max_recv_msg_size_mib  (yaml::3:3)
                  4 in the Go collector, 64 here: OTLP 1.11 recommends it
              connectors::spanmetrics::series_expiration  (yaml::9:14)
                  0s (never) in the Go collector, 15m here: series of what is gone would be told for ever
              connectors::spanmetrics::include_collector_instance_id  (yaml::9:14)
                  true (a gate) in the Go collector, false here: a random label ends every series at each restart

            5 components run as they are, 4 are not here, 2 settings are refused; compared with otelcol-contrib 0.159.0
        "#]],
    );
    assert!(!report(yaml).all_runs());
}

#[test]
fn a_configuration_that_runs_says_so() {
    let yaml = "
receivers: {otlp: {protocols: {http: }}}
processors: {batch: }
exporters: {otlphttp: {endpoint: 'http://localhost:4318'}}
service: {pipelines: {traces: {receivers: [otlp], processors: [batch], exporters: [otlphttp]}}}
";
    check(
        yaml,
        expect![[r#"
        Runs here
          receivers::otlp  (yaml::2:13)
          processors::batch  (yaml::3:14)
          exporters::otlphttp  (yaml::4:13)

        Other defaults than in the Go collector
          receivers::otlp::protocols::http::max_request_body_size  (yaml::2:13)
              20MiB in the Go collector, 64MiB here: OTLP 1.11 recommends it

        all 3 components run here; compared with otelcol-contrib 0.159.0
    "#]],
    );
    assert!(report(yaml).all_runs());
    let json: serde_json::Value = serde_json::from_str(&report(yaml).json()).unwrap();
    assert_eq!(json["defaults"][0]["path"], "receivers::otlp::protocols::http::max_request_body_size");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(3));
}

/// A table that does not know what we have ourselves would call it missing in the collector.
#[test]
fn the_table_knows_the_components_that_both_have_and_their_keys() {
    use config::ComponentKind::{Connector, Exporter, Extension, Processor, Receiver};
    for (kind, name) in [
        (Receiver, "otlp"),
        (Receiver, "filelog"),
        (Receiver, "file_log"),
        (Receiver, "k8s_cluster"),
        (Processor, "tail_sampling"),
        (Processor, "memory_limiter"),
        (Connector, "span_metrics"),
        (Exporter, "otlp_grpc"),
        (Exporter, "otlphttp"),
        (Exporter, "file"),
        (Extension, "oauth2client"),
        (Extension, "health_check"),
    ] {
        assert!(CONTRIB.has(kind, name), "{name}");
    }
    assert!(!CONTRIB.has(Processor, "baseline") && !CONTRIB.has(Exporter, "alert_webhook"));
    let schema = crate::schema::schema(&registry());
    let mut n_told = 0;
    for other in &CONTRIB.defaults {
        let start = &schema["definitions"][other.component.replace('/', ".")];
        let key = other.key.split('.').fold(start, |node, key| &node["properties"][key]);
        assert!(
            key["type"].is_array() || key["anyOf"].is_array(),
            "{} has no {}",
            other.component,
            other.key
        );
        // The page of the component says the same.
        if !key["default"].is_null() {
            let here = config::parse(&config::Source::new("here", other.here.as_str())).unwrap();
            let shown = config::Redaction::none();
            let here = config::Effective::new(&here, &shown);
            assert_eq!(key["default"], json!(here), "{} of {}", other.key, other.component);
            n_told += 1;
        }
    }
    assert!(n_told >= 5, "{n_told} defaults stand on pages");
}
