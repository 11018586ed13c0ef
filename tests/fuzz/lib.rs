//! What the fuzz targets share. A target panics where a law is broken; the fuzzer finds the input.

pub mod stage;

use bytes::Bytes;
use model::{KeySet, Signal, Slice, SpanTable};
use wire::{
    Matcher,
    edit::{AttributeEdits, Edit, Source},
};

/// Takes the first byte as a choice of signal.
pub fn signal(data: &[u8]) -> Option<(Signal, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((Signal::ALL[usize::from(*first) % 3], rest))
}

/// Reads a request as a receiver does; none when it is refused.
pub fn read(signal: Signal, request: &[u8]) -> Option<(Bytes, u64)> {
    let request = Bytes::copy_from_slice(request);
    match signal {
        Signal::Traces => {
            let mut table = SpanTable::default();
            let request = wire::read_traces(request, &Matcher::new(&keys()), &mut table).ok()?;
            Some((request, table.spans.len() as u64))
        }
        Signal::Metrics => wire::read_metrics(request).ok(),
        Signal::Logs => wire::read_logs(request).ok(),
    }
}

/// Wants the keys that the seeds hold, and one that they do not.
pub fn keys() -> KeySet {
    let mut keys = KeySet::default();
    for key in wire::testing::DIMENSIONS.iter().chain(&["server.port", "k"]) {
        keys.want(key);
    }
    keys
}

/// Makes one edit for each byte.
pub fn edits(choices: &[u8]) -> Vec<Edit> {
    const KEYS: [&str; 5] = ["http.route", "server.port", "service.name", "added", "k"];
    let edit = |choice: &u8| {
        let key = KEYS[usize::from(choice % 5)].to_owned();
        let value = match choice / 5 % 3 {
            0 => Source::value(wire::view::AnyValue::Str(b"new")),
            1 => Source::value(wire::view::AnyValue::Int(7)),
            _ => Source::FromAttribute(KEYS[usize::from(choice / 15 % 5)].to_owned()),
        };
        match choice / 64 {
            0 => Edit::Insert { key, value },
            1 => Edit::Update { key, value },
            2 => Edit::Upsert { key, value },
            _ => Edit::Delete { key },
        }
    };
    choices.iter().map(edit).collect()
}

/// Prepares the edits for messages other than spans.
pub fn prepared(choices: &[u8]) -> AttributeEdits {
    AttributeEdits::new(edits(choices))
}

/// Panics when an offset of the table lies outside the request, or a part outside its whole.
pub fn assert_within(request: &[u8], table: &SpanTable) {
    let whole = Slice { at: 0, len: request.len() as u32 };
    for resource in &table.resources {
        assert_part(resource.body, whole);
        assert_part(resource.resource, resource.body);
    }
    for scope in &table.scopes {
        assert_part(scope.body, table.resources[scope.resource as usize].body);
        assert_part(scope.scope, scope.body);
    }
    for (index, span) in table.spans.iter().enumerate() {
        assert_part(span.body, table.scopes[span.scope as usize].body);
        assert_part(span.name, span.body);
        assert_part(span.trace_state, span.body);
        for value in table.values_of(index) {
            assert_part(*value, span.body);
        }
    }
}

fn assert_part(part: Slice, whole: Slice) {
    let is_within = part.at >= whole.at && part.at + part.len <= whole.at + whole.len;
    assert!(part.is_absent() || is_within, "{part:?} is not within {whole:?}");
}
