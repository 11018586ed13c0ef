use crate::{Place, Problem, Source, Style, render, render_styled};

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
