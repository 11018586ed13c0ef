//! What each op takes for an alert.

use super::{Feed, Timestamp, at, scored, series, states, window};
use crate::alerting::{
    judge::{Finding, Measured, Memory, Test, severity_of},
    machine::Verdict,
    rule::{Slope, WhenConfig},
};
use std::{sync::Arc, time::Duration};

use model::{BaselineColumns, Severity};

fn when(yaml: &str) -> Test {
    let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let when: WhenConfig = config::decode(&node, "", &mut problems).expect("the settings are read");
    assert_eq!(problems.error_count(), 0);
    Test::of(&when)
}

/// Evaluates every ten seconds and returns the last finding.
fn last(yaml: &str, until: u64, value: impl Fn(u64) -> f64) -> Finding {
    let test = when(yaml);
    let (mut memory, mut scratch) = (Memory::default(), Vec::new());
    let mut finding = None;
    for second in (10..=until).step_by(10) {
        let value = value(second);
        test.learn(at(second), Duration::from_secs(10), value, &mut memory);
        let measured = Measured { value, ..Measured::NOTHING };
        finding = Some(test.evaluate(&measured, &mut memory, &mut scratch));
    }
    finding.expect("something was evaluated")
}

fn holds(yaml: &str, until: u64, value: impl Fn(u64) -> f64) -> bool {
    last(yaml, until, value).verdict == Verdict::True
}

/// Noise without a trend, the same in every run: of one digit.
fn noise(second: u64) -> f64 {
    ((second / 10 * 7919) % 11) as f64 - 5.0
}

#[test]
fn comparisons() {
    for (op, expected) in
        [("gt", [false, false, true]), ("lt", [true, false, false]), ("eq", [false, true, false])]
    {
        let yaml = format!("{{op: {op}, value: 0.3}}");
        let found = [0.2, 0.1 + 0.2, 0.4].map(|value| holds(&yaml, 10, |_| value));
        // A third of a unit is not equal to the last bit, and greater by that.
        let expected = if op == "gt" { [false, true, true] } else { expected };
        assert_eq!(found, expected, "{op}");
    }
    assert!(!holds("{op: gt, value: 5, over: 5m}", 300, |second| if second == 300 { 100.0 } else { 1.0 }));
    assert!(holds("{op: gt, value: 5, over: 5m}", 300, |second| if second > 150 { 11.0 } else { 1.0 }));
    assert_eq!(last("{op: gt, value: 5}", 10, |_| f64::NAN).verdict, Verdict::NoData);
}

#[test]
fn trends_are_told_by_slope_and_fit() {
    let up = "{op: trend_up, over: 30m, slope: 1%/m}";
    assert!(holds(up, 1800, |second| 100.0 + 0.05 * second as f64 + noise(second)));
    assert!(!holds(up, 1800, |second| 100.0 + 0.002 * second as f64), "too flat");
    assert!(!holds(up, 1800, |second| 100.0 - 0.05 * second as f64), "it falls");
    assert!(!holds(up, 1800, |second| 100.0 + 10.0 * noise(second)), "there is no trend");
    assert!(!holds(up, 60, |second| 100.0 + second as f64), "too little is known");
    let down = "{op: trend_down, over: 30m, slope: 0.5/m, min_r2: 0.8}";
    assert!(holds(down, 1800, |second| 1000.0 - 0.05 * second as f64));
    assert!(!holds(down, 1800, |second| 1000.0 - 0.001 * second as f64));
    let spike = |second: u64| if second == 900 { 1e5 } else { 100.0 + noise(second) };
    assert!(!holds(up, 1800, spike), "one wild value makes no trend");
}

#[test]
fn changes_are_told_in_percent() {
    let doubled = "{op: rate_of_change, over: 5m, pct: 100}";
    let step = |second: u64| if second > 600 { 250.0 } else { 100.0 };
    let found = last(doubled, 700, step);
    assert_eq!((found.verdict, found.value), (Verdict::True, 150.0));
    assert!(!holds(doubled, 1000, step), "it has been so for more than five minutes");
    assert!(!holds(doubled, 100, |second| second as f64), "nothing is known of five minutes ago");
    assert!(holds("{op: rate_of_change, over: 5m, pct: -50}", 700, |second| if second > 600 {
        40.0
    } else {
        100.0
    }));
    let least = "{op: rate_of_change, over: 5m, pct: 100, value: 50}";
    assert!(!holds(least, 700, |second| if second > 600 { 3.0 } else { 1.0 }), "too small to matter");
}

#[test]
fn predictions_say_how_much_time_is_left_until_they_come_true() {
    let yaml = "{op: predict_gt, value: 100, within: 1h, over: 1h, confidence: 0.9}";
    let rising = |second: u64| 10.0 + 0.01 * second as f64 + 0.1 * noise(second);
    let found = last(yaml, 6000, rising);
    assert_eq!(found.verdict, Verdict::True);
    let left = found.left.expect("it is a prediction").as_secs();
    assert!((2900..3100).contains(&left), "{left}: at 70 it lacks 30, which is 3,000 s");
    assert!(!holds(yaml, 4000, rising), "more than an hour is left");
    assert!(!holds(yaml, 9500, rising), "it has come true");
    assert!(!holds(yaml, 6000, |second| 70.0 + 5.0 * noise(second)), "it does not rise");
    let falling = "{op: predict_lt, value: 0, within: 1h, over: 1h}";
    assert!(holds(falling, 6000, |second| 90.0 - 0.01 * second as f64));
    assert!(!holds(falling, 6000, |second| 90.0 + 0.01 * second as f64));
    let within =
        [(Duration::from_secs(600), Severity::Critical), (Duration::from_secs(3600), Severity::Warning)];
    let severity = |left: u64| severity_of(Severity::Info, &within, Some(Duration::from_secs(left)));
    assert_eq!([300, 3000, 4000].map(severity), [Severity::Critical, Severity::Warning, Severity::Info]);
}

#[test]
fn a_prediction_has_its_own_identity_and_ends_with_its_horizon() {
    let rule = "
rules:
  - name: Full
    metric: span.duration
    stat: error_ratio
    when: {op: predict_gt, value: 100, within: 10m, over: 10m}
    for: 0s
    keep_firing_for: 5m
    cooldown: 1h
";
    let mut feed = Feed::new(rule);
    let service = series("disk");
    let mut told = Vec::new();
    // It rises for a while, then no further: what was foretold never comes.
    for end in (10..=2400).step_by(10) {
        let value = (end as f64 * 0.1).min(90.0);
        told.extend(feed.give(end, &[(service.clone(), value)]));
    }
    assert_eq!(states(&told), ["firing", "resolved"]);
    let firing = told.iter().find(|event| event.state() == "firing").expect("it was told");
    assert_eq!(firing.labels["predicted"], "true");
    let resolved = told.iter().find(|event| event.state() == "resolved").expect("it was told");
    let lasted = resolved.number("trueline.alert.ends_at") - firing.number("trueline.alert.starts_at");
    assert!(lasted <= 600_000_000_000, "{lasted}");
}

#[test]
fn an_anomaly_lasts_as_long_as_its_episode_that_reached_the_score() {
    let rule = "
rules:
  - {name: Odd, metric: span.duration, stat: error_ratio, when: {op: anomaly, score: 4}, for: 0s, keep_firing_for: 0s}
";
    let mut feed = Feed::new(rule);
    let odd = series("cart");
    let mut told = Vec::new();
    for (end, score, episode) in
        [(60, 0.1, 0), (120, 3.2, 7), (180, 5.0, 7), (240, f32::NAN, 7), (300, 0.0, 0), (360, f32::NAN, 8)]
    {
        told.extend(super::events(&feed.give_table(end, scored(end, &odd, score, episode))));
    }
    assert_eq!(states(&told), ["firing", "resolved"]);
    let time = |index: usize| -> Timestamp { told[index].time };
    assert_eq!((time(0), told.last().map(|event| event.time)), (at(180), Some(at(300))));
}

#[test]
fn an_anomaly_that_is_to_be_sure_is_told_when_its_episode_has_become_so() {
    let rule = "
rules:
  - {name: Odd, metric: span.duration, stat: error_ratio, when: {op: anomaly, confidence: 0.8}, for: 0s, keep_firing_for: 0s}
";
    let mut feed = Feed::new(rule);
    let odd = series("cart");
    let mut told = Vec::new();
    // A metric's score speaks once, and its episode grows surer afterwards. The one after it never does.
    for (end, score, episode, confidence) in [
        (60, 3.2, 7, 0.5),
        (120, 2.9, 7, 0.79),
        (180, 2.9, 7, 0.81),
        (240, 0.0, 7, 0.81),
        (300, 0.0, 0, 0.0),
        (360, 9.0, 8, 0.64),
        (420, 0.0, 0, 0.0),
    ] {
        let mut table = scored(end, &odd, score, episode);
        table.anomaly.as_mut().expect("it has scores").confidence = vec![confidence];
        told.extend(super::events(&feed.give_table(end, table)));
    }
    assert_eq!(states(&told), ["firing", "resolved"]);
    assert_eq!((told[0].time, told.last().map(|event| event.time)), (at(180), Some(at(300))));
}

#[test]
fn an_hour_that_is_worse_than_the_baseline_is_told_once_for_its_service() {
    let rule = "
rules:
  - {name: Slower, metric: span.duration, stat: error_ratio, group_by: [], when: {op: degraded}, for: 0s, keep_firing_for: 0s}
";
    let mut feed = Feed::new(rule);
    let both = [series("cart"), series("pay")];
    let mut told = Vec::new();
    for (end, is_degraded) in [(60, [false; 2]), (120, [false, true]), (180, [true; 2]), (240, [false; 2])] {
        let mut table = window(end, 60, &both.each_ref().map(|series| (Arc::clone(series), 0.25)));
        table.baseline = Some(BaselineColumns {
            is_absent: vec![false; 2],
            is_degraded: is_degraded.to_vec(),
            ..BaselineColumns::default()
        });
        told.extend(super::events(&feed.give_table(end, table)));
    }
    assert_eq!(states(&told), ["firing", "resolved"]);
    assert_eq!((told[0].time, told.last().map(|event| event.time)), (at(120), Some(at(240))));
}

#[test]
fn windows_of_another_width_are_not_the_rules_business() {
    let rule =
        "rules: [{name: X, metric: span.duration, stat: error_ratio, when: {op: gt, value: 0}, for: 0s}]";
    let mut feed = Feed::new(rule);
    assert_eq!(super::events(&feed.give_table(60, window(60, 60, &[(series("a"), 1.0)]))), []);
}

#[test]
fn slopes_are_read_with_their_unit() {
    for (text, per_second, is_ratio) in
        [("6%/m", 0.001, true), ("3600/h", 1.0, false), (" 86.4 / d", 0.001, false)]
    {
        let slope = Slope::parse(text).expect("it is sound");
        assert!(
            (slope.per_second - per_second).abs() < 1e-12 && slope.is_ratio == is_ratio,
            "{text}: {slope:?}"
        );
    }
    for text in ["5", "5%", "-1/m", "0/m", "x/m", "5/y", "inf/s"] {
        assert!(Slope::parse(text).is_err(), "{text}");
    }
}
