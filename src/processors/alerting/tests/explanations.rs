//! Why it paged, and why it did not.

use serde_json::Value;

use super::Feed;

const RULE: &str = "
rules:
  - {name: High, metric: span.duration, stat: error_ratio, group_by: [service.name], when: {op: gt, value: 0.05}, for: 30s, keep_firing_for: 0s, cooldown: 10m}
suppress: [{match: {alertname: High}, schedule: 'Mon 13:00-14:00'}]
";

/// The words of the explanation of a second after noon.
fn why(feed: &mut Feed, subject: &str, second: u64) -> (String, Value) {
    let (hour, minute, second) = (12 + second / 3600, second / 60 % 60, second % 60);
    let found = feed.get(&format!("explain?subject={subject}&at=2024-01-01T{hour}:{minute:02}:{second:02}Z"));
    let one = found["alerts"][0].clone();
    (one["why"].as_str().unwrap_or_default().to_owned(), one)
}

#[test]
fn every_reason_not_to_page_is_told_for_the_time_at_which_it_held() {
    let mut feed = Feed::new(RULE);
    let expect = |feed: &mut Feed, second: u64, state: &str, expected: &str| {
        let (told, one) = why(feed, "High", second);
        assert!(told.contains(expected), "{second}: {told}");
        assert_eq!(one["state_then"], state, "{second}");
    };
    feed.run(10, 100, "shop", 0.01);
    feed.run(110, 120, "shop", 0.5);
    feed.run(130, 200, "shop", 0.02);
    expect(&mut feed, 50, "inactive", "it did not fire: 0.01 compared with 0.05 does not hold");
    expect(&mut feed, 115, "pending", "its condition held, but not yet for as long");
    expect(&mut feed, 160, "inactive", "0.02 compared with 0.05");
    feed.run(210, 300, "shop", 0.6);
    feed.run(310, 400, "shop", 0.0);
    feed.run(410, 500, "shop", 0.7);
    feed.run(510, 3700, "shop", 0.0);
    feed.run(3710, 3800, "shop", 0.8);
    expect(&mut feed, 50, "inactive", "its condition held for a part of these minutes");
    expect(&mut feed, 250, "firing", "it fired at");
    expect(&mut feed, 450, "firing", "it fired again within its cooldown");
    expect(&mut feed, 3790, "firing", "because of schedule Mon 13:00-14:00");
    let (_, one) = why(&mut feed, "span.duration", 3790);
    assert_eq!(one["input"]["least"].as_f64().map(|it| (it * 1000.0).round()), Some(800.0));
    assert_eq!(one["input"]["condition_held"], true);
    let (_, long_ago) = why(&mut feed, "High", 115);
    assert_eq!(long_ago["input"]["is_one_evaluation"], false, "an hour later five minutes are left");
    assert_eq!(long_ago["input"]["condition_held"], true);
    let told = feed.get("explain?subject=High");
    assert_eq!(told["rules"][0]["threshold"], 0.05);
    assert_eq!(told["rules"][0]["for"], 30);
}

#[test]
fn what_is_asked_wrongly_is_told_how_to_ask() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 20, "shop", 0.0);
    for (query, status) in [
        ("explain", 400),
        ("explain?subject=", 400),
        ("explain?subject=None", 404),
        ("explain?subject=High&at=yesterday", 400),
        ("explain?subject=High&at=2023-01-01T00:00:00Z", 400),
        ("explain?subject=High&at=2030-01-01T00:00:00Z", 400),
    ] {
        assert_eq!(feed.ask("GET", query, "").status, status, "{query}");
    }
}

#[test]
fn values_beyond_the_memory_for_them_are_not_kept_and_counted() {
    let mut feed = Feed::new(&format!("{RULE}explain_bytes: 2000\n"));
    let rows: Vec<_> = ["a", "b", "c"].map(|it| (super::series(it), 0.01)).into();
    for end in (10..=40).step_by(10) {
        feed.give(end, &rows);
    }
    // Three of the rule and the watchdog, of which one has room.
    assert_eq!(feed.metric("unexplained_alerts"), 3);
    let found = feed.get("explain?subject=High");
    let kept =
        found["alerts"].as_array().map(|all| all.iter().filter(|it| it["input_is_kept"] == true).count());
    assert_eq!(kept, Some(1));
}

/// All that is said of some subjects for every half minute of a time.
fn everything(feed: &mut Feed, seconds: std::ops::Range<u64>) -> Vec<Value> {
    let ask = |feed: &mut Feed, subject: &str, second: u64| {
        let (hour, minute, second) = (12 + second / 3600, second / 60 % 60, second % 60);
        let mut told =
            feed.get(&format!("explain?subject={subject}&at=2024-01-01T{hour}:{minute:02}:{second:02}Z"));
        // What is so now is no matter of then.
        told["since"] = Value::Null;
        for alert in told["alerts"].as_array_mut().into_iter().flatten() {
            alert["alert"] = alert["alert"]["labels"].take();
        }
        told
    };
    let of_second = |second| ["High", "span.duration"].map(|subject| (subject, second));
    let asked: Vec<_> = seconds.step_by(30).flat_map(of_second).collect();
    asked.into_iter().map(|(subject, second)| ask(feed, subject, second)).collect()
}

#[test]
fn a_restart_takes_nothing_from_what_is_explained() {
    let mut feed = Feed::new(RULE);
    let values = [0.01, 0.5, 0.02, 0.6, 0.7, 0.0, 0.03];
    for end in (10..=4200).step_by(10) {
        let value = values[end as usize / 200 % values.len()] + end as f64 / 1e6;
        // One is always quiet, so the state knows nothing of it.
        feed.give(end, &[(super::series("shop"), value), (super::series("quiet"), value / 1e3)]);
    }
    let before = everything(&mut feed, 0..4200);
    let quiet = before.last().expect("there are some")["alerts"].as_array().map(Vec::len);
    assert_eq!(quiet, Some(2));
    let mut feed = feed.restarted();
    assert_eq!(everything(&mut feed, 0..4200), before, "before anything has come");
    let mut feed = feed.restarted();
    assert_eq!(everything(&mut feed, 0..4200), before, "and once more");
    // Those that come again are gone on with.
    for end in (4210..=4300).step_by(10) {
        feed.give(end, &[(super::series("shop"), 0.2), (super::series("quiet"), 0.001)]);
    }
    assert_eq!(feed.metric("alerts"), 3);
    assert_eq!(everything(&mut feed, 0..600), before[..40], "five minutes each, before and after");
}

#[test]
fn a_series_that_has_gone_is_explained_for_a_day_and_then_forgotten() {
    let mut feed = Feed::new(&format!("{RULE}series_retention: 5m\n"));
    feed.run(10, 600, "shop", 0.01);
    feed.run(610, 1200, "other", 0.01);
    assert_eq!(feed.metric("alerts"), 2, "the watchdog and the one that is left");
    let of_shop = |feed: &mut Feed| {
        let told = feed.get("explain?subject=High&at=2024-01-01T12:05:00Z");
        let all = told["alerts"].as_array().cloned().unwrap_or_default();
        let shop = all.iter().find(|it| it["alert"]["labels"]["service.name"] == "shop");
        shop.map(|it| it["why"].as_str().unwrap_or_default().to_owned())
    };
    let then = "it did not fire: 0.01 compared with 0.05 does not hold";
    assert_eq!(of_shop(&mut feed).as_deref(), Some(then));
    // It comes back, with all that was known.
    feed.run(1210, 1300, "shop", 0.02);
    assert_eq!(of_shop(&mut feed).as_deref(), Some(then));
    feed.tick(1300 + 3600);
    feed.tick(1300 + 30 * 3600);
    assert_eq!(feed.ask("GET", "explain?subject=High", "").status, 200, "the rule is known");
    assert_eq!(feed.get("explain?subject=High")["alerts"].as_array().map(Vec::len), Some(0));
}

#[test]
fn values_of_series_that_have_gone_make_room_for_those_that_are_there() {
    let mut feed = Feed::new(&format!("{RULE}explain_bytes: 4000\nseries_retention: 5m\n"));
    feed.run(10, 300, "a", 0.01);
    feed.run(310, 900, "b", 0.01);
    let kept = |feed: &mut Feed| -> Vec<(String, bool)> {
        let told = feed.get("explain?subject=High");
        let one = |alert: &Value| {
            let service = alert["alert"]["labels"]["service.name"].as_str().unwrap_or_default().to_owned();
            (service, alert["input_is_kept"] == true)
        };
        told["alerts"].as_array().map(|all| all.iter().map(one).collect()).unwrap_or_default()
    };
    assert_eq!(kept(&mut feed), [("a".to_owned(), true), ("b".to_owned(), true)]);
    feed.run(910, 1000, "c", 0.01);
    assert_eq!(kept(&mut feed), [("b".to_owned(), true), ("c".to_owned(), true)], "room is for two");
    let mut feed = feed.restarted();
    assert_eq!(kept(&mut feed), [("b".to_owned(), true), ("c".to_owned(), true)]);
}

#[test]
fn an_archive_that_is_none_is_refused_and_nothing_else_stops() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 60, "shop", 0.5);
    let sound = feed.archive();
    let mut feed = Feed::new(RULE);
    let other = component::Snapshot { version: 2, ..sound.clone() };
    assert!(feed.harness.analysis().restore_archive(other).is_err());
    let mut cut = sound;
    cut.bytes.truncate(cut.bytes.len() - 5);
    assert!(feed.harness.analysis().restore_archive(cut).is_err());
    assert_eq!(super::states(&feed.run(10, 60, "shop", 0.5)), ["pending", "firing"]);
}

#[test]
fn the_threshold_is_that_of_then_however_often_the_rule_was_tuned() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 300, "shop", 0.04);
    feed.config = super::config(&RULE.replace("value: 0.05", "value: 0.03"));
    let mut feed = feed.restarted();
    feed.run(310, 600, "shop", 0.02);
    feed.config = super::config(&RULE.replace("value: 0.05", "value: 0.01"));
    let mut feed = feed.restarted();
    feed.run(610, 700, "shop", 0.005);
    for (second, told, threshold) in [
        (200, "0.04 compared with 0.05", 0.05),
        (500, "0.02 compared with 0.03", 0.03),
        (690, "0.005 compared with 0.01", 0.01),
    ] {
        let (why, one) = why(&mut feed, "High", second);
        assert!(why.contains(told), "{second}: {why}");
        assert_eq!(one["threshold"], threshold, "{second}");
    }
}

#[test]
fn a_silence_explains_the_time_at_which_it_held_though_it_was_ended_and_over_a_restart() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 100, "shop", 0.0);
    let silence = r#"{"match": ["service.name=shop"], "duration": "1h", "comment": "we move"}"#;
    let made: Value =
        serde_json::from_slice(&feed.ask("POST", "silences", silence).body).expect("it is JSON");
    let id = made["id"].as_str().expect("it has an id").to_owned();
    feed.run(110, 300, "shop", 0.5);
    assert_eq!(feed.ask("DELETE", &format!("silences/{id}"), "").status, 200);
    feed.run(310, 400, "shop", 0.5);
    let mut feed = feed.restarted();
    let (told, one) = why(&mut feed, "High", 250);
    assert_eq!(told, format!("it fired, and nobody was told because of silence {id}"));
    assert_eq!(one["suppressed_by_then"], serde_json::json!([format!("silence {id}")]));
    let (told, one) = why(&mut feed, "High", 380);
    assert!(told.starts_with("it fired at") && told.contains("was told at"), "{told}");
    assert_eq!(one["suppressed_by_then"], serde_json::json!([]));
}
