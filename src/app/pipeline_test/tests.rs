//! Tests of tests: each kind of telemetry, and what is said of those that fail.

use std::{fs, path::PathBuf};

use expect_test::expect;
use serde_json::json;
use tempfile::TempDir;

use super::{
    compare::{What, compare, unlike},
    file::TestFile,
    report,
};

const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: }}}
processors:
  attributes: {actions: [{key: team, action: upsert, value: '${env:TEAM}'}]}
  filter: {traces: {span: ['name == \"GET /healthz\"']}}
connectors: {span_metrics: {metrics_flush_interval: 10s}}
exporters: {otlp_http: {endpoint: 'http://localhost:1'}, nop: }
service:
  pipelines:
    traces: {receivers: [otlp], processors: [filter, attributes], exporters: [otlp_http, span_metrics]}
    logs: {receivers: [otlp], processors: [attributes], exporters: [otlp_http]}
    metrics: {receivers: [otlp, span_metrics], exporters: [nop]}
";

/// A folder with the configuration and a file of tests.
fn written(tests: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("collector.yaml"), CONFIG).unwrap();
    let file = folder.path().join("shop.test.yaml");
    fs::write(&file, format!("config: [collector.yaml]\nenv: {{TEAM: shop}}\ntests:\n{tests}")).unwrap();
    (folder, file)
}

/// Runs a file of tests and returns what is told of it.
fn told(tests: &str) -> String {
    let (_folder, file) = written(tests);
    let read =
        TestFile::read(&file).unwrap_or_else(|problems| panic!("{}", config::render(&problems.sorted())));
    let outcomes: Vec<_> = read.cases().map(|case| read.run(case)).collect();
    report::text(&outcomes).replace(&file.display().to_string(), "shop.test.yaml")
}

const SPANS: &str = "
    inputs:
      - traces:
          resourceSpans:
            - resource: {attributes: {service.name: shop}}
              scopeSpans:
                - spans:
                    - {name: GET /healthz, kind: server}
                    - {name: GET /cart, kind: server, status: {code: error}, attributes: {http.response.status_code: 500}}
";

#[test]
fn what_is_expected_passes_for_every_signal() {
    let tests = format!(
        "  - name: health checks are dropped and the rest is counted
{SPANS}
      - at: 1s
        logs: {{resourceLogs: [{{scopeLogs: [{{logRecords: [{{body: {{text: slow, ms: 12}}, severityText: WARN}}]}}]}}]}}
      - at: 1s
        metrics: {{resourceMetrics: [{{scopeMetrics: [{{metrics: [{{name: m, sum: {{aggregationTemporality: cumulative, isMonotonic: true, dataPoints: [{{asInt: 5}}]}}}}]}}]}}]}}
    until: 10s
    expect:
      otlp_http:
        spans:
          - {{name: GET /cart, kind: server, status: {{code: error}}, resource: {{service.name: shop}},
             attributes: {{team: shop, http.response.status_code: 500}}}}
        log_records:
          - {{body: {{text: slow, ms: 12}}, severityText: WARN, attributes: {{team: shop}}}}
      nop:
        allow_more: true
        data_points:
          - {{name: m, type: sum, monotonic: true, value: 5}}
          - {{name: traces.span.metrics.calls, value: 1, temporality: cumulative, attributes: {{span.name: GET /cart}}}}
"
    );
    assert_eq!(
        told(&tests),
        "ok      shop.test.yaml: health checks are dropped and the rest is counted\n\n1 passed, 0 failed\n"
    );
}

#[test]
fn what_differs_is_told_by_its_path() {
    let tests = format!(
        "  - name: wrong team
{SPANS}
    expect:
      otlp_http:
        spans: [{{name: GET /cart, attributes: {{team: cart, region: eu}}, kind: server}}]
  - name: nothing is expected
{SPANS}
    expect: {{otlp_http: {{spans: []}}}}
  - name: more is expected
{SPANS}
    expect: {{otlp_http: {{spans: [{{name: GET /cart}}, {{name: GET /cart}}]}}}}
  - name: another kind
{SPANS}
    expect: {{otlp_http: {{log_records: []}}}}
"
    );
    expect![[r#"
        FAILED  shop.test.yaml: wrong team
          otlp_http spans: the nearest to {"attributes":{"region":"eu","team":"cart"},"kind":"server","name":"GET /cart"} is not as expected
            - attributes.region: "eu"
            + nothing
            - attributes.team: "cart"
            + attributes.team: "shop"
        FAILED  shop.test.yaml: nothing is expected
          otlp_http spans: nobody expected
            + {"attributes":{"http.response.status_code":500,"team":"shop"},"endTimeUnixNano":1767225600000000000,"kind":"server","name":"GET /cart","resource":{"service.name":"shop"},"spanId":"0000000000000002","startTimeUnixNano":1767225600000000000,"status":{"code":"error"},"traceId":"00000000000000000000000000000002"}
        FAILED  shop.test.yaml: more is expected
          otlp_http spans: nothing like this came
            - {"name":"GET /cart"}
        ok      shop.test.yaml: another kind

        1 passed, 3 failed
    "#]].assert_eq(&told(&tests));
}

#[test]
fn recorded_files_are_played_at_their_own_times() {
    let (folder, file) = written(
        "  - name: a file
    inputs: [{file: day.jsonl}]
    expect: {otlp_http: {log_records: [{body: one, timeUnixNano: 1767225700000000000}, {body: two}]}}
",
    );
    let line = |text: &str, at: u64| json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": at.to_string(), "body": {"stringValue": text}}]}]}]});
    let lines = [line("one", 1_767_225_700_000_000_000), line("two", 1_767_225_705_000_000_000)];
    fs::write(folder.path().join("day.jsonl"), lines.map(|line| line.to_string()).join("\n")).unwrap();
    let read =
        TestFile::read(&file).unwrap_or_else(|problems| panic!("{}", config::render(&problems.sorted())));
    let outcomes: Vec<_> = read.cases().map(|case| read.run(case)).collect();
    assert!(report::text(&outcomes).contains("1 passed, 0 failed"), "{}", report::text(&outcomes));
}

/// Returns all that is wrong with a file of tests.
fn wrong(tests: &str) -> Vec<String> {
    let (_folder, file) = written(tests);
    let Err(problems) = TestFile::read(&file) else { panic!("it is taken") };
    problems.sorted().iter().map(config::Problem::title).collect()
}

#[test]
fn a_bad_file_of_tests_is_refused_with_the_places() {
    let read = "  - {name: a, inputs: [{at: soon}], expcet: {}, expect: {}}\n";
    assert_eq!(
        wrong(read),
        ["tests::0::inputs::0::at: `soon` is not a duration", "tests::0: unknown key `expcet`"]
    );
    let checked = "  - {name: a, start: yesterday, inputs: [{traces: {}, logs: {}}], expect: {nop: {}}}
  - {name: b, inputs: [], expect: {}}
";
    assert_eq!(
        wrong(checked),
        [
            "tests::0::start: start is no time, write RFC 3339: `2026-01-01T00:00:00Z`",
            "tests::0::inputs::0: an input is one of traces, metrics, logs and file",
            "tests::1::inputs: there are no inputs, give at least one",
            "tests::1::expect: nothing is expected, name an exporter and what shall leave through it",
        ]
    );
}

#[test]
fn what_can_not_be_run_says_why() {
    let told = told(
        "  - name: unknown exporter
    inputs: [{traces: {resourceSpans: []}}]
    expect: {otlp_htp: {spans: []}}
  - name: no request
    inputs: [{traces: {resourceSpans: [{scopeSpans: [{spans: [{kind: servant}]}]}]}}]
    expect: {otlp_http: {spans: []}}
  - name: a slip in a span
    inputs: [{traces: {resourceSpans: [{scopeSpans: [{spans: [{nam: a, attributes: {nam: 1}, events: [{tme: 1}]}]}]}]}}]
    expect: {otlp_http: {spans: []}}
",
    );
    assert!(
        told.contains("did you mean `otlp_http`?") && told.contains("inputs.0 is no request of traces"),
        "{told}"
    );
    let slip = "resourceSpans.0.scopeSpans.0.spans.0.nam is an unknown key, did you mean `name`?";
    assert!(told.contains(slip) && told.contains("spans.0.events.0.tme is an unknown key"), "{told}");
    assert!(!told.contains("attributes.nam"), "{told}");
    assert!(told.contains("0 passed, 0 failed, 3 could not be run"), "{told}");
}

#[test]
fn an_item_that_fits_two_expectations_is_given_where_all_are_met() {
    let found = [json!({"a": 1, "b": 1}), json!({"a": 1, "b": 2})];
    let expected = [json!({"a": 1}), json!({"a": 1, "b": 1})];
    assert_eq!(compare("e", "spans", &expected, &found, false), []);
    let three = [json!({"a": 1}), json!({"b": 1}), json!({"b": 1})];
    let left = compare("e", "spans", &three, &found, false);
    assert!(matches!(&left[..], [one] if matches!(one.what, What::Missing { .. })), "{left:?}");
}

#[test]
fn numbers_are_compared_as_numbers_and_null_is_nothing() {
    let is_met = |expected: serde_json::Value, found: serde_json::Value| unlike(&expected, &found).is_empty();
    assert!(is_met(json!({"v": 1}), json!({"v": 1.0, "w": 2})));
    assert!(is_met(json!({"v": 0.3}), json!({"v": 0.1 + 0.2})));
    assert!(!is_met(
        json!({"v": 18_446_744_073_709_551_615_u64}),
        json!({"v": 18_446_744_073_709_551_614_u64})
    ));
    assert!(is_met(json!({"gone": null}), json!({})) && !is_met(json!({"gone": null}), json!({"gone": 0})));
    assert!(!is_met(json!([1]), json!([1, 2])));
}

#[test]
fn results_for_builds_are_whole_xml_whatever_is_in_names() {
    let (_folder, file) =
        written(&format!("  - name: 'a <b> & \"c\"'\n{SPANS}\n    expect: {{otlp_http: {{spans: []}}}}\n"));
    let read =
        TestFile::read(&file).unwrap_or_else(|problems| panic!("{}", config::render(&problems.sorted())));
    let outcomes: Vec<_> = read.cases().map(|case| read.run(case)).collect();
    let xml = report::junit(&outcomes);
    assert!(
        xml.contains("name=\"a &lt;b&gt; &amp; &quot;c&quot;\"")
            && xml.contains("failures=\"1\" errors=\"0\""),
        "{xml}"
    );
    assert_eq!(xml.matches('<').count(), xml.matches('>').count());
}
