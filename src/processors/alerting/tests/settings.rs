//! What is refused, and that the page shows what is accepted.

use component::{Checks, Config, ProcessorDef};
use model::Columns;

use super::config;
use crate::{
    aggregation::AggregationConfig,
    alerting::{Alerting, AlertingConfig, config::DefaultsConfig},
    anomaly::AnomalyConfig,
    baseline::BaselineConfig,
};

fn findings(yaml: &str) -> Vec<String> {
    let mut checks = Checks::default();
    config(yaml).validate(&mut checks);
    checks.into_findings().into_iter().map(|it| format!("{}: {}", it.path, it.message)).collect()
}

fn rule(more: &str) -> String {
    format!("rules: [{{name: A, metric: m, stat: mean, {more}}}]")
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_is_right() {
    for (yaml, expected) in [
        (rule("when: {op: gt}"), "rules.0.when.value: op gt needs `value`"),
        (
            rule("when: {op: gt, value: 1, pct: 3}"),
            "rules.0.when.pct: `pct` means nothing to op gt, remove it",
        ),
        (
            rule("when: {op: trend_up, over: 30s}"),
            "rules.0.when.over: over is 30s, must be between 1m40s and 24h",
        ),
        (rule("when: {op: trend_up, over: 1h, slope: fast}"), "rules.0.when.slope: slope is \"fast\", write"),
        (
            rule("when: {op: trend_up, over: 1h, min_r2: 2}"),
            "rules.0.when.min_r2: min_r2 is 2, must be between 0",
        ),
        (rule("when: {op: rate_of_change, over: 5m, pct: 0}"), "rules.0.when.pct: pct is 0"),
        (
            rule("when: {op: degraded, value: 0.3}"),
            "rules.0.when.value: `value` means nothing to op degraded, remove it",
        ),
        (rule("when: {op: anomaly, score: -1}"), "rules.0.when.score: score is -1"),
        (
            rule("when: {op: anomaly, confidence: 0.95}"),
            "rules.0.when.confidence: confidence is 0.95, must be above 0 and at most 0.9: no episode is surer",
        ),
        (
            rule("when: {op: predict_gt, value: 1, within: 9h, over: 1h}"),
            "rules.0.when.within: within is 9h0m0s, must be at most four times over (1h0m0s)",
        ),
        (
            rule("when: {op: gt, value: 1}, severity: bad"),
            "rules.0.severity: \"bad\" is no severity, write one of info",
        ),
        (
            rule("when: {op: gt, value: 1}, severity_within: {1h: info}"),
            "rules.0.severity_within: severity_within is for",
        ),
        (
            rule("when: {op: gt, value: 1}, annotations: {a: '{{ x }}'}"),
            "rules.0.annotations.a: `{{ x }}` can not be",
        ),
        (
            rule("when: {op: gt, value: 1}, labels: {a: '{{ value }}'}"),
            "rules.0.labels.a: labels are the alert's identity",
        ),
        (
            rule("when: {op: gt, value: 1}, suppress: ['Sat 02:00-06:00 Mars']"),
            "rules.0.suppress.0: there is no time zone",
        ),
        (
            rule("when: {op: gt, value: 1}, window: 7s"),
            "rules.0.window: window is 7s, must be a multiple or a part",
        ),
        (rule("when: {op: gt, value: 1}, for: 9999h"), "rules.0.for: for is 9999h0m0s, must be at most"),
        (
            "rules: [{name: A, metric: m, stat: mode, when: {op: gt, value: 1}}]".to_owned(),
            "rules.0.stat: \"mode\" is no",
        ),
        (
            "suppress: [{match: {a: b}, schedule: nonsense}]".to_owned(),
            "suppress.0.schedule: \"nonsense\" is no",
        ),
        ("suppress: [{schedule: 'Sat 02:00-06:00'}]".to_owned(), "suppress.0.match: match is empty"),
        ("escalation: [{after: 5m}]".to_owned(), "escalation.0: says neither severity nor to"),
        (
            "evaluation_interval: 15s".to_owned(),
            "evaluation_interval: evaluation_interval is 15s, must be a multiple",
        ),
        ("window: 1500ms".to_owned(), "window: window is 1.5s, must be whole seconds"),
        ("max_alerts: 0".to_owned(), "max_alerts: max_alerts is 0"),
        ("lateness: 1h".to_owned(), "lateness: lateness is 1h0m0s, must be between 1s and 10m0s"),
        ("watchdog: {name: ''}".to_owned(), "watchdog.name: name is empty"),
    ] {
        let found = findings(&yaml);
        assert!(found.iter().any(|it| it.starts_with(expected)), "{yaml}: {found:?}");
    }
    let twice = "rules: [{name: A, metric: m, stat: mean, when: {op: gt, value: 1}}, {name: A, metric: n, stat: mean, when: {op: lt, value: 1}}]";
    assert!(findings(twice).iter().any(|it| it.starts_with("rules.1.name: name `A` is that of rules.0")));
    assert_eq!(findings("{}"), Vec::<String>::new());
}

#[test]
fn the_page_shows_a_configuration_that_is_accepted_with_every_op() {
    #[derive(Clone, Default, serde::Deserialize)]
    #[serde(default)]
    struct Page {
        processors: Processors,
    }
    #[derive(Clone, Default, serde::Deserialize)]
    #[serde(default)]
    struct Processors {
        /// Stages that stand before it on the page.
        #[serde(rename = "aggregation")]
        _aggregation: AggregationConfig,
        #[serde(rename = "baseline")]
        _baseline: BaselineConfig,
        #[serde(rename = "anomaly")]
        _anomaly: AnomalyConfig,
        alerting: AlertingConfig,
    }
    let page = include_str!("../README.md");
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    assert!(!blocks.is_empty());
    let mut ops = Vec::new();
    for block in blocks {
        let node = config::parse(&config::Source::new("README.md", block)).expect("the example is YAML");
        let mut problems = config::Problems::default();
        let page: Page = config::decode(&node, "", &mut problems).expect("the example is read");
        assert_eq!(problems.error_count(), 0, "{:?}", problems.sorted());
        let mut checks = Checks::default();
        page.processors.alerting.validate(&mut checks);
        assert_eq!(checks.into_findings(), []);
        ops.extend(page.processors.alerting.rules.iter().map(|rule| rule.when.op.name()));
    }
    for op in
        ["gt", "lt", "eq", "trend_up", "trend_down", "rate_of_change", "anomaly", "predict_gt", "predict_lt"]
    {
        assert!(ops.contains(&op), "the page has no example of {op}");
    }
}

#[test]
fn it_asks_for_the_columns_that_its_rules_need() {
    let reads = |yaml: &str| Alerting::reads(&config(yaml));
    assert_eq!(reads("{}"), Columns::NONE);
    assert_eq!(reads(&rule("when: {op: gt, value: 1}")), Columns::VALUES);
    assert_eq!(reads(&rule("when: {op: anomaly}")), Columns::VALUES.union(Columns::ANOMALY));
    assert_eq!(reads(&rule("when: {op: degraded}")), Columns::VALUES.union(Columns::BASELINE));
    assert_eq!(DefaultsConfig::default().severity, "warning");
}
