//! Settings that can not be meant.

use expect_test::expect;

use super::super::TailSampling;
use crate::testing::problems_of;

#[test]
fn what_the_collector_has_is_taken() {
    let yaml = "
decision_wait: 10s
num_traces: 100
expected_new_traces_per_sec: 10
decision_cache: {sampled_cache_size: 100_000}
policies:
- {name: a, type: always_sample}
- {name: b, type: latency, latency: {threshold_ms: 5000, upper_threshold_ms: 10000}}
- {name: c, type: numeric_attribute, numeric_attribute: {key: key1, min_value: 50, max_value: 100}}
- {name: d, type: probabilistic, probabilistic: {sampling_percentage: 0.1, hash_salt: custom}}
- {name: e, type: status_code, status_code: {status_codes: [ERROR, UNSET]}}
- {name: f, type: rate_limiting, rate_limiting: {spans_per_second: 35}}
- {name: g, type: bytes_limiting, bytes_limiting: {bytes_per_second: 1024000}}
- {name: h, type: trace_state, trace_state: {key: key3, values: [value1]}}
- {name: i, type: and, and: {and_sub_policy: [{name: j, type: span_count, span_count: {min_spans: 2}}]}}
";
    expect![[""]].assert_eq(&problems_of::<TailSampling>(yaml));
}

#[test]
fn every_problem_is_told_with_its_place_and_value() {
    let yaml = "
decision_wait: 30h
num_traces: 0
max_bytes: 1000
block_on_overflow: true
sampling_strategy: span-ingest
policies:
- {type: always_sample}
- {name: a, type: latncy}
- {name: a, type: latency, latency: {threshold_ms: 10, upper_threshold_ms: 5}}
- {name: b, type: status_code, status_code: {status_codes: [ERRORS]}}
- {name: c, type: string_attribute, string_attribute: {values: ['a(b'], enabled_regex_matching: true}}
- {name: d, type: numeric_attribute, numeric_attribute: {key: k}}
- {name: e, type: and, and: {and_sub_policy: [{name: f, type: drop}, {name: g, type: ottl_condition}]}}
- {name: h, type: not}
- {name: i, type: probabilistic, probabilistic: {sampling_percentage: -1}}
- {name: j, type: composite, composite: {max_total_spans_per_second: 10, policy_order: [x], composite_sub_policy: [{name: x, type: always_sample}, {name: y, type: always_sample}], rate_allocation: [{policy: x, percent: 10}, {policy: z, percent: 3}]}}
";
    expect![[r#"
        error at decision_wait: decision_wait is 30h, at most a day is possible
        error at num_traces: num_traces is 0, must be between 1 and 10000000
        error at max_bytes: max_bytes is 1000B, must be at least 1MiB
        warning at block_on_overflow: block_on_overflow is true, but a stage never makes senders wait: when there is no room the oldest traces are dropped and counted, so raise num_traces and max_bytes
        error at sampling_strategy: sampling_strategy span-ingest is not supported, as traces are decided as a whole; remove it, and shorten decision_wait or set decision_wait_after_root_received
        error at policies.0.name: name is missing, name the policy
        error at policies.1.type: "latncy" is no type of policy, did you mean "latency"? write one of always_sample, latency, numeric_attribute, probabilistic, status_code, string_attribute, rate_limiting, bytes_limiting, span_count, trace_state, trace_flags, boolean_attribute, ottl_condition, anomalous, slo_breach, and, not, drop, composite
        error at policies.2.name: there is a policy named "a" already, choose another name
        error at policies.2.latency.upper_threshold_ms: upper_threshold_ms is 5, must be above threshold_ms, which is 10
        error at policies.3.status_code.status_codes.0: "ERRORS" is no status code, did you mean "ERROR"? write one of UNSET, OK, ERROR
        error at policies.4.string_attribute.key: key is missing, name the attribute
        error at policies.4.string_attribute.values.0: the pattern "a(b" is no regular expression: unclosed group
        error at policies.5.numeric_attribute: min_value and max_value are not set, set at least one; 0 counts as not set
        error at policies.6.and.and_sub_policy.0.type: a policy of type drop can not stand here, use one of always_sample, latency, numeric_attribute, probabilistic, status_code, string_attribute, rate_limiting, bytes_limiting, span_count, trace_state, trace_flags, boolean_attribute, ottl_condition, anomalous, slo_breach, not
        error at policies.6.and.and_sub_policy.1.ottl_condition.span: there is no condition, write at least one
        error at policies.7.not: not_sub_policy is missing, write the policy to turn round
        error at policies.8.probabilistic.sampling_percentage: sampling_percentage is -1, must be from 0 to 100
        error at policies.9.composite.rate_allocation.1.policy: "z" is no policy here, write one of x, y
        warning at policies.9.composite.composite_sub_policy.1: rate_allocation gives "y" no share, so it samples nothing, as in the collector
        warning at policies.9.composite.policy_order: policy_order differs from the order of composite_sub_policy, which is the one that counts, as in the collector; write them in one order
    "#]].assert_eq(&problems_of::<TailSampling>(yaml));
    expect![[r#"
        error at : key `tail_storage` of the collector is not supported: spans wait in memory
    "#]]
    .assert_eq(&problems_of::<TailSampling>("tail_storage: x\npolicies: [{name: a, type: always_sample}]\n"));
    expect![[r#"
        error at policies.0.ottl_condition.span: there is no condition, write at least one
        error at policies.1.ottl_condition.error_mode: "quiet" is no error mode, write one of ignore, silent, propagate
        error at policies.1.ottl_condition.span.1: at character 1 (nam == 1): nam is no field of span, did you mean name? write one of attributes, dropped_attributes_count, dropped_events_count, dropped_links_count, end_time, end_time_unix_nano, flags, kind, name, parent_span_id, span_id, start_time, start_time_unix_nano, status, trace_id, trace_state
        error at policies.1.ottl_condition.spanevent.0: at character 1 (nam == 1): nam is no field of spanevent, did you mean name? write one of attributes, dropped_attributes_count, name, time, time_unix_nano
    "#]].assert_eq(&problems_of::<TailSampling>(
        "policies:\n- {name: a, type: ottl_condition}\n\
         - {name: b, type: ottl_condition, ottl_condition: {error_mode: quiet, span: ['true', 'nam == 1'], spanevent: ['nam == 1']}}\n",
    ));
}
