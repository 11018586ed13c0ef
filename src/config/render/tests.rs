use std::collections::BTreeMap;

use expect_test::expect;
use serde::Deserialize;

use crate::{Place, Problem, Problems, Secret, Source, Style, decode, parse::parse, render, render_styled};

#[test]
fn only_a_terminal_gets_colours() {
    let problem = Problem::error(None, "a::b", "is wrong").with_help("mend it");
    assert!(!render(std::slice::from_ref(&problem)).contains('\u{1b}'));
    assert!(render_styled(&[problem], Style::Colored).contains('\u{1b}'));
}

#[test]
fn a_place_beyond_its_text_is_shown_rather_than_a_panic() {
    let source = Source::new("a.yaml", "é: 1");
    for span in [0..0, 4..9, 90..99, 1..2, 5..5] {
        let place = Place { file: source.clone(), line: 1, column: 1, span };
        assert!(render(&[Problem::error(Some(place), "", "is wrong")]).contains("a.yaml:1"));
    }
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Settings {
    endpoint: String,
    password: Secret,
    headers: BTreeMap<String, Secret>,
}

#[test]
fn lines_that_hold_secrets_are_shown_without_them() {
    let yaml = "a: {endpoint: 1, password: 'HIDDEN-é', headers: {b: HIDDEN, c: HIDDEN}, more: 5}\n";
    let mut problems = Problems::default();
    let decoded: Option<Settings> =
        decode(&parse(&Source::new("t.yaml", yaml)).unwrap().get("a").unwrap().clone(), "a", &mut problems);
    let decoded = decoded.unwrap();
    assert_eq!((decoded.password.expose(), decoded.headers.len()), ("HIDDEN-é", 2));
    assert!(decoded.endpoint.is_empty());
    expect![[r#"
        error: a::endpoint: expected a string, found the number 1
         --> t.yaml:1:15
          |
        1 | a: {endpoint: 1, password: [REDACTED], headers: {b: [REDACTED], c: [REDACTED]}, more: 5}
          |               ^
          |
          = help: write "1" in quotes

        error: a: unknown key `more`
         --> t.yaml:1:81
          |
        1 | a: {endpoint: 1, password: [REDACTED], headers: {b: [REDACTED], c: [REDACTED]}, more: 5}
          |                                                                                 ^^^^
          |
          = help: valid keys: `endpoint`, `password`, `headers`"#]]
    .assert_eq(&render(&problems.sorted()));
}

#[test]
fn what_stands_in_place_of_a_secret_is_not_shown_either() {
    let mut problems = Problems::default();
    let yaml = "password: 424242\nheaders: {x: [424242]}\n";
    let _defaults: Option<Settings> =
        decode(&parse(&Source::new("t.yaml", yaml)).unwrap(), "a", &mut problems);
    let told = render(&problems.sorted());
    expect![[r#"
        error: a::password: expected a string, found something else that is not shown
         --> t.yaml:1:11
          |
        1 | password: [REDACTED]
          |           ^^^^^^^^^^
          |
          = help: write it in quotes

        error: a::headers::x: expected a string, found a list
         --> t.yaml:2:14
          |
        2 | headers: {x: [REDACTED]]}
          |              ^^^^^^^^^^"#]]
    .assert_eq(&told);
    assert!(!told.contains("424242"));
}

#[test]
fn a_user_name_and_a_password_in_a_url_are_not_shown() {
    let source = Source::new("t.yaml", "endpoint: https://me:HIDDEN@host:1/path, http://plain/@x\n");
    let place = Place { file: source, line: 1, column: 11, span: 10..39 };
    let problem = Problem::error(Some(place), "", "endpoint is \"https://me:HIDDEN@host:1/path\"");
    expect![[r#"
        error: endpoint is "https://[REDACTED]@host:1/path"
         --> t.yaml:1:11
          |
        1 | endpoint: https://[REDACTED]@host:1/path, http://plain/@x
          |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"#]]
    .assert_eq(&render(std::slice::from_ref(&problem)));
    assert!(!crate::to_json(&[problem]).contains("HIDDEN"));
}
