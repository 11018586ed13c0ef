use component::{Checks, Config};
use expect_test::{Expect, expect};

use super::super::config::PrometheusRemoteWriteConfig;

fn parse(json: serde_json::Value) -> PrometheusRemoteWriteConfig {
    serde_json::from_value(json).unwrap()
}

fn check(json: serde_json::Value, expected: Expect) {
    let mut checks = Checks::default();
    parse(json).validate(&mut checks);
    let lines: Vec<String> = checks
        .into_findings()
        .into_iter()
        .map(|f| format!("{}{}: {}\n", if f.is_warning { "warning " } else { "" }, f.path, f.message))
        .collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn an_endpoint_is_enough() {
    check(serde_json::json!({"endpoint": "http://localhost:9090/api/v1/write"}), expect![""]);
    check(serde_json::json!({"http": {"endpoint": "https://example.com/push"}}), expect![""]);
}

#[test]
fn every_mistake_is_reported() {
    check(
        serde_json::json!({
            "endpoint": "localhost:9090",
            "compression": "gzip",
            "headers": {"Content-Type": "text/plain"},
            "external_labels": {"": "x", "a.b": "1", "a_b": "2", "__name__": "x", "empty": ""},
            "translation_strategy": "NoTranslation",
            "convert_histograms_to_nhcb": true,
            "remote_write_queue": {"num_consumers": 0, "queue_size": 0},
            "max_batch_size_bytes": 0,
            "max_batch_request_parallelism": 0,
            "wal": {"directory": "/tmp"},
        }),
        expect![[r#"
            endpoint: endpoint is "localhost:9090", must be a URL that begins with http:// or https://
            compression: compression is "gzip", remote write knows only snappy
            headers.Content-Type: Content-Type is set by the exporter itself, remove it
            external_labels.: external label "" is "x", neither name nor value may be empty
            external_labels.__name__: __name__ is the metric's name, choose another label
            external_labels.empty: external label "empty" is "", neither name nor value may be empty
            remote_write_queue.queue_size: queue_size is 0, must be above 0
            remote_write_queue.num_consumers: num_consumers is 0, must be above 0
            max_batch_request_parallelism: max_batch_request_parallelism is 0, must be above 0
            max_batch_size_bytes: max_batch_size_bytes is 0, must be above 0
            wal: wal is not supported, remove it; sending_queue keeps data while the server is away
            translation_strategy: this strategy keeps names that only remote write 2.0 can carry, set protobuf_message to io.prometheus.write.v2.Request
            convert_histograms_to_nhcb: native histograms with chosen bounds need remote write 2.0, set protobuf_message to io.prometheus.write.v2.Request
        "#]],
    );
    check(
        serde_json::json!({"endpoint": "http://a/b", "external_labels": {"a.b": "1", "a_b": "2", "__": "3"}}),
        expect![[r#"
            external_labels.a_b: "a_b" and "a.b" are both sent as a_b, rename one
        "#]],
    );
    check(
        serde_json::json!({}),
        expect![[r#"
        endpoint: endpoint is missing, set the URL to write to: http://localhost:9090/api/v1/write
    "#]],
    );
    check(
        serde_json::json!({"endpoint": "http://a/b", "http": {"endpoint": "http://c/d"}, "add_metric_suffixes": false}),
        expect![[r#"
            endpoint: endpoint stands beside http, move it into http
            warning add_metric_suffixes: add_metric_suffixes is deprecated, use translation_strategy: UnderscoreEscapingWithoutSuffixes
        "#]],
    );
}

#[test]
fn defaults_are_the_collectors() {
    let config = parse(serde_json::json!({"endpoint": "http://localhost/write"}));
    let queue = config.queue();
    assert_eq!((queue.enabled, queue.queue_size, queue.num_consumers), (true, 10_000, 1));
    let retry = config.retry();
    assert_eq!(retry.initial_interval, config::Duration::from_millis(50));
    assert_eq!(retry.max_elapsed_time, config::Duration::from_secs(300));
    assert_eq!(config.timeout(), std::time::Duration::from_secs(5));
    assert_eq!((config.parallelism(), config.max_batch_size_bytes), (5, 3_000_000));
}

#[test]
fn either_queue_key_is_heeded_and_order_is_kept() {
    let config = parse(serde_json::json!({"sending_queue": {"queue_size": 7, "num_consumers": 3}}));
    assert_eq!((config.queue().queue_size, config.queue().num_consumers), (7, 1));
    let config = parse(serde_json::json!({"remote_write_queue": {"enabled": false, "num_consumers": 2}}));
    assert!(!config.queue().enabled);
    assert_eq!(config.parallelism(), 2);
}
