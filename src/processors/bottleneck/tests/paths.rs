//! Critical paths. The first nine are the cases that the trace page of Jaeger is tested with.

use proptest::prelude::*;

use super::{
    super::{critical_path::critical_path, span::Kind},
    scene::{paths, spans_of, trace_of},
};

#[test]
fn children_one_after_the_other_are_all_on_the_path() {
    let found = paths("C - 1 101\n E C 50 60\n D C 20 40");
    assert_eq!(found, "C 60..101, E 50..60, C 40..50, D 20..40, C 1..20");
}

#[test]
fn of_children_at_the_same_time_the_last_to_finish_is_on_the_path() {
    assert_eq!(paths("X - 1 101\n A X 10 50\n C X 20 60"), "X 60..101, C 20..60, X 1..20");
}

#[test]
fn a_child_that_begins_after_its_parent_ended_is_left_out() {
    assert_eq!(paths("A - 100 140 producer\n B A 200 500 client"), "A 100..140");
}

#[test]
fn what_is_below_a_child_that_is_left_out_is_left_out() {
    assert_eq!(paths("A - 1 31\n B A 40 80\n C B 50 60"), "A 1..31");
}

#[test]
fn nobody_waits_for_the_consumer_of_a_message() {
    let found = paths("A - 1 31 producer\n B A 10 20 consumer\n C B 12 14");
    // The consumer has a path of its own.
    assert_eq!(found, "A 1..31, B 14..20, C 12..14, B 10..12");
}

#[test]
fn a_child_that_ends_late_and_one_that_begins_early_are_cut_to_their_parents() {
    assert_eq!(paths("A - 1 30\n B A 15 35\n C B 10 25"), "B 25..30, C 15..25, A 1..15");
}

#[test]
fn a_grandchild_is_cut_to_what_is_left_of_its_parent() {
    assert_eq!(paths("A - 1 30\n B A 15 35\n C B 20 40"), "C 20..30, B 15..20, A 1..15");
}

#[test]
fn a_child_longer_than_its_parent_is_cut_at_both_ends() {
    assert_eq!(paths("A - 10 30\n B A 5 35"), "B 10..30");
}

#[test]
fn a_child_that_ended_before_its_parent_began_is_left_out() {
    assert_eq!(paths("A - 10 30\n B A 1 5"), "A 10..30");
}

#[test]
fn a_child_that_ends_as_the_next_begins_is_on_the_path() {
    assert_eq!(paths("A - 0 30\n B A 0 10\n C A 10 30"), "C 10..30, B 0..10");
}

#[test]
fn a_trace_of_which_a_parent_is_missing_is_not_whole_and_has_a_path() {
    let (spans, _) = spans_of("A - 0 100\n B missing 10 50");
    assert!(!trace_of(spans).is_whole);
    assert_eq!(paths("A - 0 100\n B missing 10 50"), "A 50..100, B 10..50, A 0..10");
}

#[test]
fn who_answers_somebody_who_tells_nothing_is_the_root() {
    let (spans, _) = spans_of("A gateway 0 100 server\n B A 10 50");
    assert!(trace_of(spans).is_whole);
    let (spans, _) = spans_of("A gateway 0 100 server\n B other 10 50");
    assert!(!trace_of(spans).is_whole);
}

#[test]
fn circles_of_parents_are_cut() {
    for script in ["A B 0 9\n B A 1 8", "R - 0 9\n A B 1 5\n B C 2 6\n C A 3 7\n D C 4 5", "A A 0 9"] {
        let (spans, _) = spans_of(script);
        let n = spans.len();
        let trace = trace_of(spans);
        assert!(!trace.is_whole, "{script}");
        assert_eq!(trace.order.len(), n, "{script}");
    }
}

#[test]
fn a_chain_of_fifty_thousand_spans_needs_no_stack() {
    let script = |n: u64| {
        format!("{n} {} {n} {}\n", if n == 0 { "-".to_owned() } else { (n - 1).to_string() }, 200_000 - n)
    };
    let (spans, _) = spans_of(&(0..50_000).map(script).collect::<String>());
    let trace = trace_of(spans);
    assert_eq!(critical_path(&trace, trace.roots[0]).len(), 50_000 + 49_999);
}

proptest! {
    #[test]
    fn sections_are_as_long_as_the_root_and_every_span_is_in_the_tree(
        raw in prop::collection::vec((0..12_u64, 0..12_u64, 0..60_u64, 0..40_u64, 0..5_u8, any::<bool>()), 1..24),
        far in any::<bool>(),
    ) {
        let (template, _) = spans_of("A - 0 1");
        let spans: Vec<_> = raw.iter().map(|&(id, parent, start, length, kind, has_links)| {
            let mut span = template[0].clone();
            (span.id, span.parent, span.has_links) = (id, parent, has_links && start % 4 == 0);
            let base = if far { u64::MAX - 100 } else { 0 };
            (span.start, span.end) = (base + start, base + start + length);
            span.kind = [Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer][usize::from(kind)];
            span
        }).collect();
        let distinct: std::collections::BTreeSet<_> = spans.iter().map(|span| span.id).collect();
        let mut reversed = spans.clone();
        reversed.reverse();
        let (trace, same) = (trace_of(spans), trace_of(reversed));
        prop_assert_eq!(&trace.spans, &same.spans);
        let mut order = trace.order.clone();
        order.sort_unstable();
        prop_assert_eq!(order, (0..distinct.len() as u32).collect::<Vec<_>>());
        let own = trace.own_times();
        for root in &trace.roots {
            let sections = critical_path(&trace, *root);
            let sum: u64 = sections.iter().map(|section| section.nanos()).sum();
            prop_assert_eq!(sum, trace.span(*root).duration());
            for pair in sections.windows(2) {
                prop_assert_eq!(pair[0].start, pair[1].end);
            }
        }
        for (own, span) in own.iter().zip(&trace.spans) {
            prop_assert!(*own <= span.duration());
        }
    }
}
