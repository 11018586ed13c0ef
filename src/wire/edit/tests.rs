use bytes::Bytes;
use model::{KeySet, Signal, Slice, SpanTable, Traces};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::metric::Data,
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::{
    Matcher,
    build::Attributes,
    read_logs, read_metrics, read_traces, scan_traces, schema,
    testing::{Random, arbitrary, scramble},
};

/// The plain way to do what a list of edits says.
fn edit_decoded(attributes: &mut Vec<KeyValue>, edits: &[Edit]) {
    for edit in edits {
        let (key, value, if_absent, if_present) = match edit {
            Edit::Insert { key, value } => (key, Some(value), true, false),
            Edit::Update { key, value } => (key, Some(value), false, true),
            Edit::Upsert { key, value } => (key, Some(value), true, true),
            Edit::Delete { key } => (key, None, false, true),
        };
        let is_present = attributes.iter().any(|attribute| attribute.key == *key);
        if !(if is_present { if_present } else { if_absent }) {
            continue;
        }
        let value = match value {
            None => None,
            Some(Source::Value(bytes)) => Some(AnyValue::decode(&bytes[..]).unwrap()),
            Some(Source::FromAttribute(source)) => {
                match attributes.iter().find(|attribute| attribute.key == *source) {
                    None => continue,
                    Some(found) => Some(found.value.clone().unwrap_or_default()),
                }
            }
        };
        // A value that stays the same keeps its attribute, duplicates included.
        attributes.retain(|attribute| attribute.key != *key);
        if let Some(value) = value {
            attributes.push(KeyValue { key: key.clone(), value: Some(value), key_strindex: 0 });
        }
    }
}

fn arbitrary_edits(random: &mut Random) -> Vec<Edit> {
    let key = |random: &mut Random| random.pick(&arbitrary::KEYS).to_owned();
    let edits = (0..=random.below(4)).map(|_| {
        let target = key(random);
        let value = if random.below(3) == 0 {
            Source::FromAttribute(key(random))
        } else {
            Source::Value(arbitrary::any_value(random, 2).encode_to_vec())
        };
        match random.below(4) {
            0 => Edit::Insert { key: target, value },
            1 => Edit::Update { key: target, value },
            2 => Edit::Upsert { key: target, value },
            _ => Edit::Delete { key: target },
        }
    });
    edits.collect()
}

/// Order means nothing among attributes of different keys; behind the first of a key nothing is read.
fn normal(attributes: &mut Vec<KeyValue>) {
    let mut known = std::collections::HashSet::new();
    attributes.retain(|attribute| known.insert(attribute.key.clone()));
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    for attribute in attributes {
        attribute.value.get_or_insert_default();
    }
}

fn text(message: &impl std::fmt::Debug) -> String {
    format!("{message:#?}")
}

fn for_spans(request: &mut ExportTraceServiceRequest, mut edit: impl FnMut(&mut Vec<KeyValue>)) {
    let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    scopes.flat_map(|scope| &mut scope.spans).for_each(|span| edit(&mut span.attributes));
}

fn for_points(request: &mut ExportMetricsServiceRequest, mut edit: impl FnMut(&mut Vec<KeyValue>)) {
    let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    for metric in scopes.flat_map(|scope| &mut scope.metrics) {
        match &mut metric.data {
            None => {}
            Some(Data::Gauge(data)) => {
                data.data_points.iter_mut().for_each(|point| edit(&mut point.attributes))
            }
            Some(Data::Sum(data)) => {
                data.data_points.iter_mut().for_each(|point| edit(&mut point.attributes))
            }
            Some(Data::Histogram(data)) => {
                data.data_points.iter_mut().for_each(|point| edit(&mut point.attributes))
            }
            Some(Data::ExponentialHistogram(data)) => {
                data.data_points.iter_mut().for_each(|point| edit(&mut point.attributes));
            }
            Some(Data::Summary(data)) => {
                data.data_points.iter_mut().for_each(|point| edit(&mut point.attributes))
            }
        }
    }
}

fn for_records(request: &mut ExportLogsServiceRequest, mut edit: impl FnMut(&mut Vec<KeyValue>)) {
    let scopes = request.resource_logs.iter_mut().flat_map(|resource| &mut resource.scope_logs);
    scopes.flat_map(|scope| &mut scope.log_records).for_each(|record| edit(&mut record.attributes));
}

/// A trace request in some spelling, read with half of the keys wanted and those of the edits.
fn arbitrary_traces(random: &mut Random, mut keys: KeySet) -> (Traces, Matcher) {
    arbitrary::KEYS.iter().step_by(2).for_each(|key| {
        keys.want(key);
    });
    let request = arbitrary::traces(random).encode_to_vec();
    let request = scramble::scramble(&schema::TRACES, &request, random);
    let matcher = Matcher::new(&keys);
    let mut table = SpanTable::default();
    let bytes = read_traces(request.into(), &matcher, &mut table).unwrap();
    (Traces { bytes, table: table.into() }, matcher)
}

/// The table must be what a fresh walk over the bytes gives.
fn assert_table_is_fresh(traces: &Traces, matcher: &Matcher) {
    let mut fresh = SpanTable::default();
    scan_traces(&traces.bytes, matcher, &mut fresh).unwrap();
    let table = &*traces.table;
    assert_eq!(text(&table.resources), text(&fresh.resources));
    assert_eq!(text(&table.scopes), text(&fresh.scopes));
    assert_eq!(text(&table.spans), text(&fresh.spans));
    // Where an empty value stands does not matter.
    let place = |value: &Slice| if value.is_absent() || value.len > 0 { Some(*value) } else { None };
    assert_eq!(
        table.values.iter().map(place).collect::<Vec<_>>(),
        fresh.values.iter().map(place).collect::<Vec<_>>()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn spans_are_edited_as_decoding_and_encoding_would(seed: u64) {
        let mut random = Random(seed | 1);
        let edits = arbitrary_edits(&mut random);
        let mut keys = KeySet::default();
        let prepared = SpanEdits::new(AttributeEdits::new(edits.clone()), &mut keys);
        let (mut traces, matcher) = arbitrary_traces(&mut random, keys);
        let mut expected = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        let before = traces.bytes.clone();
        let is_changed = SpanEditor::new().edit(&mut traces, &prepared);
        prop_assert_eq!(is_changed, before != traces.bytes);
        assert_table_is_fresh(&traces, &matcher);
        let mut edited = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        for_spans(&mut expected, |attributes| { edit_decoded(attributes, &edits); normal(attributes) });
        for_spans(&mut edited, normal);
        prop_assert_eq!(text(&edited), text(&expected));
    }

    #[test]
    fn spans_are_cut_as_decoding_and_encoding_would(seed: u64, share in 0_u64..5) {
        let mut random = Random(seed | 1);
        let (mut traces, matcher) = arbitrary_traces(&mut random, KeySet::default());
        let kept: Vec<bool> = traces.table.spans.iter().map(|_| random.below(5) < share).collect();
        let mut expected = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        let before = traces.bytes.clone();
        let cut = keep_spans(&mut traces, &kept);
        prop_assert_eq!(cut, kept.iter().filter(|kept| !**kept).count());
        assert_table_is_fresh(&traces, &matcher);
        if cut == 0 {
            prop_assert_eq!(before, traces.bytes);
            return Ok(());
        }
        let mut kept = kept.iter();
        for resource in &mut expected.resource_spans {
            for scope in &mut resource.scope_spans {
                scope.spans.retain(|_| *kept.next().unwrap());
            }
            resource.scope_spans.retain(|scope| !scope.spans.is_empty());
        }
        expected.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
        let cut = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        prop_assert_eq!(text(&cut), text(&expected));
    }

    #[test]
    fn only_chosen_spans_are_edited(seed: u64) {
        let mut random = Random(seed | 1);
        let edits = arbitrary_edits(&mut random);
        let mut keys = KeySet::default();
        let prepared = SpanEdits::new(AttributeEdits::new(edits.clone()), &mut keys);
        let (mut traces, matcher) = arbitrary_traces(&mut random, keys);
        let mut expected = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        let mut turn = 0;
        SpanEditor::new().edit_where(&mut traces, &prepared, |_| { turn += 1; turn % 3 == 0 });
        assert_table_is_fresh(&traces, &matcher);
        let mut edited = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        let mut turn = 0;
        for_spans(&mut expected, |attributes| {
            turn += 1;
            if turn % 3 == 0 {
                edit_decoded(attributes, &edits);
            }
            normal(attributes);
        });
        for_spans(&mut edited, normal);
        prop_assert_eq!(text(&edited), text(&expected));
    }

    #[test]
    fn appended_fields_reach_their_spans(seed: u64) {
        let mut random = Random(seed | 1);
        let (mut traces, matcher) = arbitrary_traces(&mut random, KeySet::default());
        let mut expected = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        let field = span_attribute(b"verdict", &crate::build::encode_value(crate::view::AnyValue::Double(3.5)));
        SpanEditor::new().append(&mut traces, |index, _| if index % 2 == 0 { &field } else { &[] });
        assert_table_is_fresh(&traces, &matcher);
        let mut index = 0;
        let verdict = AnyValue { value: Some(Value::DoubleValue(3.5)) };
        for_spans(&mut expected, |attributes| {
            if index % 2 == 0 {
                attributes.push(KeyValue { key: "verdict".to_owned(), value: Some(verdict.clone()), key_strindex: 0 });
            }
            index += 1;
        });
        prop_assert_eq!(text(&ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap()), text(&expected));
    }

    #[test]
    fn resources_of_spans_are_edited_and_the_table_follows(seed: u64) {
        let mut random = Random(seed | 1);
        let edits = arbitrary_edits(&mut random);
        let (mut traces, matcher) = arbitrary_traces(&mut random, KeySet::default());
        let mut expected = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        let prepared = AttributeEdits::new(edits.clone());
        let plain = edit_resources(Signal::Traces, &traces.bytes, &prepared);
        let before = traces.bytes.clone();
        let is_changed = edit_trace_resources(&mut traces, &prepared);
        prop_assert_eq!(is_changed, plain.is_some());
        prop_assert_eq!(&traces.bytes, &plain.unwrap_or(before));
        assert_table_is_fresh(&traces, &matcher);
        let mut edited = ExportTraceServiceRequest::decode(&traces.bytes[..]).unwrap();
        for resource_spans in &mut expected.resource_spans {
            let was_missing = resource_spans.resource.is_none();
            let resource = resource_spans.resource.get_or_insert_default();
            edit_decoded(&mut resource.attributes, &edits);
            normal(&mut resource.attributes);
            if was_missing && resource.attributes.is_empty() {
                resource_spans.resource = None;
            }
        }
        edited.resource_spans.iter_mut().flat_map(|resource| &mut resource.resource).for_each(|resource| normal(&mut resource.attributes));
        prop_assert_eq!(text(&edited), text(&expected));
    }

    #[test]
    fn data_points_are_edited_as_decoding_and_encoding_would(seed: u64) {
        let mut random = Random(seed | 1);
        let edits = arbitrary_edits(&mut random);
        let request = arbitrary::metrics(&mut random).encode_to_vec();
        let request = scramble::scramble(&schema::METRICS, &request, &mut random);
        let (request, items) = read_metrics(request.into()).unwrap();
        let edited = edit_data_points(&request, &AttributeEdits::new(edits.clone()));
        let edited = edited.inspect(|edited| assert_ne!(*edited, request)).unwrap_or(request.clone());
        prop_assert_eq!(crate::check_metrics(&edited), Ok(items));
        let mut expected = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
        let mut edited = ExportMetricsServiceRequest::decode(&edited[..]).unwrap();
        for_points(&mut expected, |attributes| { edit_decoded(attributes, &edits); normal(attributes) });
        for_points(&mut edited, normal);
        prop_assert_eq!(text(&edited), text(&expected));
    }

    #[test]
    fn log_records_are_edited_as_decoding_and_encoding_would(seed: u64) {
        let mut random = Random(seed | 1);
        let edits = arbitrary_edits(&mut random);
        let request = arbitrary::logs(&mut random).encode_to_vec();
        let request = scramble::scramble(&schema::LOGS, &request, &mut random);
        let (request, items) = read_logs(request.into()).unwrap();
        let edited = edit_log_records(&request, &AttributeEdits::new(edits.clone())).unwrap_or(request.clone());
        prop_assert_eq!(crate::check_logs(&edited), Ok(items));
        let mut expected = ExportLogsServiceRequest::decode(&request[..]).unwrap();
        let mut edited = ExportLogsServiceRequest::decode(&edited[..]).unwrap();
        for_records(&mut expected, |attributes| { edit_decoded(attributes, &edits); normal(attributes) });
        for_records(&mut edited, normal);
        prop_assert_eq!(text(&edited), text(&expected));
    }

    #[test]
    fn attributes_are_appended_to_chosen_records_as_decoding_and_encoding_would(seed: u64) {
        let mut random = Random(seed | 1);
        let request = arbitrary::logs(&mut random).encode_to_vec();
        let request = scramble::scramble(&schema::LOGS, &request, &mut random);
        let (request, items) = read_logs(request.into()).unwrap();
        let mut added = Attributes::new();
        added.push_int("added", 7);
        let is_chosen = |n_attributes: usize| n_attributes.is_multiple_of(2);
        let edited = append_to_log_records(&request, |_, record| {
            is_chosen(crate::view::LogRecord::of(record).attributes().count()).then_some(&added)
        });
        let edited = edited.unwrap_or(request.clone());
        prop_assert_eq!(crate::check_logs(&edited), Ok(items));
        let mut expected = ExportLogsServiceRequest::decode(&request[..]).unwrap();
        let edited = ExportLogsServiceRequest::decode(&edited[..]).unwrap();
        for_records(&mut expected, |attributes| {
            if is_chosen(attributes.len()) {
                attributes.push(added_attribute());
            }
        });
        prop_assert_eq!(text(&edited), text(&expected));
    }

    #[test]
    fn attributes_are_appended_to_data_points_as_decoding_and_encoding_would(seed: u64) {
        let mut random = Random(seed | 1);
        let request = arbitrary::metrics(&mut random).encode_to_vec();
        let request = scramble::scramble(&schema::METRICS, &request, &mut random);
        let (request, items) = read_metrics(request.into()).unwrap();
        let mut added = Attributes::new();
        added.push_int("added", 7);
        let edited = append_to_data_points(&request, |_, _, _| Some(&added)).unwrap_or(request.clone());
        prop_assert_eq!(crate::check_metrics(&edited), Ok(items));
        let mut expected = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
        let edited = ExportMetricsServiceRequest::decode(&edited[..]).unwrap();
        for_points(&mut expected, |attributes| attributes.push(added_attribute()));
        prop_assert_eq!(text(&edited), text(&expected));
    }

    #[test]
    fn edits_of_damaged_requests_end(seed: u64) {
        let mut random = Random(seed | 1);
        let edits = AttributeEdits::new(arbitrary_edits(&mut random));
        let request: Bytes = scramble::damage(arbitrary::metrics(&mut random).encode_to_vec(), &mut random).into();
        for edited in [
            edit_data_points(&request, &edits),
            edit_log_records(&request, &edits),
            edit_resources(Signal::Metrics, &request, &edits),
        ] {
            prop_assert!(edited.is_none_or(|edited| edited != request));
        }
    }
}

fn added_attribute() -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::IntValue(7)) });
    KeyValue { key: "added".to_owned(), value, ..KeyValue::default() }
}

#[test]
fn an_editor_gives_its_memory_back_to_the_next_request() {
    let mut keys = KeySet::default();
    let upsert =
        Edit::Upsert { key: "k".to_owned(), value: Source::value(crate::view::AnyValue::Bool(true)) };
    let edits = SpanEdits::new(AttributeEdits::new(vec![upsert]), &mut keys);
    let matcher = Matcher::new(&keys);
    let mut editor = SpanEditor::new();
    let mut places = std::collections::HashSet::new();
    for seed in 1..20 {
        let request = Bytes::from(crate::testing::trace_request(seed, 50));
        let mut traces = Traces { bytes: request, table: Box::default() };
        scan_traces(&traces.bytes, &matcher, &mut traces.table).unwrap();
        assert!(editor.edit(&mut traces, &edits));
        assert_table_is_fresh(&traces, &matcher);
        places.insert(traces.bytes.as_ptr() as usize >> 16);
    }
    assert!(places.len() < 10, "{places:?}");
}

#[test]
fn an_upsert_of_the_same_value_changes_nothing() {
    let mut keys = KeySet::default();
    let upsert = Edit::Upsert {
        key: "server.port".to_owned(),
        value: Source::value(crate::view::AnyValue::Int(8443)),
    };
    let edits = SpanEdits::new(AttributeEdits::new(vec![upsert]), &mut keys);
    let mut traces = Traces { bytes: crate::testing::trace_request(1, 10).into(), table: Box::default() };
    scan_traces(&traces.bytes, &Matcher::new(&keys), &mut traces.table).unwrap();
    assert!(!SpanEditor::new().edit(&mut traces, &edits));
}
