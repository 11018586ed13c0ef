use bytes::Bytes;
use component::Checks;
use expect_test::expect;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use prost::Message;
use wire::edit::{AttributeEdits, edit_log_records};

use super::{steps, validate};
use crate::ottl::Action;
use crate::testing::actions;

#[test]
fn values_of_every_kind_are_read() {
    let actions = actions(
        "actions:\n- {key: a, action: insert, value: text}\n- {key: b, action: UPDATE, value: 7}\n\
         - {key: c, action: upsert, value: 1.5}\n- {key: d, action: insert, value: true}\n\
         - {key: e, action: insert, value: [1, x]}\n- {key: f, action: insert, value: {k: v}}\n\
         - {key: g, action: insert, from_attribute: h}\n- {key: i, action: delete}\n",
    );
    let plain = |step: &Action| match step {
        Action::Plain(edit) => format!("{edit:?}"),
        other => format!("{other:?}"),
    };
    let steps: Vec<String> = steps(&actions).iter().map(plain).collect();
    expect![[r#"
        Insert { key: "a", value: Value([10, 4, 116, 101, 120, 116]) }
        Update { key: "b", value: Value([24, 7]) }
        Upsert { key: "c", value: Value([33, 0, 0, 0, 0, 0, 0, 248, 63]) }
        Insert { key: "d", value: Value([16, 1]) }
        Insert { key: "e", value: Value([42, 9, 10, 2, 24, 1, 10, 3, 10, 1, 120]) }
        Insert { key: "f", value: Value([50, 10, 10, 8, 10, 1, 107, 18, 3, 10, 1, 118]) }
        Insert { key: "g", value: FromAttribute("h") }
        Delete { key: "i" }"#]]
    .assert_eq(&steps.join("\n"));
}

/// A record with attributes whose values are their keys.
fn record(keys: &[&str]) -> Bytes {
    let attribute = |key: &&str| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue((*key).to_owned())) }),
        ..KeyValue::default()
    };
    let record = LogRecord { attributes: keys.iter().map(attribute).collect(), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()
}

/// The attributes of the record, in the order of their keys.
fn told(request: Bytes) -> String {
    let request = ExportLogsServiceRequest::decode(request).unwrap();
    let attributes = &request.resource_logs[0].scope_logs[0].log_records[0].attributes;
    let mut told: Vec<String> = attributes
        .iter()
        .map(|attribute| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => format!("{}={text}", attribute.key),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort();
    told.join(" ")
}

/// The default takes the place of a source that is not there, whatever the action.
#[test]
fn a_default_is_written_where_there_is_no_source() {
    let plain = |step: &Action| match step {
        Action::Plain(edit) => edit.clone(),
        other => panic!("{other:?}"),
    };
    let after = |action: &str, before: &[&str]| {
        let actions = actions(&format!("actions:\n- {action}\n"));
        let mut checks = Checks::default();
        validate("actions", &actions, &mut checks);
        assert_eq!(checks.into_findings().len(), 0, "{action}");
        let edits = AttributeEdits::new(steps(&actions).iter().map(plain).collect());
        let request = record(before);
        let edited = edit_log_records(&request, &edits).unwrap_or(request);
        told(edited)
    };
    let insert = "{key: a, action: insert, from_attribute: b, default_value: none}";
    let update = "{key: a, action: update, from_attribute: b, default_value: none}";
    let upsert = "{key: a, action: upsert, from_attribute: b, default_value: none}";
    for (action, before, left) in [
        (insert, &["b"][..], "a=b b=b"),
        (insert, &[], "a=none"),
        (insert, &["a"], "a=a"),
        (insert, &["a", "b"], "a=a b=b"),
        (update, &["b"], "b=b"),
        (update, &["a"], "a=none"),
        (update, &["a", "b"], "a=b b=b"),
        (update, &[], ""),
        (upsert, &["b"], "a=b b=b"),
        (upsert, &["a"], "a=none"),
        (upsert, &["a", "b"], "a=b b=b"),
        (upsert, &[], "a=none"),
        ("{key: a, action: update, from_attribute: a, default_value: none}", &["a"], "a=a"),
        ("{key: a, action: update, from_attribute: a, default_value: none}", &[], ""),
        ("{key: a, action: upsert, from_attribute: a, default_value: none}", &["a"], "a=a"),
        ("{key: a, action: upsert, from_attribute: a, default_value: none}", &[], "a=none"),
        ("{key: a, action: insert, default_value: none}", &[], "a=none"),
        ("{key: a, action: upsert, value: x, default_value: none}", &["a"], "a=x"),
    ] {
        assert_eq!(after(action, before), left, "{action} after {before:?}");
    }
}

#[test]
fn every_impossible_action_is_reported() {
    let actions = actions(
        "actions:\n- {action: insert, value: 1}\n- {key: a, action: insert}\n- {key: a, action: frobnicate}\n\
         - {key: a, action: hash, value: 1}\n- {key: a, action: insert, value: 1, from_attribute: b}\n\
         - {key: a, action: upsert, from_context: metadata.x}\n- {key: a, action: delete, value: 1}\n\
         - {key: a, action: insert, value: 1, pattern: ^x}\n- {key: a}\n",
    );
    let mut checks = Checks::default();
    validate("actions", &actions, &mut checks);
    validate("actions", &[], &mut checks);
    let told: Vec<String> =
        checks.into_findings().iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
    expect![[r#"
        actions.0.key: key is missing, name the attribute
        actions.1.value: action insert needs a value, set "value" or "from_attribute"
        actions.2.action: "frobnicate" is no action, write one of insert, update, upsert, delete, hash, extract, convert
        actions.3.value: action hash reads no "value", remove it
        actions.4.value: "value" and "from_attribute" are both set, keep one
        actions.5.from_context: from_context is "metadata.x", but a request's connection is not known to processors; let the sender set an attribute and use from_attribute
        actions.6.value: action delete reads no "value", remove it
        actions.7.pattern: action insert reads no "pattern", remove it
        actions.8.action: action is missing, use insert, update, upsert, delete, hash, extract, convert
        actions: missing required field "actions", list at least one action"#]].assert_eq(&told.join("\n"));
}

#[test]
fn every_mistake_in_patterns_and_types_is_reported() {
    let actions = actions(
        "actions:\n- {action: delete}\n- {action: hash, pattern: 'a('}\n- {key: a, action: extract}\n\
         - {key: a, action: extract, pattern: ^x$}\n- {key: a, action: extract, pattern: '(?P<x>a)(b)'}\n\
         - {action: extract, pattern: '(?P<x>a)'}\n- {key: a, action: extract, pattern: '(?P<x>a)', value: 1}\n\
         - {key: a, action: convert}\n- {key: a, action: convert, converted_type: integer}\n\
         - {key: a, action: convert, converted_type: int, pattern: x}\n\
         - {key: a, action: hash, converted_type: int}\n- {key: a, action: convert, converted_type: int, from_attribute: b}\n\
         - {key: a, action: hash, from_context: x}\n- {key: a, action: extract, pattern: '(?P<x>a'}\n",
    );
    let mut checks = Checks::default();
    validate("actions", &actions, &mut checks);
    let told: Vec<String> =
        checks.into_findings().iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
    expect![[r#"
        actions.0.key: key is missing, name the attribute, or many by a "pattern"
        actions.1.pattern: the pattern "a(" is no regular expression: unclosed group
        actions.2.pattern: action extract needs a "pattern" whose groups name attributes
        actions.3.pattern: pattern is "^x$", which has no group with a name: (?P<name>…)
        actions.4.pattern: pattern is "(?P<x>a)(b)", which has a group without a name, write (?P<name>…) or (?:…)
        actions.5.key: key is missing, name the attribute
        actions.6.value: action extract reads no "value", remove it
        actions.7.converted_type: converted_type is missing, use int, double, string
        actions.8.converted_type: "integer" is no type, write one of int, double, string
        actions.9.pattern: action convert reads no "pattern", remove it
        actions.10.converted_type: action hash reads no "converted_type", remove it
        actions.11.from_attribute: action convert reads no "from_attribute", remove it
        actions.12.from_context: action hash reads no "from_context", remove it
        actions.13.pattern: the pattern "(?P<x>a" is no regular expression: unclosed group"#]].assert_eq(&told.join("\n"));
}

#[test]
fn only_what_needs_no_value_is_spliced() {
    let spliced = |yaml: &str| super::edits(&steps(&actions(yaml))).is_some();
    assert!(spliced("actions: [{key: a, action: delete}, {key: b, action: upsert, from_attribute: a}]"));
    assert!(!spliced("actions: [{key: a, action: delete, pattern: x}]"));
    assert!(!spliced("actions: [{key: a, action: delete}, {key: b, action: hash}]"));
}
