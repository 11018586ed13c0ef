//! Prints what counting spans costs, in memory: the walk, the walk and the fold. Run it in release mode,
//! and under `valgrind --tool=callgrind` with the argument `once` to count instructions.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use component::{BuildCx, Cx, Processor, ProcessorDef, Telemetry, Workbench};
use model::{Ack, Batch, KeySet, Payload, SpanTable, Timestamp, Traces};
use processors::span_metrics::{SpanMetrics, SpanMetricsConfig};
use wire::{Matcher, scan_traces, testing};

const SPANS: usize = 512;

fn main() {
    let is_once = std::env::args().any(|argument| argument == "once");
    let requests: Vec<Bytes> = (0..if is_once { 1 } else { 128 })
        .map(|seed| testing::trace_request(seed + 1, SPANS).into())
        .collect();
    let mut subject = Subject::new();
    let rounds = if is_once { 10 } else { 2000 };
    if is_once {
        subject.count(&requests[0]);
    }
    time("walk, one hot request", rounds, |_| subject.scan(&requests[0]));
    time("walk and fold, one hot request", rounds, |_| subject.count(&requests[0]));
    time("walk, all requests in turn", rounds, |round| subject.scan(&requests[round % requests.len()]));
    time("walk and fold, all requests in turn", rounds, |round| {
        subject.count(&requests[round % requests.len()])
    });
}

struct Subject {
    half: Box<dyn Processor>,
    matcher: Matcher,
    bench: Workbench,
    table: Box<SpanTable>,
}

impl Subject {
    fn new() -> Self {
        let telemetry = Telemetry::default();
        let started_at = Timestamp::from_secs(1_700_000_000);
        let cx = BuildCx {
            id: "span_metrics",
            telemetry: &telemetry,
            instance_id: "bench",
            started_at,
            is_watched: false,
        };
        let mut half = SpanMetrics::ingest(&SpanMetricsConfig::benchmark(&testing::DIMENSIONS), &cx);
        let mut keys = KeySet::default();
        half.want(&mut keys);
        Self { half, matcher: Matcher::new(&keys), bench: Workbench::default(), table: Box::default() }
    }

    #[inline(never)]
    fn scan(&mut self, request: &Bytes) {
        scan_traces(black_box(request), &self.matcher, &mut self.table)
            .expect("a generated request is sound");
    }

    #[inline(never)]
    fn count(&mut self, request: &Bytes) {
        self.scan(request);
        let traces = Traces { bytes: request.clone(), table: std::mem::take(&mut self.table) };
        let batch = Batch { payload: Payload::Traces(traces), items: SPANS as u64, ack: Ack::none() };
        self.half.process(batch, &mut Cx::new(Timestamp::from_secs(1_700_000_001), &mut self.bench));
        self.table = self.bench.spare_tables.pop().unwrap_or_default();
    }
}

/// Prints the best of five.
fn time(name: &str, rounds: usize, mut work: impl FnMut(usize)) {
    let best = (0..5).map(|_| {
        let start = Instant::now();
        (0..rounds).for_each(&mut work);
        start.elapsed().as_nanos() / (rounds * SPANS) as u128
    });
    println!("{:>5} ns/span  {name}", best.min().unwrap_or_default());
}
