//! Alerts as Prometheus's series.

use model::Payload;

use super::{Feed, at};
use crate::testing::lines;

const RULE: &str = "
rules:
  - {name: High, metric: span.duration, stat: error_ratio, group_by: [service.name], when: {op: gt, value: 0.05}, for: 20s, keep_firing_for: 0s, severity: critical}
watchdog: {enabled: false}
";

/// The points of a metric, without their times; a series that has ended has none.
fn points(payloads: &[Payload], name: &str) -> Vec<String> {
    let metrics: Vec<_> = payloads.iter().filter(|it| matches!(it, Payload::Metrics(_))).cloned().collect();
    let text = lines(&metrics);
    let from = text.lines().skip_while(|line| !line.starts_with(&format!("  {name} "))).skip(1);
    let of_metric = from.take_while(|line| line.starts_with("    "));
    let parts = of_metric.map(|line| {
        let (attributes, value) = (line.split('}').next(), line.rsplit("= ").next());
        format!("{}}} {}", attributes.unwrap_or_default().trim(), value.unwrap_or_default())
    });
    parts.collect()
}

#[test]
fn the_series_of_an_alert_begin_change_and_end_as_in_prometheus() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 10, "shop", 0.0);
    feed.run(20, 20, "shop", 0.5);
    let labels = "alertname=High,service.name=shop,severity=critical";
    let pending = feed.tick_all(40);
    assert_eq!(points(&pending, "ALERTS"), [format!("{{{labels},alertstate=pending}} 1.0")]);
    let since = format!("{:?}", at(20).as_nanos() as f64 / 1e9);
    assert_eq!(points(&pending, "ALERTS_FOR_STATE"), [format!("{{{labels}}} {since}")]);
    feed.run(30, 40, "shop", 0.5);
    let firing = feed.tick_all(60);
    assert_eq!(
        points(&firing, "ALERTS"),
        [format!("{{{labels},alertstate=firing}} 1.0"), format!("{{{labels},alertstate=pending}} none")]
    );
    feed.run(50, 50, "shop", 0.0);
    let over = feed.tick_all(70);
    assert_eq!(points(&over, "ALERTS"), [format!("{{{labels},alertstate=firing}} none")]);
    assert_eq!(points(&over, "ALERTS_FOR_STATE"), [format!("{{{labels}}} none")]);
    assert_eq!(points(&feed.tick_all(80), "ALERTS"), Vec::<String>::new(), "once is enough");
}

#[test]
fn alerting_tells_figures_of_itself() {
    let mut feed = Feed::new(RULE);
    feed.run(10, 60, "shop", 0.5);
    let told = feed.tick_all(80);
    let counts = points(&told, "trueline.alerts");
    assert!(counts.contains(&"{state=firing,severity=critical} 1".to_owned()), "{counts:?}");
    assert!(counts.contains(&"{state=pending,severity=critical} 0".to_owned()), "{counts:?}");
    assert_eq!(counts.len(), 16);
    feed.run(70, 80, "shop", 0.0);
    let told = feed.tick_all(100);
    let Some(Payload::Metrics(bytes)) = told.iter().find(|it| matches!(it, Payload::Metrics(_))) else {
        panic!("metrics are told at each evaluation");
    };
    assert!(wire::check_metrics(bytes).is_ok());
    let text = lines(&told);
    let resolve = text.lines().skip_while(|line| !line.contains("trueline.alert.time_to_resolve")).nth(1);
    // It fired at 30 and was resolved at 70.
    assert!(resolve.is_some_and(|line| line.contains("count=1 sum=40 [60:1]")), "{text}");
    assert_eq!(feed.metric("notifications"), 3);
    assert!(feed.metric("evaluations") >= 8);
}
