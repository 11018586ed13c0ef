//! Selectors and sides.

use std::collections::BTreeMap;

use super::{
    selector::Selector,
    sides::{Series, Side, Sides},
};

#[test]
fn a_selector_takes_a_name_and_tells_its_labels() {
    let read = |text: &str| text.parse::<Selector>();
    let both = read(r#"{job="a,b=c", zone=~'x"y' , env!="\"p}"}"#).unwrap();
    assert_eq!(both.labels, ["job", "zone", "env"]);
    assert_eq!(
        both.of_name("calls_total"),
        r#"{job="a,b=c", zone=~'x"y' , env!="\"p}",__name__="calls_total"}"#
    );
    let named = read(r#"calls_total{job="a"}"#).unwrap();
    assert_eq!(named.of_name("other"), r#"calls_total{job="a"}"#);
    assert_eq!(read("up").unwrap().all(), "up{}");
    for wrong in ["", "{}", "{job}", "{job=a}", "rate(x[5m])", "{job=\"a", "{=\"a\"}"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

fn side(series: &[(&str, &str, f64)]) -> Side {
    let series: BTreeMap<Series, f64> = series
        .iter()
        .map(|(name, route, by)| {
            let labels = BTreeMap::from([("route".to_owned(), (*route).to_owned())]);
            (Series { name: (*name).to_owned(), labels }, *by)
        })
        .collect();
    Side { n_series: series.len(), series }
}

fn sides(a: &[(&str, &str, f64)], b: &[(&str, &str, f64)]) -> Sides {
    Sides { a: side(a), b: side(b), selectors: ["{a}".to_owned(), "{b}".to_owned()], ignored: Vec::new() }
}

#[test]
fn sides_are_the_same_within_the_tolerance_alone() {
    let both = sides(&[("calls_total", "/a", 100.0)], &[("calls_total", "/a", 103.0)]);
    assert!(both.are_same(0.05) && !both.are_same(0.01));
    // The sums are the same, the series are not.
    let moved = sides(
        &[("calls_total", "/a", 100.0), ("calls_total", "/b", 50.0)],
        &[("calls_total", "/a", 50.0), ("calls_total", "/b", 100.0)],
    );
    assert!(!moved.are_same(0.05));
    assert!(!sides(&[], &[]).are_same(0.05), "nothing is no proof");
    let gauge = sides(&[("temperature", "/a", 0.0)], &[("temperature", "/a", 0.0)]);
    assert!(gauge.are_same(0.0));
}

#[test]
fn what_one_side_alone_has_is_told() {
    let both =
        sides(&[("calls_total", "/a", 1.0), ("calls_total", "/b", 1.0)], &[("calls_total", "/a", 1.0)]);
    let told = both.json(0.05);
    assert_eq!((&told["metrics"][0]["only"][0], &told["same"]), (&1.into(), &false.into()));
    assert!(both.text(0.05).contains("1 of 1 metrics differ"), "{}", both.text(0.05));
}
