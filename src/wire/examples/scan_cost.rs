//! Prints what the walk, the splice and the check cost, in memory. Run it in release mode, and under
//! `valgrind --tool=callgrind` with the argument `once` to count instructions.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use std::{hint::black_box, time::Instant};

use model::{KeySet, SpanTable};
use wire::{Matcher, scan_traces, testing};

const SPANS: usize = 512;

fn main() {
    let is_once = std::env::args().any(|argument| argument == "once");
    let requests: Vec<_> =
        (0..if is_once { 1 } else { 128 }).map(|seed| testing::trace_request(seed + 1, SPANS)).collect();
    let mut keys = KeySet::default();
    for key in testing::DIMENSIONS {
        keys.want(key);
    }
    let matcher = Matcher::new(&keys);
    let mut table = SpanTable::default();
    println!("{} bytes per span", requests[0].len() / SPANS);
    if is_once {
        scan_traces(&requests[0], &matcher, &mut table).expect("a generated request is sound");
    }
    let rounds = if is_once { 10 } else { 2000 };
    time("scan, one hot request", rounds, |_| scan(&requests[0], &matcher, &mut table));
    time("scan, 128 requests in turn", rounds, |round| {
        scan(&requests[round % requests.len()], &matcher, &mut table)
    });
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
