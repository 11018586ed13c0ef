//! Laws that hold whatever comes: shards, order, lateness.

use proptest::prelude::*;

use super::*;
use crate::{
    sla::{report::evaluate, ring::Count, snapshot::Memory},
    testing::attribute,
};

const ALL_KINDS: &str = "
emit: {dialects: [native, sloth, pyrra]}
slos:
  - {name: fast, service: checkout, sli: {type: latency, targets: {p50: 100ms, p99: 300ms}}, escalation: [{budget_consumed: 0.5, severity: ticket}]}
  - {name: up, service: checkout, sli: {type: success_rate}, target: 0.99, burn_alerts: pyrra, window: {rolling: 28d}}
  - {name: busy, service: checkout, sli: {type: throughput, min: 1/m}, target: 0.9, window: {rolling: 28d}}
  - {name: orders, service: checkout, sli: {type: workflow, within: 40s, escalate_after: 60s}, target: 0.9}
  - {name: all, service: checkout, sli: {type: composite, of: [{slo: up}, {slo: busy}]}, target: 0.9, window: {rolling: 28d}}
";

#[derive(Clone, Debug)]
struct Sent {
    second: u64,
    /// How much before it is sent the span ended.
    late: u64,
    millis: u64,
    trace: u8,
    is_root: bool,
    is_error: bool,
    shard: usize,
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let one = (0..150_u64, 0..60_u64, 1..500_u64, 1..20_u8, any::<bool>(), any::<bool>(), 0..4_usize);
    let one = one.prop_map(|(second, late, millis, trace, is_root, is_error, shard)| Sent {
        second,
        late: late.min(second),
        millis,
        trace,
        is_root,
        is_error,
        shard,
    });
    prop::collection::vec(one, 0..120)
}

fn span_of(sent: &Sent) -> Span {
    Span {
        trace_id: vec![sent.trace; 16],
        parent_span_id: if sent.is_root { vec![] } else { vec![3; 8] },
        status: sent
            .is_error
            .then(|| opentelemetry_proto::tonic::trace::v1::Status { code: 2, message: String::new() }),
        attributes: vec![attribute("order.total", Value::IntValue(i64::from(sent.trace)))],
        ..ended("pay", sent.second - sent.late, sent.millis)
    }
}

/// Everything that a stage emits, and its state at the end.
fn run(all: &[Sent], shards: usize) -> (Vec<String>, component::Snapshot) {
    let mut harness = Harness::new::<Sla>(&settings(ALL_KINDS), shards, T0);
    let mut told = Vec::new();
    for second in 0..=180 {
        for sent in all.iter().filter(|sent| sent.second == second) {
            harness.now = at(second);
            push(&mut harness, sent.shard % shards, &of_service("checkout", vec![span_of(sent)]));
        }
        told.extend(harness.tick(at(second + 1)).iter().map(|payload| format!("{payload:?}")));
    }
    (told, harness.analysis().snapshot().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn shards_and_the_order_within_a_second_change_nothing(all in sent()) {
        let one = run(&all, 1);
        prop_assert_eq!(&run(&all, 4), &one);
        let mut turned = all.clone();
        turned.reverse();
        prop_assert_eq!(&run(&turned, 3), &one);
    }
}

/// Objectives on the same spans: with other limits, with the same, by what else they may be judged, of other kinds.
const NEIGHBOURS: [&str; 9] = [
    "{name: a, service: '*', sli: {type: latency, within: 100ms}, target: 0.9, min_events: 1}",
    "{name: b, service: '*', sli: {type: latency, within: 300ms}, target: 0.99, min_events: 1}",
    "{name: c, service: '*', sli: {type: latency, within: 300ms}, target: 0.5, min_events: 1, window: {rolling: 7d}}",
    "{name: d, service: '*', sli: {type: latency, targets: {p99: 200ms}}, min_events: 1}",
    "{name: e, service: '*', sli: {type: success_rate}, target: 0.9, min_events: 1}",
    "{name: f, service: '*', match: {span.kind: server}, sli: {type: success_rate}, target: 0.9, min_events: 1}",
    "{name: g, service: '*', match: {span.kind: client}, sli: {type: success_rate}, target: 0.9, min_events: 1}",
    "{name: h, service: '*', match: {otel.status: error}, sli: {type: latency, within: 50ms}, target: 0.9, min_events: 1}",
    "{name: i, service: '*', sli: {type: value, attribute: order.total, lt: 9}, target: 0.9, min_events: 1}",
];

/// What is known of each objective in the end.
fn known(objectives: &[&str], all: &[Sent]) -> Vec<serde_json::Value> {
    let yaml: String = objectives.iter().map(|it| format!("  - {it}\n")).collect();
    let mut stage = Stage::new(&format!("slos:\n{yaml}"), 2);
    for second in 0..=180 {
        for sent in all.iter().filter(|sent| sent.second == second) {
            stage.send(sent.shard % 2, &of_service("checkout", vec![span_of(sent)]));
        }
        stage.until(second + 1);
    }
    let name = |it: &&str| it["{name: ".len()..].split(',').next().unwrap_or_default().to_owned();
    objectives.iter().map(|it| kinds::ask(&mut stage, "GET", &["slos", &name(it)], "")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn an_objective_counts_the_same_alone_and_beside_others_on_the_same_spans(all in sent()) {
        let together = known(&NEIGHBOURS, &all);
        for (objective, together) in NEIGHBOURS.iter().zip(together) {
            prop_assert_eq!(&known(&[objective], &all)[0], &together);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn burn_rates_are_those_of_the_published_rule(
        events in prop::collection::vec((0..4 * 86_400_u64, 1..200_u64, 0..100_u64), 1..300),
        target in prop::sample::select(vec![0.9, 0.99, 0.999]),
    ) {
        let yaml = format!("slos: [{{name: a, service: s, sli: {{type: success_rate}}, target: {target}, min_events: 1}}]");
        let plan = crate::sla::plan::Plan::of(&settings(&yaml));
        let (objective, mut memory) = (&plan.objectives[0], Memory::new(&plan));
        for (second, total, bad) in &events {
            let count = Count { good: total - bad.min(total), total: *total };
            memory.records[0].count(objective, at(second / 10 * 10), count);
        }
        let now = 4 * 86_400;
        let report = &evaluate(&plan, &memory.records, at(now))[0];
        let errors = |seconds: u64| {
            let within: Vec<_> = events.iter().filter(|it| it.0 / 10 * 10 >= now - seconds).collect();
            let total: u64 = within.iter().map(|it| it.1).sum();
            let bad: u64 = within.iter().map(|it| it.2.min(it.1)).sum();
            (total > 0).then(|| bad as f64 / total as f64)
        };
        for (alert, burning) in objective.burn.iter().zip(&report.burning) {
            let mut expected = None;
            for pair in &alert.pairs {
                let (long, short) = (errors(pair.long.as_secs()), errors(pair.short.as_secs()));
                let over = |ratio: Option<f64>| ratio.is_some_and(|ratio| ratio > pair.factor * (1.0 - target));
                if long.is_some() {
                    expected = Some(expected.unwrap_or(false) || (over(long) && over(short)));
                }
            }
            prop_assert_eq!(*burning, expected, "{:?}", alert);
        }
    }

    #[test]
    fn what_a_partial_may_hold_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut stage = Stage::new(ALL_KINDS, 1);
        let partial = model::Partial { bytes: bytes.into(), at: at(1) };
        let batch = model::Batch { payload: Payload::Partial(partial), items: 1, ack: model::Ack::none() };
        let mut bench = component::Workbench::default();
        stage.harness.analysis().process(batch, &mut component::Cx::new(at(1), &mut bench));
        stage.until(10);
    }
}
