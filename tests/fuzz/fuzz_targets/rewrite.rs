//! Requests without some of their items, spans or points are requests that hold what is left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Signal, SpanTable, Traces};
use wire::{
    Matcher,
    edit::{Fate, keep_spans, put_points, rewrite_items},
    view::groups,
};

fuzz_target!(|data: &[u8]| {
    let Some((choices, data)) = data.split_at_checked(4) else { return };
    let Some((signal, data)) = fuzz::signal(data) else { return };
    let Some((request, items)) = fuzz::read(signal, data) else { return };
    let mut turn = 0_usize;
    let mut next = || {
        turn += 1;
        choices[turn % choices.len()].wrapping_mul(turn as u8)
    };
    let rewritten = rewrite_items(&request, |body, out| match next() % 3 {
        0 => Fate::Keep,
        1 => Fate::Drop,
        _ => {
            out.extend_from_slice(body);
            Fate::Replace
        }
    });
    if let Some(rewritten) = rewritten {
        let left = wire::check(signal, &rewritten.bytes).expect("what is left is a request");
        assert!(left <= items);
        let of_items = |request: &[u8]| groups(request).flat_map(|group| group.items()).count() as u64;
        assert_eq!(of_items(&rewritten.bytes) + rewritten.dropped, of_items(&request));
    }
    match signal {
        Signal::Traces => keep(choices, Traces { bytes: request, table: Box::default() }),
        Signal::Metrics => points(choices, &request),
        Signal::Logs => {}
    }
});

fn keep(choices: &[u8], mut traces: Traces) {
    let matcher = Matcher::new(&fuzz::keys());
    wire::scan_traces(&traces.bytes, &matcher, &mut traces.table).expect("the request was read");
    let before = traces.table.spans.len();
    let is_kept: Vec<bool> =
        (0..before).map(|index| choices[index % choices.len()] >> (index % 8) & 1 == 1).collect();
    let dropped = keep_spans(&mut traces, &is_kept);
    assert_eq!(dropped, is_kept.iter().filter(|kept| !**kept).count());
    let mut fresh = SpanTable::default();
    wire::scan_traces(&traces.bytes, &matcher, &mut fresh).expect("what is left is a request");
    fuzz::assert_within(&traces.bytes, &traces.table);
    assert_eq!(format!("{:?}", traces.table.spans), format!("{:?}", fresh.spans));
    assert_eq!(before, dropped + fresh.spans.len());
}

fn points(choices: &[u8], request: &[u8]) {
    for metric in groups(request).flat_map(|group| group.items()) {
        for field in [5, 7, 9, 10, 11] {
            let mut out = Vec::new();
            let mut turn = 0;
            let decide = |point: &[u8], out: &mut Vec<u8>| {
                turn += 1;
                match choices[turn % choices.len()] % 3 {
                    0 => Fate::Keep,
                    1 => Fate::Drop,
                    _ => {
                        out.extend_from_slice(point);
                        Fate::Replace
                    }
                }
            };
            let written = put_points(metric, field, 1, decide, &mut out);
            let request = in_request(&out);
            let left = wire::check(Signal::Metrics, &request).expect("what is left is a metric");
            assert!(left >= written, "{left} points, of which {written} were written");
        }
    }
}

/// Puts a metric into a request of its own.
fn in_request(metric: &[u8]) -> Vec<u8> {
    let framed = |number: u32, body: &[u8]| {
        let mut out = Vec::new();
        wire::raw::put(&mut out, wire::raw::Field { number, value: wire::raw::Raw::Bytes(body) });
        out
    };
    framed(1, &framed(2, &framed(2, metric)))
}
