//! Of traces that are left out the spans that failed are kept, and change nothing but what is known of failures.

use std::time::Duration;

use model::{Calls, Edge, Step};

use super::{
    super::{
        BottleneckConfig,
        assembly::Gathered,
        config::TraceConfig,
        partial::BottleneckPartial,
        sampling::{EVERY_TRACE, Sampling, Shares, hash_of},
        trace::Trace,
        witnesses::failed_by_themselves,
    },
    scene::{Stage, lines, request, spans_of},
};
use crate::testing::at;

fn config(failed_share: f64) -> BottleneckConfig {
    let trace = TraceConfig { max_spans_per_second: 100, failed_share, ..TraceConfig::default() };
    BottleneckConfig { trace, ..BottleneckConfig::default() }
}

/// The id that a trace of this number has.
fn id_of(trace: u64) -> [u8; 16] {
    let id = request(trace, 0, "a x server 0..1").resource_spans.remove(0);
    id.scope_spans[0].spans[0].trace_id.clone().try_into().expect("an id has 16 bytes")
}

/// Of these traces a tenth of all, and somewhat more, is kept.
fn is_left_out(trace: u64) -> bool {
    hash_of(&id_of(trace)) > EVERY_TRACE / 4
}

const FINE: &str =
    "a GET server 0..9\n  a call client 1..8\n    b charge server 2..7\n      b q client 3..4 db=d";
const REFUSED: &str = "a GET server 0..9 !\n  a call client 1..8 !\n    b charge server 2..7 ! error=CardDeclined\n      b q client 3..4 db=d";
/// Asked for in no other trace.
const RARE: &str = "a PUT server 0..9 !\n  a call client 1..8\n    b refund server 2..7 ! error=NoAccount\n      b q client 3..4 db=d";

/// Ten times the limit, and of a hundred traces one fails: of those that the hash alone leaves out.
fn flood(failed_share: f64, shards: usize) -> Calls {
    let mut stage = Stage::new(&config(failed_share), shards);
    let (mut since_refused, mut since_rare) = (0, 0);
    for second in 0..40 {
        for n in 0..250 {
            let id = second * 1_000 + n + 1;
            (since_refused, since_rare) = (since_refused + 1, since_rare + 1);
            let script = match is_left_out(id) {
                true if since_rare >= 1_000 => {
                    since_rare = 0;
                    RARE
                }
                true if since_refused >= 100 => {
                    since_refused = 0;
                    REFUSED
                }
                _ => FINE,
            };
            let mut whole = request(id, second * 1_000, script);
            // Parts come to different shards.
            let rest = whole.resource_spans.split_off(2);
            stage.push(n as usize, &whole);
            whole.resource_spans = rest;
            stage.push(n as usize / 2 + 1, &whole);
        }
        stage.pass(1);
    }
    stage.pass(10);
    stage.calls(30)
}

fn step<'a>(calls: &'a Calls, operation: &str) -> &'a Step {
    calls.steps.iter().find(|step| &*step.operation == operation).expect("it is told of")
}

/// What is told without failures that were seen alone.
fn counted(calls: &Calls) -> String {
    let edge = |edge: &Edge| Edge { lost_of_all: None, exemplar: None, ..edge.clone() };
    let step = |step: &Step| Step { failed_here_of_all: None, failure: None, exemplar: None, ..step.clone() };
    let edges = calls.edges.iter().filter(|edge| edge.calls > 0).map(edge).collect();
    let steps = calls.steps.iter().filter(|step| step.calls > 0).map(step).collect();
    lines(&Calls { edges, steps, ..calls.clone() })
}

#[test]
fn failures_that_the_hash_leaves_out_are_told_with_what_they_failed_with_and_a_trace() {
    let told = flood(0.1, 2);
    let refused = step(&told, "charge");
    assert_eq!((refused.failed, refused.failed_here), (0, 0), "the hash left them out");
    let failures = refused.failures();
    assert_eq!(failures.hits, 25.0, "each of them in ten seconds");
    assert!((0.008..0.0125).contains(&failures.share()), "one in a hundred: {}", failures.share());
    assert_eq!(&*refused.failure.as_ref().expect("they say why").kind, "CardDeclined");
    let exemplar = refused.exemplar.expect("a trace shows it");
    assert!(hash_of(&exemplar) > EVERY_TRACE / 4, "it is one that was left out");
    // Who waited for what failed did not fail by itself.
    assert_eq!(step(&told, "GET").failures().hits, 0.0);

    let rare = step(&told, "refund");
    assert_eq!((rare.calls, rare.failures().share()), (0, 1.0), "of what did not fail nothing is known");
    assert_eq!(&*rare.failure.as_ref().expect("it says why").kind, "NoAccount");
    assert!(rare.exemplar.is_some() && rare.own.p50.is_nan());
}

#[test]
fn counts_times_and_coverage_are_those_of_whole_traces_alone() {
    let (with, without) = (flood(0.1, 2), flood(0.0, 2));
    assert_eq!(counted(&with), counted(&without));
    assert_eq!((with.coverage, with.share), (without.coverage, without.share));
    assert!(without.steps.iter().all(|step| step.failures().hits == 0.0 && &*step.operation != "refund"));
}

#[test]
fn one_shard_two_and_four_tell_the_same_of_failures() {
    let [one, two, four] = [1, 2, 4].map(|shards| format!("{:?}", flood(0.1, shards)));
    assert_eq!(one, two);
    assert_eq!(one, four);
}

#[test]
fn a_tenth_of_the_limit_is_for_failures_and_when_all_fails_whole_traces_tell_of_it() {
    let shares = |seen_failed| {
        let mut sampling = Sampling::new(1_000, 0.1, Duration::from_secs(30), at(0));
        for second in 1..3 {
            sampling.hear(&BottleneckPartial {
                threshold: EVERY_TRACE,
                failed_threshold: EVERY_TRACE,
                seen: 10_000,
                seen_failed,
                ..BottleneckPartial::default()
            });
            sampling.tick(at(second));
        }
        let Shares { whole, failed } = sampling.shares();
        [whole, failed].map(|share| (100.0 * share).round())
    };
    assert_eq!(shares(10), [10.0, 100.0]);
    assert_eq!(shares(200), [10.0, 50.0]);
    assert_eq!(shares(1_000), [10.0, 10.0]);
    assert_eq!(shares(10_000), [10.0, 10.0]);
}

#[test]
fn a_shard_of_the_release_before_keeps_no_failures_alone() {
    let mut sampling = Sampling::new(1_000, 0.1, Duration::from_secs(30), at(0));
    for second in 1..3 {
        sampling.hear(&BottleneckPartial {
            threshold: EVERY_TRACE,
            seen: 10_000,
            ..BottleneckPartial::default()
        });
        sampling.tick(at(second));
    }
    assert_eq!(sampling.shares().failed, sampling.shares().whole);
    assert!(!sampling.keeps(EVERY_TRACE / 2, true));
}

#[test]
fn when_everything_fails_no_more_is_kept_than_the_limit_and_its_share() {
    let mut stage = Stage::new(&config(0.1), 2);
    let script = "a GET server 0..9 !\n  a call client 1..8 !\n    b charge server 2..7 !";
    for second in 0..40 {
        for n in 0..300 {
            stage.push(n as usize, &request(second * 1_000 + n + 1, second * 1_000, script));
        }
        stage.pass(1);
    }
    stage.pass(10);
    let calls = stage.calls(30);
    let charge = step(&calls, "charge");
    // A hundred spans in each of ten seconds, three of each trace.
    assert!((200..500).contains(&charge.calls), "{}", charge.calls);
    assert_eq!(charge.failures().share(), 1.0);
    assert!(charge.failures().of <= 1.1 * charge.calls as f64, "{:?}", charge.failures());
}

/// Which of the spans marked with `!` failed by themselves, when of all others nothing is known.
fn alone(script: &str) -> String {
    let failed = |line: &&str| line.ends_with('!');
    let script: Vec<_> = script.lines().filter(failed).map(|line| line.trim_end_matches('!')).collect();
    let (mut spans, names) = spans_of(&script.join("\n"));
    spans.iter_mut().for_each(|span| span.failed = true);
    let gathered = Gathered { id: 7, spans, is_cut: false, is_left_out: true };
    let trace = Trace::new(gathered).expect("there are spans");
    let alone = failed_by_themselves(&trace);
    let found = trace.spans.iter().zip(alone).filter(|(_, alone)| *alone);
    found.map(|(span, _)| &*names[&span.id]).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_failed_within_the_time_of_another_is_what_that_failed_by() {
    let through_one_that_is_missing = "r - 0 100 server !\nq r 10 90\nc q 10 90 client !\ns c 20 80 server !";
    assert_eq!(alone(through_one_that_is_missing), "s");
    let one_after_the_other = "r - 0 100 server !\na r 10 40 client !\nb r 50 90 client !";
    assert_eq!(alone(one_after_the_other), "a b");
    let at_once = "r - 0 100 server !\na r 10 90 client !\nb r 20 80 client !";
    assert_eq!(alone(at_once), "a b", "who has one caller waits for no other");
    let all_the_time = "r - 0 100 server !\nc r 0 100 client !\ns c 0 100 server !";
    assert_eq!(alone(all_the_time), "s");
    let clocks_disagree = "r - 0 100 server !\nc r 10 90 client !\ns c 200 300 server !";
    assert_eq!(alone(clocks_disagree), "s");
    let a_message = "r - 0 100 server !\np r 10 20 producer\nm p 30 90 consumer !";
    assert_eq!(alone(a_message), "r m", "nobody waits for a consumer");
}
