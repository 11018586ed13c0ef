use component::{Checks, Config, testing::Harness};
use expect_test::{Expect, expect};
use model::Payload;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data},
};
use prost::Message;

use super::{Redaction, RedactionConfig};
use crate::testing::*;

fn harness(yaml: &str) -> Harness {
    Harness::new::<Redaction>(&settings::<RedactionConfig>(yaml), 1, T0)
}

fn logs(body: Option<Value>, attributes: Vec<KeyValue>) -> ExportLogsServiceRequest {
    let body = body.map(|value| AnyValue { value: Some(value) });
    let log_records = vec![LogRecord { body, attributes, ..LogRecord::default() }];
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

fn record(yaml: &str, body: Option<Value>, attributes: Vec<KeyValue>) -> LogRecord {
    let out = harness(yaml).push(0, Payload::Logs(logs(body, attributes).encode_to_vec().into()), 1);
    let mut logs = ExportLogsServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
    logs.resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0)
}

fn check(yaml: &str, expected: Expect) {
    let sent = vec![
        text("user", "ann@a.b and bob@a.b"),
        text("pass.word", "secret"),
        attribute("card", Value::IntValue(4111)),
        text("id", "7"),
    ];
    expected.assert_eq(&labels(&record(yaml, None, sent).attributes));
}

#[test]
fn keys_are_removed_ignored_and_masked() {
    check("{}", expect!["{}"]);
    check(
        "{allowed_keys: [id], summary: debug}",
        expect!["{id=7,redaction.redacted.keys=card,pass.word,user,redaction.redacted.count=3}"],
    );
    check(
        "{allowed_keys: [id], ignored_key_patterns: ['^u'], ignored_keys: [card], summary: debug}",
        expect![
            "{user=ann@a.b and bob@a.b,card=4111,id=7,redaction.redacted.keys=pass.word,redaction.redacted.count=1,redaction.ignored.count=2}"
        ],
    );
    check(
        "{allow_all_keys: true, blocked_key_patterns: [word, card], summary: debug}",
        expect![
            "{user=ann@a.b and bob@a.b,pass.word=****,card=****,id=7,redaction.masked.keys=card,pass.word,redaction.masked.count=2}"
        ],
    );
    check("{allow_all_keys: true}", expect!["{user=ann@a.b and bob@a.b,pass.word=secret,card=4111,id=7}"]);
}

#[test]
fn values_are_masked_and_hashed() {
    let mails = "allow_all_keys: true, blocked_values: ['\\w+@a\\.b', '^4']";
    check(&format!("{{{mails}}}"), expect!["{user=**** and ****,pass.word=secret,card=4111,id=7}"]);
    check(
        &format!("{{{mails}, redact_all_types: true, summary: info}}"),
        expect!["{user=**** and ****,pass.word=secret,card=****111,id=7,redaction.masked.count=2}"],
    );
    check(
        &format!("{{{mails}, allowed_values: [ann], summary: debug}}"),
        expect![
            "{user=ann@a.b and bob@a.b,pass.word=secret,card=4111,id=7,redaction.allowed.keys=user,redaction.allowed.count=1}"
        ],
    );
    check(
        "{allow_all_keys: true, blocked_values: ['^7$'], hash_function: sha1}",
        expect![
            "{user=ann@a.b and bob@a.b,pass.word=secret,card=4111,id=902ba3cda1883801594b6e1b452790cc53948fda}"
        ],
    );
    check(
        "{allow_all_keys: true, blocked_values: ['^7$'], hash_function: SHA3}",
        expect![
            "{user=ann@a.b and bob@a.b,pass.word=secret,card=4111,id=8f9b51ce624f01b0a40c9f68ba8bb0a2c06aa7f95d1ed27d6b1b5e1e99ee5e4d}"
        ],
    );
    check(
        "{allow_all_keys: true, blocked_values: ['^7$'], hash_function: md5}",
        expect!["{user=ann@a.b and bob@a.b,pass.word=secret,card=4111,id=8f14e45fceea167a5a36dedd4bea2543}"],
    );
    let keyed = |function: &str, bytes| {
        let key = "k".repeat(bytes);
        format!(
            "{{allow_all_keys: true, blocked_values: ['^7$'], hash_function: {function}, hmac_key: {key}}}"
        )
    };
    check(
        &keyed("HMAC-SHA256", 32),
        expect![
            "{user=ann@a.b and bob@a.b,pass.word=secret,card=4111,id=aed60f37747ddf77c71fd7bc1e44a7b3ea9381dcdadee088855121b6d29a5baa}"
        ],
    );
    check(
        &keyed("hmac-sha512", 64),
        expect![
            "{user=ann@a.b and bob@a.b,pass.word=secret,card=4111,id=45c03c58a1df34806bd3d2c578ff8ac624a9b6b37694a3b780bbe7dd97d90b6cde0ecdcca05771fdec887544d2117bea6e911770dec7b79d3c29ed3fe2d154b7}"
        ],
    );
}

#[test]
fn bodies_are_redacted_with_what_is_in_them() {
    let yaml = "{allowed_keys: [user, names, pass, x], blocked_key_patterns: [pass], blocked_values: [ann], summary: debug}";
    let of = |value| AnyValue { value: Some(value) };
    let string = |text: &str| Value::StringValue(text.to_owned());
    let names = Value::ArrayValue(ArrayValue { values: vec![of(string("ann")), of(string("bob"))] });
    let user =
        KeyValueList { values: vec![attribute("names", names), text("pass", "p"), text("secret", "s")] };
    let body = KeyValueList { values: vec![attribute("user", Value::KvlistValue(user)), text("gone", "1")] };
    let left = record(yaml, Some(Value::KvlistValue(body)), vec![text("x", "1")]);
    let names = Value::ArrayValue(ArrayValue { values: vec![of(string("****")), of(string("bob"))] });
    let user = KeyValueList { values: vec![attribute("names", names), text("pass", "****")] };
    let body = KeyValueList { values: vec![attribute("user", Value::KvlistValue(user))] };
    assert_eq!(left.body, Some(of(Value::KvlistValue(body))));
    expect!["{x=1,redaction.body.redacted.keys=gone,user.secret,redaction.body.redacted.count=2,redaction.body.masked.keys=user.names.[0],user.pass,redaction.body.masked.count=2}"].assert_eq(&labels(&left.attributes));
    let left = record(yaml, Some(string("hello ann")), vec![]);
    assert_eq!(left.body, Some(of(string("hello ****"))));
    expect!["{redaction.body.masked.keys=body,redaction.body.masked.count=1}"]
        .assert_eq(&labels(&left.attributes));
}

#[test]
fn a_second_stage_adds_to_what_the_first_told() {
    let first = record(
        "{allowed_keys: [a, b], summary: debug}",
        None,
        vec![text("a", "1"), text("b", "x"), text("c", "3")],
    );
    let second = record("{allowed_keys: [b], summary: debug}", None, first.attributes);
    expect!["{b=x,redaction.redacted.keys=a,c,redaction.redacted.count=2}"]
        .assert_eq(&labels(&second.attributes));
}

#[test]
fn resources_scopes_spans_and_events_are_redacted() {
    let mut one = span("a", 1, 0, 1, vec![text("secret", "1")]);
    one.events = vec![event("e", vec![text("secret", "1")])];
    let mut sent = request(vec![resource_spans(vec![text("secret", "1")], vec![one])]);
    let scope = sent.resource_spans[0].scope_spans[0].scope.as_mut().unwrap();
    scope.attributes = vec![text("secret", "1")];
    let mut harness = harness("{}");
    let out = push(&mut harness, 0, &sent);
    let left = ExportTraceServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
    assert!(!format!("{left:?}").contains("secret"), "{left:?}");
    sent.resource_spans[0].resource.as_mut().unwrap().attributes.clear();
    let scope = &mut sent.resource_spans[0].scope_spans[0];
    scope.scope.as_mut().unwrap().attributes.clear();
    scope.spans[0].attributes.clear();
    scope.spans[0].events[0].attributes.clear();
    assert_eq!(left, sent);
}

#[test]
fn points_are_redacted() {
    let points =
        vec![NumberDataPoint { attributes: vec![text("secret", "1"), text("a", "1")], ..Default::default() }];
    let data = Some(Data::Gauge(Gauge { data_points: points }));
    let metrics = vec![Metric { name: "m".to_owned(), data, ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let sent = ExportMetricsServiceRequest { resource_metrics };
    let out = harness("{allowed_keys: [a]}").push(0, Payload::Metrics(sent.encode_to_vec().into()), 1);
    let left = ExportMetricsServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
    let Some(Data::Gauge(gauge)) = &left.resource_metrics[0].scope_metrics[0].metrics[0].data else {
        panic!("it stays a gauge")
    };
    assert_eq!(labels(&gauge.data_points[0].attributes), "{a=1}");
}

#[test]
fn a_request_without_secrets_stays_the_same_bytes() {
    let mut harness = harness("{allow_all_keys: true, blocked_values: [secret], summary: debug}");
    let body = Some(Value::StringValue("hello".to_owned()));
    let request = Payload::Logs(logs(body, vec![text("x", "1")]).encode_to_vec().into());
    let at = request.bytes().unwrap().as_ptr();
    assert_eq!(harness.push(0, request, 1)[0].bytes().unwrap().as_ptr(), at);
}

#[test]
fn what_can_not_be_masked_goes() {
    let mut harness = harness("{allow_all_keys: true, blocked_values: [a], hash_function: sha3}");
    let sent = logs(None, vec![text("x", &"a".repeat(100_000))]);
    let out = harness.push(0, Payload::Logs(sent.encode_to_vec().into()), 1);
    assert!(out.is_empty(), "the only record goes");
}

#[test]
fn every_mistake_is_reported() {
    let yaml = "{ignored_key_patterns: ['('], blocked_key_patterns: [x, '['], blocked_values: ['+'], allowed_values: [')'], \
                hash_function: hmac-sha256, hmac_key: short, summary: verbose}";
    let mut checks = Checks::default();
    settings::<RedactionConfig>(yaml).validate(&mut checks);
    settings::<RedactionConfig>("{allow_all_keys: true, hash_function: sha256}").validate(&mut checks);
    settings::<RedactionConfig>("{allow_all_keys: true, hash_function: hmac-sha512}").validate(&mut checks);
    settings::<RedactionConfig>("{allow_all_keys: true, hash_function: md5, hmac_key: x}")
        .validate(&mut checks);
    let told: Vec<_> =
        checks.into_findings().iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
    expect![[r#"
        ignored_key_patterns.0: the pattern "(" is no regular expression: unclosed group
        blocked_key_patterns.1: the pattern "[" is no regular expression: unclosed character class
        blocked_values.0: the pattern "+" is no regular expression: repetition operator missing expression
        allowed_values.0: the pattern ")" is no regular expression: unopened group
        hmac_key: hmac_key has 5 bytes, must have at least 32 for hmac-sha256
        summary: "verbose" is no summary, write one of debug, info, silent
        allowed_keys: no key is allowed, so that every attribute is removed; to keep them all and mask values set allow_all_keys
        hash_function: "sha256" is no hash function, write one of md5, sha1, sha3, hmac-sha256, hmac-sha512
        hash_function: hmac-sha512 needs a key, set hmac_key
        hmac_key: only hash_function hmac-sha256 and hmac-sha512 have a key"#]].assert_eq(&told.join("\n"));
}

#[test]
fn a_sanitizer_may_be_off_and_one_that_is_on_is_refused() {
    let off = "allow_all_keys: true\nurl_sanitizer: {enabled: false, attributes: [url.full], sanitize_span_name: true}\n\
               db_sanitizer: {sql: {enabled: false, attributes: [db.statement]}, sanitize_span_name: false}\n";
    assert_eq!(problems_of::<Redaction>(off), "");
    let on = "allow_all_keys: true\nurl_sanitizer: {enabled: true}\ndb_sanitizer: {redis: {enabled: true}}\n";
    expect![[r#"
        error at url_sanitizer.enabled: url_sanitizer is not supported: addresses and queries are not taken apart; remove it, and mask by blocked_values
        error at db_sanitizer.redis.enabled: db_sanitizer.redis is not supported: addresses and queries are not taken apart; remove it, and mask by blocked_values
    "#]]
    .assert_eq(&problems_of::<Redaction>(on));
}
