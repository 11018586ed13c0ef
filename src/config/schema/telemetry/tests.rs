use expect_test::{Expect, expect};

use super::{PushedSignal, Telemetry};
use crate::{Problems, Source, parse, render};

fn read(yaml: &str) -> (Telemetry, Problems) {
    let node = parse(&Source::new("t.yaml", yaml)).unwrap();
    let mut problems = Problems::default();
    let telemetry = Telemetry::read(&node, &mut problems).unwrap();
    (telemetry, problems)
}

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&render(&read(yaml).1.sorted()));
}

/// The address, and what decides on encryption, of traces that are sent with the keys of `otlp`.
fn url(keys: &str) -> Result<String, String> {
    let yaml = format!("traces: {{processors: [{{batch: {{exporter: {{otlp: {{{keys}}}}}}}}}]}}");
    let (telemetry, _) = read(&yaml);
    let (_, signal, exporter) = telemetry.push_exporters().pop().unwrap();
    assert_eq!(signal, PushedSignal::Traces);
    exporter.target(signal).map(|target| target.url).map_err(|problem| problem.key.to_owned())
}

#[test]
fn an_endpoint_without_a_path_gets_the_signals_own() {
    assert_eq!(url("").unwrap(), "http://localhost:4318/v1/traces");
    assert_eq!(url("endpoint: 'https://otel.example:443/'").unwrap(), "https://otel.example:443/v1/traces");
    assert_eq!(url("endpoint: 'collector:4318'").unwrap(), "http://collector:4318/v1/traces");
    assert_eq!(url("endpoint: 'http://gateway/own/path'").unwrap(), "http://gateway/own/path");
    assert_eq!(
        url("endpoint: 'collector:4318', insecure: false").unwrap(),
        "https://collector:4318/v1/traces"
    );
}

#[test]
fn grpc_is_encrypted_unless_something_says_otherwise() {
    assert_eq!(url("protocol: grpc").unwrap(), "http://localhost:4317");
    assert_eq!(url("protocol: grpc, endpoint: 'tempo:4317'").unwrap(), "https://tempo:4317");
    assert_eq!(url("protocol: grpc, endpoint: 'tempo:4317', insecure: true").unwrap(), "http://tempo:4317");
    assert_eq!(url("protocol: grpc, endpoint: 'http://[::1]:4317/'").unwrap(), "http://[::1]:4317");
}

#[test]
fn what_is_no_address_is_refused() {
    for endpoint in [
        "ftp://x",
        "http://",
        "http://a b",
        "x:99999",
        "::1:4317",
        "http://user@x",
        "http://x/a?b",
        "http://[x]",
    ] {
        assert_eq!(url(&format!("endpoint: '{endpoint}'")).unwrap_err(), "endpoint", "{endpoint}");
    }
    assert_eq!(url("protocol: grpc, endpoint: 'http://x/path'").unwrap_err(), "endpoint");
    assert_eq!(url("headers: {'a b': c}").unwrap_err(), "headers");
    assert_eq!(url("headers_list: abc").unwrap_err(), "headers_list");
    assert_eq!(url("client_key: /k").unwrap_err(), "client_key");
}

#[test]
fn headers_win_over_their_list() {
    let yaml = "traces: {processors: [{simple: {exporter: {otlp_grpc: {
        headers_list: 'a=1, B=2', headers: [{name: b, value: '3'}]}}}}]}";
    let (telemetry, problems) = read(yaml);
    assert_eq!(render(&problems.sorted()), "");
    let (path, signal, exporter) = telemetry.push_exporters().pop().unwrap();
    assert_eq!(path, "traces.processors.0.simple.exporter.otlp_grpc");
    let headers = exporter.target(signal).unwrap().headers;
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("a", "1"), ("b", "3")]);
}

#[test]
fn what_the_start_would_refuse_is_refused_at_its_place() {
    check(
        "traces:
  processors:
    - batch: {max_queue_size: 10, max_export_batch_size: 20, exporter: {console: {}}}
  sampler: {parent_based: {root: {trace_id_ratio_based: {ratio: 2}}, remote_parent_sampled: {always_on: }}}
logs:
  output_paths: [stdout, /nowhere/at/all.log]
  processors: [{simple: {exporter: {otlp: {protocol: http/json}}}}]
metrics:
  address: localhost:8888
  readers:
    - periodic: {interval: 0, exporter: {otlp_http: {protocol: grpc}}}
    - pull: {exporter: {prometheus: {host: '', translation_strategy: NoTranslation}}}
",
        expect![[r#"
            error: service::telemetry::traces::processors::0::batch::max_export_batch_size: max_export_batch_size is 20, must not exceed max_queue_size (10)
             --> t.yaml:3:58
              |
            3 |     - batch: {max_queue_size: 10, max_export_batch_size: 20, exporter: {console: {}}}
              |                                                          ^^

            error: service::telemetry::traces::processors::0::batch::exporter::console: console is not supported: standard output is for data; write `otlp_http` or `otlp_grpc`, `logs.output_paths: [stdout]` for logs, `pull` for metrics
             --> t.yaml:3:82
              |
            3 |     - batch: {max_queue_size: 10, max_export_batch_size: 20, exporter: {console: {}}}
              |                                                                                  ^

            error: service::telemetry::traces::sampler::parent_based::root::trace_id_ratio_based::ratio: ratio is 2, must be between 0 and 1
             --> t.yaml:4:65
              |
            4 |   sampler: {parent_based: {root: {trace_id_ratio_based: {ratio: 2}}, remote_parent_sampled: {always_on: }}}
              |                                                                 ^

            error: service::telemetry::traces::sampler::parent_based: key `remote_parent_sampled` of the collector is not supported: own spans never continue a caller's trace
             --> t.yaml:4:70
              |
            4 |   sampler: {parent_based: {root: {trace_id_ratio_based: {ratio: 2}}, remote_parent_sampled: {always_on: }}}
              |                                                                      ^^^^^^^^^^^^^^^^^^^^^
              |
              = help: remove it

            error: service::telemetry::logs::output_paths::1: the directory /nowhere/at does not exist, make it or log elsewhere
             --> t.yaml:6:26
              |
            6 |   output_paths: [stdout, /nowhere/at/all.log]
              |                          ^^^^^^^^^^^^^^^^^^^

            error: service::telemetry::logs::processors::0::simple::exporter::otlp::protocol: protocol is http/json, which is not supported for the collector's own telemetry, write http/protobuf
             --> t.yaml:7:54
              |
            7 |   processors: [{simple: {exporter: {otlp: {protocol: http/json}}}}]
              |                                                      ^^^^^^^^^

            error: service::telemetry::metrics: key `address` of the collector is not supported: it was taken out of the collector too
             --> t.yaml:9:3
              |
            9 |   address: localhost:8888
              |   ^^^^^^^
              |
              = help: write `readers: [{pull: {exporter: {prometheus: {host: localhost, port: 8888}}}}]`

            error: service::telemetry::metrics::readers::0::periodic::interval: interval is 0, must be above 0 milliseconds
              --> t.yaml:11:28
               |
            11 |     - periodic: {interval: 0, exporter: {otlp_http: {protocol: grpc}}}
               |                            ^

            error: service::telemetry::metrics::readers::0::periodic::exporter::otlp_http::protocol: protocol contradicts the exporter's name, remove it
              --> t.yaml:11:64
               |
            11 |     - periodic: {interval: 0, exporter: {otlp_http: {protocol: grpc}}}
               |                                                                ^^^^

            error: service::telemetry::metrics::readers::1::pull::exporter::prometheus::host: host is empty, write localhost or an address
              --> t.yaml:12:44
               |
            12 |     - pull: {exporter: {prometheus: {host: '', translation_strategy: NoTranslation}}}
               |                                            ^^

            error: service::telemetry::metrics::readers::1::pull::exporter::prometheus::translation_strategy: names with dots are not offered, write UnderscoreEscapingWithSuffixes or UnderscoreEscapingWithoutSuffixes
              --> t.yaml:12:70
               |
            12 |     - pull: {exporter: {prometheus: {host: '', translation_strategy: NoTranslation}}}
               |                                                                      ^^^^^^^^^^^^^"#]],
    );
}

#[test]
fn what_has_no_effect_is_a_warning() {
    check(
        "traces: {propagators: [tracecontext, b3]}
logs: {development: true, initial_fields: {a: b}, sampling: {initial: 5}, error_output_paths: [stdout]}
metrics:
  views: [{selector: {instrument_name: x}}]
  readers: [{pull: {exporter: {prometheus: {with_resource_constant_labels: {included: ['*']}}}}}]
resource: {attributes: [{name: a, value: b}], detectors: {}}
",
        expect![[r#"
            warning: service::telemetry::traces::propagators: propagators have no effect: own spans never continue a caller's trace; remove them
             --> t.yaml:1:23
              |
            1 | traces: {propagators: [tracecontext, b3]}
              |                       ^

            warning: service::telemetry::logs::development: development has no effect, remove it
             --> t.yaml:2:21
              |
            2 | logs: {development: true, initial_fields: {a: b}, sampling: {initial: 5}, error_output_paths: [stdout]}
              |                     ^^^^

            warning: service::telemetry::logs::initial_fields: initial_fields are not added to lines; for records over OTLP write them below service.telemetry.resource
             --> t.yaml:2:43
              |
            2 | logs: {development: true, initial_fields: {a: b}, sampling: {initial: 5}, error_output_paths: [stdout]}
              |                                           ^

            warning: service::telemetry::logs::sampling: lines are never sampled: none is written per item; remove it
             --> t.yaml:2:61
              |
            2 | logs: {development: true, initial_fields: {a: b}, sampling: {initial: 5}, error_output_paths: [stdout]}
              |                                                             ^

            warning: service::telemetry::logs::error_output_paths: problems of the log itself go to standard error, remove it
             --> t.yaml:2:95
              |
            2 | logs: {development: true, initial_fields: {a: b}, sampling: {initial: 5}, error_output_paths: [stdout]}
              |                                                                                               ^

            warning: service::telemetry::metrics::views: views have no effect: every self-metric is told as it is; remove them, and drop or rename where they are scraped
             --> t.yaml:4:10
              |
            4 |   views: [{selector: {instrument_name: x}}]
              |          ^

            warning: service::telemetry::metrics::readers::0::pull::exporter::prometheus::with_resource_constant_labels: with_resource_constant_labels has no effect: the resource is on target_info; remove it
             --> t.yaml:5:76
              |
            5 |   readers: [{pull: {exporter: {prometheus: {with_resource_constant_labels: {included: ['*']}}}}}]
              |                                                                            ^

            warning: service::telemetry::resource::detectors: detectors has no effect: nothing is detected; write what you know as attributes
             --> t.yaml:6:58
              |
            6 | resource: {attributes: [{name: a, value: b}], detectors: {}}
              |                                                          ^"#]],
    );
}

#[test]
fn what_is_switched_off_is_sent_nowhere() {
    let push = "[{batch: {exporter: {otlp: {endpoint: 'ftp://x'}}}}]";
    let yaml = format!(
        "traces: {{level: none, processors: {push}}}
metrics: {{level: none, readers: [{{periodic: {{exporter: {{console: }}}}}}]}}"
    );
    let (telemetry, problems) = read(&yaml);
    assert_eq!(render(&problems.sorted()), "");
    assert_eq!(telemetry.push_exporters(), []);
}
