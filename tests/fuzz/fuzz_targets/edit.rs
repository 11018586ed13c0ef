//! After any edit the request is sound, holds as many items, and the table is what a new walk gives.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::{Signal, Slice, SpanTable, Traces};
use wire::{
    Matcher,
    edit::{self, AttributeEdits, SpanEditor, SpanEdits},
    read_traces,
};

fuzz_target!(|data: &[u8]| {
    let Some((choices, data)) = data.split_at_checked(4) else { return };
    let request = Bytes::copy_from_slice(data);
    edit_traces(choices, request.clone());
    let edits = fuzz::prepared(choices);
    let resources = edit::edit_resources(Signal::Metrics, &request, &edits);
    assert_sound(Signal::Metrics, &request, [resources, edit::edit_data_points(&request, &edits)]);
    let resources = edit::edit_resources(Signal::Logs, &request, &edits);
    assert_sound(Signal::Logs, &request, [resources, edit::edit_log_records(&request, &edits)]);
});

fn edit_traces(choices: &[u8], request: Bytes) {
    let mut keys = fuzz::keys();
    let edits = SpanEdits::new(AttributeEdits::new(fuzz::edits(choices)), &mut keys);
    let matcher = Matcher::new(&keys);
    let mut traces = Traces::default();
    let Ok(request) = read_traces(request, &matcher, &mut traces.table) else { return };
    traces.bytes = request;
    let mut turn = 0_u8;
    let is_changed = SpanEditor::new().edit_where(&mut traces, &edits, |_| {
        turn = turn.wrapping_mul(5).wrapping_add(choices[0]);
        turn % 3 > 0
    });
    assert_fresh(&traces, &matcher);
    let is_changed = edit::edit_trace_resources(&mut traces, &fuzz::prepared(choices)) || is_changed;
    assert_fresh(&traces, &matcher);
    assert!(is_changed || wire::check(Signal::Traces, &traces.bytes).is_ok());
}

fn assert_fresh(traces: &Traces, matcher: &Matcher) {
    let mut fresh = SpanTable::default();
    wire::scan_traces(&traces.bytes, matcher, &mut fresh).expect("an edited request is sound");
    let table = &*traces.table;
    assert_eq!(format!("{:?}", table.resources), format!("{:?}", fresh.resources));
    assert_eq!(format!("{:?}", table.scopes), format!("{:?}", fresh.scopes));
    assert_eq!(format!("{:?}", table.spans), format!("{:?}", fresh.spans));
    // Where an empty value stands does not matter.
    let place = |value: &Slice| (!value.is_absent() && value.len > 0).then_some(*value);
    assert!(table.values.iter().map(place).eq(fresh.values.iter().map(place)));
}

fn assert_sound(signal: Signal, request: &[u8], edited: [Option<Bytes>; 2]) {
    let Ok(items) = wire::check(signal, request) else { return };
    for edited in edited.into_iter().flatten() {
        assert_eq!(wire::check(signal, &edited), Ok(items), "an edited request holds what it held");
    }
}
