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

/// What is said of processors in one pipeline; nothing when they fit.
fn told_of(processors: &str, pipeline: &str) -> String {
    let yaml = format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}
exporters: {{nop: }}
processors:
{processors}
service:
  pipelines:
    telemetry: {{receivers: [otlp], processors: [{pipeline}], exporters: [nop]}}
"
    );
    let loaded = engine::load(&[ConfigUri::Yaml(yaml)], &MapEnvironment::default(), &registry());
    assert_eq!(loaded.plan.is_none(), loaded.problems.has_errors());
    config::render(&loaded.problems.sorted())
}

#[test]
fn a_stage_that_waits_for_windows_that_nobody_makes_is_refused_with_both_ways_out() {
    expect![[r#"
        error: processors::baseline::window: in pipeline "telemetry" processor "baseline" reads windows of 1m, but "aggregation" makes windows of 10s
         --> yaml::5:3
          |
        5 |   baseline:
          |   ^^^^^^^^
          |
          = help: set `windows: [10s, 1m]` of aggregation, or `window: 10s` of baseline

        error: processors::anomaly::window: in pipeline "telemetry" processor "anomaly" reads windows of 10s, but "baseline" adds baselines to windows of 1m
         --> yaml::6:21
          |
        6 |   anomaly: {window: 10s}
          |                     ^^^
          |
          = help: set `window: 10s` of baseline"#]]
    .assert_eq(&told_of(
        "  aggregation: {windows: [10s]}\n  baseline:\n  anomaly: {window: 10s}",
        "aggregation, baseline, anomaly",
    ));
    expect![[r#"
        error: processors::bottleneck::window: in pipeline "telemetry" processor "bottleneck" reads windows of 10s, but "aggregation" makes windows of 1m
         --> yaml::5:3
          |
        5 |   bottleneck:
          |   ^^^^^^^^^^
          |
          = help: set `windows: [10s, 1m]` of aggregation, or `window: 1m` of bottleneck

        error: processors::correlation::rca::window: in pipeline "telemetry" processor "correlation" reads windows of 5m, but "aggregation" makes windows of 1m and "bottleneck" adds calls between services to windows of 10s
         --> yaml::6:31
          |
        6 |   correlation: {rca: {window: 5m}}
          |                               ^^
          |
          = help: set `windows: [1m, 5m]` of aggregation and `window: 5m` of bottleneck"#]]
    .assert_eq(&told_of(
        "  aggregation: {windows: [1m]}\n  bottleneck:\n  correlation: {rca: {window: 5m}}",
        "aggregation, bottleneck, correlation",
    ));
}

#[test]
fn stages_whose_windows_are_made_by_several_before_them_are_told_of_each() {
    expect![[r#"
        error: processors::forecast::window: in pipeline "telemetry" processor "forecast" reads windows of 5m, but "aggregation" makes windows of 10s, 1m and "baseline" adds baselines to windows of 10s
         --> yaml::6:22
          |
        6 |   forecast: {window: 5m, emit: {metrics: [m]}}
          |                      ^^
          |
          = help: set `windows: [10s, 1m, 5m]` of aggregation and `window: 5m` of baseline, or `window: 10s` of forecast"#]]
    .assert_eq(&told_of(
        "  aggregation: {windows: [10s, 1m]}\n  baseline: {window: 10s}\n  forecast: {window: 5m, emit: {metrics: [m]}}",
        "aggregation, baseline, forecast",
    ));
}

#[test]
fn a_rule_and_a_series_of_an_objective_are_told_at_their_own_windows() {
    expect![[r#"
        error: processors::alerting::rules::1::window: in pipeline "telemetry" processor "alerting" reads windows of 1m, but "aggregation" makes windows of 10s
          --> yaml::10:76
           |
        10 |       - {name: b, metric: m, stat: mean, when: {op: gt, value: 1}, window: 1m}
           |                                                                            ^^
           |
           = help: set `windows: [10s, 1m]` of aggregation, or `window: 10s` at rules::1 of alerting

        error: processors::alerting::rules::2::window: in pipeline "telemetry" processor "alerting" reads windows of 1m, but "aggregation" makes windows of 10s and "anomaly" adds anomalies to windows of 10s
          --> yaml::11:9
           |
        11 |       - {name: c, metric: m, stat: mean, when: {op: anomaly}}
           |         ^
           |
           = help: set `windows: [10s, 1m]` of aggregation and `window: 1m` of anomaly, or `window: 10s` at rules::2 of alerting

        error: processors::sla::slos::0::sli::metric::window: in pipeline "telemetry" processor "sla" reads windows of 1m, but "aggregation" makes windows of 10s
          --> yaml::14:99
           |
        14 |       - {name: a, service: s, target: 0.999, sli: {type: metric, lt: 1, metric: {name: m, window: 1m}}}
           |                                                                                                   ^^
           |
           = help: set `windows: [10s, 1m]` of aggregation, or `window: 10s` at slos::0::sli::metric of sla"#]]
    .assert_eq(&told_of(
        "  aggregation: {windows: [10s]}
  baseline: {window: 10s}
  anomaly: {window: 10s}
  alerting:
    rules:
      - {name: a, metric: m, stat: mean, when: {op: gt, value: 1}}
      - {name: b, metric: m, stat: mean, when: {op: gt, value: 1}, window: 1m}
      - {name: c, metric: m, stat: mean, when: {op: anomaly}}
  sla:
    slos:
      - {name: a, service: s, target: 0.999, sli: {type: metric, lt: 1, metric: {name: m, window: 1m}}}
      - {name: b, service: s, target: 0.999, sli: {type: metric, gt: 1, metric: {name: m}}}",
        "aggregation, baseline, anomaly, sla, alerting",
    ));
}

#[test]
fn windows_of_any_of_several_aggregations_will_do() {
    let two = "  aggregation/fine: {windows: [10s]}\n  aggregation/coarse: {windows: [1m]}\n  baseline:";
    assert_eq!(told_of(two, "aggregation/fine, aggregation/coarse, baseline"), "");
    assert_ne!(told_of(two, "aggregation/fine, baseline"), "");
}

#[test]
fn a_misspelt_name_is_shown_where_it_stands_with_the_nearest() {
    expect![[r#"
        error: processors::attributes::actions::0::action: "insrt" is no action, did you mean "insert"? write one of insert, update, upsert, delete, hash, extract, convert
         --> yaml::7:17
          |
        7 |         action: insrt
          |                 ^^^^^

        error: processors::baseline::statistics::0: "meen" is no statistic, did you mean "mean"? write one of all, rate, error_ratio, p50, p95, p99, mean
          --> yaml::10:27
           |
        10 |   baseline: {statistics: [meen]}
           |                           ^^^^

        error: processors::alerting::rules::0::when::op: unknown value `gtt`
          --> yaml::12:56
           |
        12 |     rules: [{name: a, metric: m, stat: p98, when: {op: gtt, value: 1}, severity: eror}]
           |                                                        ^^^
           |
           = help: did you mean `gt`? valid values: `gt`, `gte`, `lt`, `lte`, `eq`, `ne`, `trend_up`, `trend_down`, `rate_of_change`, `anomaly`, `degraded`, `predict_gt`, `predict_lt`"#]].assert_eq(&told_of(
        "  attributes:
    actions:
      - key: a
        action: insrt
        value: 1
  aggregation:
  baseline: {statistics: [meen]}
  alerting:
    rules: [{name: a, metric: m, stat: p98, when: {op: gtt, value: 1}, severity: eror}]",
        "attributes, aggregation, baseline, alerting",
    ));
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

            error: receivers: unknown type: "kafka" for id: "kafka"
             --> yaml::6:3
              |
            6 |   kafka:
              |   ^^^^^
              |
              = help: data comes in over OTLP, and from pages for Prometheus (`prometheus`) and the machine (`host_metrics`); put a collector with that receiver and an OTLP exporter before this one

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
               = help: did you mean `prometheus_remote_write`? valid values: alert_webhook, debug, nop, otlp_file, otlp_grpc, otlp_http, prometheus, prometheus_remote_write

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
               = help: there is no exporter of this type; valid values: alert_webhook, debug, nop, otlp_file, otlp_grpc, otlp_http, prometheus, prometheus_remote_write"#]],
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
fn two_parts_that_listen_on_one_address_are_refused_with_both_places() {
    check(
        "
receivers:
  otlp: {protocols: {grpc: {endpoint: 'localhost:4317'}}}
  otlp/2: {protocols: {http: {endpoint: '127.0.0.1:4317'}}}
exporters:
  prometheus:
    endpoint: '0.0.0.0:13133'
  prometheus/2: {endpoint: 'localhost:8888'}
  prometheus/3: {endpoint: '127.0.0.1:0'}
  prometheus/4: {endpoint: '127.0.0.1:0'}
extensions:
  health_check:
service:
  extensions: [health_check]
  pipelines:
    metrics: {receivers: [otlp, otlp/2], exporters: [prometheus, prometheus/2, prometheus/3, prometheus/4]}
",
        expect![[r#"
            error: receivers::otlp/2: receivers::otlp/2 (http) listens on 127.0.0.1:4317, and so does receivers::otlp (grpc) at yaml::3:3
             --> yaml::4:41
              |
            4 |   otlp/2: {protocols: {http: {endpoint: '127.0.0.1:4317'}}}
              |                                         ^^^^^^^^^^^^^^^^
              |
              = help: give one of them another port

            error: extensions::health_check: extensions::health_check (http) listens on localhost:13133, and so does exporters::prometheus (metrics) at yaml::7:15
              --> yaml::12:3
               |
            12 |   health_check:
               |   ^^^^^^^^^^^^
               |
               = help: give one of them another port

            error: service::telemetry::metrics::readers: the page of self-metrics listens on localhost:8888, and so does exporters::prometheus/2 (metrics) at yaml::8:28
             |
             = help: give one of them another port"#]],
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

#[test]
fn what_the_collector_has_and_we_do_not_is_refused_with_what_to_do_instead() {
    check(
        "
receivers:
  otlp:
    protocols:
      grpc:
processors:
  batch: {timeout: 1s}
  memory_limiter:
  attributes: {include: {match_type: strict, services: [a], regexp: {cacheenabled: true}}, actions: [{key: a, action: delete}]}
exporters:
  otlp:
    endpoint: tempo:4317
    tls: {max_version: '', ca_pem: '', cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}
    sending_queue: {storage: file_storage, batch: {partition: {metadata_keys: [tenant]}}}
  otlphttp: {endpoint: 'http://tempo:4318', proxy_url: 'http://proxy:3128', cookies: {enabled: true}}
extensions:
  file_storage: {compaction: {on_start: true}, fsync: true, timeout: 1s}
  health_check: {cors: {allowed_origins: ['*']}}
service:
  extensions: [file_storage, health_check]
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp, otlphttp]}
",
        expect![[r#"
            error: processors::memory_limiter::check_interval: check_interval is 0s, 'check_interval' must be greater than zero: at least 10ms
                   write `check_interval: 1s`
             --> yaml::8:3
              |
            8 |   memory_limiter:
              |   ^^^^^^^^^^^^^^

            error: processors::memory_limiter: 'limit_mib' or 'limit_percentage' must be greater than zero
             --> yaml::8:3
              |
            8 |   memory_limiter:
              |   ^^^^^^^^^^^^^^

            error: processors::attributes::include: key `regexp` of the collector is not supported: patterns are run as they are, without a cache of results
             --> yaml::9:61
              |
            9 |   attributes: {include: {match_type: strict, services: [a], regexp: {cacheenabled: true}}, actions: [{key: a, action: delete}]}
              |                                                             ^^^^^^
              |
              = help: remove it

            error: exporters::otlp::tls::cipher_suites::0: "TLS_RSA_WITH_RC4_128_SHA" in cipher_suites is not offered, use some of TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
              --> yaml::13:64
               |
            13 |     tls: {max_version: '', ca_pem: [REDACTED], cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}
               |                                                                ^^^^^^^^^^^^^^^^^^^^^^^^

            error: exporters::otlp::sending_queue: key `storage` of the collector is not supported: the queue is kept in memory, and what waits in it is lost with the process
              --> yaml::14:21
               |
            14 |     sending_queue: {storage: file_storage, batch: {partition: {metadata_keys: [tenant]}}}
               |                     ^^^^^^^
               |
               = help: remove it; set `wait_for_result: true`, so that a sender is answered when its data has arrived

            error: exporters::otlp::sending_queue::batch: key `partition` of the collector is not supported: the metadata of a request does not travel with its data, so nothing could be told apart by it
              --> yaml::14:52
               |
            14 |     sending_queue: {storage: file_storage, batch: {partition: {metadata_keys: [tenant]}}}
               |                                                    ^^^^^^^^^
               |
               = help: remove it

            error: exporters::otlphttp: key `proxy_url` of the collector is not supported: connections go straight to the endpoint
              --> yaml::15:45
               |
            15 |   otlphttp: {endpoint: 'http://tempo:4318', proxy_url: 'http://proxy:3128', cookies: {enabled: true}}
               |                                             ^^^^^^^^^
               |
               = help: remove it, and let the network route to the endpoint or name a reverse proxy as `endpoint`

            error: exporters::otlphttp: key `cookies` of the collector is not supported: cookies that a server sets are not kept
              --> yaml::15:77
               |
            15 |   otlphttp: {endpoint: 'http://tempo:4318', proxy_url: 'http://proxy:3128', cookies: {enabled: true}}
               |                                                                             ^^^^^^^
               |
               = help: remove it; a cookie that never changes can be set in `headers`

            error: extensions::file_storage: key `compaction` of the collector is not supported: each snapshot replaces the one before, so nothing is left to compact
              --> yaml::17:18
               |
            17 |   file_storage: {compaction: {on_start: true}, fsync: true, timeout: 1s}
               |                  ^^^^^^^^^^
               |
               = help: remove it

            error: extensions::health_check: key `cors` of the collector is not supported: the answer is for probers, not for scripts in browsers
              --> yaml::18:18
               |
            18 |   health_check: {cors: {allowed_origins: ['*']}}
               |                  ^^^^
               |
               = help: remove it"#]],
    );
}

#[test]
fn an_authenticator_that_is_missing_or_of_the_other_side_is_shown_where_it_is_named() {
    check(
        "
receivers:
  otlp:
    protocols:
      grpc: {auth: {authenticator: basicauth/sever}}
      http: {auth: {authenticator: oauth2client}}
exporters:
  otlp: {endpoint: 'tempo:4317', auth: {authenticator: basicauth/server}}
  otlphttp: {endpoint: 'http://tempo:4318', auth: {authenticator: health_check}}
  prometheusremotewrite: {endpoint: 'http://prometheus/write', auth: {authenticator: headers_setter}}
extensions:
  health_check:
  basicauth/server: {htpasswd: {inline: 'me:secret'}}
  oauth2client: {client_id: us, client_secret: secret, token_url: 'https://login.example.com/token'}
  headers_setter: {headers: [{key: x-a, from_context: x-a}]}
  bearertokenauth: {token: secret}
service:
  extensions: [health_check, basicauth/server, oauth2client, headers_setter]
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp, otlphttp]}
    metrics: {receivers: [otlp], exporters: [prometheusremotewrite]}
",
        expect![[r#"
            error: receivers::otlp::protocols::grpc::auth::authenticator: failed to resolve authenticator "basicauth/sever": authenticator not found; did you mean `basicauth/server`?
             --> yaml::5:36
              |
            5 |       grpc: {auth: {authenticator: basicauth/sever}}
              |                                    ^^^^^^^^^^^^^^^

            error: receivers::otlp::protocols::http::auth::authenticator: extension "oauth2client" is not for servers; it says who we are, not whom to let in
             --> yaml::6:36
              |
            6 |       http: {auth: {authenticator: oauth2client}}
              |                                    ^^^^^^^^^^^^

            error: exporters::otlp::auth::authenticator: extension "basicauth/server" is not for clients; it says whom to let in, not who we are
             --> yaml::8:56
              |
            8 |   otlp: {endpoint: 'tempo:4317', auth: {authenticator: basicauth/server}}
              |                                                        ^^^^^^^^^^^^^^^^

            error: exporters::otlphttp::auth::authenticator: extension "health_check" is no authenticator
             --> yaml::9:67
              |
            9 |   otlphttp: {endpoint: 'http://tempo:4318', auth: {authenticator: health_check}}
              |                                                                   ^^^^^^^^^^^^

            error: extensions::headers_setter::headers::0: key `from_context` of the collector is not supported: headers of requests that came in are not kept with what they brought
              --> yaml::15:41
               |
            15 |   headers_setter: {headers: [{key: x-a, from_context: x-a}]}
               |                                         ^^^^^^^^^^^^
               |
               = help: write `value`, and one exporter for each"#]],
    );
    check(
        "
receivers: {otlp: {protocols: {grpc: {auth: {authenticator: bearertokenauth}}}}}
exporters: {nop: }
extensions: {bearertokenauth: {token: secret}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}
",
        expect![[r#"
            error: receivers::otlp::protocols::grpc::auth::authenticator: extension "bearertokenauth" is not started, add it to `service::extensions`
             --> yaml::2:61
              |
            2 | receivers: {otlp: {protocols: {grpc: {auth: {authenticator: bearertokenauth}}}}}
              |                                                             ^^^^^^^^^^^^^^^"#]],
    );
}
