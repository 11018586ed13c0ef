use std::collections::BTreeMap;

use expect_test::expect;
use model::{Signal, SignalSet};
use serde_json::json;

use super::{text, wanted::Wanted};

fn wanted(parameters: &[(&str, &str)]) -> Result<Wanted, String> {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Wanted::of(&parameters.collect::<BTreeMap<_, _>>())
}

#[test]
fn what_is_left_out_has_a_default_that_ends_and_hides() {
    let wanted = wanted(&[]).unwrap();
    assert_eq!((wanted.limit, wanted.rate, wanted.duration.as_secs()), (100, 20, 60));
    assert!(wanted.at.is_none() && !wanted.shows_secrets && wanted.signals == SignalSet::ALL);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let wrong = [
        ("limt", "5"),
        ("side", "befor"),
        ("rate", "0"),
        ("limit", "1000000"),
        ("for", "2h"),
        ("signal", "trace"),
        ("where", "service.name = 1"),
        ("secrets", "yes"),
    ];
    let problem = wanted(&wrong).err().unwrap();
    for words in [
        "did you mean `limit`",
        "did you mean `before`",
        "rate is `0`, must be a number from 1 to 1000",
        "limit is `1000000`",
        "at most an hour",
        "did you mean `traces`",
        "where: at character",
        "must be `show`",
    ] {
        assert!(problem.contains(words), "{words}: {problem}");
    }
    let problem = wanted(&[("for", "5")]).err().unwrap();
    assert!(problem.contains("has no unit"), "{problem}");
}

#[test]
fn a_condition_says_for_which_signals_it_is_meant() {
    let condition = ("where", "span.name == \"x\"");
    assert_eq!(wanted(&[condition]).unwrap().signals, SignalSet::of(Signal::Traces));
    let problem = wanted(&[condition, ("signal", "logs")]).err().unwrap();
    assert!(problem.contains("another signal"), "{problem}");
    let problem = wanted(&[("where", "name == \"x\"")]).err().unwrap();
    assert!(problem.contains("say of what it is, as span.name, metric.name"), "{problem}");
}

#[test]
fn people_read_a_line_for_each_span_point_and_record() {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}},
        {"key": "host.name", "value": {"stringValue": "a 1"}}]});
    let span = json!({"name": "GET /cart", "kind": 2, "traceId": "0af7", "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000000012300000", "status": {"code": 2, "message": "bad\u{1b}[2J"},
        "attributes": [{"key": "http.route", "value": {"stringValue": "/cart"}}], "events": [{"name": "retry"}]});
    let traces = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]});
    let points = json!([{"asInt": "7", "timeUnixNano": "1700000000000000000",
        "attributes": [{"key": "state", "value": {"stringValue": "idle"}}]}, {"asDouble": 0.5}]);
    let metric =
        json!({"name": "pool", "unit": "By", "sum": {"aggregationTemporality": 2, "dataPoints": points}});
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]});
    let record = json!({"observedTimeUnixNano": "1700000000000000000", "severityText": "WARN",
        "body": {"stringValue": "out of \"stock\""}});
    let logs = json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]});
    let all: String = [traces, metrics, logs].iter().map(text::lines).collect();
    expect![[r#"
        22:13:20.012 cart span "GET /cart" server 12.3ms error bad [2J trace=0af7 event=retry http.route=/cart [host.name="a 1"]
        22:13:20.000 - sum pool value=7By cumulative state=idle
        00:00:00.000 - sum pool value=0.5By cumulative
        22:13:20.000 cart log WARN "out of \"stock\"" [host.name="a 1"]
    "#]]
    .assert_eq(&all);
}

#[test]
fn the_end_tells_what_was_not_shown() {
    let end = json!({"ended": "time", "passed": 900, "matched": 30, "shown": 20, "hidden_values": 2,
        "missed": {"over_rate": 10, "not_looked_at": 0, "slow_reader": 3, "too_large": 0}});
    expect!["the time is over: 900 passed, 20 shown, 30 chosen of what was looked at, 2 values hidden, 10 not shown: above --rate, 3 not shown: not read in time"]
        .assert_eq(&text::end(&end));
    let end = json!({"ended": "limit", "passed": 5, "matched": 5, "shown": 5, "missed": {}});
    assert_eq!(text::end(&end), "all that was asked for: 5 passed, 5 shown");
}
