use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    trace::v1::Span,
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::{
    build::encode_value,
    testing::{Random, arbitrary},
    view,
};

/// The plain way: decode, decide, encode.
fn decoded(request: &[u8], fates: &[Fate], name: &str) -> ExportTraceServiceRequest {
    let mut request = ExportTraceServiceRequest::decode(request).unwrap();
    let mut fates = fates.iter();
    request.resource_spans.retain_mut(|resource| {
        let had_scopes = !resource.scope_spans.is_empty();
        resource.scope_spans.retain_mut(|scope| {
            let had_spans = !scope.spans.is_empty();
            scope.spans.retain_mut(|span| match fates.next().unwrap() {
                Fate::Keep => true,
                Fate::Drop => false,
                Fate::Replace => {
                    *span = Span { name: name.to_owned(), ..Span::default() };
                    true
                }
            });
            !scope.spans.is_empty() || !had_spans
        });
        !resource.scope_spans.is_empty() || !had_scopes
    });
    request
}

proptest! {
    #[test]
    fn items_go_stay_or_are_replaced_as_they_would_be_decoded(seed in any::<u64>(), rarely in 1_u64..6) {
        let mut random = Random(seed | 1);
        let request = arbitrary::traces(&mut random).encode_to_vec();
        let n_spans = view::groups(&request).flat_map(|group| group.items()).count();
        let fates: Vec<Fate> = (0..n_spans).map(|_| match random.below(3 * rarely) {
            0 => Fate::Drop,
            1 => Fate::Replace,
            _ if rarely == 1 => Fate::Drop,
            _ => Fate::Keep,
        }).collect();
        // Long enough for lengths of three bytes.
        let name = "n".repeat(random.below(20_000) as usize);
        let replacement = Span { name: name.clone(), ..Span::default() }.encode_to_vec();
        let mut next = fates.iter();
        let rewritten = rewrite_items(&request, |_, out| {
            let fate = *next.next().unwrap();
            // What is written for an item that is not replaced counts for nothing.
            if fate != Fate::Keep {
                out.extend_from_slice(&replacement);
            }
            fate
        });
        let changes = fates.iter().any(|fate| *fate != Fate::Keep);
        prop_assert_eq!(rewritten.is_some(), changes);
        if let Some(rewritten) = rewritten {
            let dropped = fates.iter().filter(|fate| **fate == Fate::Drop).count() as u64;
            prop_assert_eq!(rewritten.dropped, dropped);
            let told = ExportTraceServiceRequest::decode(&rewritten.bytes[..]).unwrap();
            // As bytes: some numbers are none.
            let expected = decoded(&request, &fates, &name).encode_to_vec();
            prop_assert!(told.encode_to_vec() == expected, "the same is left");
        }
    }

    #[test]
    fn damaged_requests_do_not_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), seed in any::<u64>()) {
        let mut random = Random(seed | 1);
        if random.below(2) == 0 {
            bytes = arbitrary::traces(&mut random).encode_to_vec();
            for _ in 0..3 {
                let at = random.below(bytes.len().max(1) as u64) as usize;
                if let Some(byte) = bytes.get_mut(at) { *byte = random.word() as u8; }
            }
        }
        let _any = rewrite_items(&Bytes::from(bytes.clone()), |item, out| {
            put_field(item, 3, b"x", out);
            put_attributes(item, 9, &[("a", None)], out);
            Fate::Replace
        });
    }
}

#[test]
fn a_field_is_put_in_its_place_whether_it_was_there_or_not() {
    for before in ["", "old"] {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            trace_state: before.to_owned(),
            name: "n".to_owned(),
            ..Span::default()
        };
        let mut out = Vec::new();
        put_field(&span.encode_to_vec(), 3, b"new=1", &mut out);
        let expected = Span { trace_state: "new=1".to_owned(), ..span };
        assert_eq!(out, expected.encode_to_vec());
    }
    let mut out = Vec::new();
    put_field(&[], 3, b"new", &mut out);
    assert_eq!(Span::decode(&out[..]).unwrap().trace_state, "new");
}

#[test]
fn attributes_are_changed_where_they_stand_removed_or_added() {
    let attribute = |key: &str, text: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) }),
        ..KeyValue::default()
    };
    let value = |text: &str| encode_value(view::AnyValue::Str(text.as_bytes()));
    let record = LogRecord {
        attributes: vec![attribute("a", "1"), attribute("b", "1"), attribute("a", "2"), attribute("c", "1")],
        ..LogRecord::default()
    };
    let mut out = Vec::new();
    let (a, new) = (value("9"), value("8"));
    let changes = [("a", Some(&a[..])), ("c", None), ("d", Some(&new[..])), ("e", None)];
    put_attributes(&record.encode_to_vec(), 6, &changes, &mut out);
    let expected = vec![attribute("a", "9"), attribute("b", "1"), attribute("a", "2"), attribute("d", "8")];
    assert_eq!(LogRecord::decode(&out[..]).unwrap().attributes, expected);
}

#[test]
fn a_request_that_loses_every_item_is_empty() {
    let mut random = Random(7);
    let request = arbitrary::logs(&mut random).encode_to_vec();
    let n_records = view::groups(&request).flat_map(|group| group.items()).count() as u64;
    assert!(n_records > 0, "the seed makes records");
    let rewritten = rewrite_items(&request, |_, _| Fate::Drop).unwrap();
    assert_eq!(rewritten.dropped, n_records);
    let left = ExportLogsServiceRequest::decode(&rewritten.bytes[..]).unwrap();
    assert_eq!(view::groups(&left.encode_to_vec()).flat_map(|group| group.items()).count(), 0);
}
