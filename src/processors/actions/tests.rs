use component::Checks;
use expect_test::expect;

use super::{edits, validate};
use crate::testing::actions;

#[test]
fn values_of_every_kind_are_read() {
    let actions = actions(
        "actions:\n- {key: a, action: insert, value: text}\n- {key: b, action: UPDATE, value: 7}\n\
         - {key: c, action: upsert, value: 1.5}\n- {key: d, action: insert, value: true}\n\
         - {key: e, action: insert, value: [1, x]}\n- {key: f, action: insert, value: {k: v}}\n\
         - {key: g, action: insert, from_attribute: h}\n- {key: i, action: delete}\n",
    );
    let steps: Vec<String> = edits(&actions).iter().map(|edit| format!("{edit:?}")).collect();
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

#[test]
fn every_impossible_action_is_reported() {
    let actions = actions(
        "actions:\n- {action: insert, value: 1}\n- {key: a, action: insert}\n- {key: a, action: frobnicate}\n\
         - {key: a, action: hash}\n- {key: a, action: insert, value: 1, from_attribute: b}\n\
         - {key: a, action: upsert, from_context: metadata.x}\n- {key: a, action: delete, value: 1}\n\
         - {key: a, action: delete, pattern: ^x}\n- {key: a}\n",
    );
    let mut checks = Checks::default();
    validate("actions", &actions, &mut checks);
    validate("actions", &[], &mut checks);
    let told: Vec<String> =
        checks.into_findings().iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
    expect![[r#"
        actions.0.key: key is missing, name the attribute
        actions.1.value: action insert needs a value, set "value" or "from_attribute"
        actions.2.action: "frobnicate" is no action, write one of insert, update, upsert, delete
        actions.3.action: action hash is not supported yet, use insert, update, upsert, delete
        actions.4.value: "value" and "from_attribute" are both set, keep one
        actions.5.from_context: from_context is "metadata.x", but a request's connection is not known to processors; let the sender set an attribute and use from_attribute
        actions.6.value: action delete reads no "value", remove it
        actions.7.pattern: pattern is "^x", which no supported action reads; remove it
        actions.8.action: action is missing, use insert, update, upsert, delete
        actions: missing required field "actions", list at least one action"#]].assert_eq(&told.join("\n"));
}
