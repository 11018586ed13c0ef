//! Everything is bounded, and what is left out is counted.

use component::testing::Harness;
use proptest::prelude::*;

use super::{
    super::{
        Bottleneck, BottleneckConfig,
        config::TraceConfig,
        sampling::{EVERY_TRACE, Sampler},
    },
    scene::{Stage, lines, request},
};
use crate::testing::{at, scanned, survive_damage};
use std::time::Duration;

fn rejected(stage: &Stage, reason: &str) -> u64 {
    stage.harness.bench.rejected.iter().filter(|(_, of)| *of == reason).map(|(n, _)| n).sum()
}

#[test]
fn a_graph_of_ten_thousand_services_keeps_its_bound_and_counts_the_rest() {
    let config = BottleneckConfig {
        max_edges: 1_000,
        max_steps: 500,
        trace: TraceConfig { max_spans_per_second: 100_000, ..TraceConfig::default() },
        ..BottleneckConfig::default()
    };
    let mut stage = Stage::new(&config, 2);
    for n in 0..10_000 {
        stage.push(n, &request(n as u64 + 1, 0, &format!("s{n} GET server 0..10")));
    }
    stage.pass(20);
    let calls = stage.calls(0);
    assert_eq!((calls.edges.len(), calls.steps.len()), (1_000, 500));
    assert_eq!((rejected(&stage, "edges_limit"), rejected(&stage, "steps_limit")), (9_000, 9_500));
}

#[test]
fn spans_beyond_the_bound_of_a_trace_are_counted_and_the_trace_is_not_whole() {
    let config = BottleneckConfig {
        trace: TraceConfig { max_spans: 3, ..TraceConfig::default() },
        ..BottleneckConfig::default()
    };
    let mut stage = Stage::new(&config, 1);
    let script = "a GET server 0..9\n  a x internal 1..2\n  a x internal 2..3\n  a x internal 3..4\n  a x internal 4..5";
    stage.push(0, &request(1, 0, script));
    stage.pass(20);
    let told = lines(&stage.calls(0));
    assert!(told.starts_with("coverage 0.00\n") && told.contains("a x: 2 calls"), "{told}");
    assert_eq!(rejected(&stage, "spans_of_trace_limit"), 2);
}

#[test]
fn traces_without_errors_are_given_up_first() {
    let config = BottleneckConfig {
        trace: TraceConfig { max_traces: 10, ..TraceConfig::default() },
        ..BottleneckConfig::default()
    };
    let mut stage = Stage::new(&config, 1);
    for trace in 1..=20 {
        let mark = if trace <= 5 { "!" } else { "" };
        stage.push(0, &request(trace, 0, &format!("a GET server 0..9 {mark}")));
    }
    stage.pass(20);
    let told = lines(&stage.calls(0));
    assert!(told.contains("user > a request: 9 calls, 5 failed"), "{told}");
    assert_eq!(rejected(&stage, "waiting_traces_limit"), 11);
    assert!(told.starts_with("coverage 0.45\n"), "{told}");
}

#[test]
fn what_comes_after_its_trace_was_assembled_is_counted() {
    let mut stage = Stage::new(&BottleneckConfig::default(), 1);
    stage.push(0, &request(1, 0, "a GET server 0..9"));
    stage.pass(20);
    let late = request(1, 0, "a GET server 0..9\n  a x internal 1..2");
    stage.push(0, &late);
    stage.pass(20);
    assert!(lines(&stage.calls(0)).contains("user > a request: 1 calls"));
    assert_eq!(rejected(&stage, "trace_was_assembled"), 2);
}

#[test]
fn when_too_much_comes_whole_traces_are_left_out() {
    let limit = 100;
    let trace = TraceConfig { max_spans_per_second: limit, ..TraceConfig::default() };
    let mut stage = Stage::new(&BottleneckConfig { trace, ..BottleneckConfig::default() }, 2);
    // A thousand spans a second, four in each trace, halves of it on other shards.
    let script = "a GET server 0..9\n  a call client 1..8\n    b GET server 2..7\n      b q client 3..4 db=d";
    for second in 0..40 {
        for n in 0..250 {
            let whole = request(second * 1_000 + n + 1, second * 1_000, script);
            let (mut here, mut there) = (whole.clone(), whole);
            there.resource_spans = here.resource_spans.split_off(2);
            stage.push(0, &here);
            stage.push(1, &there);
        }
        stage.pass(1);
    }
    stage.pass(10);
    let calls = stage.calls(30);
    let n = calls.edges.iter().find(|edge| &*edge.client == "user").expect("somebody called").calls;
    assert!((150..=350).contains(&n), "about 25 traces a second are kept: {n}");
    assert!(calls.edges.iter().all(|edge| edge.calls == n), "traces are whole: {}", lines(&calls));
    assert!((0.06..=0.14).contains(&calls.coverage), "{}", calls.coverage);
    let of_all = calls.of_all(n);
    assert!((2_000.0..=3_000.0).contains(&of_all), "250 came in each of ten seconds: {of_all}");
}

#[test]
fn the_sampler_lowers_at_once_and_raises_when_cut_traces_have_ended() {
    let mut sampler = Sampler::new(1_000, Duration::from_secs(30), at(0));
    sampler.hear(EVERY_TRACE, 500);
    assert_eq!(sampler.tick(at(1)), Some(EVERY_TRACE), "shards of other processes may know an older one");
    sampler.hear(EVERY_TRACE, 10_000);
    let lower = sampler.tick(at(2)).expect("there is too much");
    assert!((0.09..=0.11).contains(&sampler.share()), "{}", sampler.share());
    let mut raised = None;
    for second in 3..200 {
        sampler.hear(raised.map_or(lower, |(_, threshold)| threshold), 100);
        if let Some(threshold) = sampler.tick(at(second)) {
            raised = raised.or(Some((second, threshold))).map(|(at, _)| (at, threshold));
        }
    }
    assert!(raised.is_some_and(|(at, threshold)| at > 3 && threshold == EVERY_TRACE), "{raised:?}");
    assert_eq!(sampler.share(), 1.0);
}
proptest! {
    #[test]
    fn damaged_bytes_do_not_panic(length in 1..90_u64, damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let harness = Harness::new::<Bottleneck>(&BottleneckConfig::default(), 1, at(0));
        let script = format!("a GET server 0..{length} !\n  a call client 1..8\n    b GET server 2..7 link");
        let (payload, _) = scanned(&request(1, 0, &script), &harness);
        survive_damage::<Bottleneck>(&BottleneckConfig::default(), vec![payload], &damage);
    }
}
