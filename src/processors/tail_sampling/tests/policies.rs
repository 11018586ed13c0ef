//! What each policy samples.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use proptest::prelude::*;

use super::{
    super::rules::{Facts, Rule, probability_threshold},
    scene::{Scene, Told, of},
};
use crate::testing::*;

/// The traces that one policy samples of some spans, sent each by itself over three shards.
fn sampled(policy: &str, spans: &[Told]) -> Vec<String> {
    let mut scene = Scene::new(&format!("decision_wait: 1s\npolicies:\n- {policy}\n"), 3);
    scene.send_each(spans);
    let mut traces: Vec<String> =
        scene.pass(2).iter().map(|id| id.split('.').next().unwrap().to_owned()).collect();
    traces.dedup();
    traces
}

#[test]
fn latency_is_of_the_whole_trace() {
    let spans = [
        of(1, 1).millis(0, 40),
        of(1, 2).millis(80, 100),
        of(2, 1).millis(0, 99),
        of(3, 1).millis(0, 500),
        of(4, 1).millis(0, 0),
    ];
    assert_eq!(sampled("{name: a, type: latency, latency: {threshold_ms: 100}}", &spans), ["1", "3"]);
    let between = "{name: a, type: latency, latency: {threshold_ms: 50, upper_threshold_ms: 100}}";
    assert_eq!(sampled(between, &spans), ["1", "2"]);
}

#[test]
fn a_status_anywhere_is_enough() {
    let spans = [of(1, 1), of(1, 2).status(2), of(2, 1).status(1), of(3, 1)];
    let codes =
        |codes: &str| format!("{{name: a, type: status_code, status_code: {{status_codes: [{codes}]}}}}");
    assert_eq!(sampled(&codes("ERROR"), &spans), ["1"]);
    assert_eq!(sampled(&codes("OK, ERROR"), &spans), ["1", "2"]);
    assert_eq!(sampled(&codes("UNSET"), &spans), ["1", "3"]);
}

#[test]
fn texts_match_whole_or_by_pattern_in_spans_and_resources() {
    let spans = [
        of(1, 1).attribute(text("k", "value1")),
        of(2, 1).of_resource(text("k", "value2")),
        of(3, 1),
        of(4, 1).attribute(attribute("k", Value::IntValue(3))),
        of(5, 1).attribute(text("k", "other")),
    ];
    let policy =
        |rest: &str| format!("{{name: a, type: string_attribute, string_attribute: {{key: k, {rest}}}}}");
    assert_eq!(sampled(&policy("values: [value1, value2]"), &spans), ["1", "2"]);
    assert_eq!(sampled(&policy("values: [value1, value2], invert_match: true"), &spans), ["3", "4", "5"]);
    assert_eq!(
        sampled(&policy("values: ['al.e', '^o'], enabled_regex_matching: true"), &spans),
        ["1", "2", "5"]
    );
    let inverted =
        "values: ['al.e', '^o'], enabled_regex_matching: true, invert_match: true, cache_max_size: 1";
    assert_eq!(sampled(&policy(inverted), &spans), ["3", "4"]);
    // No text is an empty one, which a span's does not match and a resource's may.
    assert_eq!(sampled(&policy("values: ['']"), &spans), Vec::<String>::new());
    let anything = "values: ['^$'], enabled_regex_matching: true";
    let numbers = [
        of(1, 1).attribute(attribute("k", Value::IntValue(3))),
        of(2, 1).of_resource(attribute("k", Value::IntValue(3))),
    ];
    assert_eq!(sampled(&policy(anything), &numbers), ["2"]);
}

#[test]
fn numbers_and_flags_of_another_kind_count_as_zero_and_false() {
    let int = |number| attribute("k", Value::IntValue(number));
    let spans = [
        of(1, 1).attribute(int(50)),
        of(2, 1).attribute(int(5)),
        of(3, 1),
        of(4, 1).attribute(text("k", "x")),
        of(5, 1).of_resource(int(99)),
    ];
    let policy =
        |rest: &str| format!("{{name: a, type: numeric_attribute, numeric_attribute: {{key: k, {rest}}}}}");
    assert_eq!(sampled(&policy("min_value: 10, max_value: 60"), &spans), ["1"]);
    assert_eq!(sampled(&policy("min_value: 10"), &spans), ["1", "5"]);
    assert_eq!(sampled(&policy("max_value: 60"), &spans), ["1", "2", "4"]);
    assert_eq!(sampled(&policy("min_value: 10, invert_match: true"), &spans), ["2", "3", "4"]);
    let flags = [
        of(1, 1).attribute(attribute("k", Value::BoolValue(true))),
        of(2, 1).attribute(attribute("k", Value::BoolValue(false))),
        of(3, 1).attribute(text("k", "true")),
        of(4, 1),
    ];
    let policy =
        |rest: &str| format!("{{name: a, type: boolean_attribute, boolean_attribute: {{key: k, {rest}}}}}");
    assert_eq!(sampled(&policy("value: true"), &flags), ["1"]);
    assert_eq!(sampled(&policy("value: false"), &flags), ["2", "3"]);
    assert_eq!(sampled(&policy("value: true, invert_match: true"), &flags), ["2", "3", "4"]);
}

#[test]
fn trace_states_and_flags_are_read() {
    let state = |trace, text: &str| of(trace, 1).with(|span| span.trace_state = text.to_owned());
    let spans =
        [state(1, "a=1,k=v"), state(2, "k=w"), state(3, "k=v,k=v"), state(4, "k=v,BAD"), state(5, " ,k=v")];
    let policy = "{name: a, type: trace_state, trace_state: {key: k, values: [v, x]}}";
    assert_eq!(sampled(policy, &spans), ["1", "5"]);
    let flags = |trace, flags| of(trace, 1).with(|span| span.flags = flags);
    let spans = [flags(1, 0), flags(2, 1), flags(3, 0x300), flags(4, 0x101)];
    assert_eq!(sampled("{name: a, type: trace_flags}", &spans), ["2", "4"]);
}

#[test]
fn spans_are_counted_over_shards() {
    let spans = [of(1, 1), of(1, 2), of(1, 3), of(2, 1), of(3, 1), of(3, 2)];
    let policy = |rest: &str| format!("{{name: a, type: span_count, span_count: {{{rest}}}}}");
    assert_eq!(sampled(&policy("min_spans: 2"), &spans), ["1", "3"]);
    assert_eq!(sampled(&policy("min_spans: 2, max_spans: 2"), &spans), ["3"]);
    assert_eq!(sampled(&policy("max_spans: 1"), &spans), ["2"]);
}

#[test]
fn marks_of_what_is_unusual_and_at_risk_are_read() {
    let flag = |flag| attribute("trueline.anomaly.is_anomalous", Value::BoolValue(flag));
    let score = |score| attribute("trueline.anomaly.score", Value::DoubleValue(score));
    let spans = [
        of(1, 1),
        of(1, 2).attribute(flag(true)).attribute(score(5.0)),
        of(2, 1).attribute(flag(false)).attribute(score(9.0)),
        of(3, 1).attribute(flag(true)).attribute(score(3.5)),
        of(4, 1).attribute(text("trueline.slo.id", "checkout,pay")),
        of(5, 1).attribute(text("trueline.slo.id", "")),
        of(6, 1).attribute(text("note", "trueline.slo.id")),
    ];
    assert_eq!(sampled("{name: a, type: anomalous}", &spans), ["1", "3"]);
    assert_eq!(sampled("{name: a, type: anomalous, anomalous: {min_score: 4}}", &spans), ["1"]);
    assert_eq!(sampled("{name: a, type: slo_breach}", &spans), ["4"]);
    assert_eq!(sampled("{name: a, type: slo_breach, slo_breach: {objectives: [pay]}}", &spans), ["4"]);
    assert_eq!(
        sampled("{name: a, type: slo_breach, slo_breach: {objectives: [ay]}}", &spans),
        Vec::<String>::new()
    );
}

#[test]
fn policies_are_combined() {
    let spans = [
        of(1, 1).status(2).millis(0, 200),
        of(2, 1).status(2).millis(0, 10),
        of(3, 1).millis(0, 200),
        of(4, 1).attribute(text("http.route", "/health")),
    ];
    let error = "{name: e, type: status_code, status_code: {status_codes: [ERROR]}}";
    let slow = "{name: l, type: latency, latency: {threshold_ms: 100}}";
    let not_slow = format!("{{name: n, type: not, not: {{not_sub_policy: {slow}}}}}");
    let and = format!("{{name: a, type: and, and: {{and_sub_policy: [{error}, {slow}]}}}}");
    assert_eq!(sampled(&and, &spans), ["1"]);
    assert_eq!(
        sampled(&format!("{{name: a, type: and, and: {{and_sub_policy: [{error}, {not_slow}]}}}}"), &spans),
        ["2"]
    );
    assert_eq!(sampled(&not_slow, &spans), ["2", "4"]);
    let health = "{name: h, type: string_attribute, string_attribute: {key: http.route, values: [/health]}}";
    let drop = format!(
        "{{name: all, type: always_sample}}\n- {{name: d, type: drop, drop: {{drop_sub_policy: [{health}]}}}}"
    );
    assert_eq!(sampled(&drop, &spans), ["1", "2", "3"]);
}

#[test]
fn a_composite_gives_each_policy_its_share_of_a_second() {
    let error = "{name: e, type: status_code, status_code: {status_codes: [ERROR]}}";
    let all = "{name: all, type: always_sample}";
    let composite = format!(
        "{{name: c, type: composite, composite: {{max_total_spans_per_second: 4, composite_sub_policy: [{error}, {all}], \
         rate_allocation: [{{policy: e, percent: 50}}, {{policy: all, percent: 25}}]}}}}"
    );
    let spans = [of(1, 1).status(2), of(2, 1).status(2), of(3, 1).status(2), of(4, 1), of(5, 1)];
    // Two spans of errors and one other, in the order of the ids.
    assert_eq!(sampled(&composite, &spans), ["1", "2", "4"]);
}

#[test]
fn limits_are_the_same_on_any_number_of_shards_and_in_any_order() {
    let yaml = "
decision_wait: 1s
policies:
- {name: r, type: rate_limiting, rate_limiting: {spans_per_second: 3}}
- {name: b, type: bytes_limiting, bytes_limiting: {bytes_per_second: 300, burst_capacity: 500}}
";
    let mut spans: Vec<Told> =
        (1..40).flat_map(|trace| (1..=1 + trace % 3).map(move |id| of(trace, id))).collect();
    let mut of_one = Vec::new();
    for n_shards in [1, 2, 5] {
        let mut scene = Scene::new(yaml, n_shards);
        let mut out = Vec::new();
        for second in spans.chunks(11) {
            scene.send_each(second);
            out.extend(scene.pass_raw(1));
        }
        out.extend(scene.pass_raw(2));
        let out: Vec<_> = out.iter().map(|payload| payload.bytes().unwrap().clone()).collect();
        assert!(out.iter().any(|request| !request.is_empty()));
        match n_shards {
            1 => of_one = out,
            _ => assert_eq!(out, of_one, "{n_shards} shards"),
        }
        for second in spans.chunks_mut(11) {
            second.reverse();
        }
    }
}

#[test]
fn bursts_of_two_seconds_pass_after_a_pause() {
    let yaml = "decision_wait: 1s\npolicies: [{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 2}}]\n";
    let mut scene = Scene::new(yaml, 1);
    scene.send_each(&(1..=9).map(|trace| of(trace, 1)).collect::<Vec<_>>());
    assert_eq!(scene.pass(2), ["1.1", "2.1", "3.1", "4.1"]);
    scene.send_each(&(10..=19).map(|trace| of(trace, 1)).collect::<Vec<_>>());
    assert_eq!(scene.pass(2).len(), 4, "two seconds have passed");
}

#[test]
fn shares_are_those_of_the_collector() {
    // Made by the collector's arithmetic in Go.
    let rows = [
        (0.0, 0),
        (0.01, 184_467_440_737_095_519),
        (0.1, 1_844_674_407_370_955_263),
        (0.25, 4_611_686_018_427_387_903),
        (1.0 / 3.0, 6_148_914_691_236_516_863),
        (0.5, 9_223_372_036_854_775_807),
        (0.999, 18_428_297_329_635_842_047),
        (1.0, u64::MAX),
        (1.5, u64::MAX),
        (1e-9, 18_446_744_073),
        (0.2999, 5_532_178_547_705_494_527),
        (f64::NAN, 0),
        (-1.0, 0),
        (5e-324, 0),
    ];
    for (share, threshold) in rows {
        assert_eq!(probability_threshold(share), threshold, "{share}");
    }
    let hashes = [
        ("00000000000000000000000000000000", 16_254_958_829_412_527_165),
        ("91778aed87ee5eb139b7f8a5c64cf56c", 2_976_521_884_684_490_016),
        ("69afc5a5e88b394ba161c43f85f3c87e", 14_496_894_090_498_234_347),
        ("ffffffffffffffffffffffffffffffff", 1_711_019_809_656_077_869),
    ];
    for (trace, hash) in hashes {
        let id = u128::from_str_radix(trace, 16).unwrap();
        let facts = Facts { id, hits: 0, start: 0, end: 0, n_spans: 1, n_bytes: 1 };
        let salt = "default-hash-seed".to_owned();
        for (threshold, expected) in [(hash, true), (hash - 1, false)] {
            let mut rule = Rule::Probabilistic { threshold, salt: salt.clone() };
            let is_sampled = rule.decide(&facts, T0) == super::super::rules::Decision::Sampled;
            assert_eq!(is_sampled, expected, "{trace}");
        }
    }
}

proptest! {
    #[test]
    fn a_share_is_what_long_multiplication_says(share in 0.0_f64..1.0) {
        // 2⁶⁴ − 1 times a share lies at most one step of a double below 2⁶⁴ times it.
        let exact = (share * 2_f64.powi(64)) as u128;
        let told = u128::from(probability_threshold(share));
        prop_assert!(told <= exact && exact - told <= 1 + (exact >> 63), "{told} {exact}");
    }
}

#[test]
fn conditions_in_ottl_are_judged_of_each_span() {
    let policy = |rest: &str| format!("{{name: o, type: ottl_condition, ottl_condition: {{{rest}}}}}");
    let spans = [
        of(1, 1).attribute(text("http.route", "/pay")),
        of(2, 1).status(2),
        of(2, 2).service("cart"),
        of(3, 1).attribute(attribute("tries", Value::IntValue(5))),
    ];
    let any = policy(r#"span: ['attributes["http.route"] == "/pay"', 'attributes["tries"] > 3']"#);
    assert_eq!(sampled(&any, &spans), ["1", "3"], "one that holds is enough");
    let of_both = policy(r#"span: ['status.code == 2 and resource.attributes["service.name"] == "shop"']"#);
    assert_eq!(sampled(&of_both, &spans), ["2"]);
    let none = policy(r#"span: ['status.code == 2 and resource.attributes["service.name"] == "cart"']"#);
    assert_eq!(sampled(&none, &spans), [""; 0], "both must hold of one span");
    let not = r#"{name: n, type: not, not: {not_sub_policy: {name: o, type: ottl_condition, ottl_condition: {span: ['status.code == 2']}}}}"#;
    assert_eq!(sampled(not, &spans), ["1", "3"]);
}

#[test]
fn conditions_in_ottl_on_events_are_judged_of_each_event() {
    let policy = |rest: &str| format!("{{name: o, type: ottl_condition, ottl_condition: {{{rest}}}}}");
    let mut failed = of(1, 1).service("pay");
    failed.span.events =
        vec![event("log", vec![]), event("exception", vec![text("exception.type", "Timeout")])];
    let mut fine = of(2, 1);
    fine.span.events = vec![event("log", vec![])];
    let spans = [failed, fine, of(3, 1).status(2)];
    let events = policy(r#"spanevent: ['spanevent.name == "exception"']"#);
    assert_eq!(sampled(&events, &spans), ["1"]);
    let both =
        policy(r#"span: ['status.code == 2'], spanevent: ['attributes["exception.type"] == "Timeout"']"#);
    assert_eq!(sampled(&both, &spans), ["1", "3"], "one that holds is enough");
    let outside = policy(r#"spanevent: ['name == "log" and resource.attributes["service.name"] == "pay"']"#);
    assert_eq!(sampled(&outside, &spans), ["1"]);
    let none = policy(r#"spanevent: ['name == "exception" and span.status.code == 2']"#);
    assert_eq!(sampled(&none, &spans), [""; 0], "both must hold of one event and its span");
}
