//! The path of a series that departs from its expected value.

use expect_test::expect;
use model::{Maturity, Statistic};

use super::rows::{Bench, Subject, noise, window};
use crate::anomaly::AnomalyConfig;

/// Noise of one usual deviation at most.
fn calm(subject: &Subject, minute: u64) -> f64 {
    subject.expected * (noise(minute, 1) * subject.scale).exp()
}

#[test]
fn a_slow_operation_is_one_episode_from_its_beginning_to_its_end() {
    let subject = Subject::p95("checkout");
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..200, &[&subject], |minute, _| {
        let factor = if (100..110).contains(&minute) { 4.0 } else { 1.0 };
        factor * calm(&subject, minute)
    });
    expect![[r#"
        100: p95 of span.duration of checkout (GET /) is 389.2, expected 99.85 to 100.2 (open) critical up ["novelty","seasonal","rate_of_change"]
        119: p95 of span.duration of checkout (GET /) is 389.2, expected 99.85 to 100.2 (closed) critical up ["novelty","seasonal","rate_of_change"]
    "#]].assert_eq(&bench.told);
    assert!(bench.n_open() >= 10, "{}", bench.n_open());
}

#[test]
fn a_departure_of_no_size_is_no_anomaly() {
    let subject = Subject { scale: 0.001, ..Subject::p95("checkout") };
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..200, &[&subject], |minute, _| if minute < 100 { 100.0 } else { 109.0 });
    assert_eq!(bench.told, "");
    assert!(bench.scores.iter().flatten().all(|score| *score < 3.0));
}

#[test]
fn fast_answers_are_no_anomaly() {
    let subject = Subject::p95("checkout");
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..200, &[&subject], |minute, _| if minute < 100 { 100.0 } else { 5.0 });
    assert_eq!(bench.told, "");
}

#[test]
fn few_failures_are_no_anomaly_and_many_are_critical() {
    let subject = Subject::new("checkout", "span.duration", Statistic::ErrorRatio, 0.001, 0.001);
    let mut bench = Bench::new(&AnomalyConfig::default());
    for minute in 1..200 {
        bench.judge(window(minute, &[(&subject, 0.25, 16)]));
    }
    assert_eq!(bench.told, "");
    for minute in 200..210 {
        bench.judge(window(minute, &[(&subject, 0.25, 400)]));
    }
    expect![[r#"
        200: error_ratio of span.duration of checkout (GET /) is 0.2500, expected -0.002000 to 0.004000 (open) critical up ["seasonal"]
    "#]].assert_eq(&bench.told);
}

#[test]
fn rows_that_are_not_known_well_are_not_scored() {
    let subject = Subject { maturity: Maturity::Insufficient, ..Subject::p95("checkout") };
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..20, &[&subject], |_, _| 1e9);
    assert!(bench.scores.iter().flatten().all(|score| score.is_nan()));
    assert_eq!(bench.told, "");
}

#[test]
fn values_that_are_no_numbers_never_open() {
    for bad in [f64::INFINITY, f64::NEG_INFINITY] {
        let subject = Subject::gauge("checkout");
        let mut bench = Bench::new(&AnomalyConfig::default());
        bench.run(1..400, &[&subject], |minute, _| if minute % 3 == 0 { bad } else { 100.0 });
        assert_eq!(bench.told, "");
    }
}

#[test]
fn silence_of_a_series_that_never_was_silent_is_an_episode() {
    let subject = Subject::p95("checkout");
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..100, &[&subject], |minute, _| if (50..60).contains(&minute) { f64::NAN } else { 100.0 });
    expect![[r#"
        52: p95 of span.duration of checkout (GET /) is silent, expected 100.0 (open) critical down ["absence"]
        64: p95 of span.duration of checkout (GET /) is silent, expected 100.0 (closed) critical down ["absence"]
    "#]]
    .assert_eq(&bench.told);
}

/// Requests of an operation, of which so many are expected in a minute.
fn operation(name: &str, per_minute: f64) -> Subject {
    let subject = Subject::new(name, "span.duration", Statistic::Rate, per_minute / 60.0, 1.0);
    Subject { lower: 0.0, ..subject }
}

#[test]
fn silence_of_few_requests_opens_once_so_many_were_expected_that_chance_can_not_explain_it() {
    for (per_minute, opened) in [(30.0, 52), (5.0, 52), (2.0, 56), (1.0, 63), (0.5, 77)] {
        let subject = operation("checkout", per_minute);
        let mut bench = Bench::new(&AnomalyConfig::default());
        bench.run(1..100, &[&subject], |minute, _| if minute >= 50 { f64::NAN } else { per_minute / 60.0 });
        let first = bench.open.iter().position(|rows| rows[0]).map(|at| at as u64 + 1);
        assert_eq!(first, Some(opened), "{per_minute} a minute: {}", bench.told);
    }
}

#[test]
fn windows_that_were_missing_lately_make_silence_less_improbable() {
    let subject = Subject::gauge("checkout");
    let mut bench = Bench::new(&AnomalyConfig::default());
    let is_missing = |minute: u64| minute.is_multiple_of(4) || minute >= 401;
    bench.run(1..500, &[&subject], |minute, _| if is_missing(minute) { f64::NAN } else { 100.0 });
    let opened = bench.open.iter().position(|rows| rows[0]).map(|at| at as u64 + 1);
    // One in four was missing: ten in a row come once in a million.
    assert!(opened.is_some_and(|minute| (408..412).contains(&minute)), "{opened:?}");
}

#[test]
fn rare_operations_that_fall_silent_together_warn_and_busy_ones_are_critical() {
    let told = |per_minute: f64, lower: f64| {
        let all = ["a", "b", "c", "d"].map(|name| Subject { lower, ..operation(name, per_minute) });
        let mut bench = Bench::new(&AnomalyConfig::default());
        for minute in 1..100 {
            let (value, support) = if minute >= 50 { (f64::NAN, 0) } else { (per_minute / 60.0, 1000) };
            bench.judge(window(minute, &all.each_ref().map(|subject| (subject, value, support))));
        }
        bench.told
    };
    let rare = told(2.0, 0.0);
    assert!(rare.contains("warning") && !rare.contains("critical"), "{rare}");
    let busy = told(60.0, 0.5);
    assert!(busy.contains("critical"), "{busy}");
}

#[test]
fn two_windows_without_a_value_are_a_lost_scrape_and_a_late_one() {
    let subject = Subject::p95("checkout");
    let mut bench = Bench::new(&AnomalyConfig::default());
    bench.run(1..400, &[&subject], |minute, _| if minute % 5 < 2 { f64::NAN } else { 100.0 });
    assert_eq!(bench.told, "");
    assert!(bench.open.iter().all(|rows| !rows[0]));
}

#[test]
fn what_is_new_of_a_metric_opens_once_a_day_is_known_and_before_only_what_is_far_off() {
    let value = |minute: u64, _| match minute {
        90 => 110.0,
        95 => 400.0,
        _ => 100.0 + 0.5 * noise(minute, 1),
    };
    // Later ones of an open episode are worth no alarm.
    for (maturity, opened) in [(Maturity::Gross, 95), (Maturity::Level, 90)] {
        let subject = Subject { maturity, ..Subject::gauge("checkout") };
        let mut bench = Bench::new(&AnomalyConfig::default());
        bench.run(1..100, &[&subject], value);
        let is_alarm = |minute: &u64| bench.scores[*minute as usize - 1][0] >= 3.0;
        assert_eq!((1..100).find(is_alarm), Some(opened), "{maturity:?}: {}", bench.told);
    }
}
