use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue},
    resource::v1::Resource,
    trace::v1::Span,
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::{
    read_traces,
    testing::{
        self, Random, arbitrary, scramble,
        verdict::{Verdict, flips, small, verdict},
    },
};

/// Wants half of the keys that arbitrary attributes have.
fn wanted() -> model::KeySet {
    let mut keys = model::KeySet::default();
    for key in arbitrary::KEYS.iter().step_by(2).chain(&["http.route", "not.there"]) {
        keys.want(key);
    }
    keys
}

/// What the table says must be what the oracle decoded.
fn assert_agrees(
    request: &[u8],
    table: &SpanTable,
    keys: &model::KeySet,
    decoded: &ExportTraceServiceRequest,
) {
    let mut spans = table.spans.iter().enumerate();
    let mut scopes = table.scopes.iter().enumerate();
    assert_eq!(table.resources.len(), decoded.resource_spans.len());
    for (resource_index, (record, resource_spans)) in
        table.resources.iter().zip(&decoded.resource_spans).enumerate()
    {
        let resource =
            (!record.resource.is_absent()).then(|| Resource::decode(record.resource.of(request)).unwrap());
        assert_same(&resource, &resource_spans.resource);
        for scope_spans in &resource_spans.scope_spans {
            let (scope_index, scope) = scopes.next().unwrap();
            assert_eq!(scope.resource as usize, resource_index);
            let decoded_scope = (!scope.scope.is_absent())
                .then(|| InstrumentationScope::decode(scope.scope.of(request)).unwrap());
            assert_same(&decoded_scope, &scope_spans.scope);
            for span in &scope_spans.spans {
                let (index, record) = spans.next().unwrap();
                assert_eq!((record.resource as usize, record.scope as usize), (resource_index, scope_index));
                assert_span(request, record, span);
                assert_same(&Span::decode(record.body.of(request)).unwrap(), span);
                for (key, value) in keys.keys().iter().zip(table.values_of(index)) {
                    assert_value(
                        request,
                        *value,
                        span.attributes.iter().find(|attribute| attribute.key == *key),
                    );
                }
            }
        }
    }
    assert!(spans.next().is_none() && scopes.next().is_none());
    assert_eq!(table.values.len(), table.spans.len() * keys.keys().len());
}

fn assert_span(request: &[u8], record: &SpanRec, span: &Span) {
    assert_eq!(record.name.of(request), span.name.as_bytes());
    assert_eq!(record.trace_state.of(request), span.trace_state.as_bytes());
    assert_eq!(record.trace_state.is_absent(), span.trace_state.is_empty());
    assert_eq!(
        record.trace_id(request).map(|id| &id[..]),
        Some(&span.trace_id[..]).filter(|id| id.len() == 16)
    );
    assert_eq!(record.span_id(request).map(|id| &id[..]), Some(&span.span_id[..]).filter(|id| id.len() == 8));
    let parent = Some(&span.parent_span_id[..]).filter(|id| id.len() == 8 && *id != [0; 8]);
    assert_eq!(record.parent_id(request).map(|id| &id[..]), parent);
    assert_eq!((record.start, record.end), (span.start_time_unix_nano, span.end_time_unix_nano));
    assert_eq!(record.kind, u8::try_from(span.kind).unwrap_or(255));
    let status = span.status.as_ref().map_or(0, |status| status.code);
    assert_eq!(record.status, u8::try_from(status).unwrap_or(255));
    assert_eq!(record.has_events, !span.events.is_empty());
}

fn assert_value(request: &[u8], value: Slice, attribute: Option<&KeyValue>) {
    assert_eq!(value.is_absent(), attribute.is_none());
    let expected = attribute.and_then(|attribute| attribute.value.clone()).unwrap_or_default();
    assert_same(&AnyValue::decode(value.of(request)).unwrap(), &expected);
}

/// Compares by text, because NaN is not equal to itself.
fn assert_same(a: &impl std::fmt::Debug, b: &impl std::fmt::Debug) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

fn scan(request: &[u8], keys: &model::KeySet) -> Result<(bytes::Bytes, SpanTable), Malformed> {
    let mut table = SpanTable::default();
    let request = read_traces(request.to_vec().into(), &Matcher::new(keys), &mut table)?;
    Ok((request, table))
}

/// Refused by both, or taken by both as the same; or there is a reason.
fn assert_verdict(request: &[u8], keys: &model::KeySet) -> Verdict {
    let (scanned, decoded) = (scan(request, keys), ExportTraceServiceRequest::decode(request));
    let verdict = verdict(scanned.as_ref().err().copied(), decoded.as_ref().err());
    if let (Ok((request, table)), Ok(decoded)) = (scanned, decoded) {
        assert_agrees(&request, &table, keys, &decoded);
    }
    verdict
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_finds_what_the_oracle_decodes_in_any_spelling(seed: u64) {
        let mut random = Random(seed | 1);
        let request = arbitrary::traces(&mut random).encode_to_vec();
        let request = scramble::scramble(&schema::TRACES, &request, &mut random);
        let decoded = ExportTraceServiceRequest::decode(&request[..]).unwrap();
        let (request, table) = scan(&request, &wanted()).unwrap();
        assert_agrees(&request, &table, &wanted(), &decoded);
    }

    #[test]
    fn damaged_requests_are_refused_or_mean_what_the_oracle_decodes(seed: u64) {
        let mut random = Random(seed | 1);
        let request = arbitrary::traces(&mut random).encode_to_vec();
        for _ in 0..20 {
            assert_verdict(&scramble::damage(request.clone(), &mut random), &wanted());
        }
    }

    #[test]
    fn the_walk_and_the_check_accept_the_same_requests(seed: u64) {
        let mut random = Random(seed | 1);
        let request = arbitrary::traces(&mut random).encode_to_vec();
        for _ in 0..20 {
            let request = scramble::scramble(&schema::TRACES, &request, &mut random);
            let request = scramble::damage(request, &mut random);
            let mut table = SpanTable::default();
            let scanned = scan_traces(&request, &Matcher::new(&wanted()), &mut table);
            let checked = check(model::Signal::Traces, &request);
            prop_assert_eq!(scanned, checked.map(drop));
            if let Ok(items) = checked {
                prop_assert_eq!(items, table.spans.len() as u64);
            } else {
                prop_assert!(table.spans.is_empty() && table.values.is_empty());
            }
        }
    }
}

#[test]
fn every_cut_of_a_request_is_refused_or_a_shorter_request() {
    let request = testing::trace_request(7, 12);
    let keys = wanted();
    for len in 0..request.len() {
        let verdict = assert_verdict(&request[..len], &keys);
        assert!(matches!(verdict, Verdict::Both | Verdict::Neither), "{len}: {verdict:?}");
    }
}

#[test]
fn every_flipped_bit_of_a_request_is_refused_or_means_what_the_oracle_decodes() {
    let keys = wanted();
    let spans = |request: &[u8]| scan(request, &keys).map_or(0, |(_, table)| table.spans.len() as u64);
    let arbitrary = small(arbitrary::traces, spans);
    for request in [testing::trace_request(7, 1), arbitrary] {
        let verdicts: Vec<_> = flips(&request).map(|flipped| assert_verdict(&flipped, &keys)).collect();
        let count = |of| verdicts.iter().filter(|verdict| **verdict == of).count();
        // Text that is not UTF-8 is taken; a wrong length is not.
        assert!(count(Verdict::OnlyOurs) > 0 && count(Verdict::Neither) > 0 && count(Verdict::Both) > 0);
    }
}

#[test]
fn generated_spans_take_the_usual_spelling() {
    let request = testing::trace_request(1, 512);
    let mut keys = model::KeySet::default();
    for key in testing::DIMENSIONS {
        keys.want(key);
    }
    let (same, table) = scan(&request, &keys).unwrap();
    assert_eq!(same, request);
    assert_eq!(table.spans.len(), 512);
    assert!(table.values.iter().all(|value| !value.is_absent()));
    let decoded = ExportTraceServiceRequest::decode(&request[..]).unwrap();
    assert_agrees(&request, &table, &keys, &decoded);
    let mean = request.len() / 512;
    assert!((530..543).contains(&mean), "{mean} bytes per span");
}

/// A request with one span whose attribute holds `depth` arrays within each other.
fn nested(depth: usize) -> Vec<u8> {
    let mut value = crate::build::encode_value(crate::view::AnyValue::Int(1));
    for _ in 0..depth {
        let mut array = Vec::new();
        crate::encode::put_bytes(&mut array, 1, &value);
        value.clear();
        crate::encode::put_bytes(&mut value, 5, &array);
    }
    let mut body = crate::edit::span_attribute(b"deep", &value);
    for number in [2, 2, 1] {
        let mut outer = Vec::new();
        crate::encode::put_bytes(&mut outer, number, &body);
        body = outer;
    }
    body
}

#[test]
fn values_are_read_to_the_stated_depth_and_no_deeper() {
    let keys = wanted();
    // Request, resource, scope, span and attribute leave 59 levels, two for each array and one for the value.
    assert!(scan(&nested(29), &keys).is_ok());
    let refused = scan(&nested(30), &keys).unwrap_err();
    assert_eq!(refused.reason, "messages nested deeper than 64");
    // A stack must not overflow, whatever is sent.
    assert!(scan(&nested(5_000), &keys).is_err());
}

#[test]
fn groups_and_field_zero_and_wrong_wire_types_are_refused_with_their_place() {
    let keys = wanted();
    let reason = |request: &[u8]| scan(request, &keys).unwrap_err().to_string();
    assert_eq!(reason(&[0x0b, 0x0c]), "malformed protobuf: known field of a wrong wire type at byte 0");
    assert_eq!(reason(&[0x13, 0x14]), "malformed protobuf: bad unknown field at byte 0");
    assert_eq!(reason(&[0x02, 0x00]), "malformed protobuf: bad field tag at byte 0");
    assert_eq!(
        reason(&[0x0a, 0x02, 0x10, 0x01]),
        "malformed protobuf: known field of a wrong wire type at byte 2"
    );
    assert_eq!(reason(&[0x0a, 0x05, 0x12]), "malformed protobuf: length beyond the end at byte 0");
    assert_eq!(
        reason(&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
        "malformed protobuf: bad unknown field at byte 0"
    );
}

#[test]
fn an_empty_attribute_before_an_id_is_not_taken_for_a_key() {
    let mut request = vec![0x0a, 24, 0x12, 22, 0x12, 20, 0x4a, 0, 0x0a, 16];
    request.extend_from_slice(&[9; 16]);
    let (request, table) = scan(&request, &wanted()).unwrap();
    assert_eq!(table.spans[0].trace_id(&request), Some(&[9; 16]));
}

#[test]
fn the_first_of_duplicate_attributes_wins() {
    let mut attributes = crate::build::Attributes::new();
    attributes.push_str("a", "first");
    attributes.push_str("a", "second");
    let body = {
        let mut writer = crate::build::SpansWriter::new();
        let span = crate::build::Span {
            trace_id: [1; 16],
            span_id: [2; 8],
            trace_state: "",
            parent_id: None,
            name: "",
            kind: 0,
            start: 0,
            end: 0,
            attributes: &attributes,
            events: &[],
            links: &[],
            status: 0,
            status_message: "",
            flags: 0,
        };
        writer.span(&span);
        writer.take()
    };
    let mut keys = model::KeySet::default();
    let slot = keys.want("a");
    let (request, table) = scan(&body, &keys).unwrap();
    assert_eq!(table.values_of(0)[slot.0].of(&request), b"\x0a\x05first");
}

#[test]
fn a_request_of_empty_spans_cannot_inflate_the_table() {
    let spans = [0x12, 0x00].repeat(100_000);
    let mut scope = Vec::new();
    crate::encode::put_bytes(&mut scope, 2, &spans);
    let mut request = Vec::new();
    crate::encode::put_bytes(&mut request, 1, &scope);
    let refused = scan(&request, &wanted()).unwrap_err();
    assert_eq!(refused.reason, "more spans than spans of 30 bytes would fit");
}

#[test]
fn a_table_of_many_spans_grows_once_to_what_the_request_can_need() {
    let ids = [&[0x0a, 16][..], &[1; 16], &[0x12, 8], &[2; 8]].concat();
    let mut scope = Vec::new();
    for _ in 0..100_000 {
        crate::encode::put_bytes(&mut scope, 2, &ids);
    }
    let (mut resource, mut request) = (Vec::new(), Vec::new());
    crate::encode::put_bytes(&mut resource, 2, &scope);
    crate::encode::put_bytes(&mut request, 1, &resource);
    let keys = wanted();
    let (_, table) = scan(&request, &keys).unwrap();
    let most = request.len() / 30 + 1024;
    assert_eq!((table.spans.len(), table.values.len()), (100_000, 100_000 * keys.keys().len()));
    assert_eq!((table.spans.capacity(), table.values.capacity()), (most, most * keys.keys().len()));
}

#[test]
fn a_request_of_empty_resources_or_scopes_cannot_inflate_the_table() {
    let resources = [0x0a, 0x00].repeat(100_000);
    let mut scopes = Vec::new();
    crate::encode::put_bytes(&mut scopes, 1, &[0x12, 0x00].repeat(100_000));
    for request in [resources, scopes] {
        let refused = scan(&request, &wanted()).unwrap_err();
        assert_eq!(refused.reason, "more resources and scopes than spans of 30 bytes would fit");
    }
}

#[test]
fn wanted_keys_are_told_apart_by_every_byte() {
    let mut keys = model::KeySet::default();
    let all = [
        "k",
        "l",
        "seventh",
        "eight.by",
        "eight.bz",
        "http.request.method",
        "http.requesT.method",
        "grpc.request.method",
        "a.key.of.exactly.32.bytes.length",
        "b.key.of.exactly.32.bytes.length",
    ];
    for key in all {
        keys.want(key);
    }
    let long = ["x".repeat(128), "x".repeat(127), format!("{}y", "x".repeat(299))];
    for key in &long {
        keys.want(key);
    }
    let matcher = Matcher::new(&keys);
    for (slot, key) in keys.keys().iter().enumerate() {
        assert_eq!(matcher.find(key.as_bytes()), Some(slot));
        for at in 0..key.len() {
            let mut other = key.clone().into_bytes();
            other[at] ^= 0x80;
            assert_eq!(matcher.find(&other), None, "{key} at {at}");
        }
        assert_eq!(
            matcher.find(&key.as_bytes()[1..]).map(|slot| keys.keys()[slot].len()),
            keys.keys().iter().position(|known| *known == key[1..]).map(|slot| keys.keys()[slot].len())
        );
    }
    assert_eq!(Matcher::new(&model::KeySet::default()).find(b""), None);
}
