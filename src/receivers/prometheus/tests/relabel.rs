//! Each action, on labels as Prometheus has them.

use super::super::{
    config::Text,
    labels::Labels,
    relabel::{RelabelConfig, apply},
};

fn rule(yaml: &str) -> RelabelConfig {
    let node = ::config::parse(&::config::Source::new("rule.yaml", yaml)).unwrap();
    ::config::decode(&node, "", &mut ::config::Problems::default()).unwrap()
}

/// Applies rules to a set of labels, written as `a=b c=d`.
fn after(labels: &str, rules: &[&str]) -> String {
    let pairs = labels.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    let mut labels: Labels = pairs.collect();
    let rules: Vec<_> = rules.iter().map(|yaml| rule(yaml).rule(false).unwrap()).collect();
    if !apply(&rules, &mut labels) {
        return "dropped".to_owned();
    }
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn replace_matches_the_whole_value_and_fills_in_what_it_captured() {
    let check =
        |rule: &str, expected: &str| assert_eq!(after("a=foo b=bar c=baz", &[rule]), expected, "{rule}");
    check(
        "{source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch${1}'}",
        "a=foo b=bar c=baz d=choo-choo",
    );
    check(
        "{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: 'b${1}${2}m'}",
        "a=boobam b=bar c=baz",
    );
    check("{source_labels: [a], target_label: d}", "a=foo b=bar c=baz d=foo");
    check("{source_labels: [a, b], separator: '-', target_label: d}", "a=foo b=bar c=baz d=foo-bar");
    check("{source_labels: [a], regex: 'oo', target_label: d, replacement: x}", "a=foo b=bar c=baz");
    check(
        "{source_labels: [a], regex: '(f).*', target_label: 'x_$1', replacement: '$$'}",
        "a=foo b=bar c=baz x_f=$",
    );
    check("{source_labels: [a], regex: '.*', target_label: a, replacement: ''}", "b=bar c=baz");
    check("{target_label: d, replacement: static}", "a=foo b=bar c=baz d=static");
    check("{source_labels: [nothing], regex: '.+', target_label: d, replacement: x}", "a=foo b=bar c=baz");
    check(
        "{source_labels: [a], regex: '(?P<all>.*)', target_label: d, replacement: '$all'}",
        "a=foo b=bar c=baz d=foo",
    );
    check("{source_labels: [a], regex: '(.*)', target_label: d, replacement: '$1x'}", "a=foo b=bar c=baz");
    check("{source_labels: [a], action: Replace, target_label: d, replacement: 5}", "a=foo b=bar c=baz d=5");
}

#[test]
fn keep_and_drop_judge_the_whole_value() {
    assert_eq!(after("a=foo", &["{source_labels: [a], regex: 'fo.', action: keep}"]), "a=foo");
    assert_eq!(after("a=foo", &["{source_labels: [a], regex: 'fo', action: keep}"]), "dropped");
    assert_eq!(after("a=foo", &["{source_labels: [a], regex: 'fo', action: drop}"]), "a=foo");
    assert_eq!(after("a=foo", &["{source_labels: [a], regex: 'f|foo', action: drop}"]), "dropped");
    assert_eq!(after("a=foo", &["{source_labels: [b], regex: '', action: drop}"]), "dropped");
    assert_eq!(after("a=true", &["{source_labels: [a], regex: true, action: keep}"]), "a=true");
    assert_eq!(after("a=x b=x", &["{source_labels: [a], target_label: b, action: keepequal}"]), "a=x b=x");
    assert_eq!(after("a=x b=y", &["{source_labels: [a], target_label: b, action: keepequal}"]), "dropped");
    assert_eq!(after("a=x b=x", &["{source_labels: [a], target_label: b, action: dropequal}"]), "dropped");
    assert_eq!(after("a=x b=y", &["{source_labels: [a], target_label: b, action: dropequal}"]), "a=x b=y");
}

#[test]
fn the_hash_is_prometheus_s() {
    // The last eight bytes of MD5 of "baz" as a number, of which 976 is left over a thousand.
    assert_eq!(
        after(
            "a=foo b=bar c=baz",
            &["{source_labels: [c], target_label: d, action: hashmod, modulus: 1000}"]
        ),
        "a=foo b=bar c=baz d=976"
    );
    assert_eq!(
        after(
            "a=foo",
            &["{source_labels: [a, b], separator: '', target_label: d, action: hashmod, modulus: 1}"]
        ),
        "a=foo d=0"
    );
}

#[test]
fn labels_are_mapped_dropped_and_kept_by_name() {
    assert_eq!(
        after("a=foo b1=bar b2=baz", &["{regex: '(b.*)', replacement: 'bar_${1}', action: labelmap}"]),
        "a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz"
    );
    assert_eq!(
        after("__meta_my_bar=aaa a=1", &["{regex: '__meta_(my.*)', action: labelmap}"]),
        "__meta_my_bar=aaa a=1 my_bar=aaa"
    );
    assert_eq!(after("a=foo b1=bar b2=baz", &["{regex: 'b.*', action: labeldrop}"]), "a=foo");
    assert_eq!(after("a=foo b1=bar b2=baz", &["{regex: 'b.*', action: labelkeep}"]), "b1=bar b2=baz");
    assert_eq!(
        after(
            "a=FoO",
            &[
                "{source_labels: [a], target_label: l, action: lowercase}",
                "{source_labels: [a], target_label: u, action: uppercase}",
            ]
        ),
        "a=FoO l=foo u=FOO"
    );
}

#[test]
fn rules_go_one_after_the_other_until_one_drops() {
    let rules = [
        "{source_labels: [a], regex: 'foo', target_label: a, replacement: boo}",
        "{source_labels: [a], regex: 'boo', action: keep}",
        "{source_labels: [a], regex: 'b(.*)', target_label: b}",
    ];
    assert_eq!(after("a=foo", &rules), "a=boo b=oo");
    assert_eq!(after("a=goo", &rules), "dropped");
}

#[test]
fn a_name_that_is_none_before_utf_8_is_not_set() {
    let rule = RelabelConfig {
        source_labels: vec!["a".to_owned()],
        target_label: "x-$1".to_owned(),
        replacement: Some(Text("y".to_owned())),
        ..RelabelConfig::default()
    };
    for (is_classic, n_labels) in [(true, 1), (false, 2)] {
        let mut labels: Labels = [("a", "b")].into_iter().collect();
        assert!(apply(&[rule.rule(is_classic).unwrap()], &mut labels));
        assert_eq!(labels.len(), n_labels);
    }
}
