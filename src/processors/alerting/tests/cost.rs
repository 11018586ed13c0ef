//! What ten thousand rules take.

use std::sync::Arc;

use model::{Series, Statistic};

use super::{Feed, list, of_statistic};

/// A metric for each rule, as where every service has rules of its own.
fn numbered(number: usize) -> Arc<Series> {
    let base = of_statistic("shop", Statistic::Mean);
    Arc::new(Series {
        metric: format!("metric.{number}").into(),
        resource: list(&[("service.name", &format!("shop-{number}"))]).into(),
        service: format!("shop-{number}").into(),
        fingerprint: number as u64 + 1,
        ..(*base).clone()
    })
}

#[test]
fn quiet_rules_are_evaluated_and_nothing_is_told() {
    let rules: String = (0..200)
        .map(|number| {
            format!(
                "  - {{name: R{number}, metric: metric.{number}, stat: mean, when: {{op: gt, value: 5}}}}\n"
            )
        })
        .collect();
    let mut feed = Feed::new(&format!("rules:\n{rules}"));
    let rows: Vec<_> = (0..200).map(|number| (numbered(number), 1.0)).collect();
    for end in (10..=60).step_by(10) {
        assert_eq!(feed.give(end, &rows), []);
    }
    assert_eq!(feed.metric("evaluations"), 6 * 200, "each rule once in a window");
    assert_eq!(feed.metric("alerts"), 201);
}
