//! Rules that are made while it runs.

use super::{Feed, states};

const SETTINGS: &str = "dynamic: {max: 2, ttl: 10m, max_ttl: 2h}";
const RULE: &str = r#"{"name": "Mine", "metric": "span.*", "stat": "error_ratio", "group_by": ["service.name"],
    "when": {"op": "gt", "value": 0.05}, "for": "0s", "keep_firing_for": "0s", "labels": {"by": "hand"}}"#;

#[test]
fn a_rule_works_from_the_next_window_on_until_it_expires() {
    let mut feed = Feed::new(SETTINGS);
    feed.run(10, 20, "shop", 0.5);
    let made = feed.ask("POST", "rules", RULE);
    assert_eq!((made.status, made.is_changed), (201, true), "{}", String::from_utf8_lossy(&made.body));
    let told = feed.run(30, 30, "shop", 0.5);
    assert_eq!(states(&told), ["firing"]);
    assert_eq!(told[0].labels["by"], "hand");
    assert_eq!(told[0].labels["metric"], "span.duration", "a pattern's alerts say which metric");
    assert_eq!(feed.get("rules/Mine")["source"], "api");
    assert_eq!(feed.get("rules/Mine")["author"], "ann");
    let told = feed.run(40, 700, "shop", 0.5);
    assert_eq!(states(&told), ["resolved"]);
    assert_eq!(feed.ask("GET", "rules/Mine", "").status, 404);
}

#[test]
fn a_rule_is_replaced_and_deleted_and_its_alerts_end() {
    let mut feed = Feed::new(SETTINGS);
    feed.ask("POST", "rules", RULE);
    feed.run(10, 20, "shop", 0.5);
    assert_eq!(feed.ask("PUT", "rules/Mine?ttl=1h", &RULE.replace("0.05", "0.9")).status, 200);
    assert_eq!(states(&feed.run(30, 30, "shop", 0.5)), ["resolved"]);
    assert_eq!(feed.get("rules")["rules"][0]["rule"]["when"]["value"], 0.9);
    assert_eq!(feed.ask("DELETE", "rules/Mine", "").status, 200);
    assert_eq!(feed.get("rules")["rules"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_hundred_thousand_rules_are_refused_but_for_the_first() {
    let mut feed = Feed::new(SETTINGS);
    let mut made = 0;
    for number in 0..100_000_u32 {
        let name = format!("rules-{number}");
        made += u32::from(feed.ask("POST", "rules", &RULE.replace("Mine", &name)).status == 201);
    }
    assert_eq!(made, 2);
    assert_eq!(feed.metric("refused_requests"), 99_998);
    assert_eq!(feed.metric("rules"), 2);
}

#[test]
fn a_rule_that_is_wrong_is_refused_with_its_field() {
    let configured = "rules: [{name: Fixed, metric: a, stat: mean, when: {op: gt, value: 1}}]";
    let mut feed = Feed::new(configured);
    for (from, to, expected) in [
        ("gt", "above", "op"),
        ("0.05", "\"high\"", "value"),
        ("error_ratio", "p42", "p42"),
        (r#""value": 0.05"#, r#""pct": 5"#, "needs `value`"),
        (r#""by": "hand""#, r#""by": "{{ value }}""#, "identity"),
        (r#""by": "hand""#, r#""alertname": "x""#, "alertname"),
        (r#""labels""#, r#""lables""#, "lables"),
        (
            r#""for""#,
            r#""window": "7s", "for""#,
            "window is 7s, must be a multiple or a part of evaluation_interval (10s)",
        ),
        ("Mine", "Fixed", "there is a rule"),
    ] {
        let answer = feed.ask("POST", "rules", &RULE.replace(from, to));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status >= 400 && text.contains(expected), "{to}: {text}");
    }
    for ttl in ["0s", "9999h", "x", "10"] {
        assert_eq!(feed.ask("POST", &format!("rules?ttl={ttl}"), RULE).status, 400, "{ttl}");
    }
    assert_eq!(feed.ask("DELETE", "rules/Fixed", "").status, 409);
    assert_eq!(feed.ask("PUT", "rules/Other", RULE).status, 400);
    let mut off = Feed::new("dynamic: {enabled: false}");
    assert_eq!(off.ask("POST", "rules", RULE).status, 403);
}
