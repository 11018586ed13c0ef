//! Settings: what of the wild runs, what is refused and why.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::{
    super::config::{PromDuration, PromSize, jobs},
    complaints, settings,
};

fn refused(yaml: &str, expected: Expect) {
    let (_, told) = complaints(yaml);
    expected.assert_eq(&(told.join("\n") + "\n"));
}

/// Targets of all jobs with what they are asked, one a line.
fn told(yaml: &str) -> Vec<String> {
    let all = jobs(&settings(yaml)).into_iter().flat_map(|job| job.targets);
    all.map(|target| {
        let times = (target.interval, target.timeout);
        format!("{} {} {times:?}", target.uri, target.public)
    })
    .collect()
}

#[test]
fn the_collector_that_scrapes_itself_runs() {
    let yaml = "
config:
  scrape_configs:
    - job_name: otel-collector
      scrape_interval: 10s
      static_configs:
        - targets: ['0.0.0.0:8888']
";
    assert_eq!(
        told(yaml),
        ["http://0.0.0.0:8888/metrics {instance=\"0.0.0.0:8888\", job=\"otel-collector\"} (10s, 10s)"]
    );
    let job = &jobs(&settings(yaml))[0];
    assert_eq!(
        job.accept,
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    );
    assert_eq!((job.limits.body, job.limits.samples), (64 << 20, 1_000_000));
}

#[test]
fn globals_hold_where_a_job_says_nothing() {
    let yaml = "
config:
  global:
    scrape_interval: 30s
    scrape_timeout: 20s
    evaluation_interval: 1m
    external_labels: {cluster: eu-1, shard: 3}
    body_size_limit: 1MB
    sample_limit: 10
    metric_name_validation_scheme: legacy
    scrape_protocols: [PrometheusText0.0.4]
  scrape_configs:
    - job_name: a
      static_configs: [{targets: ['a:1', 'a:1', '[::1]:2'], labels: {env: prod, port: 8080}}]
    - {job_name: b, scrape_interval: 1m30s, scrape_timeout: 5s, sample_limit: 20, body_size_limit: 2KB, scheme: https, metrics_path: /m, params: {m: [x, y z], n: [1]}, static_configs: [{targets: [b]}]}
    - {job_name: c, scrape_interval: 10s, static_configs: [{targets: [c]}]}
";
    assert_eq!(
        told(yaml),
        [
            "http://[::1]:2/metrics {env=\"prod\", instance=\"[::1]:2\", job=\"a\", port=\"8080\"} (30s, 20s)",
            "http://a:1/metrics {env=\"prod\", instance=\"a:1\", job=\"a\", port=\"8080\"} (30s, 20s)",
            "https://b/m?m=x&m=y+z&n=1 {instance=\"b\", job=\"b\"} (90s, 5s)",
            "http://c/metrics {instance=\"c\", job=\"c\"} (10s, 10s)",
        ]
    );
    let all = jobs(&settings(yaml));
    assert_eq!(all[0].accept, "text/plain;version=0.0.4;q=0.6,*/*;q=0.5");
    assert_eq!(all[0].external_labels.to_string(), "{cluster=\"eu-1\", shard=\"3\"}");
    assert_eq!((all[0].limits.body, all[0].limits.samples, all[0].is_classic), (1 << 20, 10, true));
    assert_eq!((all[1].limits.body, all[1].limits.samples), (2048, 20));
}

#[test]
fn rules_change_where_and_how_often_a_target_is_asked() {
    let yaml = "
config:
  scrape_configs:
    - job_name: blackbox
      metrics_path: /probe
      params: {module: [http_2xx]}
      static_configs: [{targets: ['https://example.com', 'slow']}, {targets: [gone], labels: {__meta_x: y}}]
      relabel_configs:
        - {source_labels: [__address__], regex: gone, action: drop}
        - {source_labels: [__address__], target_label: __param_target}
        - {source_labels: [__param_target], target_label: instance}
        - {source_labels: [__address__], regex: slow, target_label: __scrape_interval__, replacement: 1d}
        - {source_labels: [__address__], regex: slow, target_label: __scheme__, replacement: https}
        - {source_labels: [__address__], regex: slow, target_label: __metrics_path__, replacement: other}
        - {target_label: __address__, replacement: 'exporter:9115'}
        - {source_labels: [job], target_label: job, replacement: 'x-$1'}
";
    assert_eq!(
        told(yaml),
        [
            "http://exporter:9115/probe?module=http_2xx&target=https%3A%2F%2Fexample.com {instance=\"https://example.com\", job=\"x-blackbox\"} (60s, 10s)",
            "https://exporter:9115/other?module=http_2xx&target=slow {instance=\"slow\", job=\"x-blackbox\"} (86400s, 10s)",
        ]
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    refused(
        "
config:
  global: {scrape_timeout: 2m, scrape_protocols: [PrometheusProto, Text], metric_name_escaping_scheme: dot}
  scrape_configs:
    - job_name: a
      scrape_timeout: 2m
      scheme: ftp
      static_configs: [{targets: ['http://a:1', '']}]
      scrape_native_histograms: true
      relabel_configs:
        - {action: hashmod, source_labels: [a]}
        - {action: replce, target_label: b}
        - {action: keep, regex: '('}
        - {action: labeldrop, source_labels: [a], regex: x}
    - job_name: a
      basic_auth: {username: u, password: p, password_file: /nowhere}
      bearer_token: secret
      tls_config: {min_version: TLS10, cert_file: /nowhere.pem}
      http_headers: {Host: {values: [x]}, 'a b': {values: [y]}}
      target_limit: 1
      static_configs: [{targets: [a, b]}]
",
        expect![[r#"
            config.global.scrape_protocols.0: PrometheusProto is not spoken, as native histograms are not read; remove it, targets speak the formats of text as well
            config.global.scrape_protocols.1: "Text" is no format of targets, write one of OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4
            config.global.metric_name_escaping_scheme: "dot" is no way to escape names, did you mean "dots"? write one of allow-utf-8, underscores, dots, values
            config.global.scrape_timeout: scrape_timeout is longer than scrape_interval
            config.scrape_configs.0.scrape_timeout: scrape_timeout is 120s, longer than scrape_interval, which is 60s
            config.scrape_configs.0.scheme: scheme is "ftp", must be http or https
            config.scrape_configs.0.scrape_native_histograms: scrape_native_histograms is true, but histograms are read from text, with their buckets; remove it
            config.scrape_configs.0.relabel_configs.0.modulus: modulus is missing, hashmod needs one above 0
            config.scrape_configs.0.relabel_configs.0.target_label: target_label is missing, hashmod needs one
            config.scrape_configs.0.relabel_configs.1.action: "replce" is no action of a relabelling rule, did you mean "replace"? write one of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase
            config.scrape_configs.0.relabel_configs.2.regex: regex is no regular expression: unclosed group
            config.scrape_configs.0.relabel_configs.3.source_labels: source_labels is set, but labeldrop does not heed it; remove it
            config.scrape_configs.0.static_configs.0.targets.0: "http://a:1" is no address, write host:port alone; the path is `metrics_path`
            config.scrape_configs.0.static_configs.0.targets.1: the target has no address
            config.scrape_configs.1.job_name: two jobs are called "a", a name can stand once
            config.scrape_configs.1.bearer_token: basic_auth and bearer_token are both set, a target is shown one of them
            config.scrape_configs.1.basic_auth.password_file: password and password_file are both set, write one of them
            config.scrape_configs.1.tls_config.min_version: min_version is "TLS10", must be TLS12 or TLS13
            config.scrape_configs.1.tls_config: cert_file is set without key_file, a client certificate needs both
            config.scrape_configs.1.tls_config.cert_file: /nowhere.pem does not exist here
            config.scrape_configs.1.http_headers.Host: Host is set by the receiver itself, remove it
            config.scrape_configs.1.http_headers.a b: "a b" is not a header name, use letters, digits and dashes
            config.scrape_configs.1.target_limit: there are 2 targets, target_limit is 1
        "#]],
    );
}

#[test]
fn keys_that_are_not_taken_say_why() {
    refused(
        "
config:
  remote_write: []
  rule_files: [a]
  scrape_configs:
    - job_name: a
      kubernetes_sd_configs: [{role: pod}]
      proxy_url: http://proxy
      oauth2: {client_id: x}
      native_histogram_bucket_limit: 5
      scrap_interval: 5s
      static_configs: [{targets: [a]}]
target_allocator: {endpoint: x}
api_server: {enabled: true}
trim_metric_suffixes: true
",
        expect![[r#"
            config: key `remote_write` of the collector is not supported: what is scraped goes through pipelines
            config: key `rule_files` of the collector is not supported: rules are judged by a stage
            config::scrape_configs::0: key `kubernetes_sd_configs` of the collector is not supported: targets are those of static_configs
            config::scrape_configs::0: key `proxy_url` of the collector is not supported: connections go straight to the targets
            config::scrape_configs::0: key `oauth2` of the collector is not supported: no token is fetched for targets
            config::scrape_configs::0: key `native_histogram_bucket_limit` of the collector is not supported: histograms are read from text, where they have buckets
            config::scrape_configs::0: unknown key `scrap_interval`
            : key `target_allocator` of the collector is not supported: targets are those of static_configs
            trim_metric_suffixes: trim_metric_suffixes is true, but metrics keep the names that their targets give them; remove it, or rename them with the processor metricstransform or transform
            api_server: api_server is on, but there is no API of Prometheus here; remove it, and see `scrape_duration_seconds` and `up` for how targets fare
        "#]],
    );
    refused(
        "{}",
        expect![[r#"
        config: no scrape_configs are set, name what to scrape, such as {scrape_configs: [{job_name: app, static_configs: [{targets: ['app:8080']}]}]}
    "#]],
    );
    refused(
        "config: {scrape_configs: []}",
        expect![[r#"
        config: no scrape_configs are set, name what to scrape, such as {scrape_configs: [{job_name: app, static_configs: [{targets: ['app:8080']}]}]}
    "#]],
    );
    assert_eq!(
        complaints("config: {scrape_configs: [{job_name: a}]}\napi_server: {enabled: false}").1,
        [""; 0]
    );
}

#[test]
fn no_secret_is_shown() {
    let yaml = "config: {scrape_configs: [{job_name: a, basic_auth: {username: u, password: hunter2}, http_headers: {X: {secrets: [hunter2]}}, tls_config: {key: hunter2}}, {job_name: b, bearer_token: hunter2}, {job_name: c, authorization: {credentials: hunter2}}]}";
    let (config, told) = complaints(yaml);
    let config = config.expect("it is read");
    let text = format!("{config:?} {:?} {told:?}", jobs(&config));
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("[REDACTED]"), "{text}");
}

#[test]
fn durations_and_sizes_are_those_of_prometheus() {
    let parsed = |text: &str| PromDuration::parse(text).map(|duration| duration.0);
    assert_eq!(parsed("1m30s"), Some(Duration::from_secs(90)));
    assert_eq!(parsed("1y2w3d4h5m6s7ms"), Some(Duration::from_millis(33_019_506_007)));
    assert_eq!(parsed("0"), Some(Duration::ZERO));
    for wrong in ["", "5", "s", "1s1m", "1.5s", "-1s", "1s ", "9999999999y", "5µs", "1m1m"] {
        assert_eq!(parsed(wrong), None, "{wrong}");
    }
    for text in ["1m30s", "500ms", "1d", "2w", "1y", "25h", "1h", "15s"] {
        let duration = PromDuration::parse(text).unwrap();
        assert_eq!(PromDuration::parse(&duration.to_string()), Some(duration), "{text}");
    }
    assert_eq!(PromDuration::parse("24h").unwrap().to_string(), "1d");
    assert_eq!(PromSize::parse("16MB"), Some(PromSize(16 << 20)));
    assert_eq!(PromSize::parse("5KiB"), Some(PromSize(5 << 10)));
    assert_eq!(PromSize::parse("7"), Some(PromSize(7)));
    assert_eq!(PromSize::parse("x"), None);
    assert_eq!(PromSize::parse("99999999999TB"), None);
}
