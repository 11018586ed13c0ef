//! What comes out does not depend on who came first.

use model::Calls;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;

use super::{
    super::BottleneckConfig,
    scene::{Stage, request},
};

/// Splits a request into one for each span.
fn split(request: &ExportTraceServiceRequest) -> Vec<ExportTraceServiceRequest> {
    let alone = |it: &_| ExportTraceServiceRequest { resource_spans: vec![Clone::clone(it)] };
    request.resource_spans.iter().map(alone).collect()
}

/// Traces of a few shapes, with failures, peers and messages.
fn any_trace() -> impl Strategy<Value = ExportTraceServiceRequest> {
    (1..5_u64, 0..4_usize, 0..2_000_u64, 1..90_u64).prop_map(|(id, shape, begins, length)| {
        let end = 10 + length;
        let script = match shape {
            0 => format!("a GET server 0..{end}"),
            1 => format!("a GET server 0..{end}\n  a q client 1..{length} db=d\n  a r client 2..5 peer=p !"),
            2 => format!("a GET server 0..{end}\n  a q client 1..{end}\n    b GET server 2..{length}"),
            _ => format!(
                "b job internal 0..{end} !\n  b send producer 1..2\n    c take consumer 40..{} link",
                40 + end
            ),
        };
        request(id, begins, &script)
    })
}

/// Plays parts, each on its shard and in its second, and closes windows as `aggregation` does.
fn run(parts: &[(usize, u64, ExportTraceServiceRequest)], shards: usize) -> Vec<Calls> {
    let config = BottleneckConfig { max_edges: 6, max_steps: 6, ..BottleneckConfig::default() };
    let mut stage = Stage::new(&config, shards);
    let mut told = Vec::new();
    for second in 0..60 {
        for (shard, _, part) in parts.iter().filter(|(_, at, _)| *at == second) {
            stage.push(*shard, part);
        }
        stage.pass(1);
        if stage.secs >= 20 && stage.secs.is_multiple_of(10) {
            told.push(stage.calls(stage.secs - 20));
        }
    }
    told
}

/// NaN is equal to NaN here.
fn text(calls: &[Calls]) -> String {
    format!("{calls:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shards_batches_and_the_order_within_a_window_change_nothing(
        traces in prop::collection::vec((any_trace(), 0..20_u64), 1..8),
        seed in any::<u64>(),
    ) {
        let mut parts = Vec::new();
        for (trace, second) in &traces {
            for (n, part) in (0_u64..).zip(split(trace)) {
                parts.push((0, (second + n) % 20, part));
            }
        }
        let one = run(&parts, 1);
        let mut mixed = parts.clone();
        mixed.reverse();
        let turn = seed as usize % mixed.len();
        mixed.rotate_left(turn);
        for (n, (shard, second, _)) in mixed.iter_mut().enumerate() {
            *shard = (seed as usize >> (n % 16)) % 3;
            // Another second of the same window.
            *second = *second / 10 * 10 + (*second + (seed >> (n % 32))) % 10;
        }
        prop_assert_eq!(text(&run(&mixed, 3)), text(&one));
    }
}
