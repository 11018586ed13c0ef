use prost::Message as _;
use serde_json::Value;

use super::*;
use crate::{
    cursor::{Fields, Raw},
    testing::{Random, arbitrary},
};

/// Every field that the official types write must be in the table, with its wire type;
/// notes which were met.
fn assert_known(message: &'static Message, body: &[u8], met: &mut std::collections::HashSet<*const Field>) {
    for field in Fields::new(body) {
        let known = message.field(field.number).unwrap_or_else(|| panic!("{message:?} lacks {field:?}"));
        met.insert(known);
        match (field.value, known.kind) {
            (Raw::Bytes(body), Kind::Message(nested)) => assert_known(nested, body, met),
            (Raw::Bytes(_), _) if known.is_packable() => {}
            (Raw::Bytes(_), kind) => assert_eq!(kind.wire_type(), cursor::LEN),
            (Raw::Varint(_), kind) => assert_eq!(kind.wire_type(), cursor::VARINT),
            (Raw::Fixed64(_), kind) => assert_eq!(kind.wire_type(), cursor::FIXED64),
            (Raw::Fixed32(_), kind) => assert_eq!(kind.wire_type(), cursor::FIXED32),
        }
    }
}

/// Every name that the official types write in JSON must be in the table, for a message of the same shape.
fn assert_named(message: &'static Message, json: &Value) {
    for (name, value) in json.as_object().unwrap() {
        // The crate's own spelling of profiles' indices.
        if name.ends_with("Strindex") {
            continue;
        }
        let field = message.fields.iter().find(|field| field.name == name);
        let field = field.unwrap_or_else(|| panic!("{message:?} lacks {name}"));
        assert_eq!(field.repeated, value.is_array(), "{name}");
        if let Kind::Message(nested) = field.kind {
            match value {
                Value::Array(values) => values.iter().for_each(|value| assert_named(nested, value)),
                Value::Object(_) => assert_named(nested, value),
                other => assert!(other.is_null(), "{name}: {other}"),
            }
        }
    }
}

#[test]
fn the_tables_know_every_field_that_the_official_types_write() {
    let mut random = Random(1);
    let mut met = std::collections::HashSet::new();
    for _ in 0..200 {
        let traces = arbitrary::traces(&mut random);
        let metrics = arbitrary::metrics(&mut random);
        let logs = arbitrary::logs(&mut random);
        assert_known(&TRACES, &traces.encode_to_vec(), &mut met);
        assert_known(&METRICS, &metrics.encode_to_vec(), &mut met);
        assert_known(&LOGS, &logs.encode_to_vec(), &mut met);
        assert_named(&TRACES, &serde_json::to_value(&traces).unwrap());
        assert_named(&METRICS, &serde_json::to_value(&metrics).unwrap());
        assert_named(&LOGS, &serde_json::to_value(&logs).unwrap());
    }
    let mut all = Vec::new();
    for message in [&TRACES, &METRICS, &LOGS] {
        collect(message, &mut all);
    }
    let unmet: Vec<_> = all.iter().filter(|field| !met.contains(&std::ptr::from_ref(**field))).collect();
    // Entities and profiles' indices are not among the arbitrary messages.
    assert!(unmet.iter().all(|field| field.name.is_empty() || ENTITY.contains(&field.name)), "{unmet:?}");
}

const ENTITY: [&str; 5] = ["entityRefs", "schemaUrl", "type", "idKeys", "descriptionKeys"];

fn collect(message: &'static Message, all: &mut Vec<&'static Field>) {
    for field in message.fields {
        if all.iter().any(|known| std::ptr::eq(*known, field)) {
            continue;
        }
        all.push(field);
        if let Kind::Message(nested) = field.kind {
            collect(nested, all);
        }
    }
}

#[test]
fn fields_stand_in_ascending_order() {
    let mut all = Vec::new();
    for message in [&TRACES, &METRICS, &LOGS] {
        collect(message, &mut all);
        for field in &all {
            if let Kind::Message(nested) = field.kind {
                assert!(nested.fields.is_sorted_by_key(|field| field.number), "{nested:?}");
            }
        }
    }
}
