use component::{Checks, Config};

use super::*;

/// What is wrong with settings, as `path: message`, warnings with a question mark.
fn findings(yaml: &str) -> Vec<String> {
    let mut checks = Checks::default();
    config(yaml).validate(&mut checks);
    let line = |it: component::Finding| {
        format!("{}{}: {}", it.path, if it.is_warning { "?" } else { "" }, it.message)
    };
    checks.into_findings().into_iter().map(line).collect()
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let yaml = "
window: 2h
horizons: [1h, 1h, 2h]
confidence: 1
emit: {metrics: ['*'], statistics: [p95, p42]}
max_series: 0
series_retention: 1h
thresholds:
- {metric: disk, statistic: mean}
- {metric: '', statistic: p42, above: 1, below: 2}
capacity:
- {metric: disk, statistic: mean, capacity: 0, name: disk}
- {metric: disk, statistic: mean, capacity: 1, name: disk}
- {metric: disk, statistic: mean, capacity: 1, name: ''}
";
    expect_test::expect![[r#"
        window: window is 2h0m0s, must be between 1s and 1h: hours are foretold
        series_retention: series_retention is 1h0m0s, must be at least 24h
        horizons.1: horizon 1h0m0s is listed twice, remove one
        horizons.2: horizon is 2h0m0s, must be 1h, 24h or 720h
        confidence: confidence is 1, must be between 0.5 and 0.99
        emit.statistics.1: "p42" is no statistic, write one of rate, error_ratio, p50, p95, p99, mean
        max_series: max_series is 0, must be between 1 and 10000000
        thresholds.0: has neither above nor below, give the value as one of them
        thresholds.1.metric: metric is empty, name the metric of the series
        thresholds.1.statistic: "p42" is no statistic, write one of rate, error_ratio, p50, p95, p99, mean
        thresholds.1: has both above and below, make two entries of it
        capacity.0.capacity: capacity is 0, must be above 0, in the unit of the series
        capacity.1.name: name `disk` is used twice, give each its own
        capacity.2.name: name is empty, say what this is the capacity of"#]]
    .assert_eq(&findings(yaml).join("\n"));
}

#[test]
fn a_forecast_of_nothing_is_allowed_and_warned_of() {
    let found = findings("{}");
    assert_eq!(
        found,
        ["emit.metrics?: nothing is forecast: name metrics here, or list thresholds or capacity"]
    );
    assert_eq!(findings("emit: {metrics: ['*']}"), Vec::<String>::new());
}

#[test]
fn nothing_is_told_or_kept_of_series_that_nobody_chose() {
    let mut feed = Feed::new("window: 1h", "load");
    assert_eq!(feed.run(0, 3 * DAY, |since| normal(1, since)), Points::default());
    assert_eq!(feed.metric("series"), 0);
}

#[test]
fn windows_of_another_width_pass_by() {
    let mut feed = Feed::new("window: 1m\nemit: {metrics: ['*']}", "load");
    feed.width = HOUR;
    assert_eq!(feed.run(0, 3 * DAY, |since| normal(1, since)), Points::default());
}

#[test]
fn more_series_than_allowed_are_counted() {
    let all = (0..5).map(|number| series(number, "load")).collect();
    let mut feed = Feed::of("window: 1h\nemit: {metrics: ['*']}\nmax_series: 3", all);
    for hour in 0..3 {
        feed.give(hour * HOUR, &[1.0; 5]);
    }
    assert_eq!((feed.metric("series"), feed.metric("overflowed_series")), (3, 2));
}
