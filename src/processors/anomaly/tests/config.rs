//! Settings as an operator writes them.

use component::{Checks, Config, ProcessorDef};
use expect_test::{Expect, expect};
use model::Columns;

use super::detectors::only;
use crate::anomaly::{
    Anomaly, AnomalyConfig,
    config::{DetectorConfig, DetectorName},
};

/// Returns the settings, what could not be read, and what is not valid.
fn read(yaml: &str) -> (Option<AnomalyConfig>, String) {
    let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let settings = config::decode::<AnomalyConfig>(&node, "", &mut problems);
    let mut said: Vec<_> = problems.iter().map(config::Problem::title).collect();
    let mut checks = Checks::default();
    if let Some(settings) = &settings {
        settings.validate(&mut checks);
    }
    let findings = checks.into_findings();
    said.extend(findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)));
    (settings, said.join("\n"))
}

fn check(yaml: &str, expected: &Expect) {
    expected.assert_eq(&read(yaml).1);
}

#[test]
fn a_detector_is_a_name_or_a_map() {
    let (settings, said) = read(
        "detectors: [seasonal, {name: novelty, level: 3.5}, {name: zscore, opens: true}]\nwindow: 10s\n",
    );
    assert_eq!(said, "");
    let expected = [
        DetectorConfig::of(DetectorName::Seasonal),
        DetectorConfig { level: Some(3.5), ..DetectorConfig::of(DetectorName::Novelty) },
        DetectorConfig { opens: Some(true), ..DetectorConfig::of(DetectorName::Zscore) },
    ];
    assert_eq!(settings.expect("the settings are read").detectors, expected);
}

#[test]
fn the_defaults_are_valid() {
    check("{}", &expect![[r#""#]]);
}

#[test]
fn what_is_wrong_is_said_all_at_once() {
    check(
        "window: 10ms\ndetectors: [seasonal, seasonal, {name: iqr, level: -1}, relation]\n\
         false_alarms_per_series_day: 0\nincidents_per_service_day: -2\n\
         minimum_effect: {latency: -1, error_ratio: 2}\nquiet_windows: 0\n\
         noise: [{count: 0}, {service: a, statistic: p42, count: 1}]\nmax_series: 0\n",
        &expect![[r#"
            window: window is shorter than 1s, give the width of the windows of `baseline`
            detectors.1: `seasonal` is listed twice, remove one
            detectors.2.level: level is -1, must be above 0
            false_alarms_per_series_day: false_alarms_per_series_day is 0, must be above 0 and at most 10
            incidents_per_service_day: incidents_per_service_day is -2, must be above 0
            minimum_effect.latency: latency is -1, must not be negative
            minimum_effect.error_ratio: error_ratio is 2, must be a ratio up to 1
            quiet_windows: quiet_windows is 0, must be between 1 and 10000
            noise.0.count: count is 0, say how often the series was called noise
            noise.0: names no series, give service, metric or statistic
            noise.1.statistic: statistic is `p42`, must be rate, error_ratio, p50, p95, p99 or mean
            max_series: max_series is 0, must be between 1 and 10000000"#]],
    );
}

#[test]
fn a_detector_that_does_not_exist_is_named() {
    check("detectors: [seasonal, magic]", &expect!["detectors::1: unknown value `magic`"]);
}

#[test]
fn calls_are_needed_where_relation_is_listed_and_no_pairs_are_named() {
    let needs_calls = |relations: Vec<(String, String)>, detector| {
        let config = AnomalyConfig { relations, ..only(detector) };
        Anomaly::reads(&config).meets(Columns::CALLS)
    };
    assert!(needs_calls(Vec::new(), DetectorName::Relation));
    assert!(!needs_calls(vec![("a".to_owned(), "b".to_owned())], DetectorName::Relation));
    assert!(!needs_calls(Vec::new(), DetectorName::Seasonal));
}

#[test]
fn relations_need_their_detector_and_two_services() {
    check(
        "relations: [[a, b]]",
        &expect!["relations: relations has no effect until `relation` is listed in detectors"],
    );
    check(
        "detectors: [relation]\nrelations: [[a, a]]",
        &expect!["relations.0: `a` is related to itself, name two services"],
    );
}
