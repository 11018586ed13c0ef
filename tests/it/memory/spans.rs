//! Spans that wait in `tail_sampling`: what its page states, by what the allocator counts.

use std::sync::PoisonError;

use bytes::Bytes;
use component::{Workbench, testing::Harness};
use model::{Payload, SpanTable, Timestamp, Traces};
use processors::tail_sampling::{TailSampling, TailSamplingConfig};
use wire::raw::{self, Field, Raw};

use crate::{ALLOCATOR, START, TURN, read};

const SPAN_BYTES: usize = 500;
const SPANS_OF_SERVICE: u64 = 2;
/// Beside its own bytes, of a span whose trace has eight in four services.
const MOST_OF_SPAN: usize = 96;
/// Beside its bytes and with the room that messages leave unused, of two spans that are alone in their trace.
const MOST_ALONE: usize = 512;
/// Of a trace that was decided.
const MOST_DECIDED: usize = 352;

const WAITS: &str = "decision_wait: 2s\n";
/// Traces of a tick: so many fill messages. With fewer, the tables of the shard are small beside what is left.
const AT_ONCE: u64 = 2_500;

/// Where tables have just grown they have the most room to spare.
const TRACES: [u64; 2] = [15_000, 29_000];

struct Measured {
    /// By the allocator.
    held: usize,
    /// As `max_bytes` counts it.
    counted: usize,
    n_spans: usize,
}

#[test]
fn a_span_that_waits_takes_96_bytes_beside_its_own_and_no_more_than_is_counted() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for n_traces in TRACES {
        let waiting = measure(n_traces, 4, 1);
        let beside = (waiting.held / waiting.n_spans).saturating_sub(SPAN_BYTES);
        assert!(beside <= MOST_OF_SPAN, "{beside} bytes beside each of {n_traces} traces' spans");
        let alone = measure(n_traces, 1, 1);
        let beside = alone.held / n_traces as usize - SPANS_OF_SERVICE as usize * SPAN_BYTES;
        assert!(beside <= MOST_ALONE, "{beside} bytes beside each of {n_traces} traces");
        for Measured { held, counted, .. } in [waiting, alone] {
            assert!(held <= counted, "{held} bytes are held, {counted} are counted");
            assert!(counted < held * 2, "{counted} bytes are counted, {held} are held");
        }
        let decided = measure_with(WAITS, (n_traces, 500), 4, 4, |_| true).held / n_traces as usize;
        assert!(decided <= MOST_DECIDED, "{decided} bytes of each of {n_traces} traces are left");
    }
}

/// Of 60,000 spans that came together, all but a few have left: those hold little more than themselves.
#[test]
fn spans_that_wait_longer_do_not_hold_those_that_left() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    const ROOTLESS: u64 = 50;
    let waits = "decision_wait: 60s\ndecision_wait_after_root_received: 1s\n";
    let Measured { held, counted, .. } =
        measure_with(waits, (30_000, AT_ONCE), 1, 3, |trace| !trace.is_multiple_of(ROOTLESS));
    let waiting = 30_000 / ROOTLESS as usize * SPANS_OF_SERVICE as usize * (SPAN_BYTES + MOST_ALONE);
    assert!(counted < 30_000 * MOST_DECIDED + waiting, "{counted} bytes are counted");
    // What may be held for nobody before it is looked for.
    let most = counted + (5 << 20);
    assert!(held <= most, "{held} bytes are held, {counted} are counted");
}

/// Lets traces wait that have spans in so many services, for so many seconds; after three they are decided.
fn measure(n_traces: u64, n_services: u64, secs: u64) -> Measured {
    measure_with(WAITS, (n_traces, AT_ONCE), n_services, secs, |_| true)
}

fn measure_with(
    waits: &str,
    (n_traces, at_once): (u64, u64),
    n_services: u64,
    secs: u64,
    has_root: fn(u64) -> bool,
) -> Measured {
    let config: TailSamplingConfig = read(&format!(
        "{waits}num_traces: 1000000\nmax_bytes: 2GiB\npolicies: [{{name: e, type: status_code, status_code: {{status_codes: [ERROR]}}}}]\n",
    ));
    let before = ALLOCATOR.current_usage();
    let mut harness = Harness::new::<TailSampling>(&config, 1, Timestamp::from_secs(START));
    let matcher = wire::Matcher::new(&harness.keys);
    for service in 0..n_services {
        // A few messages at a time: what a shard keeps for the next second is not of the spans that wait.
        for first in (0..n_traces).step_by(at_once as usize) {
            let request = request(service, first..n_traces.min(first + at_once), has_root);
            let mut table = Box::new(SpanTable::default());
            wire::scan_traces(&request, &matcher, &mut table).expect("the request is sound");
            let n_spans = table.spans.len() as u64;
            harness.push(0, Payload::Traces(Traces { bytes: request, table }), n_spans);
            harness.tick(Timestamp::from_secs(START));
        }
    }
    for second in 1..=secs {
        harness.tick(Timestamp::from_secs(START + second));
    }
    // Tables of requests are the engine's, which keeps some for the next ones.
    harness.bench = Workbench::default();
    let counted = harness.telemetry.read();
    let counted = counted.iter().find(|row| row.name == "otelcol_processor_tail_sampling_bytes_on_memory");
    let counted = counted.expect("it tells what it holds").value as usize;
    let held = ALLOCATOR.current_usage() - before;
    let n_spans = (n_traces * n_services * SPANS_OF_SERVICE) as usize;
    Measured { held, counted, n_spans }
}

fn request(service: u64, traces: std::ops::Range<u64>, has_root: fn(u64) -> bool) -> Bytes {
    let mut scope = Vec::new();
    for trace in traces {
        for number in 0..SPANS_OF_SERVICE {
            put(&mut scope, 2, &span(trace, service * SPANS_OF_SERVICE + number, has_root(trace)));
        }
    }
    let value = wire::build::encode_value(wire::view::AnyValue::Str(format!("s{service}").as_bytes()));
    let mut resource = Vec::new();
    put(&mut resource, 1, &wire::build::key_value(b"service.name", &value));
    let mut group = Vec::new();
    put(&mut group, 1, &resource);
    put(&mut group, 2, &scope);
    let mut request = Vec::new();
    put(&mut request, 1, &group);
    request.into()
}

/// A span that takes [`SPAN_BYTES`] as a field of a scope.
fn span(trace: u64, number: u64, is_root: bool) -> Vec<u8> {
    const FRAMING: usize = 3;
    let mut span = Vec::with_capacity(SPAN_BYTES);
    // Spread, as ids are.
    let id = u128::from(trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    put(&mut span, 1, &id.to_be_bytes());
    put(&mut span, 2, &(number + 1).to_be_bytes());
    if !is_root {
        put(&mut span, 4, &[1; 8]);
    }
    let left = SPAN_BYTES - FRAMING - span.len() - FRAMING;
    put(&mut span, 5, &vec![b'x'; left]);
    span
}

fn put(out: &mut Vec<u8>, number: u32, body: &[u8]) {
    raw::put(out, Field { number, value: Raw::Bytes(body) });
}
