//! The walk and the check accept the same requests; the table stays within the request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Signal, SpanTable};
use wire::{Matcher, scan_traces};

fuzz_target!(|data: &[u8]| {
    let mut table = SpanTable::default();
    let scanned = scan_traces(data, &Matcher::new(&fuzz::keys()), &mut table);
    let checked = wire::check(Signal::Traces, data);
    assert_eq!(scanned, checked.map(drop));
    match checked {
        Ok(items) => {
            assert_eq!(items, table.spans.len() as u64);
            fuzz::assert_within(data, &table);
        }
        Err(malformed) if malformed.is_only_unusual() => {
            // Respelled once, a request is either usual or malformed.
            let again = wire::check(Signal::Traces, &wire::canonical(Signal::Traces, data));
            assert!(!again.is_err_and(|malformed| malformed.is_only_unusual()));
        }
        Err(_) => assert!(table.spans.is_empty()),
    }
});
