//! What a report tells of configurations of the Go collector.

use config::{ConfigUri, MapEnvironment};
use expect_test::{Expect, expect};

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
              receivers::otlp::protocols::http::read_header_timeout  (yaml::3:3)
                  0s (no limit) in the Go collector, 120s here: who sends no head holds a connection for nothing
              receivers::otlp::protocols::http::idle_timeout  (yaml::3:3)
                  0s (no limit) in the Go collector, 120s here: who sends nothing holds a connection for nothing
              connectors::spanmetrics::max_series  (yaml::9:14)
                  no limit in the Go collector, 100000 here: beyond it spans count in series of their service, kind and status, with otel.metric.overflow=true
              connectors::spanmetrics::series_expiration  (yaml::9:14)
                  0s (never) in the Go collector, 15m here: series of what is gone would be told for ever
              connectors::spanmetrics::include_collector_instance_id  (yaml::9:14)
                  true (a gate) in the Go collector, false here: a random label ends every series at each restart
              exporters::otlp::sending_queue::max_bytes  (yaml::11:3)
                  no limit in bytes in the Go collector, 128MiB here: a thousand requests may be as large as memory; set it for longer queues
              exporters::prometheus::max_series  (yaml::12:3)
                  no limit in the Go collector, 100000 here: new series beyond it are dropped and counted
              exporters::prometheus::max_connections  (yaml::12:3)
                  no limit in the Go collector, 256 here: more are closed at once and counted

            Means something else than in the Go collector
              processors::batch  (yaml::6:3)
                  the Go collector: takes what the queues behind it may have no room for, and drops it later; here: a request is refused when a queue behind it has no room
              exporters::otlp  (yaml::11:3)
                  the Go collector: a full queue loses its copy while other exporters keep theirs; here: a full queue refuses the request for all exporters that it would reach, unless sending_queue.drop_on_overflow is true

            5 components run as they are, 4 are not here, 2 settings are refused; compared with otelcol-contrib 0.159.0
        "#]],
    );
    assert!(!report(yaml).all_runs());
}

#[test]
fn a_function_that_only_the_collector_has_is_missing_and_no_mistake() {
    let report = report(
        "
receivers: {otlp: {protocols: {http: }}}
processors:
  transform:
    metric_statements:
      - merge_histogram_buckets(1.0) where metric.name == \"a\"
      - set(metric.nam, \"b\")
exporters: {nop: }
service: {pipelines: {metrics: {receivers: [otlp], processors: [transform], exporters: [nop]}}}
",
    );
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let paths = |part: &str| {
        let found = json[part].as_array().unwrap().iter().map(|found| found["path"].as_str().unwrap());
        found.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(paths("missing"), ["processors::transform::metric_statements::0"]);
    assert_eq!(paths("problems"), ["processors::transform::metric_statements::1"]);
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
              receivers::otlp::protocols::http::read_header_timeout  (yaml::2:13)
                  0s (no limit) in the Go collector, 120s here: who sends no head holds a connection for nothing
              receivers::otlp::protocols::http::idle_timeout  (yaml::2:13)
                  0s (no limit) in the Go collector, 120s here: who sends nothing holds a connection for nothing
              exporters::otlphttp::sending_queue::max_bytes  (yaml::4:13)
                  no limit in bytes in the Go collector, 128MiB here: a thousand requests may be as large as memory; set it for longer queues

            Means something else than in the Go collector
              processors::batch  (yaml::3:14)
                  the Go collector: takes what the queues behind it may have no room for, and drops it later; here: a request is refused when a queue behind it has no room
              exporters::otlphttp  (yaml::4:13)
                  the Go collector: a full queue loses its copy while other exporters keep theirs; here: a full queue refuses the request for all exporters that it would reach, unless sending_queue.drop_on_overflow is true

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
    for other in &CONTRIB.defaults {
        let start = &schema["definitions"][other.component.replace('/', ".")];
        let key = other.key.split('.').fold(start, |node, key| &node["properties"][key]);
        // A default that is told must be the one that is in force, as the schema has it from the component's page.
        let plain = |text: &str| text.replace(['"', ' ', '`'], "");
        let in_force = match &key["default"] {
            serde_json::Value::Null => key["description"].to_string(),
            serde_json::Value::String(text) => format!("Default: {text}"),
            other => format!("Default: {other}"),
        };
        let told = plain(&format!("Default: {}", other.here));
        assert!(plain(&in_force).contains(&told), "{} {}: {in_force}", other.component, other.key);
    }
    for other in &CONTRIB.meanings {
        assert!(schema["definitions"][other.component.replace('/', ".")].is_object(), "{}", other.component);
    }
}
