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
