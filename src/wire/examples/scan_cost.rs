//! Prints what the walk, the splice and the check cost, in memory. Run it in release mode, and under
//! `valgrind --tool=callgrind` with the argument `once` to count instructions.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use model::{KeySet, SpanTable, Traces};
use wire::{
    Matcher,
    edit::{AttributeEdits, Edit, Source, SpanEditor, SpanEdits},
    scan_traces, testing,
    view::AnyValue,
};

const SPANS: usize = 512;

fn main() {
    let is_once = std::env::args().any(|argument| argument == "once");
    let requests: Vec<_> =
        (0..if is_once { 1 } else { 128 }).map(|seed| testing::trace_request(seed + 1, SPANS)).collect();
    let mut keys = KeySet::default();
    for key in testing::DIMENSIONS {
        keys.want(key);
    }
    let score = Source::value(AnyValue::Double(3.5));
    let upsert = Edit::Upsert { key: "trueline.anomaly.score".to_owned(), value: score };
    let scan_matcher = Matcher::new(&keys);
    let edits = SpanEdits::new(AttributeEdits::new(vec![upsert]), &mut keys);
    let edit_matcher = Matcher::new(&keys);
    let mut table = SpanTable::default();
    println!("{} bytes per span", requests[0].len() / SPANS);
    if is_once {
        scan_traces(&requests[0], &scan_matcher, &mut table).expect("a generated request is sound");
    }
    let rounds = if is_once { 10 } else { 2000 };
    time("scan, one hot request", rounds, |_| scan(&requests[0], &scan_matcher, &mut table));
    time("scan, 128 requests in turn", rounds, |round| {
        scan(&requests[round % requests.len()], &scan_matcher, &mut table)
    });
    let mut editor = SpanEditor::new();
    time("copy, 128 requests in turn", rounds, |round| {
        drop(black_box(requests[round % requests.len()].clone()))
    });
    let requests: Vec<_> = requests.into_iter().map(Bytes::from).collect();
    time("scan and splice one attribute into every span, 128 requests in turn", rounds, |round| {
        let mut traces = Traces {
            bytes: requests[round % requests.len()].clone(),
            table: std::mem::take(&mut table).into(),
        };
        scan(&traces.bytes, &edit_matcher, &mut traces.table);
        edit(&mut traces, &edits, &mut editor);
        table = *traces.table;
    });
    if !is_once {
        time("check, 128 requests in turn", rounds / 10, |round| {
            black_box(wire::check(model::Signal::Traces, &requests[round % requests.len()]).is_ok());
        });
    }
}

#[inline(never)]
fn edit(traces: &mut Traces, edits: &SpanEdits, editor: &mut SpanEditor) {
    black_box(editor.edit(black_box(traces), edits));
}

#[inline(never)]
fn scan(request: &[u8], matcher: &Matcher, table: &mut SpanTable) {
    scan_traces(black_box(request), matcher, table).expect("a generated request is sound");
    black_box(&table.spans);
}

/// Prints the best of five.
fn time(name: &str, rounds: usize, mut work: impl FnMut(usize)) {
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..rounds).for_each(&mut work);
            start.elapsed().as_nanos() / (rounds * SPANS) as u128
        })
        .min();
    println!("{name}: {} ns/span", best.unwrap_or_default());
}
