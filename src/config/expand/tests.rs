use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::{
    Effective, MapEnvironment, Node, Problems, Redaction, Source, Value, decode, expand, parse, render,
};

fn environment() -> MapEnvironment {
    MapEnvironment::default()
        .with_variable("HOST", "shop.example")
        .with_variable("PORT", "0080")
        .with_variable("WHICH", "HOST")
        .with_variable("QUOTED", "'0080'")
        .with_variable("MAP", "{a: 1, b: [x, \"${env:HOST}\"]}")
        .with_variable("EMPTY", "")
        .with_variable("ODD", "[::1]:4317")
        .with_variable("MONEY", "5$$")
        .with_variable("LOOP_A", "${env:LOOP_B}")
        .with_variable("LOOP_B", "x${env:LOOP_A}")
        .with_variable("MANY", "${env:HOST}".repeat(1100))
        .with_file("part.yaml", "grpc:\n  endpoint: ${env:HOST}:4317\n")
        .with_file("token", "s3cret\n")
        .with_file("broken.yaml", "a: [1,\nb: 2\n")
}

fn expanded(yaml: &str) -> (Node, Problems) {
    let node = parse(&Source::new("t.yaml", yaml)).unwrap();
    let mut problems = Problems::default();
    let node = expand(node, &environment(), &mut problems);
    (node, problems)
}

/// Expands the value of `v`, and shows it with its text if that differs.
fn value(written: &str) -> String {
    let (node, problems) = expanded(&format!("v: {written}\n"));
    assert_eq!(render(&problems.sorted()), "");
    let node = node.get("v").unwrap();
    match &node.original {
        Some(original) => format!("{} as {:?}", shown(node), original.text()),
        None => shown(node),
    }
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Map(map) => {
            let entries =
                map.entries.iter().map(|entry| format!("{}: {}", entry.key.name, shown(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Seq(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        scalar => format!("{scalar:?}"),
    }
}

fn check(yaml: &str, expected: Expect) {
    let (_, problems) = expanded(yaml);
    expected.assert_eq(&render(&problems.sorted()));
}

#[test]
fn variables_stand_with_and_without_a_scheme_and_inside_strings() {
    assert_eq!(value("${env:HOST}"), "String(\"shop.example\")");
    assert_eq!(value("${HOST}"), "String(\"shop.example\")");
    assert_eq!(value("'http://${HOST}:${PORT}/'"), "String(\"http://shop.example:0080/\")");
    assert_eq!(value("${env:${env:WHICH}}"), "String(\"shop.example\")");
}

#[test]
fn a_whole_value_is_read_as_yaml_and_keeps_its_text() {
    assert_eq!(value("${env:PORT}"), "Float(80.0) as \"0080\"");
    assert_eq!(value("${env:QUOTED}"), "String(\"'0080'\")");
    assert_eq!(value("'x${env:QUOTED}'"), "String(\"x'0080'\")");
    assert_eq!(
        value("${env:MAP}"),
        "{a: Int(1), b: [String(\"x\"), String(\"shop.example\")]} as \"{a: 1, b: [x, \\\"shop.example\\\"]}\""
    );
    assert_eq!(value("${env:ODD}"), "String(\"[::1]:4317\")");
    assert_eq!(value("${env:EMPTY}"), "Null as \"\"");
}

/// The collector's rule: `Original` of its confmap.
#[test]
fn a_string_gets_what_the_variable_holds_to_the_letter() {
    const TEXTS: [&str; 14] = [
        "abc #def",
        "\"quoted\"",
        "'q'",
        "a: b",
        "{a}",
        "[a, b]",
        "{a: {b: 1}}",
        "#1",
        " x ",
        "007",
        "1e3",
        "true",
        "@x",
        "a\nb",
    ];
    for text in TEXTS {
        let environment =
            MapEnvironment::default().with_variable("V", text).with_file("f", format!("{text}\n"));
        let read = |written: &str| {
            let node = parse(&Source::new("t.yaml", format!("h: {{x: {written}}}"))).unwrap();
            let mut problems = Problems::default();
            let node = expand(node, &environment, &mut problems);
            type Headers =
                std::collections::BTreeMap<String, std::collections::BTreeMap<String, Option<String>>>;
            let read: Option<Headers> = decode(&node, "", &mut problems);
            assert_eq!(render(&problems.sorted()), "", "{text}");
            let printed = serde_json::to_value(Effective::new(&node, &Redaction::none())).unwrap();
            let read = read.unwrap()["h"]["x"].clone();
            assert_eq!(printed["h"]["x"].as_str(), read.as_deref(), "{text}");
            read
        };
        assert_eq!(read("\"${env:V}\"").as_deref(), Some(text));
        assert_eq!(read("\"x${V}y\"").unwrap(), format!("x{text}y"));
        assert_eq!(read("\"${env:${NOPE:-V}}\"").as_deref(), Some(text));
        // A file of several lines that is no YAML is a mistake.
        assert_eq!(read("\"${file:f}\"").as_deref(), Some(text));
    }
}

#[test]
fn a_map_that_no_setting_took_as_text_is_printed_as_a_map_and_is_the_same_with_another_comment() {
    let read = |comment: &str| {
        let environment = MapEnvironment::default().with_file("f", format!("a: 1 {comment}\nb: [x]\n"));
        let node = parse(&Source::new("t.yaml", "h: '${file:f}'")).unwrap();
        expand(node, &environment, &mut Problems::default())
    };
    let node = read("");
    let printed = serde_json::to_string(&Effective::new(&node, &Redaction::none())).unwrap();
    assert_eq!(printed, r#"{"h":{"a":1,"b":["x"]}}"#);
    assert_eq!(node, read("# more"));
}

#[test]
fn defaults_take_the_place_of_what_is_not_set_only() {
    assert_eq!(value("${env:NOPE:-5s}"), "String(\"5s\")");
    assert_eq!(value("${NOPE:-5s}"), "String(\"5s\")");
    assert_eq!(value("${env:NOPE:-}"), "String(\"\")");
    assert_eq!(value("${env:NOPE:-${env:HOST}}"), "String(\"shop.example\")");
    assert_eq!(value("${env:HOST:-5s}"), "String(\"shop.example\")");
}

#[test]
fn dollars_that_are_no_expansion_stay() {
    assert_eq!(value("$${HOST}"), "String(\"${HOST}\")");
    assert_eq!(value("$$${HOST}"), "String(\"$shop.example\")");
    assert_eq!(value("$HOST and ${HOST"), "String(\"$HOST and ${HOST\")");
    assert_eq!(value("a$$b$"), "String(\"a$b$\")");
    assert_eq!(value("${env:MONEY}"), "String(\"5$\")");
}

#[test]
fn keys_are_left_alone() {
    let (node, _) = expanded("\"${HOST}\": 1\n");
    assert!(node.get("${HOST}").is_some());
}

#[test]
fn a_file_is_spliced_and_its_values_stand_in_its_own_lines() {
    let (node, problems) =
        expanded("protocols: ${file:part.yaml}\ntoken: ${file:token}\nheader: Bearer ${file:token}\n");
    assert!(problems.is_empty());
    let endpoint = node.get("protocols").and_then(|n| n.get("grpc")?.get("endpoint")).unwrap();
    assert_eq!(endpoint.as_str(), Some("shop.example:4317"));
    assert_eq!(endpoint.place.to_string(), "part.yaml:2:13");
    assert_eq!(node.get("token").and_then(Node::as_str), Some("s3cret"));
    assert_eq!(node.get("header").and_then(Node::as_str), Some("Bearer s3cret"));
}

#[test]
fn what_is_not_set_is_null_with_a_warning() {
    check(
        "a: ${env:NOPE}\nb: x${NOPE}y\n",
        expect![[r#"
        warning: a: environment variable `NOPE` is not set
         --> t.yaml:1:4
          |
        1 | a: ${env:NOPE}
          |    ^^^^^^^^^^^
          |
          = help: set it, or give a default: `${env:NOPE:-value}`

        warning: b: environment variable `NOPE` is not set
         --> t.yaml:2:4
          |
        2 | b: x${NOPE}y
          |    ^^^^^^^^^
          |
          = help: set it, or give a default: `${env:NOPE:-value}`"#]],
    );
    let (node, problems) = expanded("a: ${env:NOPE}\nb: x${NOPE}y\n");
    assert!(!problems.has_errors());
    assert!(node.get("a").unwrap().is_null());
    assert_eq!(node.get("b").and_then(Node::as_str), Some("xy"));
}

#[test]
fn mistakes_in_expansions_are_all_told() {
    check(
        "\
a: ${vault:x}
b: ${env:1x}
c: ${file:missing}
d: ${env:LOOP_A}
e: ${file:broken.yaml}
f: ${env:MANY}
g: ${}
",
        expect![[r#"
            error: e: unclosed bracket '['
             --> broken.yaml:1:4
              |
            1 | a: [1,
              |    ^

            error: a: `${vault:x}` has the unknown scheme `vault`
             --> t.yaml:1:4
              |
            1 | a: ${vault:x}
              |    ^^^^^^^^^^
              |
              = help: use `env:` or `file:`, or write `$${vault:x}` for the text itself

            error: b: `${env:1x}` does not name an environment variable
             --> t.yaml:2:4
              |
            2 | b: ${env:1x}
              |    ^^^^^^^^^
              |
              = help: names have letters, digits and `_`; write `$${env:1x}` for the text itself

            error: c: cannot read `missing`: no such file
             --> t.yaml:3:4
              |
            3 | c: ${file:missing}
              |    ^^^^^^^^^^^^^^^

            error: d: expansions go round in a circle: ${env:LOOP_A} -> ${env:LOOP_B} -> ${env:LOOP_A}
             --> t.yaml:4:4
              |
            4 | d: ${env:LOOP_A}
              |    ^^^^^^^^^^^^^

            error: f: more than 1000 expansions in one value
             --> t.yaml:6:4
              |
            6 | f: ${env:MANY}
              |    ^^^^^^^^^^^

            error: g: `${}` does not name an environment variable
             --> t.yaml:7:4
              |
            7 | g: ${}
              |    ^^^
              |
              = help: names have letters, digits and `_`; write `$${}` for the text itself"#]],
    );
}

#[test]
fn an_expansion_cannot_nest_deeper_than_a_document_may() {
    let deep = format!("{}x{}", "[".repeat(30), "]".repeat(30));
    let environment = MapEnvironment::default().with_variable("DEEP", deep);
    let node = parse(&Source::new("t.yaml", "[[[[[['${env:DEEP}']]]]]]")).unwrap();
    let mut problems = Problems::default();
    expand(node, &environment, &mut problems);
    assert_eq!(problems.sorted()[0].message, "`${env:DEEP}` nests deeper than 32 levels");
}

#[test]
fn long_chains_are_refused_before_they_exhaust_the_stack() {
    let mut environment = MapEnvironment::default();
    for link in 0..5000 {
        environment = environment.with_variable(format!("V{link}"), format!("${{V{}}}", link + 1));
    }
    let node = parse(&Source::new("t.yaml", "a: ${V0}")).unwrap();
    let mut problems = Problems::default();
    expand(node, &environment, &mut problems);
    assert_eq!(problems.sorted()[0].message, "expansions lead to one another more than 32 times");
}

proptest! {
    #![proptest_config(crate::testing::cases(500))]

    #[test]
    fn text_without_dollars_is_never_touched(text in "[^$\u{0}-\u{1f}\u{7f}-\u{9f}]{0,40}") {
        let source = Source::new("t.yaml", "");
        let node = Node::new(Value::String(text.clone()), crate::Place::start_of(&source));
        let mut problems = Problems::default();
        let out = expand(node, &environment(), &mut problems);
        prop_assert_eq!(out.as_str(), Some(text.as_str()));
        prop_assert!(problems.is_empty());
    }

    #[test]
    fn doubled_dollars_come_back_single(text in "[a-z${}:-]{0,40}") {
        let source = Source::new("t.yaml", "");
        let node = Node::new(Value::String(text.replace('$', "$$")), crate::Place::start_of(&source));
        let out = expand(node, &environment(), &mut Problems::default());
        prop_assert_eq!(out.as_str(), Some(text.as_str()));
    }

    #[test]
    fn any_mix_of_dollars_and_braces_ends_without_a_panic(text in "([${}:]|env|HOST|LOOP_A|MANY|-|é){0,30}") {
        let source = Source::new("t.yaml", "");
        let node = Node::new(Value::String(text), crate::Place::start_of(&source));
        expand(node, &environment(), &mut Problems::default());
    }
}
