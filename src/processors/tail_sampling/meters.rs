//! The collector's self-metrics of the processor, and the bytes that wait.

use component::{BuildCx, Counter, Gauge, Telemetry};

use super::{policy::Policy, rules::Decision};

pub(super) struct Meters {
    pub(super) traces_on_memory: Gauge,
    pub(super) bytes_on_memory: Gauge,
    pub(super) new_traces: Counter,
    pub(super) dropped_too_early: Counter,
    pub(super) too_large: Counter,
    pub(super) unreadable: Counter,
    /// Late spans of traces that were sampled, and of others.
    pub(super) from_cache: [Counter; 2],
    global: [Counter; 3],
    /// By policy, in the order in which they are asked.
    of_policies: Vec<[Counter; 3]>,
}

impl Meters {
    pub(super) fn new(policies: &[Policy], cx: &BuildCx<'_>) -> Self {
        let counter = |name: &str, description, unit| {
            cx.telemetry.counter(&format!("otelcol_processor_tail_sampling_{name}"), description, unit)
        };
        let gauge = |name: &str, description, unit| {
            cx.telemetry.gauge(&format!("otelcol_processor_tail_sampling_{name}"), description, unit)
        };
        let name = cx.id.split_once('/').map_or("", |(_, name)| name);
        let of_policy = |policy: &Policy| {
            let label = if name.is_empty() { policy.name.clone() } else { format!("{name}.{}", policy.name) };
            let telemetry = cx.telemetry.with("policy", &label);
            decided(&telemetry, "count_traces_sampled", "Traces that each policy sampled, or not")
        };
        let from_cache = ["true", "false"].map(|sampled| {
            cx.telemetry.with("sampled", sampled).counter(
                "otelcol_processor_tail_sampling_early_releases_from_cache_decision",
                "Late spans whose trace was decided by a remembered decision",
                "{span}",
            )
        });
        Self {
            traces_on_memory: gauge(
                "sampling_traces_on_memory",
                "Traces that are known, decided or not",
                "{trace}",
            ),
            bytes_on_memory: gauge(
                "bytes_on_memory",
                "What spans that wait take, as max_bytes counts it",
                "By",
            ),
            new_traces: counter(
                "new_trace_id_received",
                "Traces that were seen for the first time",
                "{trace}",
            ),
            dropped_too_early: counter(
                "sampling_trace_dropped_too_early",
                "Traces that were dropped before their decision, as there was no room",
                "{trace}",
            ),
            too_large: counter(
                "traces_dropped_too_large",
                "Traces that were dropped for their size before their decision",
                "{trace}",
            ),
            unreadable: counter(
                "unreadable_partials",
                "Partials of another release, which are left out",
                "{partial}",
            ),
            from_cache,
            global: decided(cx.telemetry, "global_count_traces_sampled", "Traces that were sampled, or not"),
            of_policies: policies.iter().map(of_policy).collect(),
        }
    }

    pub(super) fn decided(&self, decision: Decision) {
        self.global[decision as usize].add(1);
    }

    pub(super) fn decided_by(&self, policy: usize, decision: Decision) {
        if let Some(counters) = self.of_policies.get(policy) {
            counters[decision as usize].add(1);
        }
    }
}

/// Counters by decision, in the order of [`Decision`].
fn decided(telemetry: &Telemetry, name: &str, description: &'static str) -> [Counter; 3] {
    [("true", "sampled"), ("false", "not_sampled"), ("false", "dropped")].map(|(sampled, decision)| {
        telemetry.with("sampled", sampled).with("decision", decision).counter(
            &format!("otelcol_processor_tail_sampling_{name}"),
            description,
            "{trace}",
        )
    })
}
