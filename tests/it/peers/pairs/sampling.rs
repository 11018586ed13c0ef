//! `probabilistic_sampler` and `tail_sampling`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Meant, Pair, TRACES,
    canon::Order,
    crowd::crowd,
    run::{Output, check},
    zoo::zoo,
};

const TRACES_AND_LOGS: &[&str] = &["traces", "logs"];

const fn sampler(name: &'static str, processors: &'static str) -> Pair {
    Pair { telemetry: crowd, ..Pair::new(name, TRACES_AND_LOGS, processors) }
}

/// Both decide at ticks of a second or at their stop: the traces are the same, their order is not defined.
const fn tail(name: &'static str, processors: &'static str) -> Pair {
    Pair { telemetry: crowd, order: Order::Any, waits_for: 1, ..Pair::new(name, TRACES, processors) }
}

pub(super) const PROBABILISTIC: &[Pair] = &[
    sampler("probabilistic_sampler: hash_seed", "probabilistic_sampler: {sampling_percentage: 40}"),
    sampler(
        "probabilistic_sampler: hash_seed with a seed, undecidable ones kept",
        "probabilistic_sampler: {sampling_percentage: 25, hash_seed: 22, fail_closed: false, mode: hash_seed}",
    ),
    sampler(
        "probabilistic_sampler: proportional",
        "probabilistic_sampler: {sampling_percentage: 40, mode: proportional}",
    ),
    sampler(
        "probabilistic_sampler: proportional, undecidable ones kept, thresholds of six digits",
        "probabilistic_sampler: {sampling_percentage: 33.3, mode: proportional, fail_closed: false, sampling_precision: 6}",
    ),
    sampler(
        "probabilistic_sampler: equalizing",
        "probabilistic_sampler: {sampling_percentage: 40, mode: equalizing}",
    ),
    sampler(
        "probabilistic_sampler: equalizing, undecidable ones kept",
        "probabilistic_sampler: {sampling_percentage: 60, mode: equalizing, fail_closed: false}",
    ),
    sampler(
        "probabilistic_sampler: everything and more",
        "probabilistic_sampler: {sampling_percentage: 150}",
    ),
    sampler(
        "probabilistic_sampler: nothing but what has a priority",
        "probabilistic_sampler: {sampling_percentage: 0}",
    ),
    sampler(
        "probabilistic_sampler: records by an attribute",
        "probabilistic_sampler: {sampling_percentage: 50, attribute_source: record, from_attribute: user.id}",
    ),
    sampler(
        "probabilistic_sampler: records by an attribute where there is no trace id, and by priority",
        "probabilistic_sampler: {sampling_percentage: 30, from_attribute: user.id, sampling_priority: priority}",
    ),
];

pub(super) const TAIL: &[Pair] = &[
    tail(
        "tail_sampling: always_sample",
        "tail_sampling: {decision_wait: 1s, policies: [{name: all, type: always_sample}]}",
    ),
    tail(
        "tail_sampling: latency",
        "tail_sampling: {decision_wait: 1s, policies: [{name: slow, type: latency, latency: {threshold_ms: 400}}]}",
    ),
    tail(
        "tail_sampling: latency with an upper bound",
        "tail_sampling: {decision_wait: 1s, policies: [{name: between, type: latency, latency: {threshold_ms: 100, upper_threshold_ms: 500}}]}",
    )
    .differing(Meant {
        why: "a trace is judged by its whole duration; there by that of its first spans, too, so that it may be sampled although it lasts longer",
        undo: without_longer_traces,
    }),
    Pair {
        telemetry: zoo,
        ..tail(
        "tail_sampling: ottl_condition on events",
        r#"
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: ottl, type: ottl_condition, ottl_condition: {error_mode: ignore, span: ['attributes["http.route"] == "/healthz"'], spanevent: ['name == "message" and attributes["message.id"] == 1', 'name == "retry" and span.status.code == STATUS_CODE_ERROR']}}"#,
        )
        .differing(Meant { why: "the schema URLs of resources and scopes stay, there they go", undo: without_schemas })
    },
    tail(
        "tail_sampling: status_code",
        "tail_sampling: {decision_wait: 1s, policies: [{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]}",
    ),
    tail(
        "tail_sampling: string_attribute, strictly, of spans and resources",
        "
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: user, type: string_attribute, string_attribute: {key: user.id, values: [u-3, u-17]}}
    - {name: pid, type: string_attribute, string_attribute: {key: process.pid, values: ['12']}}",
    ),
    tail(
        "tail_sampling: string_attribute by patterns, and inverted",
        "
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: user, type: string_attribute, string_attribute: {key: user.id, values: ['^u-1[2-4]$'], enabled_regex_matching: true, cache_max_size: 10}}
    - {name: not, type: string_attribute, string_attribute: {key: service.name, values: [shop], invert_match: true}}",
    ),
    tail(
        "tail_sampling: numeric_attribute and boolean_attribute",
        "
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: errors, type: numeric_attribute, numeric_attribute: {key: http.response.status_code, min_value: 501, max_value: 599}}
    - {name: hits, type: boolean_attribute, boolean_attribute: {key: cache.hit, value: true}}",
    ),
    tail(
        "tail_sampling: numeric_attribute inverted, and below nothing",
        "
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: retries, type: numeric_attribute, numeric_attribute: {key: retries, min_value: -5, max_value: -1}}
    - {name: not, type: and, and: {and_sub_policy: [{name: a, type: numeric_attribute, numeric_attribute: {key: http.response.status_code, min_value: 500, max_value: 500, invert_match: true}}, {name: b, type: status_code, status_code: {status_codes: [OK]}}]}}",
    ),
    tail(
        "tail_sampling: probabilistic",
        "tail_sampling: {decision_wait: 1s, policies: [{name: some, type: probabilistic, probabilistic: {sampling_percentage: 30}}]}",
    ),
    tail(
        "tail_sampling: probabilistic with a salt",
        "tail_sampling: {decision_wait: 1s, policies: [{name: some, type: probabilistic, probabilistic: {sampling_percentage: 45.5, hash_salt: pepper}}]}",
    ),
    tail(
        "tail_sampling: span_count and trace_state",
        "
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: large, type: span_count, span_count: {min_spans: 4}}
    - {name: exactly, type: span_count, span_count: {min_spans: 2, max_spans: 2}}
    - {name: state, type: trace_state, trace_state: {key: vendor, values: ['1', '3']}}",
    ),
    tail(
        "tail_sampling: trace_flags and rate_limiting with room for all",
        "
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: flagged, type: and, and: {and_sub_policy: [{name: a, type: trace_flags}, {name: b, type: rate_limiting, rate_limiting: {spans_per_second: 100000}}]}}",
    ),
    tail(
        "tail_sampling: bytes_limiting with room for all, sooner after the root",
        "
tail_sampling:
  decision_wait: 2s
  decision_wait_after_root_received: 1s
  policies:
    - {name: limited, type: bytes_limiting, bytes_limiting: {bytes_per_second: 10000000, burst_capacity: 20000000}}",
    ),
    tail(
        "tail_sampling: ottl_condition",
        r#"
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: ottl, type: ottl_condition, ottl_condition: {error_mode: ignore, span: ['attributes["http.route"] == "/healthz"', 'attributes["user.id"]["x"] == 1', 'end_time - start_time > Duration("500ms") and resource.attributes["service.name"] == "billing"']}}"#,
    ),
    tail(
        "tail_sampling: and, not, drop",
        "
tail_sampling:
  decision_wait: 1s
  policies:
    - {name: and, type: and, and: {and_sub_policy: [{name: a, type: latency, latency: {threshold_ms: 200}}, {name: b, type: string_attribute, string_attribute: {key: service.name, values: [shop]}}]}}
    - {name: not, type: not, not: {not_sub_policy: {name: c, type: status_code, status_code: {status_codes: [UNSET]}}}}
    - {name: drop, type: drop, drop: {drop_sub_policy: [{name: d, type: string_attribute, string_attribute: {key: http.route, values: [/healthz]}}]}}",
    ),
    tail(
        "tail_sampling: composite with room for all",
        "
tail_sampling:
  decision_wait: 1s
  policies:
    - name: composite
      type: composite
      composite:
        max_total_spans_per_second: 100000
        policy_order: [errors, some]
        composite_sub_policy:
          - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
          - {name: some, type: probabilistic, probabilistic: {sampling_percentage: 20}}
        rate_allocation: [{policy: errors, percent: 50}, {policy: some, percent: 50}]",
    ),
    tail(
        "tail_sampling: a policy that drops before one that samples, and the first match",
        "
tail_sampling:
  decision_wait: 1s
  sample_on_first_match: true
  num_traces: 1000
  decision_cache: {sampled_cache_size: 100, non_sampled_cache_size: 100}
  policies:
    - {name: drop, type: drop, drop: {drop_sub_policy: [{name: a, type: span_count, span_count: {min_spans: 3}}]}}
    - {name: rest, type: always_sample}",
    ),
];

/// Takes out of theirs the traces that last longer than half a second.
fn without_longer_traces(_: &mut Output, theirs: &mut Output) {
    let mut lasts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for span in spans(&mut theirs.requests).flat_map(|spans| spans.iter()) {
        let (from, to) = (nanos(span, "startTimeUnixNano"), nanos(span, "endTimeUnixNano"));
        let (first, last) = lasts.entry(trace_of(span)).or_insert((from, to));
        (*first, *last) = ((*first).min(from), (*last).max(to));
    }
    for spans in spans(&mut theirs.requests) {
        spans.retain(|span| {
            let (first, last) = lasts[&trace_of(span)];
            (last - first) / 1_000_000 <= 500
        });
    }
}

/// Takes the schema URLs of resources and scopes out of ours.
fn without_schemas(ours: &mut Output, _: &mut Output) {
    fn remove(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("schemaUrl");
                map.values_mut().for_each(remove);
            }
            Value::Array(values) => values.iter_mut().for_each(remove),
            _ => {}
        }
    }
    ours.requests.iter_mut().for_each(remove);
}

fn trace_of(span: &Value) -> String {
    span["traceId"].to_string()
}

fn nanos(span: &Value, key: &str) -> u64 {
    span[key].as_str().and_then(|text| text.parse().ok()).expect("a span has times")
}

/// The spans of requests, scope by scope.
fn spans(requests: &mut [Value]) -> impl Iterator<Item = &mut Vec<Value>> {
    requests
        .iter_mut()
        .filter_map(|request| request.get_mut("resourceSpans")?.as_array_mut())
        .flatten()
        .filter_map(|resource| resource.get_mut("scopeSpans")?.as_array_mut())
        .flatten()
        .filter_map(|scope| scope.get_mut("spans")?.as_array_mut())
}

#[test]
fn a_share_of_spans_and_records_is_sampled_alike() {
    check(PROBABILISTIC);
}

#[test]
fn whole_traces_are_sampled_alike() {
    check(TAIL);
}
