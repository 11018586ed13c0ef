//! `batch` and `memory_limiter`, behind which the same comes out, and processors behind each other.

use super::{
    ALL, Meant, Pair, TRACES,
    canon::Order,
    run::{check, remove_text},
    zoo::zero_ids,
};

const fn batched(name: &'static str, processors: &'static str) -> Pair {
    Pair { order: Order::Any, waits_for: 1, ..Pair::new(name, ALL, processors) }
}

pub(super) const PAIRS: &[Pair] = &[
    Pair::new("no processor: what came goes on as it is", ALL, ""),
    Pair {
        telemetry: zero_ids,
        ..Pair::new("no processor: ids that hold nothing but zeros", TRACES, "").differing(Meant {
            why: "they go on as they came, there they are left out",
            undo: |ours, _| {
                remove_text(ours, "\"parentSpanId\":\"0000000000000000\",");
                remove_text(ours, ",\"traceId\":\"00000000000000000000000000000000\"");
            },
        })
    },
    Pair::new(
        "memory_limiter: below its limit everything passes",
        ALL,
        "memory_limiter: {check_interval: 1s, limit_mib: 4000, spike_limit_mib: 500}",
    ),
    batched("batch: as it is without keys", "batch: {}"),
    batched("batch: cut to a largest size", "batch: {send_batch_size: 2, send_batch_max_size: 3, timeout: 100ms}"),
    batched("batch: without waiting", "batch: {timeout: 0s, send_batch_max_size: 4, send_batch_size: 4}"),
    Pair {
        order: Order::Any,
        waits_for: 1,
        ..Pair::new(
            "a usual pipeline: memory_limiter, resource, attributes, filter, transform, redaction, batch",
            ALL,
            "
memory_limiter: {check_interval: 1s, limit_percentage: 90, spike_limit_percentage: 10}
resource: {attributes: [{key: cluster, action: upsert, value: eu-1}]}
attributes: {actions: [{key: user.id, action: hash}]}
filter: {traces: {span: ['IsMatch(name, \"health\")']}, logs: {log_record: ['severity_number < SEVERITY_NUMBER_INFO']}}
transform: {trace_statements: ['set(span.attributes[\"of\"], resource.attributes[\"service.name\"])']}
redaction: {allow_all_keys: true, blocked_values: ['[\\w.]+@[\\w.]+'], summary: info}
batch: {timeout: 100ms}",
        )
    },
    Pair {
        connectors: "forward: {}",
        branches: &[""],
        ..Pair::new("forward: pipelines of each signal behind each other", ALL, "")
    },
    Pair {
        connectors: "forward: {}",
        branches: &[
            "",
            "attributes: {actions: [{key: branch, action: insert, value: one}]}",
            "resource: {attributes: [{key: branch, action: insert, value: two}]}",
        ],
        order: Order::Any,
        ..Pair::new(
            "forward: three branches, of which none sees what another changes",
            ALL,
            "resource: {attributes: [{key: cluster, action: upsert, value: eu-1}]}",
        )
    },
    Pair {
        connectors: "forward/a: {}\nforward/b: {}",
        branches: &[""],
        order: Order::Any,
        ..Pair::new("forward: what two bring comes twice", ALL, "")
    },
];

#[test]
fn what_passes_is_the_same() {
    check(PAIRS);
}
