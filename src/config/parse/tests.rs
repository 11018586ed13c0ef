use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::{MAX_SOURCE_BYTES, Node, Source, Value, parse, render};

fn tree(yaml: &str) -> Node {
    parse(&Source::new("t.yaml", yaml)).unwrap()
}

fn check(yaml: &str, expected: Expect) {
    let problem = parse(&Source::new("t.yaml", yaml)).unwrap_err();
    expected.assert_eq(&render(&[*problem]));
}

#[test]
fn every_value_and_key_knows_its_place_and_text() {
    let node = tree("a:\n  b: [1, 'two', é, 4.5]\nc:\n");
    let places: Vec<String> = node
        .get("a")
        .and_then(|a| a.get("b"))
        .and_then(Node::as_seq)
        .unwrap()
        .iter()
        .map(|item| format!("{} {}", item.place, item.place.text()))
        .collect();
    assert_eq!(places, ["t.yaml:2:7 1", "t.yaml:2:10 'two'", "t.yaml:2:17 é", "t.yaml:2:20 4.5"]);
    let c = &node.as_map().unwrap().entries[1];
    assert_eq!((c.key.place.to_string().as_str(), c.key.place.text()), ("t.yaml:3:1", "c"));
    assert_eq!(c.value.place.line, 3);
}

#[test]
fn scalars_have_the_types_of_yaml_1_2() {
    let types = |yaml| tree(yaml).value;
    assert_eq!(types("true"), Value::Bool(true));
    assert_eq!(types("yes"), Value::String("yes".to_owned()));
    assert_eq!(types("off"), Value::String("off".to_owned()));
    assert_eq!(types("~"), Value::Null);
    assert_eq!(types("0x1F"), Value::Int(31));
    assert_eq!(types("18446744073709551615"), Value::Int(u64::MAX.into()));
    assert_eq!(types("12:30:45"), Value::String("12:30:45".to_owned()));
    assert_eq!(types("5s"), Value::String("5s".to_owned()));
    assert_eq!(types("\"5\""), Value::String("5".to_owned()));
}

#[test]
fn anchors_and_merge_keys_are_followed_and_point_at_what_was_written() {
    let node = tree("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nagain: *b\n");
    let used = node.get("use").unwrap();
    assert_eq!(used.get("y").unwrap().value, Value::Int(3));
    let x = used.get("x").unwrap();
    assert_eq!((&x.value, x.place.to_string().as_str()), (&Value::Int(1), "t.yaml:1:14"));
    assert_eq!(node.get("again").unwrap().get("y").unwrap().value, Value::Int(2));
}

#[test]
fn a_byte_order_mark_moves_no_place() {
    let node = tree("\u{feff}a: b\n");
    assert_eq!(node.get("a").unwrap().place.text(), "b");
}

#[test]
fn mistakes_in_syntax_are_shown_where_they_are() {
    check(
        "receivers:\n\totlp:\n",
        expect![[r#"
            error: tabs disallowed within this context (block indentation)
             --> t.yaml:2:2
              |
            2 |     otlp:
              |     ^
              |
              = help: indent with spaces: YAML allows no tabs there"#]],
    );
    check(
        "receivers:\n  otlp:\n    endpoint: a\n   port: 1\n",
        expect![[r#"
            error: while parsing a block mapping, did not find expected key
             --> t.yaml:4:4
              |
            4 |    port: 1
              |    ^"#]],
    );
    check(
        "a: \"unclosed\nb: 1\n",
        expect![[r#"
            error: invalid indentation in multiline quoted scalar
             --> t.yaml:2:1
              |
            2 | b: 1
              | ^"#]],
    );
    check(
        "a: *nope\n",
        expect![[r#"
            error: the alias names no anchor above it
             --> t.yaml:1:4
              |
            1 | a: *nope
              |    ^"#]],
    );
    check(
        "a: 1\n---\nb: 2\n",
        expect![[r#"
            error: a second document begins here
             --> t.yaml:3:1
              |
            3 | b: 2
              | ^
              |
              = help: write each document to a file of its own, and name them all: they are merged"#]],
    );
    check(
        "a: !vault x\n",
        expect![[r#"
            error: tag `!vault` is not supported
             --> t.yaml:1:11
              |
            1 | a: !vault x
              |           ^"#]],
    );
}

#[test]
fn a_key_written_twice_is_refused_with_its_place() {
    check(
        "receivers:\n  otlp:\n  jaeger:\n  otlp: {}\n",
        expect![[r#"
            error: key `otlp` is written twice
             --> t.yaml:4:3
              |
            4 |   otlp: {}
              |   ^^^^
              |
              = help: join both, or remove one of them"#]],
    );
}

#[test]
fn bombs_and_depths_are_refused() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let deep_blocks: String = (0..100).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    for yaml in [bomb, "[".repeat(50_000), deep_blocks] {
        assert!(parse(&Source::new("t.yaml", yaml)).is_err());
    }
    let large = parse(&Source::new("t.yaml", " ".repeat(MAX_SOURCE_BYTES + 1))).unwrap_err();
    assert_eq!(large.message, "has 16777217 bytes, more than the 16777216 allowed");
}

#[test]
fn a_document_of_comments_is_null() {
    assert!(tree("# one\n\n  # two\n").is_null());
    assert!(tree("---\n").is_null());
}

fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        Just("a: ".to_owned()),
        Just("- ".to_owned()),
        Just("\n".to_owned()),
        Just("  ".to_owned()),
        Just("\t".to_owned()),
        Just("&x ".to_owned()),
        Just("*x".to_owned()),
        Just("<<: ".to_owned()),
        Just("---\n".to_owned()),
        Just("|\n".to_owned()),
        Just("!!str ".to_owned()),
        "[\\[\\]{},:'\"#?>%@`é\u{0}0-9.]",
    ];
    proptest::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

fn assert_places(node: &Node) -> Result<(), TestCaseError> {
    prop_assert!(node.place.file.text.get(node.place.span.clone()).is_some());
    match &node.value {
        Value::Seq(items) => items.iter().try_for_each(assert_places),
        Value::Map(map) => map.entries.iter().try_for_each(|entry| assert_places(&entry.value)),
        _ => Ok(()),
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(2000))]

    #[test]
    fn any_text_gives_places_within_it_or_a_problem_that_can_be_shown(text in prop_oneof![fragments(), ".{0,60}"]) {
        match parse(&Source::new("t.yaml", text)) {
            Ok(node) => assert_places(&node)?,
            Err(problem) => prop_assert!(render(&[*problem]).contains("error")),
        }
    }
}
