//! What people ask, and ask for.

use serde_json::Value;

use super::{Feed, states};

const RULE: &str = "
rules:
  - {name: High, metric: span.duration, stat: error_ratio, group_by: [service.name], when: {op: gt, value: 0.05}, for: 0s, keep_firing_for: 0s, cooldown: 0s, severity: critical}
dynamic: {max: 2, ttl: 10m, max_ttl: 2h}
silences: {max: 2, max_duration: 24h}
";

fn firing() -> (Feed, String) {
    let mut feed = Feed::new(RULE);
    let told = feed.run(10, 10, "shop", 0.5);
    let fingerprint = told[0].get("trueline.alert.fingerprint").to_owned();
    (feed, fingerprint)
}

/// What a refusal says.
fn refusal(feed: &mut Feed, method: &str, path: &str, body: &str) -> (u16, String) {
    let answer = feed.ask(method, path, body);
    assert!(!answer.is_changed, "{path}");
    let body: Value = serde_json::from_slice(&answer.body).expect("answers are JSON");
    (answer.status, body["error"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn alerts_are_listed_by_what_is_asked_for() {
    let (mut feed, fingerprint) = firing();
    let names = |list: &Value| -> Vec<String> {
        let all = list["alerts"].as_array().expect("it is a list");
        all.iter().map(|it| it["labels"]["alertname"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&feed.get("alerts")), ["High", "Watchdog"]);
    assert_eq!(names(&feed.get("alerts?severity=critical")), ["High"]);
    assert_eq!(names(&feed.get("alerts?state=pending")), Vec::<String>::new());
    assert_eq!(names(&feed.get("alerts?alertname=Watchdog&state=all")), ["Watchdog"]);
    let one = feed.get(&format!("alerts/{fingerprint}"));
    assert_eq!((one["state"].as_str(), one["value"].as_f64()), (Some("firing"), Some(0.5)));
    assert_eq!(one["events"][0]["event"], "firing");
    assert_eq!(refusal(&mut feed, "GET", "alerts?stat=x", "").0, 400);
}

#[test]
fn an_alert_that_has_never_fired_shows_how_much_it_would_matter() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 20, "shop", 0.0);
    let quiet = &feed.get("alerts?state=inactive")["alerts"][0];
    assert_eq!(
        (quiet["severity"].as_str(), quiet["labels"]["severity"].as_str()),
        (Some("critical"), Some("critical"))
    );
}

#[test]
fn acknowledgements_and_feedback_are_kept_with_who_gave_them() {
    let (mut feed, fingerprint) = firing();
    let path = |what: &str| format!("alerts/{fingerprint}/{what}");
    assert_eq!(feed.ask("POST", &path("ack"), "").status, 200);
    assert_eq!(feed.get(&format!("alerts/{fingerprint}"))["acknowledged_by"], "ann");
    assert_eq!(feed.ask("POST", &path("unack"), "").status, 200);
    assert_eq!(feed.ask("POST", &path("unack"), "").status, 409);
    for verdict in ["noise", "noise", "useful", "noise"] {
        assert_eq!(
            feed.ask("POST", &path("feedback"), &format!("{{\"verdict\": \"{verdict}\"}}")).status,
            200
        );
    }
    let told = crate::testing::lines(&feed.tick_all(60));
    assert_eq!(false_alarms(&told), "1.0", "of one firing the last word counts");
    let acknowledged = told.lines().skip_while(|line| !line.contains("time_to_acknowledge")).nth(1);
    assert!(acknowledged.is_some_and(|line| line.contains("count=1 sum=13")), "{acknowledged:?}");
    let (status, problem) = refusal(&mut feed, "POST", &path("feedback"), r#"{"verdict": "good"}"#);
    assert!(status == 400 && problem.contains("verdict") && problem.contains("noise"), "{problem}");
    feed.run(70, 70, "shop", 0.0);
    assert_eq!(feed.ask("POST", &path("ack"), "").status, 409, "it does not fire any more");
}

/// Returns the share of false alarms of the rule.
fn false_alarms(told: &str) -> &str {
    let ratio = told.lines().skip_while(|line| !line.contains("trueline.alert.false_alarm_ratio")).nth(1);
    let ratio = ratio.filter(|line| line.contains("alertname=High")).expect("the share is told");
    ratio.rsplit("= ").next().unwrap_or_default()
}

#[test]
fn of_each_firing_one_word_counts_however_often_people_speak_and_over_restarts() {
    let (mut feed, fingerprint) = firing();
    let say = |feed: &mut Feed, verdict: &str| {
        let body = format!("{{\"verdict\": \"{verdict}\"}}");
        assert_eq!(feed.ask("POST", &format!("alerts/{fingerprint}/feedback"), &body).status, 200);
    };
    for _ in 0..9 {
        say(&mut feed, "noise");
    }
    let mut feed = feed.restarted();
    say(&mut feed, "noise");
    assert_eq!(states(&feed.run(20, 20, "shop", 0.0)), ["resolved"]);
    say(&mut feed, "useful");
    assert_eq!(states(&feed.run(30, 30, "shop", 0.5)), ["firing"]);
    say(&mut feed, "noise");
    let told = crate::testing::lines(&feed.tick_all(90));
    assert_eq!(false_alarms(&told), "0.5", "one of two firings");
}

#[test]
fn a_silence_is_made_listed_replaced_and_ended() {
    let (mut feed, _) = firing();
    let body = r#"{"matchers": [{"name": "service.name", "value": "sh.p", "isRegex": true}], "duration": "1h", "createdBy": "bob", "comment": "x"}"#;
    let made: Value = serde_json::from_slice(&feed.ask("POST", "silences", body).body).expect("it is JSON");
    let id = made["id"].as_str().expect("it has an id").to_owned();
    assert_eq!((made["createdBy"].as_str(), made["status"]["state"].as_str()), (Some("ann"), Some("active")));
    feed.tick(24);
    let listed = feed.get("alerts?alertname=High");
    assert_eq!(listed["alerts"][0]["suppressed_by"][0], format!("silence {id}"));
    let replaced = format!(r#"{{"id": "{id}", "match": ["service.name=other"], "duration": "1h"}}"#);
    assert_eq!(feed.ask("POST", "silences", &replaced).status, 200);
    assert_eq!(feed.get("silences")["silences"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        feed.get("alerts?alertname=High")["alerts"][0]["suppressed_by"].as_array().map(Vec::len),
        Some(0)
    );
    assert_eq!(feed.ask("DELETE", &format!("silences/{id}"), "").status, 200);
    assert_eq!(feed.get(&format!("silences/{id}"))["status"]["state"], "expired");
}

#[test]
fn a_silence_that_is_wrong_is_refused_with_what_is_right() {
    let (mut feed, _) = firing();
    for (body, expected) in [
        ("", "the body is empty"),
        ("{", "unclosed"),
        ("[]", ""),
        (r#"{"matchers": [], "duration": "1h"}"#, "0 entries"),
        (r#"{"match": ["a=b"]}"#, "a silence must end"),
        (r#"{"match": ["a=b"], "duration": "48h"}"#, "at most 24h"),
        (r#"{"match": ["a=b"], "endsAt": "2001-01-01T00:00:00Z"}"#, "must be after"),
        (r#"{"match": ["a=b"], "endsAt": "tomorrow"}"#, "RFC 3339"),
        (r#"{"match": ["a=~("], "duration": "1h"}"#, "no regular expression"),
        (r#"{"match": ["a=~(x{500}){500}"], "duration": "1h"}"#, "at most 1000 copies"),
        (r#"{"match": ["a=~.*"], "duration": "1h"}"#, "all alerts would be silent"),
        (r#"{"match": ["a=b"], "duration": "1h", "coment": "x"}"#, "coment"),
        (r#"{"id": "0", "match": ["a=b"], "duration": "1h"}"#, "no silence"),
    ] {
        let (status, problem) = refusal(&mut feed, "POST", "silences", body);
        assert!((400..500).contains(&status) && problem.contains(expected), "{body}: {status} {problem}");
    }
    for _ in 0..2 {
        assert_eq!(feed.ask("POST", "silences", r#"{"match": ["a=b"], "duration": "1m"}"#).status, 201);
    }
    let third = r#"{"match": ["a=b"], "duration": "1m"}"#;
    assert_eq!(refusal(&mut feed, "POST", "silences", third).0, 429);
    feed.tick(100);
    assert_eq!(feed.ask("POST", "silences", third).status, 201, "those that are over make room");
    assert!(feed.metric("refused_requests") >= 14);
}

#[test]
fn what_is_no_place_or_no_way_is_told_what_there_is() {
    let (mut feed, fingerprint) = firing();
    for (method, path, status) in [
        ("DELETE", "alerts", 405),
        ("PUT", "silences", 405),
        ("GET", "alerts/xyz", 404),
        ("POST", &*format!("alerts/{fingerprint}/burn"), 404),
        ("GET", "rules/none", 404),
        ("GET", "explain", 400),
        ("DELETE", "rules/none", 404),
        ("DELETE", "silences/none", 404),
    ] {
        let (found, problem) = refusal(&mut feed, method, path, "");
        assert_eq!(found, status, "{method} {path}: {problem}");
        assert!(!problem.is_empty());
    }
}

#[test]
fn a_body_may_be_anything_and_breaks_nothing() {
    let (mut feed, fingerprint) = firing();
    let large = "x".repeat(70_000);
    let deep = "[".repeat(5000);
    for body in
        ["\0", "null", "7", "{\"a\": 1, \"a\": 2}", "&a [*a]", &large, &deep, "{\"name\": {}}", "é: ["]
    {
        for path in ["silences", "rules", &format!("alerts/{fingerprint}/feedback")] {
            let (status, problem) = refusal(&mut feed, "POST", path, body);
            assert!((400..500).contains(&status) && !problem.is_empty(), "{path} {status}");
        }
    }
    assert_eq!(states(&feed.run(20, 20, "shop", 0.0)), ["resolved"], "all goes on");
}
