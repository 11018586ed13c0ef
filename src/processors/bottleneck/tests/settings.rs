//! Settings that can not be meant.

use component::{Checks, Config};
use expect_test::expect;

use super::super::BottleneckConfig;

fn problems(yaml: &str) -> String {
    let source = config::Source::new("test.yaml", yaml);
    let mut problems = config::Problems::default();
    let node = config::parse(&source).expect("the text is YAML");
    let read = config::decode::<BottleneckConfig>(&node, "", &mut problems).expect("the settings are read");
    let mut checks = Checks::default();
    read.validate(&mut checks);
    checks.into_findings().into_iter().map(|it| format!("{}: {}\n", it.path, it.message)).collect()
}

#[test]
fn every_problem_is_told_with_its_place_and_value() {
    let yaml = "
window: 1500ms
trace: {max_spans_per_second: 0, grace: 1m, max_wait: 20s, max_spans: 1}
max_edges: 0
slow_factor: 1
min_share: 0
patterns: {retries: 1}
saturation: {cpu: 85}
";
    expect![[r#"
        trace.max_spans_per_second: trace.max_spans_per_second is 0, must be between 1 and 1000000
        trace.max_spans: trace.max_spans is 1, must be between 2 and 100000
        max_edges: max_edges is 0, must be between 1 and 1000000
        patterns.retries: patterns.retries is 1, must be between 2 and 100000
        trace.grace: grace is 60s, must not be above max_wait
        window: window is 1.5s, must be whole seconds between 1s and 1h
        slow_factor: slow_factor is 1, must be above 1 and at most 100
        min_share: min_share is 0, must be above 0 and at most 1
        saturation.cpu: saturation.cpu is 85, must be above 0 and at most 1
    "#]]
    .assert_eq(&problems(yaml));
}

#[test]
fn defaults_are_sound() {
    assert_eq!(problems("{}"), "");
}
