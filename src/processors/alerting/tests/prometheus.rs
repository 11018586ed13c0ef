//! Rules on series that are named as Prometheus does.

use std::sync::Arc;

use model::{Series, Statistic};

use super::{Event, Feed, list, states};

fn counter(code: &str) -> Arc<Series> {
    of("http.requests", code, Statistic::Rate)
}

fn of(metric: &str, code: &str, statistic: Statistic) -> Arc<Series> {
    Arc::new(Series {
        service: "cart".into(),
        metric: metric.into(),
        unit: "".into(),
        resource: list(&[
            ("service.name", "cart"),
            ("service.namespace", "shop"),
            ("service.instance.id", "i1"),
        ])
        .into(),
        attributes: list(&[("http.code", code)]).into(),
        statistic,
        fingerprint: rapidhash::v3::rapidhash_v3(format!("{metric} {code}").as_bytes()),
    })
}

fn rule(more: &str) -> String {
    format!(
        "rules: [{{name: Errors, {more}, for: 0s, keep_firing_for: 0s, cooldown: 0s, on_no_data: resolve}}]"
    )
}

/// States with the seconds of the windows with which they came.
fn told(
    feed: &mut Feed,
    from: u64,
    to: u64,
    rows: impl Fn(u64) -> Vec<(Arc<Series>, f64)>,
) -> Vec<(u64, Event)> {
    (from..=to)
        .step_by(10)
        .flat_map(|end| feed.give(end, &rows(end)).into_iter().map(move |event| (end, event)))
        .filter(|(_, event)| !event.is_reminder())
        .collect()
}

#[test]
fn a_rate_over_a_range_is_what_a_counter_grew_by_divided_by_the_range() {
    // A counter that is told once a minute grows by 60: six per second in one window of six.
    let mut feed = Feed::new(&rule(
        "prometheus: 'http_requests_total{http_code=~\"5..\"}', stat: rate, when: {op: gt, value: 0.95, over: 5m}",
    ));
    let other = Arc::new(Series { fingerprint: 9, ..(*of("other", "", Statistic::Mean)).clone() });
    let rows = |end: u64| {
        let mut rows = vec![(Arc::clone(&other), 1.0)];
        if end.is_multiple_of(60) && end <= 1200 {
            rows.push((counter("503"), 6.0));
            rows.push((counter("404"), 600.0));
        }
        rows
    };
    let told = told(&mut feed, 10, 1800, rows);
    let states: Vec<_> = told.iter().map(|(end, event)| (*end, event.state())).collect();
    // Five minutes of them are one per second, neither six nor, while less is known, five.
    assert_eq!(states, [(300, "firing"), (1260, "resolved")]);
    let labels = &told[0].1.labels;
    let text: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        text,
        ["alertname=Errors", "http_code=503", "instance=i1", "job=shop/cart", "severity=warning"]
    );
}

#[test]
fn groups_are_by_the_names_of_labels_in_prometheus() {
    let mut feed = Feed::new(&rule(
        "prometheus: 'http_requests_total', stat: rate, aggregate: sum, group_by: [job], when: {op: gte, value: 5}",
    ));
    let told = feed.give(10, &[(counter("503"), 2.0), (counter("200"), 3.0)]);
    assert_eq!(states(&told), ["firing"]);
    let text: Vec<_> = told[0].labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(text, ["alertname=Errors", "job=shop/cart", "severity=warning"]);
}

#[test]
fn a_level_that_comes_once_a_minute_stays_until_it_is_missed_for_long_enough() {
    let mut feed =
        Feed::new(&rule("prometheus: queue_depth, stat: mean, no_data_after: 5m, when: {op: gt, value: 5}"));
    let (other, depth) = (of("other", "", Statistic::Mean), of("queue.depth", "", Statistic::Mean));
    let rows = |end: u64| {
        let mut rows = vec![(Arc::clone(&other), 1.0)];
        if end.is_multiple_of(60) && end <= 600 {
            rows.push((Arc::clone(&depth), 9.0));
        }
        rows
    };
    let told = told(&mut feed, 10, 1200, rows);
    let states: Vec<_> = told.iter().map(|(end, event)| (*end, event.state())).collect();
    assert_eq!(states, [(60, "firing"), (900, "resolved")]);
}

#[test]
fn a_rule_has_a_metric_or_a_selector_that_can_be_read() {
    for (keys, place, part) in [
        ("stat: mean", "rules.0.metric", "name the metric"),
        ("prometheus: a, metric: b, stat: mean", "rules.0.prometheus", "leave metric and match out"),
        ("prometheus: a, stat: p99", "rules.0.stat", "rate or mean"),
        ("prometheus: 'a{', stat: mean", "rules.0.prometheus", "no PromQL"),
        ("prometheus: '{job=\"a\"}', stat: mean", "rules.0.prometheus", "names no metric"),
    ] {
        let config = super::config(&rule(&format!("{keys}, when: {{op: gt, value: 1}}")));
        let mut checks = component::Checks::default();
        component::Config::validate(&config, &mut checks);
        let found = checks.into_findings();
        assert!(
            found.iter().any(|it| it.path == place && it.message.contains(part)),
            "{keys}: {:?}",
            found.iter().map(|it| format!("{}: {}", it.path, it.message)).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_rule_that_holds_no_flapping_ends_each_time_with_its_condition() {
    let resolves = |more: &str| {
        let selector = "prometheus: queue_depth, stat: mean, when: {op: gt, value: 0.5}";
        let mut feed = Feed::new(&rule(&format!("{selector}{more}")));
        let series = of("queue.depth", "", Statistic::Mean);
        let value = |end: u64| if end.is_multiple_of(20) { 1.0 } else { 0.0 };
        let told = told(&mut feed, 10, 170, |end| vec![(Arc::clone(&series), value(end))]);
        told.iter().filter(|(_, event)| event.state() == "resolved").count()
    };
    assert_eq!(resolves(", hold_flapping: false"), 8);
    assert_eq!(resolves(""), 2, "the third is held");
}
